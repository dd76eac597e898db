"""Mean TMs from how link loads vary together, and the posterior about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import odflow as of
from odflow import labels
from odflow.errors import NotFittedError, UsageError
from odflow.estimate.load_moments import LoadMoments, completed, level_of, robust_covariance
from odflow.estimate.moment_fit import MomentModel, _Search, fit_moments
from odflow.estimate.observe import observe
from odflow.evaluate.synthetic import random_network
from odflow.network.epochs import RoutingEpochs
from odflow.network.routing import Routing
from odflow.testing import check_estimator

NODES, TIMES = 7, 1500


@pytest.fixture(scope="module")
def routing() -> Routing:
    return Routing.shortest_path(random_network(NODES, seed=3, degree=3.0))


@pytest.fixture(scope="module")
def truth(routing: Routing) -> xr.DataArray:
    """Demands far from gravity that vary by a power law, under one daily rhythm."""
    rng = np.random.default_rng(5)
    mean = 1e8 * np.exp(1.3 * rng.standard_normal(NODES**2))
    spread = 0.1 * mean.mean() ** 0.25 * mean**0.75
    deviation = rng.standard_normal((TIMES, NODES**2)) * spread
    rhythm = 1 + 0.4 * np.sin(np.arange(TIMES) * 2 * np.pi / 96)
    times = np.datetime64("2026-01-05", "ns") + np.arange(TIMES) * np.timedelta64(15, "m")
    return labels.demands(np.maximum(mean + deviation, 0.0) * rhythm[:, None], times, routing.nodes, 900)


@pytest.fixture(scope="module")
def fitted(routing: Routing, truth: xr.DataArray) -> of.MomentPosterior:
    return of.MomentPosterior().fit(loads=routing.loads(truth), routing=routing)


def off(mean: np.ndarray, truth: xr.DataArray) -> float:
    real = truth.values.reshape(len(truth), -1).mean(axis=0)
    return float(np.abs(mean - real).sum() / real.sum())


def test_loads_that_vary_together_tell_the_mean(
    fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray
) -> None:
    assert fitted.fit_ is not None
    assert fitted.mean_ is not None
    gravity = off(fitted.fit_.prior * fitted.mean_.sum() / fitted.fit_.mean.sum(), truth)
    assert gravity > 0.4
    assert off(fitted.mean_, truth) < 0.55 * gravity
    loads = routing.loads(truth[::50])
    ours, plain = fitted.estimate(loads, routing), of.KLProjection().estimate(loads, routing)
    assert of.evaluate.tre(truth[::50], ours).mean() < 0.6 * of.evaluate.tre(truth[::50], plain).mean()
    np.testing.assert_allclose(routing.loads(ours), loads, rtol=1e-6)


def test_gradient(routing: Routing, truth: xr.DataArray) -> None:
    ((_, observed),) = observe(routing.loads(truth[:200]), routing)
    part = LoadMoments.of(observed, 900.0)
    rng = np.random.default_rng(0)
    prior = np.exp(rng.standard_normal(NODES**2))
    search = _Search([part], prior / prior.sum(), NODES, MomentModel())
    first = search.first(None)
    x = first + 0.1 * rng.standard_normal(len(first))
    gradient = search(x)[1]
    for k in (0, 8, 30, 50, 100, 150, *range(4 * NODES**2, len(x))):
        step = np.where(np.arange(len(x)) == k, 1e-5, 0.0)
        found = (search(x + step)[0] - search(x - step)[0]) / 2e-5
        assert gradient[k] == pytest.approx(found, rel=1e-3, abs=2e-3)


def test_outliers_count_for_little() -> None:
    rng = np.random.default_rng(1)
    C = np.array([[2.0, 0.8], [0.8, 1.0]])
    z = rng.multivariate_normal(np.zeros(2), C, 5000)
    whole, usual = robust_covariance(z)
    np.testing.assert_allclose(whole / np.trace(whole), C / np.trace(C), atol=0.02)
    z[::100] *= 100
    found, weight = robust_covariance(z)
    np.testing.assert_allclose(found, whole, rtol=0.1)
    assert weight[::100].max() < 0.05 * np.median(usual)
    assert np.cov(z.T)[0, 0] > 50 * C[0, 0]


@pytest.mark.parametrize(("minutes", "bands"), [(5, {0, 1, 2}), (60, {1, 2}), (360, {2})])
def test_bands(routing: Routing, truth: xr.DataArray, minutes: int, bands: set[int]) -> None:
    ((_, observed),) = observe(routing.loads(truth), routing)
    part = LoadMoments.of(observed, 60.0 * minutes)
    assert set(part.bands) == bands
    if 0 in bands:  # demands have no memory here, so that the fastest band has nearly all their variance
        assert 0.75 < np.trace(part.bands[0]) / np.trace(part.bands[2]) < 1.0


def test_glitches_do_not_make_the_mean(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth).copy(deep=True)
    loads.values[[100, 700]] *= 1e4 * np.random.default_rng(0).lognormal(0, 1, loads.shape[1])
    model = of.MomentPosterior(screen=False).fit(loads=loads, routing=routing)
    np.testing.assert_allclose(np.asarray(model.mean_), np.asarray(fitted.mean_), rtol=0.2)


@pytest.mark.parametrize("kind", [of.MomentPosterior, of.SimulatedPrior])
@pytest.mark.parametrize("gap", [np.nan, 0.0])
@pytest.mark.parametrize("first", [300, 1200])
def test_times_without_loads_tell_nothing(
    routing: Routing, truth: xr.DataArray, kind: type[of.MomentPosterior], gap: float, first: int
) -> None:
    loads = routing.loads(truth)
    loads.values[first : first + 250] = gap
    found = kind().fit(loads=loads, routing=routing)
    alone = kind().fit(loads=routing.loads(truth[first + 250 :] if first < 600 else truth[:first]), routing=routing)
    assert found.mean_ is not None
    assert alone.mean_ is not None
    shares, expected = found.mean_ / found.mean_.sum(), alone.mean_ / alone.mean_.sum()
    assert np.abs(shares - expected).sum() < 0.12
    assert off(found.mean_, truth) < off(alone.mean_, truth) + 0.03
    assert found.expected_error == pytest.approx(alone.expected_error, rel=0.1)


def test_what_is_missing_is_drawn_from_what_the_others_let_expect() -> None:
    rng = np.random.default_rng(0)
    S = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 4.0]])
    z = rng.multivariate_normal(np.zeros(3), S, 4000)
    for share, error in ((0.1, 0.1), (0.7, 0.25)):
        there = rng.random(z.shape) > share * np.array([1.0, 0.3, 0.3])
        found = completed(np.where(there, z, np.nan_to_num(rng.normal(size=z.shape))), there)
        np.testing.assert_array_equal(found[there], z[there])
        np.testing.assert_allclose(np.cov(found.T), np.cov(z.T), atol=error)
    assert completed(z, np.ones(z.shape, dtype=bool)) is z


def test_counters_that_are_missing_for_days(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    inner = [not link.startswith(("in:", "out:")) for link in routing.links]
    loads.values[200:900, inner] = np.nan
    found = of.MomentPosterior().fit(loads=loads, routing=routing)
    assert found.mean_ is not None
    assert fitted.mean_ is not None
    assert off(found.mean_, truth) < off(fitted.mean_, truth) + 0.05


def test_level_is_traffic_over_the_usual(routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    ((_, observed),) = observe(loads, routing)
    usual = loads.values.mean(axis=0)
    total = truth.values.sum(axis=(1, 2))
    np.testing.assert_allclose(level_of(observed, usual), total / total.mean())
    gaps = loads.copy(deep=True)
    gaps.values[3] = np.nan
    ((_, some),) = observe(gaps, routing)
    assert level_of(some, usual)[3] == 1.0


def test_order_of_nodes_does_not_matter(truth: xr.DataArray) -> None:
    network = random_network(NODES, seed=3, degree=3.0)
    straight = Routing.shortest_path(network)
    order = np.random.default_rng(0).permutation(NODES)
    nodes = [straight.nodes[k] for k in order]
    turned = Routing.shortest_path(
        of.Network(tuple(sorted(network.nodes, key=lambda n: nodes.index(n.id))), network.links)
    )
    first, second = (of.MomentPosterior().estimate(one.loads(truth), one)[::300] for one in (straight, turned))
    assert tuple(turned.nodes) == tuple(nodes)
    same = second.sel(origin=first["origin"], destination=first["destination"])
    np.testing.assert_allclose(same, first, rtol=0.02, atol=1e-3 * float(first.max()))


def test_learns_from_what_it_is_given(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    xr.testing.assert_identical(of.MomentPosterior().estimate(loads, routing), fitted.estimate(loads, routing))
    twice = of.MomentPosterior().fit(loads=2 * loads, routing=routing)
    np.testing.assert_allclose(np.asarray(twice.mean_), 2 * np.asarray(fitted.mean_), rtol=1e-3)
    few = of.MomentPosterior().fit(loads=loads[:12], routing=routing)
    assert off(np.asarray(few.mean_), truth) > off(np.asarray(fitted.mean_), truth)
    again = few.fit(loads=loads, routing=routing)
    assert off(np.asarray(again.mean_), truth) == pytest.approx(off(np.asarray(fitted.mean_), truth), abs=0.03)


def test_quantiles_and_draws(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth[:5])
    found = fitted.quantiles(loads, routing, (0.05, 0.5, 0.95))
    assert (np.diff(found.values, axis=0) >= 0).all()
    draws = fitted.sample(loads, routing, 20, seed=1)
    assert (draws >= 0).all()
    for draw in draws:
        np.testing.assert_allclose(routing.loads(draw.drop_vars("sample")), loads, rtol=1e-2)
    assert float(draws.std("sample").mean() / draws.mean()) > 0.05


def test_missing_counters_and_epochs(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth)
    gaps = loads.copy(deep=True)
    gaps.values[:, [k for k, link in enumerate(routing.links) if ":" not in link][::6]] = np.nan
    gaps.values[::7, -1] = np.nan
    here = np.asarray(fitted.mean_)
    assert off(np.asarray(of.MomentPosterior().fit(loads=gaps, routing=routing).mean_), truth) < off(here, truth) + 0.1
    internal = next(link for link in routing.links if ":" not in link)
    failed = routing.without(links=[internal])
    epochs = RoutingEpochs(truth["time"].values[[0, TIMES // 2]], (routing, failed))
    two = of.MomentPosterior().fit(loads=epochs.loads(truth), routing=epochs)
    assert off(np.asarray(two.mean_), truth) < off(here, truth) + 0.05


def test_without_self_traffic(routing: Routing, truth: xr.DataArray) -> None:
    none = truth.copy(deep=True)
    none.values[:, np.arange(NODES), np.arange(NODES)] = 0.0
    found = of.MomentPosterior(no_self_traffic=True).estimate(routing.loads(none), routing)
    assert (found.values[:, np.arange(NODES), np.arange(NODES)] == 0).all()
    usual = of.MomentPosterior().estimate(routing.loads(none), routing)
    assert of.evaluate.tre(none, found).mean() < of.evaluate.tre(none, usual).mean()


def test_saved(fitted: of.MomentPosterior, routing: Routing, truth: xr.DataArray, tmp_path: Path) -> None:
    loads = routing.loads(truth[:3])
    fitted.save(tmp_path / "m.safetensors")
    again = of.load(tmp_path / "m.safetensors")
    assert again.model == fitted.model
    xr.testing.assert_identical(again.estimate(loads, routing), fitted.estimate(loads, routing))
    with pytest.raises(NotFittedError):
        of.MomentPosterior().save(tmp_path / "n.safetensors")


def test_few_loads_tell_the_mean_alone(routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth[:7])
    few = of.MomentPosterior().fit(loads=loads, routing=routing)
    assert few.fit_ is not None
    np.testing.assert_allclose(few.fit_.mean, few.fit_.prior, rtol=1e-3)
    one, plain = few.estimate(loads, routing), of.KLProjection().estimate(loads, routing)
    assert of.evaluate.tre(truth[:7], one).mean() < 1.05 * of.evaluate.tre(truth[:7], plain).mean()
    narrow = of.MomentPosterior().fit(loads=routing.loads(truth), routing=routing)
    assert few.expected_error > 1.2 * narrow.expected_error


class FromPastLoads(of.MomentPosterior):
    """Learns from the loads of a history."""

    def fit(self, history=None, routing=None, **others):  # type: ignore[no-untyped-def]
        if history is None or routing is None:
            return super().fit(None, routing, **others)
        return super().fit(loads=routing.loads(history), routing=routing)


def test_keeps_what_every_estimator_promises() -> None:
    check_estimator(FromPastLoads(), exact=True, tolerance=1e-2)


def test_no_traffic(routing: Routing, truth: xr.DataArray) -> None:
    silent = routing.loads(truth[:20]) * 0.0
    silent.attrs = routing.loads(truth[:1]).attrs
    assert (of.MomentPosterior().estimate(silent, routing) == 0).all()


def test_forgets(routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth[:100])
    model = of.MomentPosterior().fit(loads=loads, routing=routing)
    assert 0.05 < model.expected_error < 1
    with pytest.raises(NotFittedError):
        _ = model.fit(None, routing).expected_error


def test_wrong_use(routing: Routing, truth: xr.DataArray) -> None:
    loads = routing.loads(truth[:7])
    with pytest.raises(UsageError, match="not from a history"):
        of.MomentPosterior().fit(truth, routing)
    with pytest.raises(UsageError, match="fit\\(loads=loads, routing=routing\\)"):
        of.MomentPosterior().fit(loads=loads)
    with pytest.raises(UsageError, match="freedom is 0"):
        of.MomentPosterior(freedom=0)


def test_prior_is_what_nothing_speaks_against(routing: Routing, truth: xr.DataArray) -> None:
    ((_, observed),) = observe(routing.loads(truth), routing)
    part = LoadMoments.of(observed, 900.0)
    prior = truth.values.reshape(TIMES, -1).mean(axis=0) / part.scale
    sure = fit_moments([part], prior, NODES, MomentModel(trust=1e7, trust_self=1e7))
    np.testing.assert_allclose(sure.mean, prior, rtol=0.05, atol=1e-6)
