"""Balances, least-squares repair and the search for corrupted counters."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import odflow as of
from odflow import labels
from odflow.estimate.balances import balances_of
from odflow.estimate.observe import System
from odflow.evaluate.perturb import noisy
from odflow.network.epochs import RoutingEpochs
from odflow.network.routing import Routing

NONE = np.empty(0, dtype=np.int64)


def test_every_node_has_its_balance(diamond_routing: Routing):
    balances = balances_of(System(diamond_routing, NONE)).toarray()
    assert balances.shape == (4, len(diamond_routing.links))
    np.testing.assert_allclose(balances @ diamond_routing.matrix.toarray(), 0, atol=1e-12)
    entering = {link: balances[0, i] for i, link in enumerate(diamond_routing.links) if balances[0, i]}
    assert entering == {"ab1": -1, "ab2": -1, "ac": -1, "ba1": 1, "ba2": 1, "ca": 1, "in:a": 1, "out:a": -1}


def test_without_a_network_the_balances_are_the_left_null_space(diamond_routing: Routing):
    bare = Routing(diamond_routing.matrix, diamond_routing.links, diamond_routing.nodes)
    balances = balances_of(System(bare, NONE)).toarray()
    A = bare.matrix.toarray()
    assert len(balances) == len(bare.links) - np.linalg.matrix_rank(A)
    np.testing.assert_allclose(balances @ A, 0, atol=1e-9)


def test_consistent_loads_stay_as_they_are(loads: xr.DataArray, diamond_routing: Routing):
    result = of.reconcile(loads, diamond_routing)
    np.testing.assert_allclose(result.loads, loads, rtol=1e-9)
    assert not result.suspect.any()
    assert result.message == ""


def test_repair_is_weighted_least_squares(loads: xr.DataArray, diamond_routing: Routing):
    rng = np.random.default_rng(0)
    noisy = loads.copy(data=loads.values * (1 + 0.02 * rng.standard_normal(loads.shape)))
    found = of.reconcile(noisy, diamond_routing, noise=0.02).loads.values[0]
    y, A = noisy.values[0], diamond_routing.matrix.toarray()
    # nearest loads that satisfy the node balances, each error in proportion to its reading
    c = balances_of(System(diamond_routing, NONE)).toarray()
    V = np.diag(y**2)
    expected = y - V @ c.T @ np.linalg.solve(c @ V @ c.T, c @ y)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(c @ found, 0, atol=1e-6 * y.max())
    assert A.shape[0] == len(found)


def test_repair_removes_the_share_of_noise_that_the_balances_see(loads: xr.DataArray, diamond_routing: Routing):
    rng = np.random.default_rng(0)
    many = xr.concat([loads] * 20, "time").assign_coords(
        time=np.datetime64("2026-01-01", "ns") + np.arange(20 * 24) * np.timedelta64(3600, "s")
    )
    noisy = many.copy(data=many.values * np.exp(0.05 * rng.standard_normal(many.shape)))
    fixed = of.reconcile(noisy, diamond_routing, noise=0.05).loads
    left = float((((fixed - many) / many) ** 2).mean() / (((noisy - many) / many) ** 2).mean())
    # 4 balances among 18 counters: 14/18 of the squared relative error stay
    assert left == pytest.approx(14 / 18, abs=0.02)


def test_a_gap_is_filled_only_where_a_balance_determines_it(loads: xr.DataArray, diamond_routing: Routing):
    holes = loads.copy(deep=True)
    holes.loc[{"link": "in:a"}] = np.nan
    holes.loc[{"link": ["in:c", "out:c"]}] = np.nan
    holes.loc[{"link": "in:d"}] = loads.sel(link="in:d") * 1.01
    fixed = of.reconcile(holes, diamond_routing, noise=0.01).loads
    np.testing.assert_allclose(fixed.sel(link="in:a"), loads.sel(link="in:a"), rtol=0.03)
    assert fixed.sel(link=["in:c", "out:c"]).isnull().all()


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_each_counter_tripled_is_named_first(
    history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing, noise: float
):
    rng = np.random.default_rng(0)
    readings = loads.copy(data=loads.values * np.exp(noise * rng.standard_normal(loads.shape)))
    for link in diamond_routing.links:
        wrong = readings.copy(deep=True)
        wrong.loc[{"link": link}] = readings.sel(link=link) * 3
        result = of.reconcile(wrong, diamond_routing, noise=noise, prior=history)
        assert result.message.startswith(f"suspicious counter '{link}' "), result.message
        assert float(result.suspect.sel(link=link).mean()) > 0.9


def test_two_counters_at_once(history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing):
    wrong = loads.copy(deep=True)
    wrong.loc[{"link": "bd"}] = loads.sel(link="bd") * 3
    wrong.loc[{"link": "in:c"}] = loads.sel(link="in:c") * 0.2
    result = of.reconcile(wrong, diamond_routing, noise=0.005, prior=history)
    named = {str(k) for k in result.suspect.link.values[result.suspect.mean("time") > 0.9]}
    assert named == {"bd", "in:c"}


def test_plain_noise_hardly_ever_names_anybody(loads: xr.DataArray, diamond_routing: Routing):
    rng = np.random.default_rng(0)
    many = xr.concat([loads] * 40, "time").assign_coords(
        time=np.datetime64("2026-01-01", "ns") + np.arange(40 * 24) * np.timedelta64(3600, "s")
    )
    noisy = many.copy(data=many.values * np.exp(0.05 * rng.standard_normal(many.shape)))
    suspect = of.reconcile(noisy, diamond_routing, noise=0.05).suspect
    assert float(suspect.any("link").mean()) <= 0.002


@pytest.mark.parametrize("sigma", [0.003, 0.02, 0.1])
def test_the_noise_level_is_what_was_added(diamond_routing: Routing, sigma: float) -> None:
    loads = many_loads(diamond_routing)
    measured = noisy(loads, sigma, seed=1)
    assert of.noise_level(measured, diamond_routing) == pytest.approx(sigma, rel=0.08)
    assert of.noise_level(measured.where(measured["link"] != "ab1"), diamond_routing) == pytest.approx(sigma, rel=0.12)
    corrupted = measured.copy()
    corrupted.loc[{"link": "cd"}] *= 3.0
    assert of.noise_level(corrupted[:100], diamond_routing) < max(4 * sigma, 0.03)
    epochs = RoutingEpochs.from_events(diamond_routing, [(loads["time"].values[50], ["bd", "db"])])
    rerouted = noisy(epochs.loads(many_demands(diamond_routing)), sigma, seed=2)
    assert of.noise_level(rerouted, epochs) == pytest.approx(sigma, rel=0.1)


def test_no_noise_where_nothing_contradicts(diamond_routing: Routing) -> None:
    loads = many_loads(diamond_routing)
    assert of.noise_level(loads, diamond_routing) == 0
    alone = diamond_routing.links.index("ab1")
    matrix = diamond_routing.matrix[[alone]]
    single = Routing(matrix, ["ab1"], diamond_routing.nodes)
    assert of.noise_level(noisy(loads.sel(link=["ab1"]), 0.1, seed=0), single) == 0


def test_times_without_loads_say_nothing_of_noise(diamond_routing: Routing) -> None:
    loads = many_loads(diamond_routing)
    measured = noisy(loads, 0.02, seed=1)
    level = of.noise_level(measured, diamond_routing)
    for gap in (np.nan, 0.0):
        some = measured.copy(deep=True)
        some[7] = gap
        assert of.noise_level(some, diamond_routing) == pytest.approx(level, rel=0.05)


def test_rare_large_errors_count(diamond_routing: Routing) -> None:
    loads = many_loads(diamond_routing)
    rare = np.random.default_rng(0).random(loads.shape) < 0.03
    some = loads.where(~rare, noisy(loads, 0.02, seed=3))
    assert 0.003 < of.noise_level(some, diamond_routing) < 0.02


def many_demands(routing: Routing) -> xr.DataArray:
    times = np.datetime64("2026-01-05", "h") + np.arange(300)
    x = np.random.default_rng(5).lognormal(0, 0.5, (300, len(routing.nodes) ** 2))
    return labels.demands(1e8 * x, times, routing.nodes, 3600)


def many_loads(routing: Routing) -> xr.DataArray:
    return routing.loads(many_demands(routing))
