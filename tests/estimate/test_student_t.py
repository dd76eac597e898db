"""The Student-t posterior against its definition, by dense algebra and by numerical integration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.stats import t as student

import odflow as of
from odflow import labels
from odflow.errors import UsageError
from odflow.estimate.observe import Observed, observe
from odflow.estimate.priors import Spread
from odflow.network.model import Link, Network, Node
from odflow.network.routing import Routing


def observed_of(model: of.StudentTPosterior, loads: xr.DataArray, routing: Routing) -> Observed:
    ((_, observed),) = observe(loads, routing, noise=model.noise)
    return observed


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_with_endless_freedom_it_is_the_gaussian(
    history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing, noise: float
) -> None:
    gaps = loads.copy()
    gaps[3:, 2] = np.nan
    gaps[7, 5] = np.nan
    heavy = of.StudentTPosterior(freedom=1e12, noise=noise).fit(history)
    gaussian = of.GaussianPosterior(noise=noise).fit(history)
    np.testing.assert_allclose(
        heavy.estimate(gaps, diamond_routing), gaussian.estimate(gaps, diamond_routing), rtol=1e-6, atol=1e-3
    )
    np.testing.assert_allclose(
        heavy._moments(observed_of(heavy, gaps, diamond_routing))[1],
        gaussian._posterior_variance(observed_of(heavy, gaps, diamond_routing)),
        rtol=1e-3,
    )


def test_scales_and_moments_by_dense_algebra(
    history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing
) -> None:
    model = of.StudentTPosterior(noise=0.05, freedom=4.0, rounds=2).fit(history)
    assert model.spread_ is not None
    A, F, v = diamond_routing.matrix.toarray(), model.spread_.factors, model.spread_.own
    y = loads.values[5]
    N, tau = np.diag((0.05 * A @ model.mean_) ** 2), np.ones_like(v)
    for _ in range(2):
        W = np.diag(tau * v)
        gain = W @ A.T @ np.linalg.inv(A @ (F @ F.T + W) @ A.T + N)
        part = gain @ (y - A @ model.mean_)
        left = np.diag(W - gain @ A @ W)
        tau = (4.0 + (part**2 + left) / v) / 5.0
    C = F @ F.T + np.diag(tau * v)
    gain = C @ A.T @ np.linalg.inv(A @ C @ A.T + N)
    (mixture,) = model._mixtures(observed_of(model, loads, diamond_routing))
    own = model._own(mixture)
    np.testing.assert_allclose(own[5], tau * v, rtol=1e-6)
    inverse = mixture.inverse(own)
    z = mixture.explained(own, mixture.innovation)
    np.testing.assert_allclose(mixture.moved(own, z)[5], gain @ (y - A @ model.mean_), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(mixture.variance(own, inverse)[5], np.diag(C - gain @ A @ C), rtol=1e-4)


def line() -> Routing:
    """Two nodes, so that the loads into and out of them leave one unknown."""
    nodes = [Node("a"), Node("b")]
    return Routing.shortest_path(Network(nodes, [Link("ab", "a", "b"), Link("ba", "b", "a")]), metric="hops")


def test_draws_are_of_the_posterior() -> None:
    routing = line()
    model = of.StudentTPosterior(floor=0.0, sweeps=200)
    model.mean_, model.nodes_ = np.array([40.0, 50.0, 60.0, 80.0]), ("a", "b")
    v = np.array([4.0, 1.0, 1.0, 9.0])
    model.spread_ = Spread(np.zeros((4, 1)), v)
    loads = labels.loads(
        np.array([[50.0, 60.0, 94.0, 140.0, 104.0, 130.0]]), np.array(["2026-01-01"]), routing.links, 300
    )
    loads = loads.sel(link=list(routing.links))
    values = dict.fromkeys(routing.links, np.nan) | {"in:a": 94.0}
    loads = loads.copy(data=[[values[link] for link in routing.links]])
    draws = model.sample(loads, routing, 8000, seed=1).values.reshape(8000, 4)
    # a->a and a->b sum to 94 and are Student-t about 40 and 50: their posterior has one dimension
    x = np.linspace(20, 80, 20001)
    density = student.pdf((x - 40) / 2, 3) * student.pdf((94 - x - 50) / 1, 3)
    cumulated = np.cumsum(density) / density.sum()
    expected = np.interp([0.1, 0.25, 0.5, 0.75, 0.9], cumulated, x)
    np.testing.assert_allclose(draws[:, :2].sum(axis=1), 94, rtol=1e-6)
    np.testing.assert_allclose(np.quantile(draws[:, 0], [0.1, 0.25, 0.5, 0.75, 0.9]), expected, atol=0.12)
    # b's flows are not seen
    np.testing.assert_allclose(
        np.quantile(draws[:, 3], [0.1, 0.5, 0.9]), 80 + 3 * student.ppf([0.1, 0.5, 0.9], 3), atol=0.35
    )


def test_spikes_do_less_harm(history: xr.DataArray, diamond_routing: Routing, truth: xr.DataArray) -> None:
    spikes = truth.isel(time=np.zeros(16, int)).assign_coords(time=truth.time.values[:16]).copy(deep=True)
    spikes.values.reshape(16, 16)[np.diag_indices(16)] += 0.5 * truth.values[0].sum()
    loads = diamond_routing.loads(spikes)
    errors = [
        float(of.evaluate.tre(spikes, model.fit(history).estimate(loads, diamond_routing)).mean())
        for model in (of.StudentTPosterior(), of.GaussianPosterior())
    ]
    assert errors[0] < 0.7 * errors[1]


def test_saved_and_restored(history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing, tmp_path) -> None:
    model = of.StudentTPosterior(freedom=2.5, rounds=2, noise=0.01).fit(history)
    model.save(tmp_path / "m.safetensors")
    again = of.load(tmp_path / "m.safetensors")
    assert type(again) is of.StudentTPosterior
    assert (again.freedom, again.rounds, again.noise) == (2.5, 2, 0.01)
    xr.testing.assert_identical(model.estimate(loads, diamond_routing), again.estimate(loads, diamond_routing))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"freedom": 0.0}, "freedom is 0.0"), ({"rounds": 0}, "rounds is 0"), ({"floor": 2}, "floor")],
)
def test_impossible_parameters(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(of.StudentTPosterior(), **wrong)
