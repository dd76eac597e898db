"""Estimators against independent formulas, and what they share."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.stats import gamma

import odflow as of
from odflow.errors import DataError, InconsistentLoadsWarning, LabelError, NotFittedError, UsageError
from odflow.estimate.base import Estimator
from odflow.network.model import Link, Network, Node
from odflow.network.routing import Routing
from odflow.testing import check_estimator

EXACT = [
    of.Tomogravity(),
    of.KLProjection(),
    of.KLProjection(prior="gravity"),
    of.KLProjection(prior="uniform"),
    of.GaussianPosterior(),
    of.StudentTPosterior(),
]
SOFT = [
    of.Gravity(),
    of.Tomogravity(noise=0.05),
    of.KLProjection(noise=0.05),
    of.GaussianPosterior(noise=0.05),
    of.StudentTPosterior(noise=0.05),
]


@pytest.mark.parametrize("estimator", EXACT, ids=repr)
def test_exact_estimators_keep_the_house_rules(estimator: Estimator):
    check_estimator(replace(estimator), exact=True)


@pytest.mark.parametrize("estimator", SOFT, ids=repr)
def test_other_estimators_keep_the_house_rules(estimator: Estimator):
    check_estimator(replace(estimator))


def dense(routing: Routing, loads: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    return routing.matrix.toarray(), loads.values


def test_tomogravity_is_zhangs_weighted_least_squares(loads: xr.DataArray, diamond_routing: Routing):
    A, y = dense(diamond_routing, loads)
    g = of.Gravity().estimate(loads, diamond_routing).values.reshape(len(y), -1)
    w = np.sqrt(g[3])
    expected = g[3] + w * (np.linalg.pinv(A * w, rcond=1e-10) @ (y[3] - A @ g[3]))
    assert (expected > 0.1 * g[3]).all()
    # more than 0.1 g and consistent with the loads: lifting and projection change nothing
    found = of.Tomogravity(sweeps=500).estimate(loads, diamond_routing).values[3].ravel()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_last_week_prior_is_a_plain_mean(history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing):
    last = of.KLProjection(half_life=None, window="7d").fit(history)
    np.testing.assert_allclose(last.mean_, history.values[-7 * 24 :].mean(axis=0).ravel(), rtol=1e-12)
    recency = of.KLProjection(half_life="1h").fit(history[-3:])
    np.testing.assert_allclose(
        recency.mean_, np.average(history.values[-3:], axis=0, weights=[0.25, 0.5, 1]).ravel(), rtol=1e-12
    )


def test_prior_auto_is_gravity_without_a_history(loads: xr.DataArray, diamond_routing: Routing):
    auto, gravity = (of.KLProjection(prior=p).estimate(loads, diamond_routing) for p in ("auto", "gravity"))
    xr.testing.assert_equal(auto, gravity)


def posterior_by_hand(
    model: of.GaussianPosterior, A: np.ndarray, y: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    assert model.spread_ is not None
    C = model.spread_.factors @ model.spread_.factors.T + np.diag(model.spread_.own)
    M = A @ C @ A.T + np.diag((noise * A @ model.mean_) ** 2)
    gain = C @ A.T @ np.linalg.pinv(M, rcond=1e-11)
    return model.mean_ + gain @ (y - A @ model.mean_), np.diag(C - gain @ A @ C)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_gaussian_posterior_by_dense_algebra(
    history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing, noise: float
):
    from odflow.estimate.observe import observe

    model = of.GaussianPosterior(noise=noise).fit(history)
    A, y = dense(diamond_routing, loads)
    ((_, observed),) = observe(loads, diamond_routing, noise=noise)
    mean, variance = posterior_by_hand(model, A, y[5], noise)
    np.testing.assert_allclose(model._condition(observed, model.mean_[None], y)[5], mean, rtol=1e-5)
    np.testing.assert_allclose(
        model._posterior_variance(observed)[5], np.maximum(variance, 1e-6 * model.spread_.variance), rtol=2e-3
    )


def test_quantiles_are_gamma_with_the_estimate_as_mean(
    history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing
):
    model = of.GaussianPosterior().fit(history)
    A, y = dense(diamond_routing, loads)
    _, variance = posterior_by_hand(model, A, y[0], 0.0)
    x = model.estimate(loads, diamond_routing)
    q = model.quantiles(loads, diamond_routing, (0.1, 0.9))
    assert q.dims == ("quantile", "time", "origin", "destination")
    k = int(np.argmax(variance / model.mean_**2))
    mean = x.values[0].ravel()[k]
    expected = gamma.ppf([0.1, 0.9], mean**2 / variance[k], scale=variance[k] / mean)
    np.testing.assert_allclose(q.values.reshape(2, 24, -1)[:, 0, k], expected, rtol=2e-3)


def test_samples_have_the_posterior_moments_and_meet_the_loads(
    history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing
):
    model = of.GaussianPosterior(floor=0.0, sweeps=200).fit(history)
    A, y = dense(diamond_routing, loads)
    mean, variance = posterior_by_hand(model, A, y[0], 0.0)
    draws = model.sample(loads[:1], diamond_routing, 2000, seed=3).values.reshape(2000, -1)
    np.testing.assert_allclose(draws @ A.T, np.repeat(y[:1], 2000, axis=0), rtol=1e-3)
    sd = np.sqrt(variance)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.15 * sd.max())
    wide = sd > 0.2 * sd.max()
    np.testing.assert_allclose(draws.std(axis=0)[wide], sd[wide], rtol=0.12)


def test_samples_repeat_with_their_seed(history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing):
    model = of.GaussianPosterior().fit(history)
    one, two, other = (model.sample(loads[:2], diamond_routing, 3, seed=s).values for s in (1, 1, 2))
    assert (one == two).all()
    assert not (one == other).all()


@pytest.mark.parametrize("estimator", EXACT, ids=repr)
def test_known_demands_are_met_and_help(
    estimator: Estimator, history: xr.DataArray, truth: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing
):
    estimator = replace(estimator).fit(history)
    known = truth.copy(deep=True)
    known.values[:] = np.nan
    known.values[:, 3, 0] = truth.values[:, 3, 0]
    known.values[2:, 0, 3] = truth.values[2:, 0, 3]
    plain = estimator.estimate(loads, diamond_routing)
    told = estimator.estimate(loads, diamond_routing, known=known)
    np.testing.assert_allclose(told.values[:, 3, 0], truth.values[:, 3, 0], rtol=2e-3)
    assert abs(told - truth).sum() < abs(plain - truth).sum()
    doubtful = estimator.estimate(loads, diamond_routing, known=known, known_error=0.3)
    between = np.abs(doubtful.values[:, 3, 0] - truth.values[:, 3, 0]).sum()
    assert between < np.abs(plain.values[:, 3, 0] - truth.values[:, 3, 0]).sum()


@pytest.mark.parametrize("estimator", [*EXACT, *SOFT], ids=repr)
def test_a_time_without_any_load_stays_unknown(
    estimator: Estimator, history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing
):
    estimator = replace(estimator).fit(history)
    holes = loads.copy(deep=True)
    holes.values[1] = np.nan
    x = estimator.estimate(holes, diamond_routing)
    assert np.isnan(x.values[1]).all()
    full = estimator.estimate(loads, diamond_routing)
    np.testing.assert_allclose(np.delete(x.values, 1, 0), np.delete(full.values, 1, 0), rtol=1e-8)


def test_gravity_finds_a_missing_access_counter_from_the_balance(loads: xr.DataArray, diamond_routing: Routing):
    holes = loads.copy(deep=True)
    holes.loc[{"link": "in:b"}] = np.nan
    found, full = (of.Gravity().estimate(y, diamond_routing) for y in (holes, loads))
    np.testing.assert_allclose(found.values, full.values, rtol=1e-2)


def test_pairs_without_a_path_get_nothing():
    net = Network(
        tuple(Node(k) for k in "abc"),
        (Link("ab", "a", "b", 1e9, 1), Link("ba", "b", "a", 1e9, 1), Link("cb", "c", "b", 1e9, 1)),
    )
    with pytest.warns(of.errors.UnreachableWarning, match="'a->c'"):
        routing = Routing.shortest_path(net)
    values = np.arange(9.0).reshape(1, 3, 3) * 1e6
    values[0, :2, 2] = 0
    y = routing.loads(of.demands(values, np.array(["2026-01-01"], "datetime64[ns]"), "abc", 300))
    for estimator in (of.Gravity(), of.Tomogravity(), of.KLProjection()):
        assert (estimator.estimate(y, routing).values[0, :2, 2] == 0).all()


def test_history_age_is_stated(history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing):
    x = of.KLProjection().fit(history[:-48]).estimate(loads, diamond_routing)
    assert x.attrs["history_age_s"] == 48 * 3600
    assert x.attrs["method"] == "KLProjection"


def test_epochs_use_the_routing_of_their_time(history: xr.DataArray, truth: xr.DataArray, diamond_routing: Routing):
    when = truth["time"].values[12]
    epochs = of.RoutingEpochs.from_events(diamond_routing, [(when, ["bd", "db"])])
    y = epochs.loads(truth)
    assert float(y.sel(link="bd")[12:].sum()) == 0
    x = of.KLProjection(sweeps=400).fit(history).estimate(y, epochs)
    np.testing.assert_allclose(epochs.loads(x).values, y.values, rtol=1e-3, atol=1e-3 * float(y.max()))


def test_clear_refusals(history: xr.DataArray, loads: xr.DataArray, truth: xr.DataArray, diamond_routing: Routing):
    with pytest.raises(NotFittedError, match="past TMs"):
        of.KLProjection(prior="history").estimate(loads, diamond_routing)
    with pytest.raises(NotFittedError, match="past TMs"):
        of.GaussianPosterior().estimate(loads, diamond_routing)
    with pytest.raises(UsageError, match="needs a history"):
        of.GaussianPosterior().fit()
    with pytest.raises(UsageError, match="prior is 'mean'"):
        of.KLProjection(prior="mean")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"floor is 1\.5"):
        of.GaussianPosterior(floor=1.5)
    with pytest.raises(UsageError, match=r"noise is -0\.1"):
        of.Gravity(noise=-0.1).estimate(loads, diamond_routing)
    with pytest.raises(LabelError, match="noise is given for link 'zz'"):
        of.Gravity(noise={"zz": 0.1}).estimate(loads, diamond_routing)
    with pytest.raises(LabelError, match="loads lack link 'ab1'"):
        of.Gravity().estimate(loads.drop_sel(link="ab1"), diamond_routing)
    other = history.assign_coords(origin=list("abcx"), destination=list("abcx"))
    with pytest.raises(LabelError, match="lack node 'd'"):
        of.KLProjection().fit(other).estimate(loads, diamond_routing)
    with pytest.raises(LabelError, match="known demands lack the time"):
        of.Gravity().estimate(loads, diamond_routing, known=truth[1:])
    with pytest.raises(DataError, match="no measured value"):
        of.Gravity().estimate(loads, diamond_routing, known=truth.where(False).assign_attrs(truth.attrs))
    with pytest.raises(UsageError, match="quantiles are"):
        of.GaussianPosterior().fit(history).quantiles(loads, diamond_routing, (0.9, 0.1))


def test_noise_may_differ_by_link(truth: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing):
    """A counter known to be bad is hardly listened to, the others are."""
    wrong = loads.copy(deep=True)
    wrong.loc[{"link": "ac"}] = loads.sel(link="ac") * 1.5
    estimator = of.KLProjection(noise={"ac": 3.0}, screen=False, sweeps=400)
    x = estimator.estimate(wrong, diamond_routing)
    good = [link for link in diamond_routing.links if link != "ac"]
    again = diamond_routing.loads(x).sel(link=good)
    np.testing.assert_allclose(again, loads.sel(link=good), rtol=2e-2)


def test_a_corrupted_counter_is_named_and_left_out(
    history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing
):
    model = of.KLProjection(sweeps=400).fit(history)
    wrong = loads.copy(deep=True)
    wrong.loc[{"link": "bd"}] = loads.sel(link="bd") * 3
    with pytest.warns(InconsistentLoadsWarning, match=r"suspicious counter 'bd' \(24 of 24 times\)"):
        found = model.estimate(wrong, diamond_routing)
    np.testing.assert_allclose(diamond_routing.loads(found), loads, rtol=5e-3)


def test_clean_loads_raise_no_suspicion(history: xr.DataArray, loads: xr.DataArray, diamond_routing: Routing):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        of.KLProjection().fit(history).estimate(loads, diamond_routing)
