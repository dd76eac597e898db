"""Putting together what the jobs found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmarks.ddpm_tme.jobs import ALIKE, SYNTHESIS, Job, all_jobs, full_jobs
from benchmarks.ddpm_tme.settings import Settings
from odflow.evaluate.estimation import EstimationBenchmark
from odflow.evaluate.estimation import run as run_estimation
from odflow.evaluate.report import Provenance
from odflow.evaluate.synthesis import SynthesisBenchmark
from odflow.evaluate.synthesis_result import Compared, SynthesisResult, SynthesisRow, SynthesisScore

if TYPE_CHECKING:
    from benchmarks.ddpm_tme.running import Runner
    from odflow.evaluate.estimation_result import EstimationResult

Path = tuple[str, ...]
Span = tuple[int, str]  # weeks and variant of a job
TRE: Path = ("all", "tre", "mean")
SRE: Path = ("all", "sre", "mean")


@dataclass(frozen=True, eq=False)
class Found:
    """Results of the jobs that are done, and of the methods without learning.

    Parameters
    ----------
    settings : Settings
    results : mapping of Job to dict
    classical : mapping of str to EstimationResult
        By data set.
    """

    settings: Settings
    results: Mapping[Job, dict[str, Any]]
    classical: Mapping[str, EstimationResult]

    def runs(
        self, net: str, method: str, weeks: int = 0, *, variant: str = "", full: bool = False
    ) -> list[dict[str, Any]]:
        """What was found for one setting, by rising seed."""
        wanted = (net, method, weeks, variant, full)
        jobs = [job for job in self.results if (job.dataset, job.method, job.weeks, job.variant, job.full) == wanted]
        return [self.results[job] for job in sorted(jobs, key=lambda job: job.seed)]

    def values(self, net: str, method: str, stage: str, path: Path, weeks: int = 0, **more: Any) -> list[float]:
        """One number of a score, for every seed; empty if nothing was run."""
        return [number_at(run["scores"][stage], path) for run in self.runs(net, method, weeks, **more)]

    def synthesis(self, net: str, *, full: bool = False) -> SynthesisResult | None:
        """The synthesis benchmark over all seeds that were run."""
        return merged(self.runs(net, SYNTHESIS, full=full))

    @property
    def spans(self) -> list[Span]:
        """Histories that are compared: the last weeks, all weeks alike, and all weeks by age, the default."""
        return [*((weeks, ALIKE) for weeks in (*self.settings.window_weeks, 0)), (0, "")]

    @property
    def missing(self) -> list[Job]:
        """Jobs of the page that are not done, those of the full configurations apart."""
        return [job for job in all_jobs(self.settings) if job not in self.results and not job.full]


def collect(runner: Runner) -> Found:
    """Read what is done, and run the methods without learning."""
    settings, results = runner.settings, {}
    for job in dict.fromkeys((*all_jobs(settings), *full_jobs(settings))):
        found = runner.found(job)
        if found is not None:
            results[job] = found
    classical = {
        name: run_estimation(_classical(name, settings), dataset=None if name in _PUBLIC else data)
        for name, data in runner.data.items()
    }
    return Found(settings, results, classical)


_PUBLIC = ("abilene", "geant")


def _classical(name: str, settings: Settings) -> EstimationBenchmark:
    known = name if name in _PUBLIC else "abilene"
    return EstimationBenchmark(dataset=known, intervals=settings.budget.intervals)


def number_at(score: Mapping[str, Any], path: Path) -> float:
    """A number of a score read from JSON; NaN where it is undefined."""
    value: Any = score
    for key in path:
        value = value[key]
    return float("nan") if value is None else float(value)


def merged(runs: Sequence[Mapping[str, Any]]) -> SynthesisResult | None:
    """Results of single seeds as one; None if there are none."""
    if not runs:
        return None
    parts = [_synthesis(run) for run in runs]
    first = parts[0]
    rows = []
    for row in first.rows:
        same = [part.row(row.generator) for part in parts]
        seconds = [run["training"][row.generator]["seconds"] for run in runs if row.generator in run["training"]]
        fit_s = fmean(seconds) if seconds else fmean(each.fit_s for each in same)
        scores = tuple(score for each in same for score in each.scores)
        rows.append(replace(row, scores=scores, fit_s=fit_s, sample_s=fmean(each.sample_s for each in same)))
    seeds = tuple(seed for part in parts for seed in part.config.seeds)
    return replace(first, rows=tuple(rows), config=replace(first.config, seeds=seeds))


def _synthesis(run: Mapping[str, Any]) -> SynthesisResult:
    result, nan = run["result"], float("nan")
    config: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in result["config"].items()
    }
    rows = []
    for row in result["rows"]:
        scores = tuple(
            SynthesisScore(**{key: nan if value is None else value for key, value in score.items()})
            for score in row["scores"]
        )
        seconds = {key: nan if row[key] is None else row[key] for key in ("fit_s", "sample_s")}
        rows.append(SynthesisRow(row["generator"], row["words"], row["kind"], scores, **seconds))
    return SynthesisResult(
        config=SynthesisBenchmark(**config),
        compared=Compared(**result["compared"]),
        rows=tuple(rows),
        provenance=Provenance(**result["provenance"]),
    )
