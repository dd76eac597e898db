"""Gravity, recency means and spreads by hand."""

from __future__ import annotations

import numpy as np
import pytest

from odflow import labels
from odflow.errors import DataError, UsageError
from odflow.estimate.priors import History, gravity, recency_mean, recency_weights, week_spread

HOUR = np.timedelta64(3600, "s")


def tms(values: np.ndarray) -> object:
    time = np.datetime64("2026-01-01", "h") + np.arange(len(values)) * HOUR
    return labels.demands(values, time, ("a", "b"), 3600)


def test_gravity_by_hand():
    x = gravity(np.array([[6.0, 2.0]]), np.array([[4.0, 4.0]]))
    np.testing.assert_allclose(x, [[3.0, 3.0, 1.0, 1.0]])


def test_gravity_keeps_ingress_and_splits_by_egress():
    rng = np.random.default_rng(0)
    x = rng.random((5, 4, 4))
    g = gravity(x.sum(2), x.sum(1)).reshape(5, 4, 4)
    np.testing.assert_allclose(g.sum(2), x.sum(2))
    np.testing.assert_allclose(g.sum(1), x.sum(1))


def test_gravity_of_no_traffic_is_zero():
    np.testing.assert_array_equal(gravity(np.zeros((1, 2)), np.zeros((1, 2))), np.zeros((1, 4)))


def test_weights_halve_and_end():
    age = np.array([7200.0, 3600.0, 0.0])
    np.testing.assert_allclose(recency_weights(age, "1h", None), [0.25, 0.5, 1.0])
    np.testing.assert_allclose(recency_weights(age, None, "2h"), [0.0, 1.0, 1.0])


def test_recency_mean_skips_what_was_not_measured():
    past = History.of(tms(np.array([[8.0, 1, 1, 1], [np.nan, 3, 1, 1], [2.0, np.nan, 1, 1]])))
    mean = recency_mean(past, np.array([0.25, 0.5, 1.0]))
    np.testing.assert_allclose(mean, [(0.25 * 8 + 2) / 1.25, (0.25 * 1 + 0.5 * 3) / 0.75, 1, 1])


def test_flow_outside_the_window_takes_its_plain_mean():
    past = History.of(tms(np.array([[8.0, 1, 1, 1], [4.0, 3, 1, 1], [np.nan, 1, 1, 1]])))
    assert recency_mean(past, np.array([0.0, 0.0, 1.0]))[0] == 6.0


def test_a_flow_never_measured_is_named():
    with pytest.raises(DataError, match="never measures the flow 'b->a'"):
        History.of(tms(np.array([[1.0, 1, np.nan, 1], [1.0, 1, np.nan, 1]])))


def test_age_counts_from_the_newest_snapshot():
    past = History.of(tms(np.ones((3, 4))))
    np.testing.assert_array_equal(past.age, [7200.0, 3600.0, 0.0])
    assert past.end == np.datetime64("2026-01-01T03:00")


@pytest.mark.parametrize("text", ["", "7", "d7", "-1d", "0h", "5 parsec", "5m"])
def test_durations_that_are_none(text: str):
    with pytest.raises(UsageError, match="half_life"):
        labels.duration_s(text, "half_life")


@pytest.mark.parametrize(
    ("text", "seconds"), [("300s", 300), ("5min", 300), ("25h", 90000), ("7d", 604800), ("1W", 604800), (60, 60)]
)
def test_durations(text: str | float, seconds: float):
    assert labels.duration_s(text, "window") == seconds


def test_spread_is_the_plain_covariance_when_nothing_is_shrunk():
    values = np.random.default_rng(0).lognormal(0, 0.3, (100, 4)) * [1, 2, 3, 4]
    past = History.of(tms(values))
    mean = values.mean(axis=0)
    spread = week_spread(past, mean, weeks=1, half_life_weeks=1.5, correlation=1.0, pooling=0.0, rank=4)
    np.testing.assert_allclose(spread.factors @ spread.factors.T, np.cov(values.T, bias=True), rtol=1e-4)


def test_few_factors_keep_every_variance():
    values = np.random.default_rng(0).lognormal(0, 0.3, (100, 4)) * [1, 2, 3, 4]
    past = History.of(tms(values))
    full, few = (
        week_spread(past, values.mean(0), weeks=1, half_life_weeks=1.5, correlation=0.5, pooling=0.5, rank=rank)
        for rank in (4, 1)
    )
    assert few.factors.shape == (4, 1)
    np.testing.assert_allclose(few.variance, full.variance, rtol=1e-12)


def test_pooling_of_one_is_a_power_law():
    values = np.random.default_rng(0).lognormal(0, 0.3, (100, 4)) * [1, 10, 100, 1000]
    past, mean = History.of(tms(values)), values.mean(0)
    spread = week_spread(past, mean, weeks=1, half_life_weeks=1.5, correlation=0.0, pooling=1.0, rank=4)
    ratio = spread.variance / (mean + 1e-3 * mean.mean())
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_one_snapshot_has_no_spread():
    past = History.of(tms(np.ones((1, 4))))
    with pytest.raises(DataError, match="too short"):
        week_spread(past, np.ones(4), weeks=1, half_life_weeks=1.5, correlation=0.2, pooling=0.5, rank=4)
