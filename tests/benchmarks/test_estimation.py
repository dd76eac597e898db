"""What the estimation page says besides its tables, on small data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from benchmarks.estimation_more import More, Week, failing_links, noise_told, sections, week

import odflow as of
from benchmarks import estimation, estimation_more
from odflow.evaluate.estimation import EstimationBenchmark
from odflow.evaluate.rolling_estimation import Intervals, rolling_run
from odflow.network.model import Network
from odflow.network.routing import Routing
from odflow.traffic.datasets import Dataset
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic


@pytest.fixture(scope="module")
def small(diamond: Network) -> Dataset:
    """Four weeks of the diamond by the hour, the last one to be estimated; under the name of Abilene."""
    routing = Routing.shortest_path(diamond)
    tms: xr.DataArray = plausible_traffic(diamond, PlausibleTraffic(weeks=4, interval="1h"), seed=0)
    return Dataset("abilene", tms, None, routing, diamond, tms[:-168], tms[-168:], "0" * 64, "made up")


@pytest.fixture(autouse=True)
def named(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation_more, "named_dataset", lambda name: small)


def test_noise_told(small: Dataset) -> None:
    exact, told, said, untold, level = noise_told("abilene")
    loads = small.routing.loads(small.test)
    ours = of.StudentTPosterior().fit(small.train).estimate(loads, small.routing)
    assert exact == pytest.approx(float(of.evaluate.tre(small.test, ours).mean()), rel=1e-9)
    assert exact < told < 1.1 * said < 1.2 * untold
    assert level == pytest.approx(0.05, abs=0.02)


def test_failing_links() -> None:
    links, whole, before, mean, worst = failing_links("abilene", "recency+kl")
    assert links == 5  # each of the diamond's, both ways; no node is cut off
    assert before < 1e-9
    assert abs(mean) <= max(abs(worst), 0.05)
    assert 0 < whole < 1


def test_week_and_page(small: Dataset, tmp_path: Path) -> None:
    found = week("abilene", "student-t")
    assert len(found.tre) == 168
    assert list(found.intervals) == ["as it comes", "calibrated"]
    assert 0.7 < found.intervals["calibrated"].inside < 1
    plain = week("abilene", "recency+kl")
    assert (len(plain.sre), plain.intervals) == (5, {})
    config = EstimationBenchmark(dataset="abilene", methods=("recency+kl", "mean+kl"), rolling=True, ages=(0, 1))
    rolled = rolling_run(config, dataset=small)
    made = Intervals(0.9, (0.8, 0.85, 0.9, 0.95, 0.99), 0.01234)
    more = More([0.1, 0.11, 0.12, 0.13, 0.05], {"recency+kl": [5, 0.1, 1e-9, 0.01, 0.02]}, rolled, {
        "recency+kl": plain, "student-t": Week(found.tre, found.sre, {"calibrated": made}),
    })  # fmt: skip
    (tmp_path / "figures").mkdir()
    text = sections({"abilene": more}, tmp_path / "figures")
    mean = np.mean(found.tre)
    assert (
        f"| abilene | student-t | calibrated | {mean:.4f} | 90.0% | 80.0% | 85.0% | 90.0% | 95.0% | 99.0% | 0.0123 |"
        in text
    )
    assert "| abilene | 0.1000 | 0.1100 | 0.1200 | 0.1300 | 5.00% |" in text
    assert "| abilene | recency+kl | 5 | 0.1000 | +0.0100 | +0.0200 | 1e-09 |" in text
    assert (tmp_path / "figures" / "estimation-abilene.png").stat().st_size > 20_000


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimation, "KEPT", tmp_path / "kept")
    calls = []

    def make() -> np.ndarray:
        calls.append(1)
        return np.arange(3)

    for _ in range(2):
        np.testing.assert_array_equal(estimation._kept("one", make), [0, 1, 2])
    assert calls == [1]
