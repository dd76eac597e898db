"""The rivals that see loads alone, and the parts of their page."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.loads_rivals import RIVALS, MeanThenKL, cao, vardi

import odflow as of
from benchmarks import loads_only
from odflow import labels
from odflow.evaluate.synthetic import random_network
from odflow.network.routing import Routing

NODES, TIMES = 6, 4000


def world(power: float, seed: int = 0):
    """Independent normal demands with variance ``phi m^power``."""
    routing = Routing.shortest_path(random_network(NODES, seed=2, degree=3.0))
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.standard_normal(NODES**2))
    mean *= 1e9 / mean.sum()
    spread = 0.15 * mean.mean() * (mean / mean.mean()) ** (power / 2)
    x = np.maximum(mean + spread * rng.standard_normal((TIMES, NODES**2)), 0)
    times = np.datetime64("2026-01-05", "ns") + np.arange(TIMES) * np.timedelta64(15, "m")
    return labels.demands(x, times, routing.nodes, 900), routing, mean


@pytest.mark.parametrize(("name", "power"), [("Vardi 1996", 1.0), ("Cao et al. 2000", 2.0)])
def test_rivals_find_the_mean_where_their_model_holds(name: str, power: float) -> None:
    truth, routing, mean = world(power)
    loads = routing.loads(truth)
    gravity = of.KLProjection().estimate(loads, routing).values.reshape(TIMES, -1).mean(axis=0)
    found = MeanThenKL(how=RIVALS[name]).fit(loads=loads, routing=routing)
    off = np.abs(found._fitted_mean() - mean).sum() / mean.sum()
    assert off < 0.6 * np.abs(gravity - mean).sum() / mean.sum()


def test_the_rivals_are_not_given_each_others_model() -> None:
    truth, routing, mean = world(2.0)
    ((part, prior),) = of.MomentPosterior().parts(routing.loads(truth), routing)
    share = mean / mean.sum()
    off = {how.__name__: np.abs(how(part, prior) - share).sum() for how in (vardi, cao)}
    assert off["cao"] < off["vardi"]


def test_networks_to_try_were_not_trained_on() -> None:
    keys = loads_only.keys_to_try()
    assert len(keys) >= 30
    assert not any(key.startswith("gabriel") for key in keys)
    sizes = [len(of.Network.from_topohub(key).nodes) for key in keys[:5]]
    assert all(10 <= size <= 60 for size in sizes)


def test_polls_that_are_late_keep_the_octets() -> None:
    truth, routing, _ = world(1.0)
    loads = routing.loads(truth[:96])
    found = loads_only.polled(loads, routing.network, seed=0)
    assert found.sizes == loads.sizes
    total = float(found.isel(time=slice(2, -2)).sum() / loads.isel(time=slice(2, -2)).sum())
    assert total == pytest.approx(1, abs=0.01)
    assert float(abs(found - loads).mean() / loads.mean()) > 1e-3
