"""odflow simulate."""

from __future__ import annotations

import json

import numpy as np
import pytest

import odflow as of
from odflow.network.epochs import RoutingEpochs
from odflow.traffic.files import read_demands, read_loads

SMALL = ("--weeks", "1", "--interval", "2h", "--total", "4e9")


def test_demands_loads_and_routing(odflow, workplace):
    command = ("simulate", "net.csv", "-o", "s.nc", *SMALL, "--failures-per-year", 200, "--seed", 3)
    ran = odflow(*command, "--loads", "l.nc", "--routing", "r.nc")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("s.nc: 4 x 4 demands, 84 x 2 h, 2026-01-05 00:00 to 2026-01-12 00:00 UTC\n")
    config = of.BackboneConfig(weeks=1, interval="2h", total=4e9, failures_per_year=200)
    simulator = of.BackboneSimulator(of.Network.read("net.csv"), config)
    demands, epochs = simulator.run(3), simulator.epochs(3)
    assert len(epochs.routings) > 2
    assert f"{len(epochs.routings)} epochs" in ran.out
    np.testing.assert_allclose(read_demands("s.nc"), demands, rtol=1e-12)
    np.testing.assert_allclose(read_loads("l.nc"), epochs.loads(demands), rtol=1e-9)
    written = RoutingEpochs.read("r.nc")
    np.testing.assert_array_equal(written.starts, epochs.starts)


def test_facts_and_files(odflow, workplace):
    facts = json.loads(odflow("simulate", "net.csv", "-o", "s.csv", *SMALL, "--json").out)
    assert (facts["nodes"], facts["intervals"], facts["seed"], facts["routing_epochs"]) == (4, 84, 0, None)
    assert facts["total_mean"] == pytest.approx(4e9)
    assert odflow("simulate", "net.csv", "-o", "s.nc", *SMALL, "-q").out == ""
    np.testing.assert_allclose(read_demands("s.csv"), read_demands("s.nc"), rtol=1e-6)
    (workplace / "run.toml").write_text('interval = "2h"\nweekend = 0.5\n')
    assert odflow("simulate", "net.csv", "-o", "t.nc", "--config", "run.toml", "-q").code == 0
    assert read_demands("t.nc").sizes["time"] == 84


BAD = {
    "simulate nowhere.csv -o x.nc": "nowhere.csv",
    "simulate net.csv -o x.nc --weekend -1": "weekend is -1.0, expected a positive number",
    "simulate net.csv -o x.nc --interval 2d": "interval is '2d', expected at most a day",
    "simulate net.csv -o x.nc --weeks 0.00001": "are shorter than an interval",
    "simulate net.csv -o x.txt": "x.txt",
    "simulate net.csv -o x.nc --loads x.nc": "x.nc",
    "simulate net.csv -o x.nc --routing r.txt": "r.txt",
}


@pytest.mark.parametrize("command", BAD)
def test_bad_input(refused, command):
    refused(command, BAD[command], {})
