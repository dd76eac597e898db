"""Estimation tables: all data sets noise-free; with noise; with missing counters."""

from __future__ import annotations

import sys
from pathlib import Path

from odflow.evaluate.estimation import EstimationBenchmark, EstimationResult, run
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

Made by `python -m benchmarks estimation`; each table also by the command above it. Errors are relative unless a
unit is given: TRE(t) = sum_i |x - x̂| / sum_i x per interval, SRE(i) = sum_t |x - x̂| / sum_t x per flow, NMAE over
everything; flows and intervals without true traffic are left out of SRE and TRE. The volume-weighted median is the
SRE below which flows carry half of the traffic. The link residual is |A x̂ - y| / |y| per interval against the loads
that the method was given. *Oracle* rows know test TMs and only show what a better prior would be worth. Published
rows were printed on the same split, noise-free; they were not run again.
"""


def write(folder: Path) -> None:
    results = [_run(config) for config in TABLES]
    text = "\n".join([INTRODUCTION, *(result.markdown() for result in results)])
    write_text(folder / "estimation.md", text)
    write_text(folder / "estimation.json", json_text({"tables": [result.to_dict() for result in results]}))


def _run(config: EstimationBenchmark) -> EstimationResult:
    return run(config, progress=lambda name: print(f"{config.dataset}: {name}", file=sys.stderr))
