"""Estimation tables: all data sets noise-free; with noise; with missing counters."""

from __future__ import annotations

import sys
from pathlib import Path

from odflow.evaluate.estimation import EstimationBenchmark, run
from odflow.evaluate.estimation_result import EstimationResult, method_list, summary_table
from odflow.evaluate.report import json_text, write_text

TABLES = (
    EstimationBenchmark(dataset="abilene"),
    EstimationBenchmark(dataset="geant"),
    EstimationBenchmark(dataset="bell_labs"),
    EstimationBenchmark(dataset="cmu"),
    EstimationBenchmark(dataset="abilene", noise=0.05),
    EstimationBenchmark(dataset="abilene", noise=0.05, assumed_noise=0.0),
    EstimationBenchmark(dataset="geant", noise=0.05),
    EstimationBenchmark(dataset="geant", noise=0.05, assumed_noise=0.0),
    EstimationBenchmark(dataset="abilene", missing_links=0.1),
    EstimationBenchmark(dataset="geant", missing_links=0.1),
)
INTRODUCTION = """# Estimation: traffic matrices from link loads

Made by `python -m benchmarks estimation`; each section also by the command in it.

- Errors are relative unless a unit is given: TRE(t) = sum_i |x - x̂| / sum_i x per interval, SRE(i) = sum_t |x - x̂| /
  sum_t x per flow, NMAE = sum |x - x̂| / sum x over everything. Flows and intervals without true traffic have no
  relative error and are left out of SRE and TRE. Half of the traffic is in flows with at most the volume-weighted
  median SRE.
- The link residual is |A x̂ - y| / |y| per interval, y the loads that the method was given.
- *Oracles* know TMs of the test part; they only show what a better prior would be worth.
- Published rows were printed for the same split, no noise; they were not run again.
- Times are one run after a warm-up; peak memory is that of the whole process, the data included.
"""


def write(folder: Path) -> None:
    results = [_run(config) for config in TABLES]
    methods = "## Methods\n\n" + method_list(results[0].rows) + "\n"
    overview = "## Overview\n\n" + summary_table(results)
    text = "\n".join([INTRODUCTION, overview, methods, *(result.section() for result in results)])
    write_text(folder / "estimation.md", text)
    write_text(folder / "estimation.json", json_text({"tables": [result.to_dict() for result in results]}))


def _run(config: EstimationBenchmark) -> EstimationResult:
    return run(config, progress=lambda name: print(f"{config.dataset}: {name}", file=sys.stderr))
