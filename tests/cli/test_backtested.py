"""The stack on the command line."""

from __future__ import annotations

import numpy as np
import pytest

import odflow as of
from odflow.traffic.files import read_demands, read_loads

pytest.importorskip("torch")

TINY = ["--steps", "12", "--snapshots", "8", "--members", "2", "--seed", "3"]


def test_fit_trains_what_python_trains(odflow, workplace):
    ran = odflow("fit", "stacked", "--history", "history.nc", "--network", "net.csv", "-o", "m.safetensors", *TINY)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == "m.safetensors: StackedEstimator of 4 x 4 demands"
    assert "networks  2 of 12 steps, fine-tuned" in ran.out
    assert not list(workplace.glob("*checkpoint*"))
    from odflow.cli.inputs import open_routing

    routing, loads = open_routing("net.csv", None), read_loads(workplace / "loads.nc")
    config = of.StackConfig(steps=12, snapshots=8, seed=3)
    ours = of.StackedEstimator(members=2, config=config).fit(read_demands(workplace / "history.nc"), routing)
    loaded = of.load(workplace / "m.safetensors")
    assert loaded.provenance_["command"].startswith("odflow fit stacked --history history.nc")
    np.testing.assert_allclose(loaded.estimate(loads, routing), ours.estimate(loads, routing), rtol=1e-6)
    ran = odflow(
        *["estimate", "loads.nc", "-n", "net.csv", "--model", "m.safetensors", "--quantiles", ".05,.95", "-o", "x.nc"]
    )
    assert (ran.code, ran.err) == (0, "")
    np.testing.assert_allclose(read_demands(workplace / "x.nc"), ours.estimate(loads, routing), rtol=1e-6)


def test_weights(odflow, workplace):
    fit = ["fit", "stacked", "--history", "history.nc", "-n", "net.csv", "-o", "m.safetensors"]
    ran = odflow(*fit, "--weights", "pretrained")
    assert (ran.code, ran.err) == (0, "")
    assert "networks  3 as they come, pretrained" in ran.out
    ran = odflow("estimate", "loads.nc", "-n", "net.csv", "--model", "m.safetensors", "-o", "x.nc")
    assert (ran.code, ran.err) == (0, "")
    ask = ["--history", "history.nc", "--method", "stacked-pretrained", "--quantiles", ".05,.95", "-o", "y.nc"]
    ran = odflow("estimate", "loads.nc", "-n", "net.csv", *ask)
    assert (ran.code, ran.err) == (0, "")
    one, other = (read_demands(workplace / name) for name in ("x.nc", "y.nc"))
    np.testing.assert_allclose(one, other, rtol=1e-6)
    low, high = read_demands(workplace / "y.quantiles.nc")
    assert (low < high).all()
    ran = odflow(*fit, "--weights", "own", "--width", "8", *TINY)
    assert (ran.code, ran.err) == (0, "")
    assert of.load(workplace / "m.safetensors").networks_[0].first[0].out_features == 8
    ran = odflow(*fit, "--width", "8")
    assert ran.code == 2
    assert "the pretrained networks have the default sizes" in ran.err
    ran = odflow(*fit, "--weights", "none")
    assert ran.code == 2
    assert 'Choose from: "pretrained", "fine-tuned", "own"' in ran.err


def test_refusals(odflow, workplace):
    fit = ["fit", "stacked", "--history", "history.nc", "-n", "net.csv", "-o", "m.safetensors"]
    ran = odflow(*fit, "--width", "0")
    assert (ran.code, ran.out) == (2, "")
    assert "width is 0" in ran.err
    ran = odflow(*["fit", "stacked", "--history", "history.nc", "-o", "m.safetensors"])
    assert (ran.code, ran.out) == (2, "")
    assert "give either --network NET or --routing FILE" in ran.err
    (workplace / "m.checkpoint.0.safetensors").touch()
    ran = odflow(*fit)
    assert ran.code == 2
    assert "m.checkpoint.0.safetensors is left of a training that did not end" in ran.err
    assert not (workplace / "m.safetensors").exists()
