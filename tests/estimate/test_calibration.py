"""Quantiles put right by back-tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

import odflow as of
from odflow import labels
from odflow.errors import DataError, NotFittedError
from odflow.estimate.calibration import LEVELS, Calibration, Tried, calibrated, floors, folds, units
from odflow.network.routing import Routing

NOW = np.datetime64("2026-01-01", "ns")
WEEK = np.timedelta64(7, "D")


def hours(count: int) -> xr.DataArray:
    times = np.datetime64("2026-01-01", "ns") + np.arange(count) * np.timedelta64(1, "h")
    return labels.demands(np.ones((count, 4)), times, ("a", "b"), 3600)


def test_weeks_are_tried_on_what_is_before_them() -> None:
    history = hours(24 * 7 * 4 + 5)
    found = list(folds(history, 20, 10))
    assert [len(past) for past, _ in found] == [24 * 21 + 5, 24 * 14 + 5, 24 * 7 + 5]
    for past, now in found:
        assert past["time"].values[-1] < now["time"].values[0]
        assert len(now) == 10
        assert now["time"].values[0] - past["time"].values[-1] == np.timedelta64(1, "h")
        assert now["time"].values[-1] - now["time"].values[0] <= np.timedelta64(7, "D")
    assert len(list(folds(history, 2, 10))) == 2
    ((past, now),) = folds(hours(48), 20, 1000)
    assert (len(past), len(now)) == (24, 24)
    with pytest.raises(DataError, match="too short"):
        next(folds(hours(1), 20, 10))


def test_units() -> None:
    below, above = units(np.array([[9.0]]), np.array([[5.0]]), np.array([1.0]))
    assert (below[0, 0], above[0, 0]) == pytest.approx((np.log(2), np.log(1.5)))
    assert units(np.array([[9.0]]), np.array([[50.0]]), np.array([1.0]))[0, 0, 0] == pytest.approx(np.log(10))


def test_quantiles_are_those_of_the_errors() -> None:
    rng = np.random.default_rng(0)
    mean = np.array([10.0, 1000.0])
    floor = floors(mean)
    estimate = np.broadcast_to(mean, (4000, 2))
    spread = 0.5 * estimate
    surprise = np.repeat([0.0, 3.0], 2000)
    # errors of the second half are four times as large, those of the larger flow half as large
    width = np.where(surprise > 1, 0.8, 0.2)[:, None] * [1.0, 0.5]
    truth = (estimate + floor) * np.exp(width * rng.standard_normal((4000, 2))) - floor
    calibration = calibrated([Tried(truth, estimate, spread, surprise, mean, NOW)], mean)
    assert calibration.errors.shape == (2, 16, len(LEVELS))
    for at, scale in ((0.0, 0.2), (3.0, 0.8), (-9.0, 0.2), (99.0, 0.8)):
        found = calibration.quantiles(estimate[:1], spread[:1], np.array([at]), np.array([0.05, 0.5, 0.95]))
        error = np.log(found + floor) - np.log(estimate[:1] + floor)
        z = 1.645 * scale * np.array([1.0, 0.5])
        np.testing.assert_allclose(error[:, 0], [-z, 0 * z, z], atol=0.1 * scale + 0.003)
    turned = calibration.select(np.array([1, 0])).quantiles(
        estimate[:1, ::-1], spread[:1, ::-1], np.array([0.0]), np.array([0.9])
    )
    straight = calibration.quantiles(estimate[:1], spread[:1], np.array([0.0]), np.array([0.9]))
    np.testing.assert_array_equal(turned[..., ::-1], straight)


def back_test(size: np.ndarray, end: np.datetime64, seed: int) -> Tried:
    """Twenty flows of about 100, with lognormal errors of these sizes."""
    mean = 100 + np.arange(20.0)
    estimate = np.broadcast_to(mean, (500, 20))
    error = size * np.random.default_rng(seed).standard_normal((500, 20))
    truth = (mean + floors(mean)) * np.exp(error) - floors(mean)
    return Tried(truth, estimate, 0.2 * estimate, np.zeros(500), mean, end)


def test_flows_have_errors_of_their_own() -> None:
    size = np.where(np.arange(20) % 2, 0.1, 0.3)
    tried = [back_test(size, NOW - k * WEEK, k) for k in range(18)]
    own = calibrated(tried, tried[0].mean).own
    assert np.log(own[::2] / own[1::2]) == pytest.approx(0.7 * 18 / 20 * np.log(3) * np.ones(10), abs=0.03)
    last = calibrated(tried[:1], tried[0].mean).own
    assert np.log(last[::2] / last[1::2]).mean() == pytest.approx(0.7 / 3 * np.log(3), abs=0.03)
    unknown = [Tried(np.full_like(tried[0].truth, np.nan), *list(vars(tried[0]).values())[1:]), *tried[1:]]
    assert np.isfinite(calibrated(unknown, tried[0].mean).own).all()


def test_late_errors_weigh_more() -> None:
    sizes = {0: 0.1, 6: 0.4}
    tried = [back_test(np.full(20, size), NOW - weeks * WEEK, weeks) for weeks, size in sizes.items()]
    found = calibrated(tried, tried[0].mean).quantiles(
        tried[0].estimate[:1], tried[0].spread[:1], np.zeros(1), np.array([0.9])
    )
    mixed = np.concatenate([np.tile(0.1 * norm.ppf(LEVELS), 4), 0.4 * norm.ppf(LEVELS)])
    error = np.log((found + floors(tried[0].mean)) / (tried[0].mean + floors(tried[0].mean)))
    assert np.median(error) == pytest.approx(np.quantile(mixed, 0.9), rel=0.1)


def test_no_more_than_the_least_load_on_the_path(
    history: xr.DataArray, truth: xr.DataArray, diamond_routing: Routing
) -> None:
    loads = diamond_routing.loads(truth)
    wild = history.copy(data=history.values * np.exp(2 * np.random.default_rng(0).standard_normal(history.shape)))
    for noise in (0.0, 0.1):
        found = of.StudentTPosterior(noise=noise).fit(wild).quantiles(loads, diamond_routing, (0.5, 0.999))
        A = diamond_routing.matrix.toarray()
        shares = np.where(A > 0, A, np.nan)[None] / loads.values[:, :, None]
        most = (1 + 3 * noise) / np.nanmax(np.nan_to_num(shares), axis=1)
        values = found.values.reshape(2, len(loads), -1)
        assert (values <= most * (1 + 1e-12)).all()
        assert np.isclose(values[1], most).any()
    loads[:] = np.where(np.arange(loads.shape[1]) < 2, np.nan, loads)
    assert np.isfinite(of.StudentTPosterior().fit(history).quantiles(loads, diamond_routing)).all()


@pytest.mark.parametrize("kind", [of.GaussianPosterior, of.StudentTPosterior])
def test_intervals_hold_what_they_say(
    kind: type[of.GaussianPosterior],
    history: xr.DataArray,
    truth: xr.DataArray,
    diamond_routing: Routing,
    tmp_path: Path,
) -> None:
    loads = diamond_routing.loads(truth)
    model = kind().fit(history)
    levels = (0.05, 0.5, 0.95)
    raw = model.quantiles(loads, diamond_routing, levels)
    point = model.estimate(loads, diamond_routing)
    found = model.calibrate(history, diamond_routing).quantiles(loads, diamond_routing, levels)
    xr.testing.assert_identical(model.estimate(loads, diamond_routing), point)
    shares = [float(((truth >= q[0]) & (truth <= q[2])).mean()) for q in (raw, found)]
    assert abs(shares[1] - 0.9) < 0.06
    assert abs(shares[1] - 0.9) <= abs(shares[0] - 0.9)
    assert (np.diff(found.values, axis=0) >= 0).all()
    one = model.quantiles(loads[[7]], diamond_routing, levels)
    np.testing.assert_allclose(one.values, found.values[:, [7]], rtol=1e-7)
    model.save(tmp_path / "m.safetensors")
    again = of.load(tmp_path / "m.safetensors").quantiles(loads, diamond_routing, levels)
    xr.testing.assert_identical(again, found)
    assert model.fit(history).calibration_ is None


def test_order_of_nodes_does_not_matter(history: xr.DataArray, truth: xr.DataArray, diamond_routing: Routing) -> None:
    loads = diamond_routing.loads(truth)
    turned = history.isel(origin=slice(None, None, -1), destination=slice(None, None, -1))
    first, second = (
        of.GaussianPosterior().fit(past).calibrate(history, diamond_routing).quantiles(loads, diamond_routing, (0.9,))
        for past in (history, turned)
    )
    np.testing.assert_allclose(first, second, rtol=1e-9)


def test_noise_belongs_to_the_back_tests(history: xr.DataArray, diamond_routing: Routing) -> None:
    exact, noisy = (
        of.GaussianPosterior(noise=noise).fit(history).calibrate(history, diamond_routing).calibration_
        for noise in (0.0, 0.1)
    )
    assert isinstance(exact, Calibration)
    assert isinstance(noisy, Calibration)
    assert not np.array_equal(exact.errors, noisy.errors)


def test_gaps_and_wrong_use(history: xr.DataArray, diamond_routing: Routing) -> None:
    with pytest.raises(NotFittedError):
        of.GaussianPosterior().calibrate(history, diamond_routing)
    gaps = history.copy(deep=True)
    gaps.values[::2, 0, 1] = np.nan
    model = of.GaussianPosterior().fit(gaps).calibrate(gaps, diamond_routing)
    assert model.calibration_ is not None
    gaps.values[1::2, 1, 0] = np.nan
    with pytest.raises(DataError, match="no complete TM"):
        model.fit(gaps).calibrate(gaps, diamond_routing)
