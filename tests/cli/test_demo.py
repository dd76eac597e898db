"""The demo: its table, files, report, and the commands it prints."""

from __future__ import annotations

import io
import json
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from odflow.cli import main
from odflow.cli.demo import FILES
from odflow.traffic.cells import read_cells
from odflow.traffic.files import read_demands, read_loads


@dataclass(frozen=True)
class Demo:
    folder: Path
    code: int
    out: str
    err: str


def run(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("with blank") / "demo"
    return Demo(folder, *run("demo", "-o", str(folder), "--network", "topohub:sndlib/abilene", "--seed", "1"))


def test_it_ends_well_with_all_files(demo):
    assert (demo.code, demo.err) == (0, "")
    assert {entry.name for entry in demo.folder.iterdir()} == set(FILES)


def test_table_has_every_method_and_history_helps(demo):
    rows = {}
    for line in demo.out.splitlines():
        for method in ("gravity", "tomogravity", "KL, gravity prior", "KL, history prior", "Gaussian posterior"):
            if line.startswith(f"  {method} "):
                rows[method] = float(line.split("history" if "history  " in line else "loads")[-1].split()[0])
    assert len(rows) == 5
    assert rows["KL, history prior"] < rows["KL, gravity prior"] < rows["gravity"]
    assert rows["Gaussian posterior"] < rows["KL, gravity prior"]


def test_counters_had_wraps_gaps_and_restarts(demo):
    loads = read_loads(demo.folder / "loads.nc")
    flags = dict(zip(str(loads["quality"].attrs["flag_meanings"]).split(), range(99), strict=False))
    quality = loads["quality"].values
    assert (quality == flags["gap"]).any()
    assert (quality == flags["reset"]).any()
    assert 0 < np.isnan(loads.values).mean() < 0.01
    assert loads.sizes["time"] == 672
    octets = np.genfromtxt(demo.folder / "polls.csv", delimiter=",", skip_header=1, usecols=4)
    assert np.nanmax(octets) > 2**63


def test_report_is_self_contained(demo):
    text = (demo.folder / "report.html").read_text(encoding="utf-8")
    assert "://" not in text
    assert text.count("data:image/png;base64,") == 7
    assert text.count("<svg") == 15
    for word in ("At a glance", "Largest flows", "Quality of the counters", "Tomogravity".lower()):
        assert word in text
    assert 100_000 < len(text) < 3_000_000
    with Image.open(demo.folder / "overview.png") as image:
        assert image.size == (1200, 620)


def test_printed_commands_repeat_the_demo(demo, tmp_path):
    lines = [line.strip() for line in demo.out.splitlines()]
    begin = lines.index("Repeat each step on the files:") + 1
    commands = lines[begin : lines.index("", begin)]
    assert [shlex.split(command)[1] for command in commands] == [
        "counters",
        "route",
        "estimate",
        "evaluate",
        "forecast",
    ]
    tomorrow = read_cells(demo.folder / "tomorrow.csv")
    before = {name: (demo.folder / name).read_bytes() for name in ("routing.csv",)}
    loads, estimate = read_loads(demo.folder / "loads.nc"), read_demands(demo.folder / "estimate.nc")
    for command in commands:
        code, out, err = run(*shlex.split(command)[1:])
        assert (code, err) == (0, ""), command
        assert out
    assert (demo.folder / "routing.csv").read_bytes() == before["routing.csv"]
    np.testing.assert_allclose(read_cells(demo.folder / "tomorrow.csv"), tomorrow, rtol=1e-5)
    np.testing.assert_array_equal(read_loads(demo.folder / "loads.nc").sel(link=loads["link"]), loads)
    again = read_demands(demo.folder / "estimate.nc")
    np.testing.assert_allclose(
        again.sel(origin=estimate["origin"], destination=estimate["destination"]), estimate, rtol=1e-6
    )


def test_report_gives_the_same_commands(demo):
    text = (demo.folder / "report.html").read_text(encoding="utf-8")
    assert "odflow counters" in text
    assert "odflow evaluate" in text


def test_same_seed_same_result_as_json(demo, tmp_path, monkeypatch):
    # without matplotlib: says so, still prints everything else
    for name in [
        name for name in sys.modules if name.startswith(("odflow.evaluate.figures", "odflow.cli.demo_report"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    arguments = ("demo", "-o", str(tmp_path / "d"), "--network", "topohub:sndlib/abilene", "--seed", "1")
    code, out, err = run(*arguments, "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert facts["report"] is None
    ahead = facts["next_day"]
    assert set(ahead["wape"]) == {"video", "web", "bulk"}
    for service, error in ahead["wape"].items():
        assert error < ahead["day_before"][service]
    assert not (tmp_path / "d" / "report.html").exists()
    assert (tmp_path / "d" / "polls.csv").read_bytes() == (demo.folder / "polls.csv").read_bytes()
    tre = {row["label"]: row["all"]["tre"]["mean"] for row in facts["methods"]}
    assert f"{tre['Gaussian posterior']:.3f}" in demo.out
    code, out, err = run("demo", "-o", str(tmp_path / "d"), *arguments[3:])
    assert code == 0
    assert "No report: figures need matplotlib; install it with: pip install 'odflow[eval]'" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--network", "topohub:sndlib/brain"), "2 to 100 nodes"),
        (("--network", "nothing.xml"), "no such file"),
    ],
)
def test_networks_that_are_no_demo(odflow, tmp_path, options, message):
    ran = odflow("demo", "-o", tmp_path / "d", *options)
    assert ran.code == 2
    assert message in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_left_alone(odflow, tmp_path):
    (tmp_path / "thesis.tex").write_text("do not touch")
    ran = odflow("demo", "-o", tmp_path)
    assert ran.code == 2
    assert "holds other files ('thesis.tex')" in ran.err
    ran = odflow("demo", "-o", tmp_path / "no" / "such")
    assert (ran.code, "no such folder" in ran.err) == (2, True)
    ran = odflow("demo", "-o", tmp_path / "thesis.tex")
    assert (ran.code, "not a folder" in ran.err) == (2, True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]
