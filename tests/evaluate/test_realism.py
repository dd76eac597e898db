from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from odflow import Network, Node
from odflow.errors import UsageError
from odflow.evaluate import realism
from odflow.evaluate.realism import RealismBenchmark, draw, run
from odflow.evaluate.realism_compare import statistics
from odflow.evaluate.realism_real import Halves, stretches
from odflow.evaluate.realism_result import StatisticRow
from odflow.simulate import BackboneConfig, BackboneSimulator, CellularConfig, CellularSimulator

NETWORK = Network(tuple(Node(f"n{k}", 45 + k, 2 * k) for k in range(5)), ())
TMS = BackboneSimulator(NETWORK, BackboneConfig(weeks=2, interval="2h", sampling=1000, total=1e9))
CITY = CellularSimulator(CellularConfig(weeks=2, interval="2h", stations=6, width_km=3, height_km=3))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> realism.RealismResult:
    """The benchmark on made-up "real" traffic: TMs that the simulator can make, cells of another rhythm."""
    quiet = replace(CITY.config, services=tuple(replace(s, weekend=0.1) for s in CITY.config.services))
    real = {
        "abilene": Halves((TMS.run(1), TMS.run(2)), (TMS.run(3), TMS.run(4)), NETWORK, "by seed"),
        "milan": Halves((CITY.run(1),), (replace(CITY, config=quiet).run(2),), None, "by weekend"),
    }
    monkeypatch.setattr(realism, "halves", real.__getitem__)
    like = {"abilene": partial(replace, TMS.config), "milan": partial(replace, CITY.config)}
    monkeypatch.setattr(realism, "PRESETS", like)
    return run(RealismBenchmark(datasets=("abilene", "milan"), simulations=4, worlds=8))


def test_what_is_compared(found: realism.RealismResult, tmp_path) -> None:
    tms, cells = found.compared
    assert (tms.name, tms.calibrate, tms.check, tms.rule) == ("abilene", 2, 2, "by seed")
    assert tms.near > 0.6
    rows = {row.name: row for row in tms.rows}
    assert rows["gini"].calibrate == pytest.approx(np.mean([statistics(TMS.run(k))["gini"] for k in (1, 2)]))
    again = [statistics(TMS.run(1000 + k))["weekend"] for k in range(4)]
    assert rows["weekend"].simulated == pytest.approx(np.mean(again))
    assert rows["weekend"].spread == pytest.approx(np.std(again))
    assert len(rows["weekend"].worlds) == 8
    weekend = {row.name: row for row in cells.rows}["weekend"]
    assert not weekend.near
    assert not weekend.repeats
    assert not weekend.inside
    text = found.markdown()
    assert "Not within 25 %:" in text
    assert "| weekend |" in text
    assert found.table().row_count == 2
    (tmp_path / "r.json").write_text(json.dumps(found.to_dict()))
    assert "NaN" not in (tmp_path / "r.json").read_text()
    written = draw(found, tmp_path / "figures")
    assert [path.name for path in written] == [
        f"realism-{name}-{kind}.png" for name in ("abilene", "milan") for kind in ("views", "worlds")
    ]
    assert all(path.stat().st_size > 5000 for path in written)


def test_one_statistic() -> None:
    row = StatisticRow("gini", 0.5, 0.6, 0.74, 0.1, tuple(np.linspace(0, 1, 101)))
    assert row.near
    assert row.repeats
    assert row.range == pytest.approx((0.05, 0.95))
    assert row.inside
    assert row.real == pytest.approx(0.55)
    assert not replace(row, simulated=0.76).near
    assert not replace(row, worlds=(0.56, 0.9)).inside
    hours = replace(
        row, name="busy_hour", worlds=tuple(np.r_[np.linspace(22, 23.8, 10), np.linspace(0, 1, 10), 12, 13])
    )
    assert hours.range == pytest.approx((22, 1))
    assert [replace(hours, calibrate=at, check=at).inside for at in (23.0, 0.5, 12.5)] == [True, True, False]
    assert replace(row, name="busy_hour", calibrate=23.0, check=2.0).real == pytest.approx(0.5)


def test_stretches_have_no_gaps() -> None:
    long = BackboneSimulator(NETWORK, replace(TMS.config, weeks=5.5)).run(0)
    keep = np.r_[0 : 12 * 21, 12 * 22 : len(long)]  # a day is missing after three weeks
    parts = stretches(long[keep])
    assert [len(part) for part in parts] == [168, 168]
    assert parts[0]["time"].values[0] == long["time"].values[0]
    assert parts[1]["time"].values[0] == long["time"].values[12 * 22]
    for part in parts:
        assert (np.diff(part["time"].values) == np.timedelta64(2, "h")).all()


def test_bad_settings() -> None:
    for change, message in (
        ({"datasets": ("mars",)}, "unknown data set 'mars'"),
        ({"datasets": ()}, "name at least one"),
        ({"datasets": ("lte", "lte")}, "each only once"),
        ({"simulations": 0}, "simulations is 0, expected at least 1"),
    ):
        with pytest.raises(UsageError, match=message):
            RealismBenchmark(**change)  # type: ignore[arg-type]
