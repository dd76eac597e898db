"""``odflow whatif``."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import odflow as of
from odflow.estimate.choice import candidates
from odflow.network.failures import each_link
from odflow.traffic.files import read_demands, read_loads, write


def test_from_matrices(odflow, files):
    ran = odflow(
        "whatif", files / "truth.nc", "-n", files / "net.graphml", "--fail-each", "link", "-o", files / "x.csv"
    )
    assert (ran.code, ran.err) == (0, "")
    network = of.Network.read(files / "net.graphml")
    routing, truth = of.Routing.shortest_path(network), read_demands(files / "truth.nc")
    table = pd.read_csv(files / "x.csv")
    assert len(table) == 5 * 8
    one = table[(table.failure == "bd both ways") & (table.link == "ac")].iloc[0]
    after = routing.without(["bd", "db"]).loads(truth).sel(link="ac")
    assert one["q0.5"] == pytest.approx(float(after.max()))
    assert one["before"] == pytest.approx(float(routing.loads(truth).sel(link="ac").max()))
    assert np.datetime64(one["time"]) == after["time"].values[after.values.argmax()]
    assert one["capacity"] == 1e9
    lines = ran.out.splitlines()
    assert lines[1].split() == ["fails", "worst", "link", "before", "after", "at", "cut", "off"]
    first = of.whatif(truth, routing, each_link(network)).worst()[0]
    assert lines[3].startswith(f"  {first['failure']}")
    assert f"{first['q0.5'] / 1e9:.1%}".replace("%", " %") in lines[3]


def test_from_loads_and_history(odflow, files):
    command = [
        "whatif",
        files / "loads.nc",
        "-n",
        files / "net.graphml",
        "--history",
        files / "history.nc",
        "--seed",
        4,
    ]
    ran = odflow(*command, "--fail-each", "link", "--samples", 20, "--json", "--plot", files / "p.png")
    assert (ran.code, ran.err) == (0, "")
    assert (files / "p.png").read_bytes()[:4] == b"\x89PNG"
    found = json.loads(ran.out)
    routing = of.Routing.shortest_path(of.Network.read(files / "net.graphml"))
    past, loads = read_demands(files / "history.nc"), read_loads(files / "loads.nc")
    ours = of.whatif(
        loads,
        routing,
        each_link(routing.network),
        of.choose(past, routing, candidates(len(routing.nodes), intervals=True)).estimator,
        history=past,
        samples=20,
        seed=4,
    )
    assert found["calibrated"] is ours.calibrated is True
    for row, own in zip(found["worst"], ours.worst(), strict=True):
        assert (row["failure"], row["link"]) == (own["failure"], own["link"])
        assert [row[name] for name in ("q0.05", "q0.95", "lost")] == pytest.approx(
            [own[name] for name in ("q0.05", "q0.95", "lost")]
        )
    ran = odflow(*command, "--fail-each", "link", "--samples", 20)
    assert ">q0.05" not in ran.out
    assert "q0.05 to q0.95" in ran.out
    assert "Intervals: by back-tests inside the history." in ran.out


def test_one_failure_of_several_parts(odflow, files):
    ran = odflow(
        *["whatif", files / "truth.nc", "-n", files / "net.graphml", "--fail", "ab1,ba1", "--fail-node", "d", "--json"]
    )
    (row,) = json.loads(ran.out)["worst"]
    assert row["failure"] == "ab1+ba1+d"
    assert row["lost"] > 0.1


def test_models_and_formats(odflow, files):
    past = read_demands(files / "history.nc")
    of.GaussianPosterior().fit(past).save(files / "m.safetensors")
    loads = read_loads(files / "loads.nc")
    for name in ("l.csv", "l.parquet", "l.zarr"):
        write(loads, files / name)
        ran = odflow(
            *["whatif", files / name, "-n", files / "net.graphml", "--model", files / "m.safetensors"],
            *["--fail-each", "node", "--samples", 5, "-o", files / "x.parquet"],
        )
        assert (ran.code, ran.err) == (0, "")
        assert "Intervals: not calibrated." in ran.out
        assert set(pd.read_parquet(files / "x.parquet").failure) == set("abcd")
    command = ["whatif", files / "l.csv", "-n", files / "net.graphml", "--fail-each", "link"]
    assert "q0.05 to q0.95" in odflow(*command, "--method", "moments").out
    ran = odflow(*command)
    assert "q0.05 to q0.95" in ran.out
    assert "Intervals: of single demands put right by simulated networks." in ran.out
    ran = odflow(*command, "--method", "kl")
    assert ran.code == 0
    assert "q0.05" not in ran.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("loads.nc",), "nothing fails; give --fail-each link or node"),
        (("loads.nc", "--fail-each", "link", "-o", "x.nc"), "cannot write 'x.nc': the suffix must be"),
        (("truth.nc", "--fail-each", "link", "--method", "kl"), "holds traffic matrices already"),
        (("loads.nc", "--fail", "zz"), "has no link 'zz'"),
        (("loads.nc", "--fail-each", "cable"), "cable"),
        (("loads.nc", "--fail-each", "link", "--method", "student-t"), "student-t learns from past traffic matrices"),
        (
            ("loads.nc", "--fail-each", "link", "--model", "m.safetensors", "--method", "kl"),
            "--model is fitted already",
        ),
        (("nowhere.nc", "--fail-each", "link"), "nowhere.nc: no such file"),
        (("net.graphml", "--fail-each", "link"), "net.graphml"),
    ],
)
def test_refusals(odflow, files, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    ran = odflow("whatif", *arguments, "-n", "net.graphml")
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1
