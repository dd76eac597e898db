from __future__ import annotations

import numpy as np
import pytest

from odflow.errors import DataError
from odflow.evaluate.forecast_scores import mean_ranks, naive_error, paired_difference, score_forecast

RNG = np.random.default_rng(0)


def test_errors_by_hand() -> None:
    truth = np.array([[[10.0, 1.0], [20.0, np.nan]], [[30.0, 3.0], [np.nan, 5.0]]])
    forecast = truth + np.array([[[1.0, 0.0], [-2.0, 0.0]], [[3.0, -1.0], [0.0, 2.0]]])
    forecast[~np.isfinite(truth)] = 1e9  # nobody knows
    found = score_forecast(forecast, truth, naive=np.array([[2.0, 1.0], [4.0, 4.0]]))
    np.testing.assert_allclose(found.mae, [2.0, 1.0])
    np.testing.assert_allclose(found.rmse, np.sqrt([14 / 3, 5 / 3]))
    np.testing.assert_allclose(found.wape, [6 / 60, 3 / 9])
    np.testing.assert_allclose(found.mase, [(2 / 2 + 2 / 4) / 2, (0.5 / 1 + 2 / 4) / 2])
    assert found.count.tolist() == [3, 3]
    assert np.isnan(score_forecast(forecast, truth).mase).all()
    forecast[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="forecast is missing"):
        score_forecast(forecast, truth)
    with pytest.raises(DataError, match="no known value"):
        score_forecast(truth, np.full_like(truth, np.nan))


def test_the_day_before() -> None:
    x = np.array([1.0, 2.0, 4.0, 7.0, np.nan, 1.0]).reshape(-1, 1, 1)
    assert naive_error(x, 2)[0, 0] == pytest.approx((3 + 5 + 6) / 3)
    assert np.isnan(naive_error(x, 6)).all()


def test_differences_with_their_chance() -> None:
    days = np.repeat(np.arange(40), 24)
    truth = RNG.uniform(5, 15, (960, 3, 2))
    noise = RNG.standard_normal(truth.shape)
    good, bad = truth + noise, truth + 1.2 * noise
    found = paired_difference(good, bad, truth, days)
    expected = -0.2 * np.mean(np.abs(noise).sum(axis=(0, 1)) / truth.sum(axis=(0, 1)))
    assert found.mean == pytest.approx(expected)
    assert found.low < found.mean < found.high < 0
    same = paired_difference(truth + noise, truth + RNG.permutation(noise), truth, days)
    assert same.low < 0 < same.high
    # nineteen of twenty intervals hold the truth
    hits = 0
    for trial in range(100):
        rng = np.random.default_rng(trial)
        offs = rng.standard_normal((2, 30, 1, 1)).repeat(4, axis=1)  # four targets a day, which go together
        level = np.full((120, 1, 1), 100.0)
        each = paired_difference(level + np.abs(offs[0]), level + np.abs(offs[1]), level, np.repeat(np.arange(30), 4))
        hits += each.low <= 0 <= each.high
    assert 86 <= hits <= 100
    with pytest.raises(DataError, match="on one day"):
        paired_difference(good, bad, truth, np.zeros(960, dtype=int))


def test_ranks() -> None:
    losses = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 1.0]])
    np.testing.assert_allclose(mean_ranks(losses), [(1 + 2.5) / 2, (2 + 2.5) / 2, (3 + 1) / 2])
