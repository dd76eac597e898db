"""The projection by Newton's method against many sweeps of the other."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import odflow as of
from odflow.estimate.meet import meet_exactly
from odflow.estimate.newton import newton_projection
from odflow.estimate.observe import Observed, observe
from odflow.estimate.projection import project
from odflow.network.routing import Routing


def observed(routing: Routing, truth: np.ndarray) -> Observed:
    n = len(routing.nodes)
    times = np.datetime64("2026-01-05", "ns") + np.arange(len(truth)) * np.timedelta64(300, "s")
    ((_, found),) = observe(
        routing.loads(of.labels.demands(truth.reshape(-1, n, n), times, routing.nodes, 300)), routing
    )
    return found


def random_tms(routing: Routing, count: int) -> np.ndarray:
    return 1e6 * np.random.default_rng(0).lognormal(0, 1.5, (count, len(routing.nodes) ** 2))


def test_is_what_many_sweeps_come_to(diamond_routing: Routing) -> None:
    seen = observed(diamond_routing, random_tms(diamond_routing, 40))
    prior = 1e6 * np.ones((1, seen.system.matrix.shape[1]))
    x, done = newton_projection(seen, prior)
    assert done.all()
    swept = project(seen.system.rows, prior, seen.values, sweeps=20_000, tolerance=1e-13)
    np.testing.assert_allclose(x, swept, rtol=1e-5, atol=10)
    np.testing.assert_allclose((seen.system.matrix @ x.T).T, seen.values, atol=1.01e-7 * seen.values.max())


def test_a_solution_stays(diamond_routing: Routing) -> None:
    truth = random_tms(diamond_routing, 5)
    x, done = newton_projection(observed(diamond_routing, truth), truth)
    assert done.all()
    np.testing.assert_allclose(x, truth, rtol=1e-9)


def test_gaps_empty_links_and_lost_flows(diamond_routing: Routing) -> None:
    truth = random_tms(diamond_routing, 3)
    n = len(diamond_routing.nodes)
    truth.reshape(-1, n, n)[1, 0] = 0.0  # the first node sends nothing
    seen = observed(diamond_routing, truth)
    seen.values[2, 3] = np.nan
    prior = 1e6 * np.ones((3, n * n))
    prior[:, 1] = 0.0  # and of one flow nothing was expected
    x, done = newton_projection(seen, prior)
    assert done.all()
    assert (x.reshape(-1, n, n)[1, 0] == 0).all()
    there = np.isfinite(seen.values)
    np.testing.assert_allclose((seen.system.matrix @ x.T).T[there], seen.values[there], rtol=1e-5, atol=1)


def test_loads_that_no_tm_can_have_are_swept(diamond_routing: Routing) -> None:
    seen = observed(diamond_routing, random_tms(diamond_routing, 4))
    seen.values[1, diamond_routing.links.index("cd")] = 50 * seen.values[1].max()  # more than enters
    prior = 1e6 * np.ones((1, seen.system.matrix.shape[1]))
    _, done = newton_projection(seen, prior)
    np.testing.assert_array_equal(done, [True, False, True, True])
    x = meet_exactly(seen, prior, 50)
    np.testing.assert_array_equal(x[1], project(seen.system.rows, prior, seen.values[1:2])[0])
    np.testing.assert_allclose(x[[0, 2, 3]], newton_projection(seen, prior)[0][[0, 2, 3]])


def test_large_and_noisy_ones_are_swept(diamond_routing: Routing) -> None:
    truth = random_tms(diamond_routing, 4)
    seen = observed(diamond_routing, truth)
    prior = 1e6 * np.ones((1, truth.shape[1]))
    few = len(diamond_routing.links) - 1
    np.testing.assert_array_equal(
        meet_exactly(seen, prior, 7, few), project(seen.system.rows, prior, seen.values, sweeps=7)
    )
    noisy = Observed(seen.system, seen.values, seen.error + 0.05, seen.time)
    x = meet_exactly(noisy, prior, 50)
    assert np.abs((seen.system.matrix @ x.T).T / seen.values - 1).max() > 1e-3


def test_streaming_is_the_batch(diamond_routing: Routing) -> None:
    routing = diamond_routing
    past = of.labels.demands(
        random_tms(routing, 200), np.datetime64("2026-01-05", "ns") + np.arange(200) * np.timedelta64(300, "s"),
        routing.nodes, 300,
    )  # fmt: skip
    estimator = of.StudentTPosterior().fit(past[:150])
    loads: xr.DataArray = routing.loads(past[150:])
    batch = estimator.estimate(loads, routing).values
    for t in range(0, 50, 10):
        np.testing.assert_allclose(
            estimator.estimate(loads[t : t + 1], routing).values[0], batch[t], rtol=1e-8, atol=1e-3
        )


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_load_that_no_flow_can_make(diamond_routing: Routing) -> None:
    seen = observed(diamond_routing, random_tms(diamond_routing, 2))
    seen.values[0, seen.system.access[0]] = 0.0  # nothing enters, and yet links are loaded
    x, done = newton_projection(seen, 1e6 * np.ones((1, seen.system.matrix.shape[1])))
    assert done.tolist() == [False, True]
    assert np.isfinite(x).all()
