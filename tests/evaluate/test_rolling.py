from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from odflow.errors import DataError, UsageError
from odflow.evaluate.forecast_choice import choose, some_leads, with_quantiles
from odflow.evaluate.rolling import rolling
from odflow.forecast.simple import HistoricalAverage, LastValue, SeasonalNaive

RNG = np.random.default_rng(0)


def series(x: np.ndarray) -> xr.DataArray:
    time = np.datetime64("2026-01-05", "ns") + np.arange(len(x)) * np.timedelta64(1, "h")
    coords = {"time": time, "node": np.arange(x.shape[1]), "service": ["a", "b"][: x.shape[2]]}
    return xr.DataArray(x, dims=("time", "node", "service"), coords=coords, attrs={"interval_s": 3600.0})


def test_the_same_targets_at_every_lead() -> None:
    x = np.arange(240.0)[:, None, None] * np.array([1.0, 10.0])
    test = rolling(series(x), np.datetime64("2026-01-12T00"), (1, 5))
    assert test.first == 168
    assert len(test.history) == 164
    np.testing.assert_array_equal(test.truth, x[168:])
    found = test.forecast(LastValue().fit(test.history))
    for lead, forecast in found.items():
        np.testing.assert_array_equal(forecast, x[168 - lead : 240 - lead])
    scores = test.scores(found)
    np.testing.assert_allclose(scores[5].mae, [5, 50])
    np.testing.assert_allclose(scores[5].mase, [5 / 24, 50 / 240])
    assert test.days.tolist() == np.repeat([0, 1, 2], 24).tolist()


def test_little_history() -> None:
    x = RNG.uniform(1, 2, (240, 2, 1))
    test = rolling(series(x), np.datetime64("2026-01-12T00"), (1, 3), days=2)
    assert len(test.history) == 48
    assert test.history["time"].values[-1] == np.datetime64("2026-01-11T21")
    np.testing.assert_array_equal(test.truth, x[168:])
    naive = test.forecast(SeasonalNaive().fit(test.history))[1]
    np.testing.assert_array_equal(naive, x[144:216])
    with pytest.raises(DataError, match="more than there are"):
        rolling(series(x), np.datetime64("2026-01-12T00"), (1,), days=8)
    with pytest.raises(DataError, match="too few before or after"):
        rolling(series(x), np.datetime64("2026-02-12T00"), (1,))


def test_the_best_method_is_chosen() -> None:
    assert some_leads(12) == (1, 2, 3, 4, 7, 12)
    assert some_leads(1) == (1,)
    hour = np.arange(24 * 12)[:, None, None]
    cycle = 5 + 4 * np.cos((hour - np.array([0.0, 5, 9])[None, :, None]) * np.pi / 12)
    noisy = cycle * np.exp(0.05 * RNG.standard_normal(cycle.shape))
    told: list[str] = []
    found = choose(series(noisy), 6, ("last", "day-before", "average"), progress=told.append)
    assert found.method == "average"
    assert found.wape["average"][6] < found.wape["day-before"][6] < found.wape["last"][6]
    assert told == ["last", "day-before", "average"]
    assert found.targets == 57
    walk = 50 + np.cumsum(RNG.standard_normal((288, 3, 1)), axis=0)
    assert choose(series(walk), 1, ("last", "day-before", "average")).method == "last"
    with pytest.raises(UsageError, match="unknown method 'oracle'"):
        choose(series(walk), 1, ("oracle",))
    with pytest.raises(DataError, match="too few to try out"):
        choose(series(walk[:10]), 9)


def test_quantiles_cover() -> None:
    hour = np.arange(24 * 40)[:, None, None]
    cycle = (5 + 4 * np.cos((hour - np.arange(8.0)[None, :, None]) * np.pi / 12)) * np.exp(
        RNG.standard_normal((1, 8, 1))
    )
    x = cycle * np.exp(0.2 * RNG.standard_normal(cycle.shape))
    known, later = series(x[: 24 * 30]), series(x[24 * 30 :])
    choice = choose(known, 24, ("average",))
    fitted = HistoricalAverage().fit(known)
    point, bands = with_quantiles(fitted, known, 24 * 10, choice, (0.05, 0.5, 0.95))
    xr.testing.assert_identical(point, fitted.predict(known, 24 * 10))
    assert bands.dims == ("quantile", "time", "node", "service")
    low, middle, high = bands.values
    assert (low < middle).all()
    assert (middle < high).all()
    inside = (later.values >= low) & (later.values <= high)
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    with pytest.raises(UsageError, match="between 0 and 1"):
        with_quantiles(fitted, known, 24, choice, (0.0,))
