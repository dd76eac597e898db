"""How many test values lie within nominal 90 % intervals, calibrated every day on the days before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sim_mstnet.sets import horizon, load, test
from odflow.evaluate.forecast_choice import METHODS, interval, ratios
from odflow.evaluate.report import json_text, markdown_table, write_text
from odflow.evaluate.rolling import rolling
from odflow.forecast.features import floors
from odflow.forecast.past import known_mean

Floats = NDArray[np.float64]

LEVELS = (0.05, 0.95)
METHOD = "sim-mstnet"
_DAYS = 7  # of forecasts whose errors make the intervals, at most; a third of the history if that is less


def run(dataset: str, folder: Path) -> None:
    """Forecast from some days before the test part on; intervals of a day by what was known when it began."""
    file = folder / "coverage" / f"{dataset}.json"
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    data, lead = load(dataset), horizon(dataset)
    begin = data.traffic["time"].values[0]
    reach = min(np.timedelta64(24 * _DAYS, "h"), (data.test_from - begin) // 3)
    every = test(dataset, 0).every
    trial = rolling(data.traffic, data.test_from - reach, (1, lead), every=every)
    forecasts = trial.forecast(METHODS[METHOD](lead).fit(trial.history))
    history = data.traffic.values[data.traffic["time"].values < data.test_from]
    floor = floors(known_mean(history))
    time = data.traffic["time"].values[len(data.traffic) - trial.series.sizes["time"] :][trial.targets]
    out: dict[str, Any] = {"dataset": dataset, "coverage": {}, "width": {}}
    for step, found in forecasts.items():
        inside, width, count, volume = 0, 0.0, 0, 0.0
        step_time = np.timedelta64(round((step - 1) * float(data.traffic.attrs["interval_s"])), "s")
        for day in np.arange(data.test_from, time[-1] + np.timedelta64(1, "s"), np.timedelta64(1, "D")):
            past = (time < day - step_time) & (time >= day - step_time - reach)
            now = (time >= day) & (time < day + np.timedelta64(1, "D"))
            low, high = _bounds(found, trial.truth, past, now, floor)
            truth = trial.truth[now]
            there = np.isfinite(truth)
            inside += int(((truth >= low) & (truth <= high) & there).sum())
            count += int(there.sum())
            width += float(np.where(there, high - low, 0.0).sum())
            volume += float(np.where(there, truth, 0.0).sum())
        out["coverage"][str(step)], out["width"][str(step)] = inside / count, width / volume
    write_text(file, json_text(out))


def _bounds(found: Floats, truth: Floats, past: Any, now: Any, floor: Floats) -> tuple[Floats, Floats]:
    """Lower and upper ends for the targets `now`, from errors of the targets in the `past`."""
    of_lead, spread = ratios({1: found[past]}, truth[past], floor)
    low, high = (interval(found[now], of_lead[1], spread[1], level, floor) for level in LEVELS)
    return low, high


def collected(folder: Path, file: Path) -> list[dict[str, Any]]:
    """What is in the folder, over what is in the file, which is written again."""
    old = json.loads(file.read_text()) if file.exists() else []
    new = [json.loads(path.read_text()) for path in (folder / "coverage").glob("*.json")]
    known = {one["dataset"]: one for one in (*old, *new)}
    found = [known[name] for name in sorted(known)]
    write_text(file, json_text(found))
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Markdown of all that was counted."""
    rows = []
    for one in found:
        for step in one["coverage"]:
            share, width = one["coverage"][step], one["width"][step]
            rows.append([one["dataset"], step, f"{100 * share:.1f}", f"{100 * width:.0f}"])
    return markdown_table(["set", "lead", "inside, %", "mean width, % of the traffic"], rows)
