"""``odflow plan``."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import odflow as of
from odflow.cli.console import percent
from odflow.traffic.files import read_demands, read_loads, write


def plan(odflow, files, *options):
    return odflow("plan", files / "loads.nc", "--network", files / "net.graphml", *options)


def test_what_to_measure_next(odflow, files, diamond_routing):
    ran = plan(odflow, files, "--budget", 2, "-o", files / "plan.csv", "--plot", files / "plan.png")
    assert (ran.code, ran.err) == (0, "")
    ours = of.plan(read_loads(files / "loads.nc"), diamond_routing, budget=2)
    assert ran.out.startswith(f"Expected error of the estimate, as it is: {100 * ours.error:.1f} % of the traffic\n")
    for k, step in enumerate(ours.steps, start=1):
        (line,) = [line for line in ran.out.splitlines() if line.strip().startswith(f"{k} ")]
        assert step.name in line
        assert line.endswith(percent(step.error))
    table = pd.read_csv(files / "plan.csv")
    assert table["measure"].tolist() == [step.name for step in ours.steps]
    np.testing.assert_allclose(table["error"], [step.error for step in ours.steps])
    assert (files / "plan.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("unit", ["router", "ingress"])
def test_routers(odflow, files, diamond_routing, unit):
    found = json.loads(plan(odflow, files, "--budget", 1, "--unit", unit, "--json").out)
    ours = of.plan(read_loads(files / "loads.nc"), diamond_routing, budget=1, unit=unit)
    assert found["unit"] == unit
    assert found["error"] == pytest.approx(ours.error)
    assert found["steps"] == [pytest.approx(row) for row in ours.rows()]
    text = plan(odflow, files, "--budget", 1, "--unit", unit).out
    assert ("all that enters at" if unit == "ingress" else "all that enters or leaves at") in text
    assert ours.steps[0].router in text


def test_known_demands_and_history(odflow, files, diamond_routing, traffic):
    first = json.loads(plan(odflow, files, "--budget", 1, "--json").out)["steps"][0]["measure"]
    origin, destination = first.split("->")
    truth = read_demands(files / "truth.nc")
    here = (truth.origin == origin) & (truth.destination == destination)
    write(truth.where(here).assign_attrs(truth.attrs), files / "known.nc")
    found = json.loads(plan(odflow, files, "--known", files / "known.nc", "--budget", 9, "--json").out)
    assert first not in [step["measure"] for step in found["steps"]]
    found = json.loads(plan(odflow, files, "--history", files / "history.nc", "--json").out)
    past = of.StudentTPosterior().fit(read_demands(files / "history.nc"))
    ours = of.plan(read_loads(files / "loads.nc"), diamond_routing, past)
    assert found["error"] == pytest.approx(ours.error)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--budget", "0"), "--budget"),
        (("--unit", "link"), "unit"),
        (("-o", "plan.txt"), "the suffix must be one of"),
        (("--plot", "plan.pdf"), "the suffix must be"),
    ],
)
def test_wrong_plans(odflow, files, options, text):
    ran = plan(odflow, files, *options)
    assert (ran.code, text in ran.err) == (2, True)
    assert len(ran.err.strip().splitlines()) == 1 or "╭" in ran.err
