"""The estimator that has learnt on simulated networks, the lessons, and the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import odflow as of
from odflow import labels
from odflow.errors import FormatError, NotFittedError, UsageError
from odflow.estimate.flow_network import fresh_parameters, output_of
from odflow.estimate.load_moments import access_correlations
from odflow.estimate.moment_features import FEATURES
from odflow.estimate.simulated_prior import SimulatedPrior, blended, inverse_of, networks_in, seen_of, told
from odflow.estimate.worlds import wider_worlds
from odflow.evaluate.synthetic import random_network
from odflow.network.epochs import RoutingEpochs
from odflow.network.model import Network
from odflow.network.routing import Routing
from odflow.testing import check_estimator
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

NODES = 9


@pytest.fixture(scope="module")
def network() -> Network:
    return random_network(NODES, seed=4, degree=3.0)


@pytest.fixture(scope="module")
def routing(network: Network) -> Routing:
    return Routing.shortest_path(network)


@pytest.fixture(scope="module")
def truth(network: Network) -> xr.DataArray:
    config = PlausibleTraffic(weeks=1, interval="1h", total=1e10, residual_spread=1.2, self_share=1.0, noise=0.3)
    return plausible_traffic(network, config, seed=1)


@pytest.fixture(scope="module")
def fitted(routing: Routing, truth: xr.DataArray) -> SimulatedPrior:
    return SimulatedPrior().fit(loads=routing.loads(truth), routing=routing)


def off(mean: np.ndarray, truth: xr.DataArray) -> float:
    real = truth.values.reshape(len(truth), -1).mean(axis=0)
    return float(np.abs(mean - real).sum() / real.sum())


def permuted(truth: xr.DataArray, order: list[str]) -> xr.DataArray:
    return truth.sel(origin=order, destination=order)


def test_better_than_gravity_and_than_the_fit(fitted: SimulatedPrior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    gravity = of.evaluate.tre(truth, of.KLProjection().estimate(loads, routing)).mean()
    plain = of.evaluate.tre(truth, of.MomentPosterior().estimate(loads, routing)).mean()
    ours = of.evaluate.tre(truth, fitted.estimate(loads, routing)).mean()
    assert ours < 0.85 * gravity
    assert ours < 1.05 * plain


def test_follows_gravity_where_it_is_true(network: Network, routing: Routing) -> None:
    config = PlausibleTraffic(weeks=1, interval="1h", total=1e10, residual_spread=0.05, self_share=1.0)
    truth = plausible_traffic(network, config, seed=3)
    loads = routing.loads(truth)
    gravity, plain, ours = (
        float(of.evaluate.tre(truth, model.estimate(loads, routing)).mean())
        for model in (of.KLProjection(), of.MomentPosterior(), SimulatedPrior())
    )
    assert ours < 1.05 * gravity
    assert ours < 0.8 * plain


def test_the_order_of_the_nodes_does_not_matter(network: Network, truth: xr.DataArray) -> None:
    order = [network.node_ids[k] for k in np.random.default_rng(0).permutation(NODES)]
    other = Network(tuple(sorted(network.nodes, key=lambda node: order.index(node.id))), network.links)
    one, two = Routing.shortest_path(network), Routing.shortest_path(other)
    a = SimulatedPrior().fit(loads=one.loads(truth), routing=one)
    b = SimulatedPrior().fit(loads=two.loads(permuted(truth, order)), routing=two)
    mean = xr.DataArray(
        a._fitted_mean().reshape(NODES, NODES), dims=("o", "d"), coords={"o": list(one.nodes), "d": list(one.nodes)}
    )
    np.testing.assert_allclose(b._fitted_mean(), mean.sel(o=order, d=order).values.ravel(), rtol=0.03, atol=1e4)


def test_fitted_mean_meets_the_mean_loads(fitted: SimulatedPrior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth).values.mean(axis=0)
    assert np.abs(routing.matrix @ fitted._fitted_mean() - loads).sum() < 0.05 * loads.sum()


def test_says_how_far_off_it_is(fitted: SimulatedPrior, routing: Routing, truth: xr.DataArray) -> None:
    real = off(fitted._fitted_mean(), truth)
    assert 0.4 * real < fitted.expected_error < 2.5 * real
    with pytest.raises(NotFittedError):
        _ = SimulatedPrior().expected_error
    levels = fitted.quantiles(routing.loads(truth)[::12], routing, (0.05, 0.95))
    inside = (levels[0] <= truth[::12]) & (truth[::12] <= levels[1])
    assert 0.75 < float(truth[::12].where(inside, 0).sum() / truth[::12].sum()) <= 1


def test_known_demands_are_learnt_from(routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    some = truth.where(truth.origin == routing.nodes[0]).assign_attrs(truth.attrs)
    without, with_them = SimulatedPrior().fit(loads=loads, routing=routing), SimulatedPrior()
    with_them.fit(loads=loads, routing=routing, known=some)
    others = truth.sel(origin=list(routing.nodes[1:])).mean("time").values.ravel()
    errors = [np.abs(model._fitted_mean()[NODES:] - others).sum() for model in (without, with_them)]
    assert errors[1] < errors[0]


def test_no_self_traffic(routing: Routing, truth: xr.DataArray) -> None:
    between = truth.where(truth.origin != truth.destination, 0.0).assign_attrs(truth.attrs)
    loads = routing.loads(between)
    told_so = SimulatedPrior(no_self_traffic=True).fit(loads=loads, routing=routing)
    assert not told_so._fitted_mean()[:: NODES + 1].any()
    assert off(told_so._fitted_mean(), between) < off(
        SimulatedPrior().fit(loads=loads, routing=routing)._fitted_mean(), between
    )


def test_routing_epochs_and_missing_counters(routing: Routing, truth: xr.DataArray) -> None:
    internal = next(link for link in routing.links if ":" not in link)
    failed = routing.without(links=[internal])
    epochs = RoutingEpochs(truth["time"].values[[0, 80]], (routing, failed))
    loads = epochs.loads(truth)
    model = SimulatedPrior().fit(loads=loads, routing=epochs)
    gravity = of.evaluate.tre(truth, of.KLProjection().estimate(loads, epochs)).mean()
    assert of.evaluate.tre(truth, model.estimate(loads, epochs)).mean() < gravity
    gaps = routing.loads(truth)
    gaps.values[:, ::9] = np.nan
    gravity = of.evaluate.tre(truth, of.KLProjection().estimate(gaps, routing)).mean()
    assert of.evaluate.tre(truth, SimulatedPrior().estimate(gaps, routing)).mean() < gravity


def test_a_few_loads_are_enough_to_begin_with(routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth[:3])
    error = of.evaluate.tre(truth[:3], SimulatedPrior().estimate(loads, routing)).mean()
    assert error < 1.1 * of.evaluate.tre(truth[:3], of.KLProjection().estimate(loads, routing)).mean()


def test_warm_start(routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    model = SimulatedPrior().fit(loads=loads[:100], routing=routing).fit(loads=loads, routing=routing)
    fresh = SimulatedPrior().fit(loads=loads, routing=routing)
    assert off(model._fitted_mean(), truth) == pytest.approx(off(fresh._fitted_mean(), truth), abs=0.05)


def test_save_and_load(fitted: SimulatedPrior, routing: Routing, truth: xr.DataArray, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m.safetensors")
    again = of.load(tmp_path / "m.safetensors")
    assert isinstance(again, SimulatedPrior)
    loads = routing.loads(truth[:5])
    np.testing.assert_array_equal(again.estimate(loads, routing), fitted.estimate(loads, routing))
    np.testing.assert_array_equal(again.quantiles(loads, routing), fitted.quantiles(loads, routing))
    assert again.expected_error == fitted.expected_error


def test_other_files_are_refused(tmp_path: Path, routing: Routing, truth: xr.DataArray) -> None:
    of.KLProjection().save(tmp_path / "k.safetensors")
    with pytest.raises(FormatError, match="holds a KLProjection, not the networks of a SimulatedPrior"):
        SimulatedPrior(weights=tmp_path / "k.safetensors").fit(loads=routing.loads(truth), routing=routing)
    with pytest.raises(UsageError, match="not from a history"):
        SimulatedPrior().fit(truth, routing)


class FromPastLoads(SimulatedPrior):
    """Learns from the loads of a history."""

    def fit(self, history=None, routing=None, **others):  # type: ignore[no-untyped-def]
        if history is None or routing is None:
            return super().fit(None, routing, **others)
        return super().fit(loads=routing.loads(history), routing=routing)


def test_keeps_what_every_estimator_promises() -> None:
    check_estimator(FromPastLoads(), exact=True, tolerance=1e-2)


def test_shipped_networks_say_how_they_were_made() -> None:
    networks, table = networks_in(None)
    assert len(networks) >= 2
    assert networks[0]["first"].shape[0] == FEATURES
    assert set(table) == {"weights", "places", "least", "errors"}


def test_the_fit_has_a_say_where_gravity_is_far_off() -> None:
    gravity, fit = np.array([0.25, 0.25, 0.25, 0.25]), np.array([0.45, 0.05, 0.25, 0.25])
    near, far = np.array([0.3, 0.2, 0.25, 0.25]), np.array([0.25, 0.25, 0.45, 0.05])
    np.testing.assert_array_equal(blended(near, fit, gravity), near)
    np.testing.assert_allclose(blended(far, fit, gravity), (far + fit) / 2)
    between = gravity + 0.7 * (far - gravity)
    np.testing.assert_allclose(blended(between, fit, gravity), 0.75 * between + 0.25 * fit)


def test_network_shares_its_weights() -> None:
    rng = np.random.default_rng(1)
    p = fresh_parameters(4, 8, 2, rng)
    p["last"] = rng.standard_normal(8)
    features, traffic = rng.standard_normal((5, 5, 4)), rng.uniform(0, 1, (5, 5))
    order = rng.permutation(5)
    out = output_of(p, features, traffic)
    np.testing.assert_allclose(output_of(p, features[order][:, order], traffic[order][:, order]), out[order][:, order])
    moved = features.copy()
    moved[0, 1] += 1
    assert np.abs(output_of(p, moved, traffic) - out)[3, 4].max() > 0  # each sees all


def test_lessons_and_training(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from odflow.estimate.simulated_lessons import lessons
    from odflow.estimate.simulated_training import SimulatedConfig, SimulatedTask, Weights, tensors_of
    from odflow.training import train

    first = list(lessons(tmp_path / "a", 2, seed=3, workers=1))
    again = list(lessons(tmp_path / "a", 2, seed=3, workers=1))
    assert len(first) == 4
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.seen.features, other.seen.features)
        assert one.truth.sum() == pytest.approx(one.seen.mean.sum(), rel=0.2)
    taught, config = [tensors_of(one) for one in first], SimulatedConfig(steps=60, batch=4, width=8)
    task = SimulatedTask(Weights(taught, config), taught, config)
    before = task.validate(torch.arange(4), torch.Generator())
    train(task, torch.arange(4), config)
    with torch.no_grad():
        assert task.validate(torch.arange(4), torch.Generator()) < 0.8 * before
    # the same in numpy
    p = {name: value.detach().numpy().astype(float) for name, value in task.weights.numbers().items()}
    x = told(task.weights.numbers(), taught[0], taught[0].inverse, torch.exp)
    ours = told(p, first[0].seen, inverse_of(first[0].seen))
    np.testing.assert_allclose(ours, x.detach().numpy(), rtol=1e-2, atol=1e-5)


def test_worlds_of_many_kinds() -> None:
    worlds = list(wider_worlds(12, seed=3))
    for world, again in zip(worlds, wider_worlds(12, seed=3), strict=True):
        assert world.demands.identical(again.demands)
        assert 5 <= len(world.routing.nodes) <= 60
        assert np.isfinite(world.demands.values).all()
        assert world.demands.values.sum() > 0
    means = [world.demands.values.mean(axis=0) for world in worlds]
    self_traffic = [np.trace(mean) / mean.sum() for mean in means]
    assert min(self_traffic) == 0
    assert max(self_traffic) > 0.1
    assert sum(world.noise > 0 for world in worlds) >= 1


def test_correlation_of_what_enters_and_leaves(routing: Routing) -> None:
    rng = np.random.default_rng(0)
    mean = np.full((NODES, NODES), 1e8)
    x = np.tile(mean, (600, 1, 1))
    x[:, 2, 5] *= np.exp(rng.standard_normal(600))
    times = np.datetime64("2026-01-05", "ns") + np.arange(600) * np.timedelta64(15, "m")
    demands = labels.demands(x * (1 + 0.01 * rng.standard_normal(x.shape)), times, routing.nodes, 900)
    ((part, gravity),) = SimulatedPrior().parts(routing.loads(demands), routing)
    for band in access_correlations(part, NODES).values():
        assert band.argmax() == 2 * NODES + 5
        assert band[2, 5] > 0.8
    seen, _ = seen_of(part, gravity, NODES)
    assert seen.features.shape == (NODES**2, FEATURES)
    assert np.isfinite(seen.features).all()
