"""Simulated beside real traffic: every data set, with figures."""

from __future__ import annotations

import sys
from pathlib import Path

from odflow.evaluate.realism import RealismBenchmark, draw, run
from odflow.evaluate.report import json_text, write_text

INTRODUCTION = """# Realism: is simulated traffic like real traffic?

Made by `python -m benchmarks realism`; the tables also by the command in it. Every statistic is defined in
`odflow.evaluate.realism_tms` and `odflow.evaluate.realism_cells`.

- Real data are halved. The configurations of `odflow.simulate.presets` (`odflow simulate --like ...`) were calibrated
  on one half, by `python -m benchmarks calibrate`; *near* says whether the mean of twenty simulations, with other seeds
  than in the calibration, is within 25 % of the **other** half (hours of the day: within 3 hours).
- *Real near real* is the share of statistics in which one half of the real data is within 25 % of the other: more
  cannot be expected of a simulator, and what misses there says more about the network than about the simulator.
- *Worlds* are draws of all parameters from the ranges of `BackboneRandomization` or `CellularRandomization`, which were
  not fitted to these data; real traffic (the mean of both halves) should be inside their 5 to 95 % range.
- Abilene and GÉANT: stretches of two weeks without gaps from the training weeks of the published protocol (GÉANT: from
  2005-02-04 on, before that all that leaves two nodes is missing; flagged TMs replaced by the ones before). Milano: 25
  squares of the Telecom Italia data, internet only. C2TM: 32 nodes, gaps filled linearly. LTE: one base station each to
  calibrate and to check, which differ from each other more than 25 % in many statistics.
"""


def write(folder: Path) -> None:
    result = run(RealismBenchmark(), progress=lambda what: print(what, file=sys.stderr))
    figures = draw(result, folder / "figures")
    pictures = [f"![{path.stem}](figures/{path.name})" for path in figures]
    text = "\n\n".join([INTRODUCTION, result.markdown(), "## Figures", *pictures]) + "\n"
    write_text(folder / "realism.md", text)
    write_text(folder / "realism.json", json_text(result.to_dict()))
