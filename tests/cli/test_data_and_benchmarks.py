"""data and benchmark."""

from __future__ import annotations

import json

import numpy as np
import pytest

from odflow.cli.console import duration, percent, plain, rate


def test_data_sets_that_are_not_here(odflow, tmp_path, monkeypatch):
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("ODFLOW_CACHE", str(tmp_path / "cache"))
    ran = odflow("data", "list")
    assert ran.code == 0
    assert "odflow data get abilene" in ran.out
    assert json.loads(odflow("data", "list", "--json").out)["geant"] is None
    ran = odflow("data", "check", "geant")
    assert ran.code == 2
    assert "data set 'geant' is not here; run 'odflow data get geant'" in ran.err
    ran = odflow("data", "get", "utopia")
    assert ran.code == 2
    assert "unknown data set 'utopia'" in ran.err
    ran = odflow("benchmark", "estimation", "--dataset", "cmu")
    assert ran.code == 2
    assert "cmu" in ran.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--dataset", "utopia"), "utopia"),
        (("--methods", "magic"), "magic"),
        (("--noise", "-1"), "noise"),
        (("--json", "result.txt"), "suffix"),
        (("--json", "no/such.json"), "no such folder"),
    ],
)
def test_benchmarks_that_make_no_sense(odflow, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = odflow("benchmark", "estimation", *options)
    assert ran.code == 2
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_benchmark_on_real_data(odflow, real_data, tmp_path):
    ran = odflow(
        *("benchmark", "estimation", "--dataset", "bell_labs", "--methods", "gravity", "gravity+kl"),
        *("--json", tmp_path / "r.json", "--markdown", tmp_path / "r.md"),
    )
    assert (ran.code, ran.err) == (0, "")
    assert "gravity+kl" in ran.out
    result = json.loads((tmp_path / "r.json").read_text())
    assert [row["method"] for row in result["rows"]] == ["gravity", "gravity+kl"]
    assert (tmp_path / "r.md").read_text().startswith("#")


def test_speed_of_a_small_part(odflow, tmp_path):
    ran = odflow("benchmark", "speed", "--parts", "start", "--repeats", 1, "--json", tmp_path / "r.json", "--quiet")
    assert (ran.code, ran.out) == (0, "")
    assert len(json.loads((tmp_path / "r.json").read_text())["rows"]) > 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 bit/s"), (950, "950 bit/s"), (1234, "1.23 kbit/s"), (9.996e6, "10.0 Mbit/s"), (99.96e9, "100 Gbit/s"),
     (3.2e15, "3200 Tbit/s"), (np.nan, "not measured")],
)  # fmt: skip
def test_rates_have_three_digits(value, text):
    assert rate(value) == text


def test_percentages_and_durations():
    assert [percent(x) for x in (0, 0.5, 0.01234, 0.000981, 1e-9, np.nan)] == [
        "0 %",
        "50.0 %",
        "1.2 %",
        "0.098 %",
        "< 0.0001 %",
        "-",
    ]
    assert [duration(x) for x in (30, 300, 7200, 86400, 7 * 86400)] == ["30 s", "5 min", "2 h", "1 day", "7 days"]


def test_plain_values_for_json():
    value = {1: np.float64("nan"), "a": [np.int64(3), (True, None, np.arange(2))], "b": object}
    assert plain(value) == {"1": None, "a": [3, [True, None, [0, 1]]], "b": str(object)}
