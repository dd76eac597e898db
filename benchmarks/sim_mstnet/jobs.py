"""One method on one set with so many days of history: what to run, and running it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sim_mstnet.methods import RIVALS, RULES, rival
from benchmarks.sim_mstnet.ours import ABLATIONS, OURS, WITH_WORLDS, ours
from benchmarks.sim_mstnet.sets import BARS, DAYS, FLOWS, LINKS, SETS, horizon, possible, test
from benchmarks.sim_mstnet.tune import chosen
from odflow.errors import DataError
from odflow.evaluate.forecasting import BLEND, METHODS
from odflow.evaluate.report import json_text, write_text
from odflow.evaluate.rolling import Rolling
from odflow.forecast.base import Forecaster
from odflow.forecast.learned import NetworkForecaster

SEEDS = 5
WHOLE_PAST = ", whole past"  # learns from some days, but looks back on all that was before an origin


@dataclass(frozen=True)
class Job:
    """One fit and its errors.

    Parameters
    ----------
    dataset : str
    days : int
        Of history; 0 = all.
    method : str
    seed : int
    """

    dataset: str
    days: int
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Such as ``c2tm/2-days/lstm/seed-0``."""
        return f"{self.dataset}/{f'{self.days}-days' if self.days else 'all'}/{self.method}/seed-{self.seed}"


def all_jobs() -> Iterator[Job]:
    """Every job, in the order in which to run them: the scarce ones first, seed by seed."""
    for dataset in (*SETS, *LINKS, *FLOWS):
        for days in DAYS if dataset not in FLOWS else (0,):
            if possible(dataset, days):
                yield from (Job(dataset, days, method, 0) for method in RULES)
    for days_, seeds in (((2,), range(2)), ((1,), range(2)), ((2, 1), range(2, SEEDS)), ((4, 8, 0), range(SEEDS))):
        for seed in seeds:
            for days in days_:
                for method in (*OURS[: 1 if seed else None], *RIVALS):  # the others learn nothing: one seed
                    yield from _on_all(SETS, days, method, seed)
    for seed in range(SEEDS):
        for method in ABLATIONS:
            yield from _on_all(SETS, 2, method, seed)
        yield from _on_all(LINKS, 2, OURS[0], seed)
        yield from _on_all((*BARS, *LINKS), 2, OURS[0] + WHOLE_PAST, seed)
    for method in (*OURS[1:], "last", "sae, untuned"):
        yield from _on_all((*BARS, *LINKS), 2, method + WHOLE_PAST, 0)
    for method in (*OURS, *RIVALS):
        yield from _on_all(FLOWS, 0, method, 0)


def _on_all(sets: tuple[str, ...], days: int, method: str, seed: int) -> Iterator[Job]:
    for dataset in sets:
        if possible(dataset, days):
            yield Job(dataset, days, method, seed)


def made(job: Job, series: int, services: int, folder: Path) -> Forecaster:
    """The forecaster of a job."""
    lead, method = horizon(job.dataset), job.method.removesuffix(WHOLE_PAST)
    if method == BLEND:
        return METHODS[BLEND](lead, job.seed)
    if method in RULES:
        return RULES[method](lead, job.seed)
    if method in RIVALS:
        return rival(method, series, services, lead, job.seed, chosen(method))
    return ours(method, job.dataset, series, job.seed, folder)


def run(job: Job, folder: Path) -> None:
    """Run a job and write its file."""
    file = folder / f"{job.name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_text(file, json_text(_run(job, folder)))
    except DataError as error:  # such as a history that is too short for a method
        write_text(file, json_text({**asdict(job), "failed": str(error)}))


def _run(job: Job, folder: Path) -> dict[str, Any]:
    history = test(job.dataset, job.days).history
    data = test(job.dataset, 0 if job.method.endswith(WHOLE_PAST) else job.days)
    _, nodes, services = data.series.shape
    forecaster = made(job, nodes * services, services, folder)
    start = time.perf_counter()
    if job.method in WITH_WORLDS:
        forecaster.fit(history, WITH_WORLDS[job.method](job.seed))  # type: ignore[call-arg]
    else:
        forecaster.fit(history)
    fitted = time.perf_counter()
    forecasts = data.forecast(forecaster)
    done = time.perf_counter()
    result: dict[str, Any] = {
        **asdict(job),
        "fit_s": fitted - start,
        "forecast_s": done - fitted,
        "targets": len(data.targets),
        **_errors(data, forecasts),
    }
    if isinstance(forecaster, NetworkForecaster):
        result |= {"parameters": forecaster.parameters_, "steps": forecaster.trained_.steps}
        weighed = getattr(forecaster, "reweighted_", None)
        if weighed is not None:
            result["effective"] = weighed.effective
    return result


def _errors(data: Rolling, forecasts: dict[int, np.ndarray]) -> dict[str, Any]:
    """Sums over nodes and the targets of a day: [day][service] of volume and count, [lead][day][service] of errors."""
    truth, days = data.truth, data.days
    known = np.isfinite(truth)
    place = np.unique(days, return_inverse=True)[1]

    def by_day(x: np.ndarray) -> list[list[float]]:
        sums = np.zeros((place.max() + 1, truth.shape[2]))
        np.add.at(sums, place, np.where(known, x, 0.0).sum(axis=1))
        return [[float(f"{value:.7g}") for value in row] for row in sums]

    return {
        "leads": list(forecasts),
        "volume": by_day(truth),
        "count": by_day(np.ones_like(truth)),
        "absolute": [by_day(np.abs(found - truth)) for found in forecasts.values()],
        "squared": [by_day((found - truth) ** 2) for found in forecasts.values()],
    }


def finished(file: Path) -> set[str]:
    """Names of the jobs whose results are in a file of collected ones."""
    found = json.loads(file.read_text()) if file.exists() else []
    return {Job(one["dataset"], one["days"], one["method"], one["seed"]).name for one in found}


def read(folder: Path) -> list[dict[str, Any]]:
    """All results there."""
    found = [json.loads(path.read_text()) for path in sorted(folder.rglob("seed-*.json"))]
    return [one for one in found if "failed" not in one]
