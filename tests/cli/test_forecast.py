"""odflow forecast."""

from __future__ import annotations

import json

import numpy as np
import pytest

import odflow as of
from odflow.evaluate.forecast_choice import METHODS
from odflow.forecast.simple import SeasonalNaive
from odflow.traffic.cells import read_cells
from odflow.traffic.files import read_demands
from odflow.traffic.series import from_tms


@pytest.fixture
def past(odflow, workplace):
    assert (
        odflow("simulate", "net.csv", "-o", "h.nc", "--weeks", 1, "--interval", "2h", "--total", "4e9", "-q").code == 0
    )
    return read_demands("h.nc")


def test_traffic_matrices(odflow, past):
    ran = odflow("forecast", "h.nc", "-o", "n.nc", "--lead", 14, "--method", "day-before", "--plot", "n.png")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("n.nc: 14 x 2 h of 16 series, by day-before\n")
    found = read_demands("n.nc")
    series = from_tms(past, flows=True)
    expected = SeasonalNaive().fit(series).predict(series, 14).values.reshape(14, 4, 4)
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(found[:12], past[-12:])
    assert found["time"].values[0] == past["time"].values[-1] + np.timedelta64(2, "h")
    assert found["origin"].values.tolist() == past["origin"].values.tolist()


def test_the_best_of_all(odflow, past, workplace):
    ran = odflow(
        "forecast", "h.nc", "-o", "n.nc", "--lead", 2, "--quantiles", "0.05,0.5,0.95", "--plot", "n.png", "--json"
    )
    facts = json.loads(ran.out)
    assert set(facts["wape"]) == set(METHODS)
    mean = {name: np.mean(list(errors.values())) for name, errors in facts["wape"].items()}
    assert facts["method"] == min(mean, key=mean.get)
    bands = read_demands("n.nc")
    assert bands.dims == ("quantile", "time", "origin", "destination")
    assert (bands.values[0] <= bands.values[1]).all()
    assert (bands.values[1] <= bands.values[2]).all()
    assert (workplace / "n.png").stat().st_size > 5000


def test_cells(odflow, workplace):
    city = of.CellularSimulator(of.CellularConfig(weeks=1, stations=3, width_km=2, height_km=2))
    of.write_cells(city.run(0), "c.csv")
    ran = odflow("forecast", "c.csv", "-o", "n.csv", "--lead", 5, "--method", "last")
    assert (ran.code, ran.err) == (0, "")
    found = read_cells("n.csv")
    assert found.dims == ("time", "cell", "service")
    np.testing.assert_allclose(found, np.repeat(city.run(0).values[-1:], 5, axis=0), rtol=1e-9)
    command = ("forecast", "c.csv", "--lead", 5, "--method", "last", "--quantiles", "0.1,0.5,0.9")
    for name in ("q.csv", "q.nc"):
        ran = odflow(*command, "-o", name)
        assert (ran.code, ran.err) == (0, "")
        bands = read_cells(name)
        assert bands.dims == ("quantile", "time", "cell", "service")
        assert bands["quantile"].values.tolist() == [0.1, 0.5, 0.9]
        assert (np.diff(bands.values, axis=0) >= 0).all()
        assert (bands.values[0] < found.values).mean() > 0.9
    np.testing.assert_allclose(read_cells("q.csv"), bands, rtol=1e-9)
    ran = odflow("forecast", "q.csv", "-o", "n.csv", "--method", "last")
    assert ran.code == 2
    assert "quantile" in ran.err


BAD = {
    "forecast nowhere.nc -o n.nc": "nowhere.nc",
    "forecast h.nc -o n.nc --method oracle": "unknown method 'oracle'; methods are auto, last",
    "forecast h.nc -o n.nc --lead 0": "lead",
    "forecast h.nc -o n.nc --lead 80": "84 intervals are too few to try out forecasts of 80 of them on",
    "forecast h.nc -o n.nc --quantiles 1.5 --method last": "give numbers between 0 and 1",
    "forecast h.nc -o h.nc": "h.nc",
    "forecast h.nc -o n.txt": "n.txt",
    "forecast h.nc -o n.nc --plot n.gif": "n.gif",
    "forecast net.csv -o n.nc": "net.csv",
}


@pytest.mark.parametrize("command", BAD)
def test_bad_input(refused, past, command):
    refused(command, BAD[command], {})


def test_fit_and_forecast_with_the_model(odflow, past, workplace):
    pytest.importorskip("torch")
    ran = odflow("fit", "mstnet", "--history", "h.nc", "-o", "m.safetensors", "--steps", 3, "--log", "l.csv")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("m.safetensors: SimMSTNet of 16 nodes x 1 services\n")
    assert "3 steps" in ran.out
    assert (workplace / "l.csv").read_text().startswith("step,seconds,loss 0,weight 0\n")
    assert not list(workplace.glob("*.checkpoint*"))
    ran = odflow("forecast", "h.nc", "-o", "n.nc", "--lead", 5, "--model", "m.safetensors")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("n.nc: 5 x 2 h of 16 series, by m.safetensors\n")
    series = from_tms(past, flows=True)
    expected = of.load("m.safetensors").predict(series, 5).values.reshape(5, 4, 4)
    np.testing.assert_allclose(read_demands("n.nc").values, expected)


def test_models_that_do_not_fit(odflow, past, workplace):
    pytest.importorskip("torch")
    assert odflow("fit", "mstnet", "--history", "h.nc", "-o", "m.safetensors", "--steps", 1, "-q").code == 0
    cells = of.CellularSimulator(of.CellularConfig(weeks=1, interval="2h", stations=3, width_km=2, height_km=2)).run(0)
    of.write_cells(cells, "c.csv")
    assert odflow("fit", "kl", "--history", "h.nc", "-o", "kl.safetensors", "-q").code == 0
    for arguments, message in (
        (("h.nc", "--lead", 25, "--model", "m.safetensors"), "lead is 25, this network was made for at most 24"),
        (("c.csv", "--model", "m.safetensors"), "learnt from (16, 1)"),
        (("h.nc", "--model", "kl.safetensors"), "kl.safetensors holds a KLProjection, which does not forecast"),
        (("h.nc", "--model", "m.safetensors", "--method", "last"), "--model or --method, not both"),
        (("h.nc", "--lead", 40, "--method", "sim-mstnet"), "sim-mstnet forecasts at most 24 intervals; 40 were asked"),
    ):
        ran = odflow("forecast", *arguments, "-o", "n.nc" if arguments[0] == "h.nc" else "n.csv")
        assert ran.code == 2
        assert message in ran.err
        assert ran.err.count("\n") == 1
    ran = odflow("fit", "mstnet", "--history", "h.nc", "-o", "w.safetensors", "--width", 16)
    assert (ran.code, ran.err.strip().endswith("width is 16, the network to start from has 40")) == (2, True)
