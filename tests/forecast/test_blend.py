from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from odflow.errors import DataError, UsageError
from odflow.forecast import Blend, Forecaster, LastValue, PooledTrees, SeasonalNaive
from odflow.forecast.blend import FIRST

RNG = np.random.default_rng(0)


def series(x: np.ndarray) -> xr.DataArray:
    time = np.datetime64("2026-01-05", "ns") + np.arange(len(x)) * np.timedelta64(1, "h")
    return xr.DataArray(x, dims=("time", "node", "service"), coords={"time": time}, attrs={"interval_s": 3600.0})


def noisy_cycle(days: int = 20) -> np.ndarray:
    hour = np.arange(24 * days)[:, None, None]
    x = 10 + 8 * np.cos((hour - np.array([0.0, 5, 9])[None, :, None]) * np.pi / 12)
    return x * np.exp(0.1 * RNG.standard_normal(x.shape))


class Off(Forecaster):
    """The truth, known by heart, times a factor that is drawn for each value."""

    def __init__(self, truth: np.ndarray, spread: float, seed: int) -> None:
        self.found = truth * (1 + spread * np.random.default_rng(seed).standard_normal(truth.shape))

    def ahead(self, x, time, origins, lead):
        return self.found[np.minimum(origins[:, None] + np.arange(lead), len(self.found) - 1)]


class Quantiles(LastValue):
    """The last value, and a third less and more."""

    levels = (0.1, 0.5, 0.9)

    def _quantiles(self, x, time, origins, lead, only):
        return self._some(x, time, origins, lead, only)[..., None] * np.array([2 / 3, 1.0, 4 / 3])


def test_each_lead_has_the_weights_that_suit_it() -> None:
    x = np.repeat(noisy_cycle(), 2, axis=2) * np.array([1.0, 100.0])
    blend = Blend({"last": LastValue, "day before": SeasonalNaive}, (1, 12)).fit(series(x[: 24 * 15]))
    assert blend.weights_[12]["day before"] > 0.9
    assert blend.weights_[1]["last"] > blend.weights_[12]["last"] + 0.2
    for weights in blend.weights_.values():
        assert sum(weights.values()) == pytest.approx(1)
        assert min(weights.values()) >= 0
    origins = np.arange(24 * 15, 24 * 20 - 12)
    truth = x[origins[:, None] + np.arange(12)]
    found = blend.predict_at(series(x), origins, 12)
    for other in (LastValue(), SeasonalNaive()):
        theirs = other.fit(series(x[: 24 * 15])).predict_at(series(x), origins, 12)
        off, other_off = (np.abs(one - truth).mean(axis=(0, 2, 3)) for one in (found, theirs))
        assert off[0] < 0.99 * other_off[0]
        assert off[11] < 1.1 * other_off[11]  # held back a little towards the first member
    only = blend.predict_at(series(x), origins, 12, only=(3, 12))
    np.testing.assert_allclose(only, found[:, [2, 11]])
    last, before = (m().fit(series(x)).predict_at(series(x), origins, 12) for m in (LastValue, SeasonalNaive))
    far = blend.weights_[12]  # the third hour has the weights of the next longer lead
    np.testing.assert_allclose(found[:, 2], far["last"] * last[:, 2] + far["day before"] * before[:, 2])


def test_better_than_each_where_errors_differ() -> None:
    x = noisy_cycle(40)
    members = {
        "one": lambda: Off(x, 0.2, 1),
        "two": lambda: Off(x, 0.2, 2),
        "bad": lambda: Off(x, 0.4, 3),
    }
    weights = Blend(members, (1,)).fit(series(x[: 24 * 30])).weights_[1]
    expected = np.array([25, 25, 6.25]) / 56.25  # by the inverse variance
    np.testing.assert_allclose(list(weights.values()), expected, atol=0.08)


def test_little_history_leaves_it_with_the_first() -> None:
    x = noisy_cycle(2)
    members = {"last": LastValue, "day before": SeasonalNaive}
    close = Blend(members, (1, 24)).fit(series(x))
    assert close.weights_[24]["last"] > 0.4  # three targets a day ahead do not say much
    assert Blend(members, (20,)).fit(series(x[:23])).weights_[20] == {"last": FIRST, "day before": pytest.approx(0.3)}


def test_members_that_cannot_be_fitted_are_left_out() -> None:
    x = noisy_cycle(2)[:30]
    blend = Blend({"last": LastValue, "trees": lambda: PooledTrees(lead=24, only=(1,), trees=2)}, (1, 24)).fit(
        series(x)
    )
    assert set(blend.weights_) == {1, 24}
    assert all(weights["last"] == 1.0 for weights in blend.weights_.values())  # 24 hours are too few for the trees
    with pytest.raises(DataError, match="too few"):
        Blend({"trees": lambda: PooledTrees(lead=24, only=(1,), trees=2)}, (24,)).fit(series(x[:20]))
    with pytest.raises(UsageError, match="needs members"):
        Blend({}, (1,))
    with pytest.raises(UsageError, match="made for at most 24"):
        blend.predict(series(x), 25)


def test_quantiles_move_along() -> None:
    x = noisy_cycle()
    blend = Blend({"last": Quantiles, "day before": SeasonalNaive}, (1, 12)).fit(series(x))
    bands = blend.predict_quantiles(series(x), 12)
    assert bands["quantile"].values.tolist() == [0.1, 0.5, 0.9]
    middle = blend.predict(series(x), 12).values
    np.testing.assert_allclose(bands.values[..., 1], middle)
    np.testing.assert_allclose(bands.values[..., 0], middle * 2 / 3, rtol=0.02)  # up to the floor
    np.testing.assert_allclose(bands.values[..., 2], middle * 4 / 3, rtol=0.02)
