"""Noise and missing counters on loads."""

from __future__ import annotations

import numpy as np
import pytest

from odflow import labels
from odflow.errors import UsageError
from odflow.evaluate.perturb import noisy, without_counters

LINKS = [f"l{i}" for i in range(20)] + ["in:a", "out:a"]


def loads(times=400):
    when = np.datetime64("2024-01-01", "ns") + np.arange(times) * np.timedelta64(300, "s")
    return labels.loads(np.full((times, len(LINKS)), 1e6), when, LINKS, 300)


def test_noise_has_mean_one_and_the_sigma_asked_for():
    relative = noisy(loads(), 0.05, seed=3).values / 1e6
    assert relative.mean() == pytest.approx(1, abs=2e-3)
    assert np.log(relative).std() == pytest.approx(0.05, rel=0.03)


def test_noise_is_repeatable_and_follows_the_seed():
    assert noisy(loads(), 0.05, seed=3).identical(noisy(loads(), 0.05, seed=3))
    assert not noisy(loads(), 0.05, seed=3).equals(noisy(loads(), 0.05, seed=4))


def test_no_noise_changes_nothing():
    assert noisy(loads(), 0.0, seed=0).identical(loads())


def test_noise_keeps_what_is_not_measured():
    some = loads()
    some[3, 4] = np.nan
    assert np.argwhere(np.isnan(noisy(some, 0.1, seed=0).values)).tolist() == [[3, 4]]


def test_missing_counters_are_internal_and_gone_at_all_times():
    holes = np.isnan(without_counters(loads(), 0.25, seed=1).values)
    assert holes.all(axis=0).sum() == holes.any(axis=0).sum() == 5
    assert not holes[:, 20:].any()
    assert np.isnan(without_counters(loads(), 1.0, seed=1).values).all(axis=0).sum() == 20


def test_missing_counters_follow_the_seed():
    def gone(seed):
        return set(np.flatnonzero(np.isnan(without_counters(loads(2), 0.25, seed=seed).values[0])))

    assert gone(1) == gone(1)
    assert gone(1) != gone(2)


def test_the_input_is_not_changed():
    some = loads()
    noisy(some, 0.3, seed=0)
    without_counters(some, 0.5, seed=0)
    assert some.identical(loads())


@pytest.mark.parametrize("sigma", [-0.1, np.nan, np.inf])
def test_senseless_noise_is_refused(sigma):
    with pytest.raises(UsageError, match="noise is"):
        noisy(loads(), sigma, seed=0)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, np.nan])
def test_senseless_fraction_is_refused(fraction):
    with pytest.raises(UsageError, match="missing links"):
        without_counters(loads(), fraction, seed=0)
