"""Choose each rival's learning rate and whether it sees seasonally adjusted values, on validation parts.

``python -m benchmarks.sim_mstnet.tune [RIVAL ...]``: two days of history, seed 0, one rule for all.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.sim_mstnet.methods import CHOICES, RIVALS, Tuned, rival
from benchmarks.sim_mstnet.sets import horizon, validation
from odflow.evaluate.report import json_text, write_text

FILE = Path(__file__).parent / "tuned.json"
SETS = ("c2tm", "milan", "abilene")
DAYS = 2


def error(name: str, dataset: str, tuned: Tuned) -> list[float]:
    """WAPE at both leads, mean over services."""
    test = validation(dataset, DAYS)
    _, nodes, services = test.series.shape
    made = rival(name, nodes * services, services, horizon(dataset), 0, tuned)
    scores = test.scores(test.forecast(made.fit(test.history)))
    return [float(np.mean(score.wape)) for score in scores.values()]


def chosen(name: str) -> Tuned:
    """What was chosen for a rival."""
    found = json.loads(FILE.read_text())[name]
    return Tuned(**found["chosen"])


def main(names: list[str]) -> None:
    import torch

    torch.set_num_threads(1)
    for name in names or RIVALS:
        errors = {choice: [error(name, dataset, choice) for dataset in SETS] for choice in CHOICES}
        best = min(CHOICES, key=lambda choice: float(np.log(errors[choice]).mean()))
        table = [{**asdict(choice), "wape": np.round(errors[choice], 4).tolist()} for choice in CHOICES]
        known = json.loads(FILE.read_text()) if FILE.exists() else {}
        write_text(FILE, json_text({**known, name: {"chosen": asdict(best), "sets": SETS, "tried": table}}))
        print(name, best, errors[best], file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
