"""What to measure next, and what an estimate without history is sure of."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import odflow as of
from odflow import labels
from odflow.errors import UsageError
from odflow.estimate.measurement_plan import Uncertainty, usual_of
from odflow.estimate.observe import observe
from odflow.estimate.sureness import sureness
from odflow.evaluate.synthetic import random_network
from odflow.network.epochs import RoutingEpochs
from odflow.network.routing import Routing

NODES = 6


@pytest.fixture(scope="module")
def routing() -> Routing:
    return Routing.shortest_path(random_network(NODES, seed=1, degree=2.5))


@pytest.fixture(scope="module")
def truth(routing: Routing) -> xr.DataArray:
    rng = np.random.default_rng(2)
    mean = 1e8 * np.exp(rng.standard_normal(NODES**2))
    times = np.datetime64("2026-01-05", "ns") + np.arange(200) * np.timedelta64(15, "m")
    return labels.demands(mean * np.exp(0.2 * rng.standard_normal((200, NODES**2))), times, routing.nodes, 900)


@pytest.fixture(scope="module")
def fitted(routing: Routing, truth: xr.DataArray) -> of.MomentPosterior:
    return of.MomentPosterior().fit(loads=routing.loads(truth), routing=routing)


def dense(variance: np.ndarray, A: np.ndarray, noise: np.ndarray | float = 0.0) -> np.ndarray:
    """Covariance given the loads, by the book."""
    V = np.diag(variance)
    M = A @ V @ A.T + np.diag(np.broadcast_to(noise, len(A)))
    return V - V @ A.T @ np.linalg.pinv(M, rcond=1e-10) @ A @ V


@pytest.mark.parametrize("error", [0.0, 0.05])
def test_covariance_given_loads_and_measurements(routing: Routing, truth: xr.DataArray, error: float) -> None:
    ((_, observed),) = observe(routing.loads(truth), routing, noise=error)
    usual, variance = usual_of(observed), np.random.default_rng(0).uniform(0.5, 2, NODES**2) * 1e16
    found, A = Uncertainty(variance, usual), routing.matrix.toarray()
    P = dense(variance, A, usual.variance[0])
    every = np.arange(NODES**2)
    np.testing.assert_allclose(found.columns(every), P, atol=1e-6 * variance.max())
    np.testing.assert_allclose(found.variance, np.maximum(P.diagonal(), 0), atol=1e-5 * variance.max())
    groups = [every[[k]] for k in every]
    gains = np.divide((P**2).sum(axis=0), P.diagonal(), out=np.zeros(len(P)), where=P.diagonal() > 1e-5 * variance)
    np.testing.assert_allclose(found.gains(groups), gains, rtol=1e-4, atol=1e-5 * variance.max())
    flows = np.array([3, 20])
    gain = found.gains([flows, every[[7]]])[0]
    before = found.variance.sum()
    found.measure(flows)
    exact = dense(variance, np.vstack([A, np.eye(NODES**2)[flows]]), np.append(usual.variance[0], [0, 0]))
    np.testing.assert_allclose(found.variance, np.maximum(exact.diagonal(), 0), atol=1e-4 * variance.max())
    assert before - found.variance.sum() == pytest.approx(gain, rel=1e-3)


def test_measures_the_most_useful_first(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    found = of.plan(loads, routing, fitted, budget=5)
    errors = [found.error, *(step.error for step in found.steps)]
    assert len(found.steps) == 5
    assert errors == sorted(errors, reverse=True)
    assert found.error == pytest.approx(fitted.expected_error)
    first = found.rows()[0]
    assert (first["measure"], first["demands"]) == ("->".join(found.steps[0].flows[0]), 1)
    more = of.plan(loads, routing, fitted, budget=8)
    assert more.steps[:5] == found.steps


def test_planned_flows_help_more_than_others(routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)

    def error(flows: list[tuple[str, str]]) -> float:
        known = truth * np.nan
        known.attrs = truth.attrs
        for origin, destination in flows:
            known.loc[:, origin, destination] = truth.loc[:, origin, destination]
        known = known if flows else None
        fitted = of.MomentPosterior().fit(loads=loads, routing=routing, known=known)
        return float(of.evaluate.tre(truth, fitted.estimate(loads, routing, known=known)).mean())

    chosen = [step.flows[0] for step in of.plan(loads, routing, of.MomentPosterior(), budget=4).steps]
    rng, pairs = np.random.default_rng(0), [(o, d) for o in routing.nodes for d in routing.nodes]
    others = [error([pairs[k] for k in rng.choice(len(pairs), 4, replace=False)]) for _ in range(6)]
    assert error(chosen) < 0.8 * np.mean(others)
    assert error(chosen) < error([])


def test_all_of_a_router(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    whole = of.plan(loads, routing, fitted, budget=2, unit="router").steps[0]
    assert whole.router in routing.nodes
    assert len(whole.flows) == 2 * NODES - 1
    entering = of.plan(loads, routing, fitted, budget=2, unit="ingress").steps[0]
    assert {origin for origin, _ in entering.flows} == {entering.router}
    assert len(entering.flows) == NODES
    assert entering.error > whole.error or entering.router != whole.router


def test_stops_when_all_is_known(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    found = of.plan(routing.loads(truth), routing, fitted, budget=100)
    assert len(found.steps) < NODES**2
    assert found.steps[-1].error == pytest.approx(0, abs=1e-3)


def test_what_is_known_is_not_planned_again(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    first = of.plan(loads, routing, fitted, budget=1).steps[0].flows[0]
    known = truth.where((truth.origin == first[0]) & (truth.destination == first[1])).assign_attrs(truth.attrs)
    then = of.plan(loads, routing, fitted, budget=5, known=known)
    assert first not in [step.flows[0] for step in then.steps]


def test_plan_from_a_history(routing: Routing, truth: xr.DataArray) -> None:
    model = of.StudentTPosterior().fit(truth[:100])
    found = of.plan(routing.loads(truth[100:]), routing, model, budget=3)
    assert 0 < found.steps[-1].error < found.error < 0.5


def test_only_measured_counters_count(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth).copy(deep=True)
    all_there = of.plan(loads, routing, fitted, budget=1)
    loads.values[3] = np.nan
    assert of.plan(loads, routing, fitted, budget=1) == all_there
    ((_, whole),) = observe(routing.loads(truth), routing)
    loads.values[:, [":" not in link for link in routing.links]] = np.nan
    ((_, gaps),) = observe(loads, routing)
    variance = np.full(NODES**2, 1e16)
    left = [Uncertainty(variance, usual_of(one)).variance.sum() for one in (whole, gaps)]
    assert left[1] > left[0]


def test_the_plan_is_for_the_last_routing(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    internal = next(link for link in routing.links if ":" not in link)
    failed = routing.without(links=[internal])
    epochs = RoutingEpochs(truth["time"].values[[0, 100]], (routing, failed))
    found = of.plan(epochs.loads(truth), epochs, fitted, budget=3)
    assert found == of.plan(failed.loads(truth[100:]), failed, fitted, budget=3)


@pytest.mark.parametrize(("budget", "unit", "text"), [(0, "flow", "budget"), (3, "link", "unit is 'link'")])
def test_wrong_plans(
    fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray, budget: int, unit: str, text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        of.plan(routing.loads(truth), routing, fitted, budget=budget, unit=unit)  # type: ignore[arg-type]


def test_sure_of_what_is_measured_alone(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    unsure = sureness(fitted, loads, routing)
    known = truth.assign_attrs(truth.attrs)
    sure = sureness(fitted, loads, routing, known=known)
    assert unsure.share < 0.9
    assert sure.share == pytest.approx(1, abs=1e-6)
    assert sure.demands == NODES**2
    assert sure.pairs == ()
    named = [flow for one, other, _ in unsure.pairs for flow in (one, other)]
    assert len(unsure.pairs) == 3
    assert len(set(named)) == 6
    ((_, observed),) = observe(loads, routing)
    usual = usual_of(observed)
    P = Uncertainty(fitted.uncertainty(usual)[1] ** 2, usual).columns(np.arange(NODES**2))
    position = {pair: k for k, pair in enumerate((o, d) for o in routing.nodes for d in routing.nodes)}
    for one, other, together in unsure.pairs:
        a, b = position[one], position[other]
        assert P[a, b] < -0.49 * np.sqrt(P[a, a] * P[b, b])
        assert together > 0
