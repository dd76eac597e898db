"""Results of jobs put together: errors over seeds, differences with their intervals."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sim_mstnet.jobs import read
from odflow.evaluate.forecast_scores import RESAMPLES, Difference
from odflow.evaluate.report import write_text

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """All seeds of a method on a set with so many days of history."""

    results: tuple[dict[str, Any], ...]

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return len(self.results)

    @cached_property
    def volume(self) -> Floats:
        """By day and service."""
        return np.array(self.results[0]["volume"])

    @cached_property
    def absolute(self) -> Floats:
        """Absolute errors by seed, lead, day and service."""
        return np.array([one["absolute"] for one in self.results])

    def wape(self) -> Floats:
        """By seed, lead and service."""
        return np.asarray(self.absolute.sum(axis=2) / self.volume.sum(axis=0))

    def rmse(self) -> Floats:
        """By lead and service, relative to the mean traffic; mean over seeds."""
        squared = np.array([one["squared"] for one in self.results]).sum(axis=2)
        count = np.array(self.results[0]["count"]).sum(axis=0)
        return np.asarray(np.sqrt(squared / count).mean(axis=0) * count / self.volume.sum(axis=0))

    def mean(self, lead: int) -> float:
        """WAPE at the lead of this number (0 = short), mean over services and seeds."""
        return float(self.wape()[:, lead].mean())

    def spread(self, lead: int) -> float:
        """Standard deviation over seeds."""
        return float(self.wape()[:, lead].mean(axis=1).std(ddof=1)) if self.seeds > 1 else float("nan")

    def number(self, name: str) -> float:
        """Mean of some other result over seeds."""
        return float(np.mean([one[name] for one in self.results]))


def difference(one: Cell, other: Cell, lead: int, service: int | None = None) -> Difference:
    """WAPE of the first minus that of the second, mean over seeds and services.

    Its 95 % interval by a bootstrap of days, the same ones for both, and of each one's seeds.
    """
    some = slice(None) if service is None else [service]
    volume, rng = one.volume[:, some], np.random.default_rng(0)
    days = _drawn(len(volume), rng)
    total = days @ volume
    found, means = np.zeros(RESAMPLES), []
    for sign, cell in ((1, one), (-1, other)):
        errors = cell.absolute[:, lead][..., some]
        off = np.einsum("rd,rs,sdk->rk", days, _drawn(cell.seeds, rng) / cell.seeds, errors, optimize=True)
        found += sign * (off / total).mean(axis=1)
        means.append(float((errors.mean(axis=0).sum(axis=0) / volume.sum(axis=0)).mean()))
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return Difference(means[0] - means[1], low, high)


def _drawn(count: int, rng: np.random.Generator) -> Floats:
    """How often each of so many is drawn, with replacement, in each resample."""
    return rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)


class Results:
    """All results of a folder, and of a file that was collected before."""

    def __init__(self, results: list[dict[str, Any]]) -> None:
        cells: dict[tuple[str, int, str], dict[int, dict[str, Any]]] = defaultdict(dict)
        for one in results:
            cells[one["dataset"], one["days"], one["method"]][one["seed"]] = one
        self.cells = {key: Cell(tuple(seeds[k] for k in sorted(seeds))) for key, seeds in cells.items()}

    def get(self, dataset: str, days: int, method: str) -> Cell | None:
        """What there is, if anything."""
        return self.cells.get((dataset, days, method))


def collected(folder: Path, file: Path) -> Results:
    """Results of the folder over those of the file, which is written again."""
    old = json.loads(file.read_text()) if file.exists() else []
    known = {_key(one): one for one in old} | {_key(one): one for one in read(folder)}
    results = [known[key] for key in sorted(known)]
    write_text(file, "[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in results) + "\n]\n")
    return Results(results)


def _key(one: dict[str, Any]) -> tuple[str, int, str, int]:
    return one["dataset"], one["days"], one["method"], one["seed"]
