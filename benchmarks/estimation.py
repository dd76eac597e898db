"""Estimation tables: all data sets noise-free; with noise; with missing counters; and more on the test week.

What is done is kept in ``.odflow-estimation``, and an interrupted run goes on; remove it to begin anew.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import estimation_more as more
from odflow.evaluate.estimation import EstimationBenchmark, run
from odflow.evaluate.estimation_result import EstimationResult, method_list, summary_table
from odflow.evaluate.protocol import METHODS
from odflow.evaluate.report import json_text, plain, write_text
from odflow.files import replacing
from odflow.named import BACKTESTED, PRETRAINED

QUICK = (*METHODS, "stacked-pretrained")
TABLES = (
    EstimationBenchmark(dataset="abilene", methods=(*METHODS, *PRETRAINED, *BACKTESTED), seeds=(0, 1, 2)),
    EstimationBenchmark(dataset="geant", methods=(*METHODS, *PRETRAINED, *BACKTESTED), seeds=(0, 1, 2)),
    EstimationBenchmark(dataset="bell_labs"),
    EstimationBenchmark(dataset="cmu"),
    EstimationBenchmark(dataset="abilene", methods=QUICK, noise=0.05),
    EstimationBenchmark(dataset="abilene", methods=QUICK, noise=0.05, assumed_noise=0.0),
    EstimationBenchmark(dataset="geant", methods=QUICK, noise=0.05),
    EstimationBenchmark(dataset="geant", methods=QUICK, noise=0.05, assumed_noise=0.0),
    EstimationBenchmark(dataset="abilene", methods=QUICK, missing_links=0.1),
    EstimationBenchmark(dataset="geant", methods=QUICK, missing_links=0.1),
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


KEPT = Path(".odflow-estimation")


def write(folder: Path) -> None:
    results: list[EstimationResult] = [_kept(f"table-{k}", partial(_run, config)) for k, config in enumerate(TABLES)]
    found = {name: _more(name) for name in more.NETWORKS}
    methods = "## Methods\n\n" + method_list(results[0].rows) + "\n"
    overview = "## Overview\n\n" + summary_table(results)
    extra = more.sections(found, folder / "figures")
    text = "\n".join([INTRODUCTION, overview, extra, methods, *(result.section() for result in results)])
    write_text(folder / "estimation.md", text)
    content = {"tables": [result.to_dict() for result in results], "more": plain(found)}
    write_text(folder / "estimation.json", json_text(content))


def _more(name: str) -> more.More:
    return more.More(
        noise=_kept(f"noise-{name}", partial(more.noise_told, name)),
        failing={
            method: _kept(f"failing-{name}-{method}", partial(more.failing_links, name, method))
            for method in more.CLASSICAL
        },
        rolled=_kept(f"rolled-{name}", partial(more.rolled, name)),
        weeks={
            method: _kept(f"week-{name}-{method}", partial(more.week, name, method))
            for method in (more.MOMENTS, *more.CLASSICAL, *PRETRAINED, *BACKTESTED)
        },
    )


def _kept(name: str, make: Callable[[], Any]) -> Any:
    file = KEPT / f"{name}.pickle"
    if file.exists():
        return pickle.loads(file.read_bytes())
    print(name, file=sys.stderr, flush=True)
    KEPT.mkdir(exist_ok=True)
    result = make()
    with replacing(file) as temporary:
        temporary.write_bytes(pickle.dumps(result))
    return result


def _run(config: EstimationBenchmark) -> EstimationResult:
    return run(config, progress=lambda name: print(f"{config.dataset}: {name}", file=sys.stderr))
