"""The estimator that is best on one's own history."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import odflow as of
from odflow import labels
from odflow.errors import UsageError
from odflow.estimate.calibration import folds
from odflow.estimate.choice import backtests
from odflow.network.routing import Routing


def past_of(nodes: tuple[str, ...], spikes: float, weeks: float = 4) -> xr.DataArray:
    """Flows about their means; now and then one is many times larger."""
    rng = np.random.default_rng(1)
    times = np.datetime64("2026-01-05", "h") + np.arange(round(weeks * 168))
    x = 1e7 * rng.lognormal(0, 0.5, len(nodes) ** 2) * rng.lognormal(0, 0.1, (len(times), len(nodes) ** 2))
    x *= np.where(rng.random(x.shape) < spikes, 8.0, 1.0)
    return labels.demands(x, times, nodes, 3600)


def test_errors_are_those_of_back_tests(diamond_routing: Routing) -> None:
    past = past_of(diamond_routing.nodes, 0.0)
    found = of.choose(past, diamond_routing, weeks=2, snapshots=10)
    errors = []
    for known, now in folds(past, 2, 10):
        x = of.GaussianPosterior().fit(known).estimate(diamond_routing.loads(now), diamond_routing)
        errors.append(of.evaluate.score(now, x).all.tre.mean)
    assert found.errors["gaussian"] == pytest.approx(np.mean(errors))
    assert found.tried == 20
    assert list(found.errors.values()) == sorted(found.errors.values())
    assert found.method == next(iter(found.errors))
    loads = diamond_routing.loads(past[-3:])
    again = type(found.estimator)().fit(past).estimate(loads, diamond_routing)
    np.testing.assert_array_equal(found.estimator.estimate(loads, diamond_routing), again)


def test_spikes_call_for_heavy_tails(diamond_routing: Routing) -> None:
    found = of.choose(past_of(diamond_routing.nodes, 0.03), diamond_routing, ["gaussian", "student-t", "kl"])
    assert found.method == "student-t"
    assert found.errors["student-t"] < found.errors["gaussian"] - 0.003
    assert of.choose(past_of(diamond_routing.nodes, 0.03), diamond_routing, ["kl", "gaussian"]).method in (
        "kl",
        "gaussian",
    )


def test_an_old_history_is_tried_as_old(diamond_routing: Routing) -> None:
    past = past_of(diamond_routing.nodes, 0.0, weeks=6)
    drift = np.exp(0.3 * np.random.default_rng(0).standard_normal((6, 16)).cumsum(axis=0))
    past = past * drift.repeat(168, axis=0).reshape(past.shape)
    past = past.assign_attrs(units="bit/s", interval_s=3600.0)
    fresh = of.choose(past, diamond_routing, ["gaussian"], weeks=2)
    old = of.choose(past, diamond_routing, ["gaussian"], weeks=2, age=14 * 86400)
    assert old.errors["gaussian"] > 1.2 * fresh.errors["gaussian"]


@pytest.mark.parametrize(("weeks", "age", "gaps"), [(6, 2, [2, 2, 2]), (4, 2, [2, 1, 0]), (2, 8, [0])])
def test_back_tests_leave_out_as_much_as_the_history_allows(
    diamond_routing: Routing, weeks: int, age: int, gaps: list[int]
) -> None:
    past, hour = past_of(diamond_routing.nodes, 0.0, weeks=weeks), np.timedelta64(1, "h")
    found = [
        now["time"].values[0] - known["time"].values[-1] - hour
        for known, now in backtests(past, age * 7 * 86400.0, 3, 24)
    ]
    assert [gap / np.timedelta64(7, "D") for gap in found] == gaps


def test_short_histories(diamond_routing: Routing) -> None:
    past = past_of(diamond_routing.nodes, 0.0)
    for count, method in ((1, "kl"), (2, "gaussian")):
        found = of.choose(past[:count], diamond_routing)
        assert (found.method, found.errors, found.tried) == (method, {}, 0)
    assert of.choose(past[:30], diamond_routing).tried == 15
    with pytest.raises(UsageError, match="methods are student-t, gaussian, kl"):
        of.choose(past, diamond_routing, ["stacked"])
    with pytest.raises(UsageError, match="cannot try nothing"):
        of.choose(past, diamond_routing, [])
