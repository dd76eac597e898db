"""How many test values lie within nominal 90 % intervals, calibrated every day on the days before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sim_mstnet.sets import horizon, load, test
from odflow.evaluate.conformal import REACH, recalibrated
from odflow.evaluate.forecast_choice import METHODS
from odflow.evaluate.forecast_scores import CRPS_LEVELS, crps, inside
from odflow.evaluate.report import json_text, markdown_table, write_text
from odflow.evaluate.rolling import rolling

METHOD = "sim-mstnet"
MEASURES = ("coverage", "width", "crps")


def run(dataset: str, folder: Path) -> None:
    """Forecast from some days before the test part on; intervals of a day by what was known when it began."""
    file = folder / "coverage" / f"{dataset}.json"
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    data, lead = load(dataset), horizon(dataset)
    time = data.traffic["time"].values
    reach = min(REACH, (data.test_from - time[0]) // 3)
    trial = rolling(data.traffic, data.test_from - reach, tuple(range(1, lead + 1)), every=test(dataset, 0).every)
    quantiles = trial.quantiles(METHODS[METHOD](lead).fit(trial.history))
    targets = trial.series["time"].values[trial.targets]
    truth = trial.truth[targets >= data.test_from]
    out: dict[str, Any] = {"dataset": dataset, **{name: {} for name in MEASURES}}
    for step, found in quantiles.items():
        delay = (step - 1) * (time[1] - time[0])
        bands = recalibrated(found, trial.truth, targets, data.test_from, delay, CRPS_LEVELS)
        volume = np.nansum(truth, axis=(0, 1))
        width = np.where(np.isfinite(truth), bands[-1] - bands[0], 0.0).sum(axis=(0, 1)) / volume
        out["coverage"][str(step)] = inside(bands[0], bands[-1], truth).tolist()
        out["width"][str(step)] = float(width.mean())
        out["crps"][str(step)] = float(crps(bands, truth).mean())
    write_text(file, json_text(out))


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
        steps = list(one["coverage"])
        for label, chosen in ((steps[0], steps[:1]), (steps[-1], steps[-1:]), (f"{steps[0]} to {steps[-1]}", steps)):
            shares, width, score = (np.mean([one[name][step] for step in chosen], axis=0) for name in MEASURES)
            each = ", ".join(f"{100 * share:.1f}" for share in shares)
            rows.append(
                [one["dataset"], label, f"{100 * shares.mean():.1f}", each, f"{100 * width:.0f}", f"{100 * score:.1f}"]
            )
    return markdown_table(["set", "lead", "inside, %", "by service", "mean width, %", "CRPS, %"], rows)
