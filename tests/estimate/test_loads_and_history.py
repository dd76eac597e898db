"""An old history and the loads together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import odflow as of
from odflow.errors import NotFittedError, UsageError
from odflow.estimate.loads_and_history import filled
from odflow.evaluate.synthetic import random_network
from odflow.network.routing import Routing
from odflow.testing import check_estimator
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

PLAIN = ("student-t",)


@pytest.fixture(scope="module")
def routing() -> Routing:
    return Routing.shortest_path(random_network(9, seed=4, degree=3.0))


def traffic(routing: Routing, drift: float) -> xr.DataArray:
    """Three weeks that wander by this much."""
    assert routing.network is not None
    config = PlausibleTraffic(weeks=3, interval="1h", residual_spread=1.2, self_share=1.0, noise=0.3)
    return plausible_traffic(routing.network, replace(config, drift=drift), seed=1)


def tre(truth: xr.DataArray, estimate: xr.DataArray) -> float:
    return float(of.evaluate.tre(truth, estimate).mean())


@pytest.mark.parametrize(("drift", "low", "high"), [(0.1, 0.8, 1.0), (1.5, 0.0, 0.3)])
def test_weighs_a_history_by_how_stale_it_is(routing: Routing, drift: float, low: float, high: float) -> None:
    tms = traffic(routing, drift)
    old, now = tms[:48], tms[-168:]
    loads = routing.loads(now)
    both = of.LoadsAndHistory(methods=PLAIN).fit(old, routing, loads=loads)
    assert low <= both.weight_ <= high
    shares = {"student-t": both.weight_, "simulated-prior": 1 - both.weight_}
    assert both.shares == {name: share for name, share in shares.items() if share}
    assert both.choice_ is not None
    assert both.now_ is not None
    alone = [tre(now, one.estimate(loads, routing)) for one in (both.choice_.estimator, both.now_)]
    found = both.estimate(loads, routing)
    assert tre(now, found) < min(alone) + 0.005
    np.testing.assert_allclose(routing.loads(found), loads, rtol=1e-3, atol=1e-4 * float(loads.max()))
    assert both.expected_error == pytest.approx(tre(now, found), rel=0.5)


def test_a_history_that_fits_is_used_alone(routing: Routing) -> None:
    tms = traffic(routing, 0.02)
    old, loads = tms[:-168], routing.loads(tms[-168:])
    both = of.LoadsAndHistory(methods=("student-t",)).fit(old, routing, loads=loads)
    assert (both.weight_, both.shares) == (1.0, {"student-t": 1.0})
    assert both.errors_ is not None
    assert both.expected_error == pytest.approx(both.errors_.past)
    alone = of.StudentTPosterior().fit(old).calibrate(old, routing)
    some = loads[:5]
    xr.testing.assert_equal(both.estimate(some, routing), alone.estimate(some, routing))
    xr.testing.assert_equal(both.quantiles(some, routing), alone.quantiles(some, routing))
    xr.testing.assert_equal(both.sample(some, routing, 7, seed=2), alone.sample(some, routing, 7, seed=2))


def test_learns_from_the_loads_it_is_given(routing: Routing) -> None:
    tms = traffic(routing, 0.5)
    old, loads = tms[:48], routing.loads(tms[-100:])
    first = of.LoadsAndHistory(methods=PLAIN).fit(old)
    xr.testing.assert_identical(
        first.estimate(loads, routing),
        of.LoadsAndHistory(methods=PLAIN).fit(old, routing, loads=loads).estimate(loads, routing),
    )
    assert first.now_ is None
    with pytest.raises(NotFittedError, match="has seen no loads"):
        _ = first.expected_error


def test_takes_what_is_best_on_the_history(routing: Routing) -> None:
    tms = traffic(routing, 0.5)
    old, loads = tms[:168], routing.loads(tms[-168:])
    age = float((loads["time"].values[0] - old["time"].values[-1]) / np.timedelta64(1, "s")) - 3600
    both = of.LoadsAndHistory(methods=("student-t", "gaussian")).fit(old, routing, loads=loads)
    expected = of.choose(old, routing, ("student-t", "gaussian"), age=age)
    assert both.choice_ is not None
    assert both.choice_.errors == expected.errors
    assert both.choice_.method == expected.method


def test_gaps_of_the_history_do_not_matter(routing: Routing) -> None:
    tms = traffic(routing, 0.5)
    old, loads = tms[:168], routing.loads(tms[-168:])
    whole = of.LoadsAndHistory(methods=PLAIN).fit(old, routing, loads=loads)
    gaps = old.copy(deep=True)
    rng = np.random.default_rng(3)
    gaps.values[rng.random(gaps.shape) < 0.05] = np.nan
    gaps.values[20:24] = np.nan
    found = of.LoadsAndHistory(methods=PLAIN).fit(gaps, routing, loads=loads)
    assert found.weight_ == pytest.approx(whole.weight_, abs=0.1)
    assert found.expected_error == pytest.approx(whole.expected_error, rel=0.15)
    closed = filled(gaps)
    assert np.isnan(closed.values[20:24]).all()
    np.testing.assert_array_equal(closed.values[np.isfinite(gaps.values)], gaps.values[np.isfinite(gaps.values)])
    line = np.isnan(gaps.values[1:-1]) & np.isfinite(gaps.values[:-2]) & np.isfinite(gaps.values[2:])
    halfway = (gaps.values[:-2] + gaps.values[2:]) / 2
    np.testing.assert_allclose(closed.values[1:-1][line], halfway[line])


def test_quantiles_and_draws(routing: Routing) -> None:
    tms = traffic(routing, 0.5)
    old, now = tms[:48], tms[-168:]
    both = of.LoadsAndHistory(methods=PLAIN).fit(old, routing, loads=routing.loads(now))
    some = now[::12]
    levels = both.quantiles(routing.loads(some), routing, (0.05, 0.5, 0.95))
    assert (np.diff(levels.values, axis=0) >= 0).all()
    inside = (levels[0].drop_vars("quantile") <= some) & (some <= levels[2].drop_vars("quantile"))
    assert 0.75 < float(some.where(inside, 0).sum() / some.sum()) <= 1
    draws = both.sample(routing.loads(some[:3]), routing, 20, seed=1)
    np.testing.assert_allclose(
        routing.loads(draws[0]), routing.loads(some[:3]), rtol=1e-2, atol=1e-3 * float(now.max())
    )
    assert float(draws.std("sample").mean() / draws.mean()) > 0.02


def test_wrong_use(routing: Routing, tmp_path: Path) -> None:
    tms = traffic(routing, 0.5)
    with pytest.raises(UsageError, match="without any use SimulatedPrior"):
        of.LoadsAndHistory().fit()
    with pytest.raises(UsageError, match="with their routing"):
        of.LoadsAndHistory().fit(tms, loads=routing.loads(tms))
    with pytest.raises(UsageError, match="is not saved"):
        of.LoadsAndHistory().fit(tms).save(tmp_path / "m.safetensors")


class SeesTheHistoryAsLoads(of.LoadsAndHistory):
    """Learns from the loads of its history, so that one snapshot is estimated like many."""

    def fit(self, history=None, routing=None, **others):  # type: ignore[no-untyped-def]
        if history is None or routing is None:
            return super().fit(history, routing, **others)
        return super().fit(history, routing, loads=routing.loads(history))


def test_keeps_what_every_estimator_promises() -> None:
    check_estimator(SeesTheHistoryAsLoads(methods=PLAIN), exact=True, tolerance=1e-2)
