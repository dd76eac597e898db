from __future__ import annotations

import numpy as np
import pytest

from odflow.errors import DataError
from odflow.evaluate import realism_series as series
from odflow.evaluate import realism_tms as stats

RNG = np.random.default_rng(0)
MONDAY = 1767571200.0  # 2026-01-05


def test_inequality() -> None:
    assert series.gini(np.ones(7)) == pytest.approx(0.0)
    assert series.gini(np.array([0, 0, 0, 1.0])) == pytest.approx(0.75)
    x = RNG.lognormal(size=50)
    by_pairs = np.abs(x[:, None] - x).mean() / (2 * x.mean())
    assert series.gini(x) == pytest.approx(by_pairs)
    falling = np.exp(-3 * np.arange(100) / 100)
    assert stats.rank_slope(RNG.permutation(falling)) == pytest.approx(-3.0)
    assert np.isnan(stats.rank_slope(np.ones(5)))


def test_gravity_and_reciprocity() -> None:
    tm = np.outer([1.0, 2, 3], [2.0, 1, 1])
    np.testing.assert_allclose(stats.gravity(tm), tm)
    mass = np.exp(RNG.standard_normal(40))
    residual = RNG.standard_normal((40, 40))
    both = (residual + residual.T) / np.sqrt(2)
    assert stats.reciprocity(np.outer(mass, mass) * np.exp(0.3 * both)) == pytest.approx(1.0, abs=0.02)
    assert stats.reciprocity(np.outer(mass, mass) * np.exp(0.3 * residual)) == pytest.approx(0.0, abs=0.1)


def test_energies() -> None:
    common = RNG.standard_normal((5000, 1))
    alike = 10 + common * np.array([1.0, 2, 3, 4])
    assert series.energies(alike, (1, 2)) == pytest.approx((1.0, 1.0))
    alone = 10 + RNG.standard_normal((5000, 4)) * np.array([1.0, 2, 3, 4])
    assert series.energies(alone, (1, 2)) == pytest.approx((0.25, 0.5), abs=0.03)


def test_rhythm() -> None:
    time = MONDAY + np.arange(7 * 96) * 900.0
    hour = time % 86400 / 3600
    level = np.where(np.arange(7 * 96) >= 5 * 96, 0.6, 1.0)
    swing, busy, weekend = series.rhythm(level * (2 + np.cos(2 * np.pi * (hour - 15) / 24)), time)
    assert swing == pytest.approx(3.0, rel=0.02)
    assert busy == pytest.approx(15.0, abs=0.2)
    assert weekend == pytest.approx(0.6)
    with pytest.raises(DataError, match="need working days and a weekend"):
        series.rhythm(np.ones(96), time[:96])


def test_correlation_and_variance() -> None:
    noise = RNG.standard_normal((40_000, 3))
    walk = np.empty_like(noise)
    walk[0] = noise[0]
    for k in range(1, len(noise)):
        walk[k] = 0.8 * walk[k - 1] + 0.6 * noise[k]
    x = np.array([10.0, 100, 1000]) * (1 + 0.05 * walk)
    assert series.autocorrelation(x, 1) == pytest.approx(0.8, abs=0.02)
    assert series.autocorrelation(x, 3) == pytest.approx(0.512, abs=0.03)
    assert np.isnan(series.autocorrelation(x[:10], 6))
    white = np.array([10.0, 100, 1000]) ** 0.8 * noise + np.array([10.0, 100, 1000]) * 20
    within = series.variance_within(white, 12)
    np.testing.assert_allclose(within, np.array([10.0, 100, 1000]) ** 1.6, rtol=0.05)
    assert series.power_law(white.mean(axis=0), within) == pytest.approx(1.6, abs=0.02)


def test_kurtosis_of_normal_increments_is_three() -> None:
    x = 1e6 * np.exp(0.1 * RNG.standard_normal((20_000, 4)))
    assert series.kurtosis(x) == pytest.approx(np.log10(3), abs=0.02)
    jumpy = x.copy()
    jumpy[::500] *= 5
    assert series.kurtosis(jumpy) > 1.0


def test_all_together() -> None:
    steps, shape = 2 * 7 * 96, (3, 3)
    x = np.ones((steps, 9)) * np.arange(1.0, 10)
    x *= 1 + 0.2 * np.sin(2 * np.pi * np.arange(steps) / 96)[:, None] + 0.01 * RNG.standard_normal((steps, 9))
    x[::4, 8] = 0.0
    found = stats.tm_statistics(x, MONDAY, 900.0)
    assert found.zeros == pytest.approx(0.25 / 9)
    mean = x.mean(axis=0).reshape(shape)
    assert found.self_share == pytest.approx(np.trace(mean) / mean.sum())
    assert found.gravity_error == pytest.approx(np.abs(mean - stats.gravity(mean)).sum() / mean.sum())
    assert found.correlation_day > 0.7
    assert found.weekend == pytest.approx(1.0, abs=0.05)
    with pytest.raises(DataError, match=r"need a week of them, these are 3\.0 days"):
        stats.tm_statistics(x[:288], MONDAY, 900.0)
    x[0, 0] = np.nan
    with pytest.raises(DataError, match="leave incomplete TMs out"):
        stats.tm_statistics(x, MONDAY, 900.0)
