from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from odflow.errors import DataError, UsageError
from odflow.forecast.base import Forecaster
from odflow.forecast.past import before, held, lagged_mean, same_slot, smoothed
from odflow.forecast.per_series import SeriesRidge
from odflow.forecast.pooled import PooledRidge, PooledTrees
from odflow.forecast.simple import EWMA, HistoricalAverage, LastValue, SeasonalEWMA, SeasonalNaive

RNG = np.random.default_rng(0)


def series(x: np.ndarray, interval_s: float = 3600.0) -> xr.DataArray:
    time = np.datetime64("2026-01-05", "ns") + np.arange(len(x)) * np.timedelta64(int(interval_s), "s")
    names = {"node": [f"n{k}" for k in range(x.shape[1])], "service": [f"s{k}" for k in range(x.shape[2])]}
    return xr.DataArray(
        x, dims=("time", "node", "service"), coords={"time": time} | names, attrs={"interval_s": interval_s}
    )


def days(count: int, noise: float = 0.0, nodes: int = 3, services: int = 2) -> np.ndarray:
    """Daily cycles of different size and phase, hourly, with a slow wander."""
    hour = np.arange(24 * count)[:, None, None]
    phase = RNG.uniform(0, 24, (1, nodes, services))
    size = np.exp(RNG.standard_normal((1, nodes, services)))
    x = size * (2 + np.cos((hour - phase) * np.pi / 12))
    return x * np.exp(noise * RNG.standard_normal(x.shape))


def test_reading_the_past() -> None:
    x = np.array([np.nan, 1, np.nan, 3, 4, np.nan]).reshape(-1, 1, 1)
    np.testing.assert_array_equal(held(x).ravel(), [np.nan, 1, 1, 3, 4, 4])
    np.testing.assert_array_equal(before(x, np.array([0, 2, 5])).ravel(), [np.nan, 1, 4])
    np.testing.assert_allclose(smoothed(x, 0.5).ravel(), [np.nan, 1, 1, 2, 3, 3])
    # period 2, one period back at least, two of them: x[u-2], x[u-4]
    np.testing.assert_allclose(lagged_mean(x, 2, 1, 2).ravel(), [np.nan, np.nan, np.nan, 1, np.nan, 2, 4, 3])
    found = same_slot(x, np.array([5]), 4, 2, 1)
    # leads 1, 2 see one period back, leads 3, 4 two: indices 5, 6, 7, 8 -> 3, 4, 3, 4
    np.testing.assert_allclose(found.ravel(), [3, 4, 3, 4])


def test_simple_rules_by_hand() -> None:
    x = days(3)
    x[60, 0, 0] = np.nan  # a gap
    full = series(x)
    history = full[:61]
    origin, lead = np.array([61]), 5
    last = LastValue().fit(history).predict_at(full, origin, lead)
    assert last.shape == (1, 5, 3, 2)
    np.testing.assert_array_equal(last[0, :, 0, 0], np.full(5, x[59, 0, 0]))
    np.testing.assert_array_equal(last[0, :, 1, 1], np.full(5, x[60, 1, 1]))
    naive = SeasonalNaive().fit(history).predict_at(full, origin, 11)[0]
    np.testing.assert_array_equal(naive, x[37:48])
    average = HistoricalAverage().fit(history).predict_at(full, origin, 5)[0]
    np.testing.assert_allclose(average, (x[37:42] + x[13:18]) / 2)
    week = SeasonalNaive(7).fit(history).predict_at(full, origin, 5)[0]
    np.testing.assert_array_equal(week, x[37:42])  # no week is known: a day


def test_beyond_a_day() -> None:
    x = days(4)
    found = SeasonalNaive().fit(series(x[:48])).predict(series(x[:48]), 40)
    np.testing.assert_array_equal(found.values[:24], x[24:48])
    np.testing.assert_array_equal(found.values[24:], x[24:40])
    assert found["time"].values[0] == series(x)["time"].values[48]
    assert found["node"].values.tolist() == ["n0", "n1", "n2"]


def test_memory_is_learnt() -> None:
    noisy = 100 + RNG.standard_normal((400, 2, 1))
    walk = 100 + np.cumsum(RNG.standard_normal((400, 2, 1)), axis=0)
    fitted = EWMA().fit(series(np.concatenate([noisy, walk], axis=2)))
    assert fitted.alpha_[0] <= 0.2
    assert fitted.alpha_[1] >= 0.9
    calm = SeasonalEWMA().fit(series(days(14)))
    x = days(15)
    exact = SeasonalEWMA().fit(series(x[:-24])).predict(series(x[:-24]), 24)
    np.testing.assert_allclose(exact.values, x[-24:], rtol=1e-6)  # days repeat themselves
    assert calm.share_.shape == (12, 2)
    level = np.repeat(np.exp(0.3 * RNG.standard_normal(20)), 24)[:, None, None]
    moved = days(20) * level  # every day has its own level: the correction is worth its full share
    tuned = SeasonalEWMA().fit(series(moved))
    assert tuned.share_[0].min() >= 0.85


@pytest.mark.parametrize(
    "forecaster",
    [
        LastValue(),
        SeasonalNaive(),
        HistoricalAverage(),
        EWMA(),
        SeasonalEWMA(),
        PooledRidge(lead=3),
        SeriesRidge(lead=3),
        PooledTrees(lead=3, only=(1,), trees=10, rows=300),
    ],
)
def test_nothing_is_known_of_the_future(forecaster: Forecaster) -> None:
    x = days(10, noise=0.1)
    fitted = forecaster.fit(series(x[:192]))
    origins = np.array([193, 200, 210])
    usual = fitted.predict_at(series(x), origins, 3)
    assert np.isfinite(usual).all()
    np.testing.assert_array_equal(fitted.predict_at(series(x), origins, 3, only=(1, 3)), usual[:, [0, 2]])
    for k, origin in enumerate(origins):
        other = x.copy()
        other[origin:] = np.nan
        other[origin + 1 :] = 1e6
        np.testing.assert_array_equal(fitted.predict_at(series(other), origins[[k]], 3)[0], usual[k])


@pytest.mark.parametrize(
    "forecaster", [PooledRidge(lead=2), SeriesRidge(lead=2), PooledTrees(lead=2, trees=60, rows=1500)]
)
def test_pooled_regressions_learn(forecaster: Forecaster) -> None:
    # a cycle of 20 hours, which the day before does not tell
    hour = np.arange(24 * 20)[:, None, None]
    x = (2 + np.cos((hour - RNG.uniform(0, 20, (1, 4, 1))) * np.pi / 10)) * np.exp(
        0.02 * RNG.standard_normal((len(hour), 4, 1))
    )
    origins = np.arange(24 * 16, len(x) - 2)
    truth = x[origins[:, None] + np.arange(2)]
    found = forecaster.fit(series(x[: 24 * 16])).predict_at(series(x), origins, 2)
    naive = SeasonalNaive().fit(series(x)).predict_at(series(x), origins, 2)
    assert np.abs(found - truth).mean() < 0.2 * np.abs(naive - truth).mean()


def test_bad_input() -> None:
    good = series(days(3))
    with pytest.raises(UsageError, match="not fitted"):
        LastValue().predict(good, 3)
    fitted = LastValue().fit(good)
    with pytest.raises(UsageError, match="lead is 0"):
        fitted.predict(good, 0)
    with pytest.raises(UsageError, match="origins from 1 to 69"):
        fitted.predict_at(good, np.array([70]), 3)
    with pytest.raises(DataError, match="intervals of 900 s, fitted on 3600 s"):
        fitted.predict(series(days(3), 900.0), 3)
    with pytest.raises(DataError, match="regular time axis"):
        fitted.predict(good[[0, 1, 3]], 3)
    with pytest.raises(DataError, match="expected series"):
        LastValue().fit(good[:, 0])
    with pytest.raises(DataError, match="holds no value"):
        LastValue().fit(series(np.full((30, 2, 1), np.nan)))
    with pytest.raises(DataError, match="too few to learn"):
        PooledRidge(lead=40).fit(series(days(1)))
    with pytest.raises(DataError, match="too few to learn"):
        SeriesRidge(lead=40).fit(series(days(1)))


@pytest.mark.parametrize(
    "forecaster",
    [SeasonalEWMA(), PooledRidge(lead=3), SeriesRidge(lead=3), PooledTrees(lead=3, only=(1,), trees=10, rows=300)],
)
def test_a_series_that_begins_after_the_history(forecaster: Forecaster) -> None:
    x = days(12, noise=0.1)
    x[:240, 0, 0] = 0.0
    found = forecaster.fit(series(x[:240])).predict_at(series(x), np.arange(245, 280), 3)
    assert found[:, :, 0, 0].max() < 100 * x[240:, 0, 0].max()
    assert np.isfinite(found).all()


def test_each_series_its_own_coefficients() -> None:
    # one follows its last value, one goes back to its mean at once
    walk = np.exp(0.05 * RNG.standard_normal(1500).cumsum())
    noise = np.exp(0.3 * RNG.standard_normal(1500))
    x = np.stack([walk, noise], axis=1)[:, :, None]
    origins = np.arange(1200, 1490)
    own, pooled = (
        np.abs(np.log(one.fit(series(x[:1200])).predict_at(series(x), origins, 1)[:, 0] / x[origins])).mean(axis=0)[
            :, 0
        ]
        for one in (SeriesRidge(lead=1), PooledRidge(lead=1))
    )
    assert (own < [0.05, 0.26]).all()  # their own noise: 0.04 and 0.24
    assert own.sum() < pooled.sum()


def test_rows_are_drawn_as_often_as_they_weigh() -> None:
    from odflow.forecast.pooled import _drawn

    weight = np.array([0.5, 0.0, 2.0, 1.5, 1.0])
    for seed in range(20):
        times = np.bincount(_drawn(weight, np.random.default_rng(seed)), minlength=5)
        assert times.sum() == 5
        assert (np.abs(times - weight) < 1).all()
    many = np.mean([np.bincount(_drawn(weight, np.random.default_rng(k)), minlength=5) for k in range(400)], axis=0)
    np.testing.assert_allclose(many, weight, atol=0.08)
