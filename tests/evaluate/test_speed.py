"""The speed benchmark on small sizes."""

from __future__ import annotations

import json
import re

import pytest
from rich.console import Console

from odflow.errors import OdflowError, UsageError
from odflow.evaluate import speed
from odflow.evaluate.speed import SpeedBenchmark, SpeedRow, run
from odflow.evaluate.speed_tasks import write_totem
from odflow.traffic.files import read_demands


def test_routing_part_runs_in_a_process_of_its_own():
    said = []
    result = run(SpeedBenchmark(parts=("routing",), max_nodes=12, repeats=1), progress=said.append)
    (row,) = result.rows
    assert said == ["ECMP routing, 12 nodes"]
    assert row.detail.startswith("12 nodes, 48 links, 144 OD pairs")
    assert 0 < row.best < 5
    assert row.peak_mib > 20
    assert result.passed
    assert result.provenance.command == "odflow benchmark speed --parts routing --max-nodes 12 --repeats 1"


def test_sizes_part_gives_a_rate():
    (row,) = run(SpeedBenchmark(parts=("sizes",), max_nodes=12, repeats=1)).rows
    assert row.detail == "672 TMs, 12 nodes, 48 links, 72 counters"
    assert row.rate == pytest.approx(672 / row.best)
    assert row.passed is None


def test_limits():
    row = SpeedRow("job", "size", 1.0, 1.1, 3, limit_s=2.0, peak_mib=100.0, limit_mib=200.0)
    assert row.passed is True
    assert SpeedRow("job", "size", 3.0, 3.1, 3, limit_s=2.0).passed is False
    assert SpeedRow("job", "size", 1.0, 1.1, 3, limit_s=2.0, peak_mib=300.0, limit_mib=200.0).passed is False
    assert SpeedRow("job", "size", 1.0, 1.1, 3).passed is None


def test_a_memory_limit_cannot_pass_unmeasured():
    assert SpeedRow("job", "size", 1.0, 1.1, 3, limit_mib=200.0).passed is False


def test_writers_show_the_verdict():
    rows = (
        SpeedRow("fast", "a", 0.1, 0.2, 3, limit_s=1.0, rate=23320.4),
        SpeedRow("slow", "b", 9.0, 9.0, 1, limit_s=1.0),
    )
    result = speed.SpeedResult(SpeedBenchmark(), rows, ("weeks (real data not found)",), speed.provenance("cmd", 0))
    text = result.markdown()
    assert "| fast | a | 0.100 | 0.200 | 1 | 23,320 | - |  | pass |" in text
    assert "| slow | b | 9.000 | (one run) | 1 |  | - |  | FAIL |" in text
    assert "- not measured: weeks (real data not found)" in text
    found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert ([row["passed"] for row in found["rows"]], found["passed"]) == ([True, False], False)
    console = Console(width=160)
    with console.capture() as capture:
        console.print(result.table())
    assert "FAIL" in capture.get()


def test_one_tm_at_a_time_is_the_batch(monkeypatch):
    monkeypatch.setattr(speed, "_real_data", lambda: False)
    (row,) = run(SpeedBenchmark(parts=("streaming",), repeats=1)).rows
    assert row.what == "one TM by Student-t, 100 nodes"
    counters, off, _ = re.fullmatch(r"(\d+) counters; (\S+) from the batch of (\d+)", row.detail).groups()
    assert int(counters) == 600
    assert 0 <= float(off) < 1e-8
    assert 0.01 < row.best < 5


def test_real_weeks_are_reported_missing_without_the_data(monkeypatch):
    monkeypatch.setattr(speed, "_real_data", lambda: False)
    result = run(SpeedBenchmark(parts=("projection",)))
    assert result.rows == ()
    assert result.skipped == ("projection of the Abilene and GEANT weeks (real data not found)",)
    assert not result.passed


def test_a_failing_job_is_one_line():
    with pytest.raises(OdflowError, match=r"speed benchmark: .* failed: .*no speed task 'nothing'") as caught:
        speed._child("nothing")
    assert "\n" not in str(caught.value)


def test_totem_files_are_what_the_reader_reads(tmp_path):
    write_totem(tmp_path, files=3, nodes=4, seed=0)
    found = read_demands(tmp_path)
    assert found.shape == (3, 4, 4)
    assert found.attrs["interval_s"] == 300
    assert str(found.time.values[1].astype("datetime64[m]")) == "2004-03-01T00:05"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": ("flying",)}, "unknown part 'flying'"),
        ({"parts": ()}, "parts are"),
        ({"repeats": 0}, "at least once"),
        ({"max_nodes": 3}, "has 12 nodes"),
    ],
)
def test_senseless_settings(options, message):
    with pytest.raises(UsageError, match=message):
        SpeedBenchmark(**options)
