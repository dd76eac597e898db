"""Rolling back-tests of estimators on a small network."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from odflow import labels
from odflow.errors import UsageError
from odflow.estimate import KLProjection, StudentTPosterior
from odflow.evaluate import tre
from odflow.evaluate.estimation import EstimationBenchmark, run
from odflow.evaluate.forecast_scores import CRPS_LEVELS
from odflow.evaluate.rolling_estimation import judged, rolling_run
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

METHODS = ("gravity+kl", "recency+kl", "student-t", "oracle:previous+kl")


@pytest.fixture(scope="module")
def toy(diamond, diamond_routing):
    """Four weeks of the diamond, the last is not to be touched."""
    demands = plausible_traffic(diamond, PlausibleTraffic(weeks=4, interval="2h"), seed=1)
    train, test = demands.isel(time=slice(0, 252)), demands.isel(time=slice(252, None))
    hidden = test.copy(data=np.full(test.shape, np.nan))
    return SimpleNamespace(name="toy", sha256="0" * 64, train=train, test=hidden, routing=diamond_routing, loads=None)


@pytest.fixture(scope="module")
def result(toy):
    return rolling_run(EstimationBenchmark(rolling=True, methods=METHODS), dataset=toy)


def test_each_week_is_estimated_from_the_weeks_before(result, toy):
    assert result.weeks == (2, 3)
    rows = {row.method: row for row in result.rows}
    assert tuple(rows) == METHODS
    for week in (2, 3):
        past, now = toy.train[: 84 * (week - 1)], toy.train[84 * (week - 1) : 84 * week]
        loads = toy.routing.loads(now)
        for name, estimator in (("recency+kl", KLProjection(prior="history")), ("student-t", StudentTPosterior())):
            expected = float(tre(now, estimator.fit(past).estimate(loads, toy.routing)).mean())
            assert rows[name].tre[0][week - 2] == pytest.approx(expected)


def test_ages_of_the_history(toy):
    result = rolling_run(EstimationBenchmark(rolling=True, methods=("recency+kl",), ages=(0, 1)), dataset=toy)
    assert result.weeks == (3,)
    now = toy.train[168:252]
    for age, past in ((0, toy.train[:168]), (1, toy.train[:84])):
        estimate = KLProjection(prior="history").fit(past).estimate(toy.routing.loads(now), toy.routing)
        assert result.rows[0].tre[age] == (pytest.approx(float(tre(now, estimate).mean())),)


def test_intervals_are_judged(result, toy):
    rows = {row.method: row for row in result.rows}
    assert rows["recency+kl"].intervals is None
    found = rows["student-t"].intervals
    assert len(found.by_size) == 5
    assert 0.3 < found.inside < 1
    assert 0 < found.crps < np.mean(rows["student-t"].tre[0])


def test_what_is_inside():
    nodes, times = ("a", "b", "c"), np.array(["2026-01-01", "2026-01-02"], "M8[s]")
    truth = labels.demands(np.array([np.arange(9.0), np.arange(9.0)]), times, nodes, 86400)
    truth.values[1, 2, 2] = np.nan
    history = labels.demands(np.arange(9.0)[None], times[:1], nodes, 86400)
    low, high = np.zeros((2, 9)), np.full((2, 9), 7.0)
    low[0, 5] = 6.0
    bands = np.linspace(low, high, len(CRPS_LEVELS)).reshape(-1, 2, 3, 3)
    quantiles = xr.concat([truth.copy(data=one) for one in bands], "quantile")
    found = judged(quantiles, truth, history)
    volume = 36 + 28
    assert found.inside == pytest.approx((volume - 5 - 8) / volume)  # 5 is below, 8 above; once not known
    # a->a had no traffic in the history; eight flows in fifths: 1 2, 3 4, 5 6, 7, 8
    assert found.by_size == (1.0, 1.0, 0.75, 1.0, 0.0)
    off = truth.values[None] - bands
    level = np.array(CRPS_LEVELS)[:, None, None, None]
    pinball = np.nansum(np.maximum(level * off, (level - 1) * off))
    assert found.crps == pytest.approx(2 * pinball / len(CRPS_LEVELS) / volume)


def test_pages(result, tmp_path):
    text = result.markdown()
    assert text.startswith("## toy, weeks 2 to 3 from the weeks before, no noise\n")
    assert "| method | up to date |" in text
    assert f"| *oracle:previous+kl* | {np.mean(result.rows[3].tre[0]):.3f} |" in text
    assert "| recency+kl | - | - |" in text
    table = result.table()
    assert [column.header for column in table.columns] == ["method", "up to date", "inside, %", "CRPS", "s a week"]
    result.to_json(tmp_path / "r.json")
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["rows"][1]["tre"]["0"] == pytest.approx(list(result.rows[1].tre[0]))


def test_wrong_wishes(toy):
    config = EstimationBenchmark(rolling=True, methods=("gravity",))
    with pytest.raises(UsageError, match="trained for every week"):
        rolling_run(replace(config, methods=("gravity", "ddpm-tme")), dataset=toy)
    with pytest.raises(UsageError, match="3 weeks are too few for a history that ends 2 weeks before"):
        rolling_run(replace(config, ages=(0, 2)), dataset=toy)
    with pytest.raises(UsageError, match=r"ages \(1, 1\)"):
        replace(config, ages=(1, 1))
    with pytest.raises(UsageError, match="rolling_run"):
        run(config, dataset=toy)
