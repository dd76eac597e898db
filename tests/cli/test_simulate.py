"""odflow simulate."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import odflow as of
from odflow.network.epochs import RoutingEpochs
from odflow.traffic.cells import read_cells
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


def test_like_a_real_network(odflow, workplace):
    assert (
        odflow("simulate", "net.csv", "-o", "a.nc", "--like", "geant", "--interval", "1h", "--weekend", 0.5).code == 0
    )
    config = of.simulate.presets.geant_like(interval="1h", weekend=0.5, weeks=1)
    expected = of.BackboneSimulator(of.Network.read("net.csv"), config).run(0)
    np.testing.assert_allclose(read_demands("a.nc"), expected, rtol=1e-12)


def test_services(odflow, workplace):
    ran = odflow("simulate", "net.csv", "-o", "a.nc", *SMALL, "--services", "video=0.5,voice=0.1", "--services", "web")
    assert (ran.code, ran.err) == (0, "")
    assert "4 x 4 demands of 3 services" in ran.out
    demands = read_demands("a.nc")
    assert demands["service"].values.tolist() == ["video", "voice", "web"]
    shares = demands.sum(("time", "origin", "destination"))
    assert float(shares.sum() / demands.sizes["time"]) == pytest.approx(4e9)
    assert float(shares[0] / shares[1]) == pytest.approx(5, rel=0.6)


def test_worlds_and_a_picture(odflow, workplace):
    ran = odflow("simulate", "net.csv", "-o", "w.nc", *SMALL, "--worlds", 3, "--workers", 1, "--seed", 4)
    assert ran.code == 0
    assert "w.nc: 3 worlds" in ran.out
    simulator = of.BackboneSimulator(of.Network.read("net.csv"), of.BackboneConfig(weeks=1, interval="2h", total=4e9))
    with xr.open_dataset("w.nc", engine="h5netcdf") as worlds:
        for k, world in enumerate(of.randomize(simulator, of.BackboneRandomization(), 3, seed=4)):
            np.testing.assert_allclose(worlds["demand"][k], world.traffic, rtol=1e-6)
    assert odflow("simulate", "net.csv", "-o", "a.nc", *SMALL, "--plot", "a.png", "--services", "web,bulk").code == 0
    assert (workplace / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_polls_lead_back_to_the_loads(odflow, workplace):
    files = ("--polls", "polls.csv", "--interfaces", "map.csv", "--loads", "loads.nc")
    calm = ("--weeks", 0.2, "--interval", "15min", "--total", "4e9", "--services", "video,web")
    ran = odflow("simulate", "net.csv", "-o", "a.nc", *calm, *files)
    assert (ran.code, ran.err) == (0, "")
    assert "next: odflow counters polls.csv --interfaces map.csv" in ran.out
    assert odflow("counters", "polls.csv", "-i", "map.csv", "--interval", "15min", "-o", "back.nc").code == 0
    back, loads = read_loads("back.nc"), read_loads("loads.nc")
    both = back.reindex_like(loads)
    assert np.isfinite(both).mean() > 0.9
    assert float(np.abs(both / loads - 1).median()) < 0.02


def test_cells(odflow, workplace):
    small = ("--weeks", 0.5, "--stations", 5, "--width-km", 2, "--height-km", 2)
    ran = odflow("simulate-cells", "-o", "c.nc", *small, "--seed", 2, "--plot", "c.png")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("c.nc: 5 cells, 84 x 1 h from 2026-01-05 00:00\n")
    config = of.CellularConfig(weeks=0.5, stations=5, width_km=2, height_km=2)
    expected = of.CellularSimulator(config).run(2)
    np.testing.assert_allclose(read_cells("c.nc"), expected, rtol=1e-12)
    assert (workplace / "c.png").stat().st_size > 5000
    facts = json.loads(odflow("simulate-cells", "-o", "c.csv", *small, "--services", "internet,sms", "--json").out)
    assert facts["cells"] == 5
    assert list(facts["mean"]) == ["internet", "sms"]
    assert read_cells("c.csv").sizes == {"time": 84, "cell": 5, "service": 2}
    ran = odflow("simulate-cells", "-o", "m.nc", "--like", "milan", "--weeks", 0.1, "--services", "internet", "-q")
    assert (ran.code, ran.out) == (0, "")
    like = of.simulate.presets.urban_cells(weeks=0.1, interval="1h")
    one = of.CellularSimulator(replace(like, services=like.services[2:])).run(0)
    np.testing.assert_allclose(read_cells("m.nc"), one, rtol=1e-12)
    (workplace / "sites.csv").write_text("name,x_m,y_m\nnorth,0,3000\nsouth,100,0\n")
    assert odflow("simulate-cells", "-o", "s.nc", "--sites", "sites.csv", "--weeks", 0.1, "-q").code == 0
    assert read_cells("s.nc")["cell"].values.tolist() == ["north", "south"]
    assert odflow("simulate-cells", "-o", "w.nc", *small, "--worlds", 2, "-q").code == 0
    with xr.open_dataset("w.nc", engine="h5netcdf") as worlds:
        assert worlds["traffic"].shape == (2, 84, 5, 3)


BAD = {
    "simulate nowhere.csv -o x.nc": "nowhere.csv",
    "simulate net.csv -o x.nc --weekend -1": "weekend is -1.0, expected a positive number",
    "simulate net.csv -o x.nc --interval 2d": "interval is '2d', expected at most a day",
    "simulate net.csv -o x.nc --weeks 0.00001": "are shorter than an interval",
    "simulate net.csv -o x.txt": "x.txt",
    "simulate net.csv -o x.nc --loads x.nc": "x.nc",
    "simulate net.csv -o x.nc --routing r.txt": "r.txt",
    "simulate net.csv -o x.nc --services voice": "service 'voice' needs a share",
    "simulate net.csv -o x.nc --services video=much": "video=much",
    "simulate net.csv -o x.nc --services video=-1": "share is -1.0, expected a positive number",
    "simulate net.csv -o x.nc --plot x.jpg": "x.jpg",
    "simulate net.csv -o x.csv --worlds 2": "x.csv",
    "simulate net.csv -o x.nc --worlds 2 --loads l.nc": "--worlds goes without --loads",
    "simulate net.csv -o x.nc --like internet2": "internet2",
    "simulate net.csv -o x.nc --polls p.csv": "--polls and --interfaces go together",
    "simulate net.csv -o x.nc --polls p.csv --interfaces p.csv": "p.csv",
    "simulate-cells -o x.txt": "x.txt",
    "simulate-cells -o x.nc --services tv": "unknown service 'tv'; there are sms, call, internet",
    "simulate-cells -o x.nc --services sms,sms": "expected different names",
    "simulate-cells -o x.nc --sites nowhere.csv": "nowhere.csv: no such file",
    "simulate-cells -o x.nc --mobility 2": "mobility is 2.0, expected a share",
    "simulate-cells -o x.nc --worlds 2 --plot x.png": "--worlds goes without --plot",
}


@pytest.mark.parametrize("command", BAD)
def test_bad_input(refused, command):
    refused(command, BAD[command], {})
