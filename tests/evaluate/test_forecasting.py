from __future__ import annotations

import json

import numpy as np
import pytest

from odflow.errors import UsageError
from odflow.evaluate.forecasting import ForecastBenchmark, ForecastResult, compared
from odflow.evaluate.report import provenance
from odflow.evaluate.rolling import rolling
from odflow.forecast.simple import SeasonalNaive
from odflow.traffic.series import SeriesSet, series_array

RNG = np.random.default_rng(0)
METHODS = ("last", "day-before", "average", "ridge")


def toy(days: int = 20) -> SeriesSet:
    hour = np.arange(24 * days)[:, None, None]
    cycle = 5 + 4 * np.cos((hour - np.array([0.0, 7])[None, :, None] - np.array([0.0, 3])) * np.pi / 12)
    x = cycle * np.exp(0.1 * RNG.standard_normal(cycle.shape))
    time = np.datetime64("2026-01-05", "ns") + np.arange(len(x)) * np.timedelta64(1, "h")
    traffic = series_array(x, time, ["a", "b"], ["sms", "call"], ["", ""], 3600.0)
    return SeriesSet("toy", traffic, time[24 * 14], time[24 * 16], "0" * 64, "made up")


def test_what_is_compared() -> None:
    data = toy()
    config = ForecastBenchmark(methods=METHODS)
    one = compared(data, config, lambda text: None)
    assert one.leads == (1, 12)
    assert one.targets == 4 * 24 * 2 * 2
    assert one.history == "2026-01-05 00:00 to 2026-01-18 23:00"
    rows = {row.method: row for row in one.rows}
    test = rolling(data.traffic, data.test_from, (1, 12))
    expected = test.scores(test.forecast(SeasonalNaive().fit(data.train)))
    assert rows["day-before"].wape[12] == pytest.approx(expected[12].wape)
    assert rows["day-before"].mae[1] == pytest.approx(expected[1].mae)
    assert one.best(12) in ("average", "ridge")
    for row in one.rows:
        for lead in (1, 12):
            np.testing.assert_allclose(row.inside[lead], 0.9, atol=0.06)
            assert all(0.5 * wape < crps < wape for wape, crps in zip(row.wape[lead], row.crps[lead], strict=True))
    assert not rows[one.best(12)].behind.get(12)
    assert rows["last"].behind[12].low > 0.1
    result = ForecastResult(config, (one,), provenance("x", 0))
    ranks = result.ranks()
    assert ranks["last"] > ranks["day-before"] > ranks["average"]
    text = result.markdown()
    assert f"**{100 * rows[one.best(12)].mean(12):.1f}**" in text
    assert "## CRPS %, and share in nominal 90 % intervals, the whole training part" in text
    average = rows["average"]
    assert f"{100 * np.mean(average.crps[12]):.1f} ({100 * np.mean(average.inside[12]):.0f})" in text
    assert "learnt from 2026-01-05 00:00" in text
    assert result.table().row_count == 4
    json.dumps(result.to_dict(), allow_nan=False)


def test_fewer_targets() -> None:
    data = toy()
    one = compared(data, ForecastBenchmark(methods=("last", "day-before"), targets=20), lambda text: None)
    test = rolling(data.traffic, data.test_from, (1, 12), every=5)  # 20 of 96 hours
    assert len(test.targets) == 20
    assert one.targets == 20 * 2 * 2
    expected = test.scores(test.forecast(SeasonalNaive().fit(data.train)))
    assert one.rows[1].wape[12] == pytest.approx(expected[12].wape)
    assert 0.6 < np.mean(one.rows[1].inside[1]) < 1  # calibrated on the validation part, thinned alike
    assert len(test.thinned(0).targets) == 20
    assert len(test.thinned(7).targets) == 7


def test_little_history_and_failures() -> None:
    data = toy()
    one = compared(data, ForecastBenchmark(methods=METHODS, days=2), lambda text: None)
    assert one.history == "2026-01-18 13:00 to 2026-01-20 12:00"
    assert not one.rows[0].crps
    short = compared(data, ForecastBenchmark(methods=METHODS, days=0.3), lambda text: None)
    rows = {row.method: row for row in short.rows}
    assert "too few" in rows["ridge"].failed
    assert not rows["ridge"].wape
    assert np.isnan(rows["ridge"].mean(1))
    assert rows["last"].wape
    result = ForecastResult(ForecastBenchmark(methods=METHODS, days=0.3), (short,), provenance("x", 0))
    assert "- ridge: " in result.markdown()
    assert set(result.ranks()) == {"last", "day-before", "average"}


def test_bad_settings() -> None:
    for change, message in (
        ({"datasets": ("mars",)}, "unknown data set 'mars'"),
        ({"methods": ("oracle",)}, "unknown method 'oracle'"),
        ({"methods": ()}, "name at least one"),
        ({"days": -1.0}, "give numbers from 0"),
    ):
        with pytest.raises(UsageError, match=message):
            ForecastBenchmark(**change)  # type: ignore[arg-type]
