from __future__ import annotations

import numpy as np
import pytest

from odflow.errors import DataError
from odflow.evaluate.conformal import calibrated, recalibrated
from odflow.evaluate.forecast_scores import CRPS_LEVELS, crps, inside
from odflow.forecast.base import middle_of

RNG = np.random.default_rng(0)
NO_FLOOR = np.full((2, 1), 1e-12)


def test_errors_by_hand() -> None:
    truth = np.exp(np.array([-1.0, 0.0, 1.0, 2.0]))[:, None, None]
    learnt = np.exp(np.array([-0.5, 0.0, 2.0])) * np.ones((4, 1, 1, 1))
    found = calibrated(learnt, truth, NO_FLOOR[:1])
    np.testing.assert_allclose(found.errors, [-2.0, 0.0, 0.5, 1.0], atol=1e-9)  # 0.5 below, 2 above is the unit
    wide = np.exp(np.array([-1.0, 0.0, 1.0]))[None, None, None]
    assert found.quantile(10 * wide, 1.0).item() == pytest.approx(10 * np.e)
    assert found.quantile(10 * wide, 0.0).item() == pytest.approx(10 * np.exp(-2))
    alone = calibrated(middle_of(learnt)[..., None], truth, NO_FLOOR[:1])  # four targets: too few for a spread
    np.testing.assert_allclose(alone.errors, [-1, 0, 1, 2], atol=1e-9)


def noisy(days: int, learnt: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A steady series and one that is ten times noisier by day than by night; forecasts, truth, time."""
    hour = np.arange(24 * days)
    spread = 0.05 * np.stack([np.ones(len(hour)), np.where(hour % 24 < 12, 10.0, 1.0)], axis=1)[..., None]
    truth = 100 * np.exp(spread * RNG.standard_normal(spread.shape))
    quantiles = 100 * np.exp(0.5 * spread[..., None] * np.array([-1, 0, 1]))  # half as wide as they should be
    time = np.datetime64("2026-01-05") + hour * np.timedelta64(1, "h")
    return quantiles if learnt else middle_of(quantiles)[..., None], truth, time


@pytest.mark.parametrize("learnt", [False, True])
def test_intervals_hold_as_much_as_they_say(learnt: bool) -> None:
    forecast, truth, time = noisy(80, learnt)
    bands = recalibrated(forecast, truth, time, time[24 * 7], np.timedelta64(11, "h"), CRPS_LEVELS)
    later = truth[24 * 7 :]
    assert bands.shape == (10, *later.shape)
    assert (np.diff(bands, axis=0) >= 0).all()
    assert inside(bands[0], bands[-1], later)[0] == pytest.approx(0.9, abs=0.02)
    by_day = (time[24 * 7 :] - time[0]) % np.timedelta64(1, "D") < np.timedelta64(12, "h")
    share = inside(bands[0][by_day, 1:], bands[-1][by_day, 1:], later[by_day, 1:])[0]
    assert share == pytest.approx(0.9, abs=0.03) if learnt else share < 0.87  # only quantiles know of day and night


def test_only_what_was_known_counts() -> None:
    forecast, truth, time = noisy(20, True)
    first, delay = time[24 * 10], np.timedelta64(11, "h")
    whole = recalibrated(forecast, truth, time, first, delay, (0.1, 0.9))
    changed = truth.copy()
    changed[24 * 12 - 11 :] *= 100.0
    again = recalibrated(forecast, changed, time, first, delay, (0.1, 0.9))
    np.testing.assert_array_equal(again[:, : 24 * 3], whole[:, : 24 * 3])
    assert (again[1, 24 * 3 :] > whole[1, 24 * 3 :]).mean() > 0.9
    with pytest.raises(DataError, match="nothing is known to calibrate"):
        recalibrated(forecast, truth, time, time[5], delay, (0.5,))


def test_crps() -> None:
    truth = RNG.uniform(5, 15, (4000, 1, 2))
    point = truth + RNG.standard_normal(truth.shape)
    sharp = np.broadcast_to(point, (10, *point.shape))
    wape = np.abs(point - truth).sum(axis=(0, 1)) / truth.sum(axis=(0, 1))
    np.testing.assert_allclose(crps(sharp, truth), wape)
    steps = np.array([-1.6449, -1.0364, -0.6745, -0.3853, -0.1257, 0.1257, 0.3853, 0.6745, 1.0364, 1.6449])
    level = np.full((4000, 1, 2), 100.0)
    normal = level + steps[:, None, None, None]
    drawn = level + RNG.standard_normal(level.shape)
    np.testing.assert_allclose(crps(normal, drawn), 0.5642 / 100, rtol=0.03)  # 1 / sqrt(pi), of a normal distribution
    drawn[:2000] = np.nan
    np.testing.assert_allclose(crps(normal, drawn), 0.5642 / 100, rtol=0.05)
