"""The estimation benchmark: TMs of a data set's test part from its link loads, by every method."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import InconsistentLoadsWarning, UsageError
from odflow.evaluate.estimation_result import EstimationResult, MethodRow, Split
from odflow.evaluate.learned import LEARNED, STAGES, learned_estimator, learned_words, timed_stages, training_history
from odflow.evaluate.measure import peak_mib, reset_peak
from odflow.evaluate.perturb import noisy, without_counters
from odflow.evaluate.protocol import METHODS, NAMES, Method, method_named, named_dataset
from odflow.evaluate.published import published
from odflow.evaluate.report import command_line, provenance
from odflow.evaluate.scores import mean_score, score
from odflow.named import BACKTESTED

if TYPE_CHECKING:
    from odflow.evaluate.scores import Score
    from odflow.traffic.datasets import Dataset


@dataclass(frozen=True)
class EstimationBenchmark:
    """What to run.

    Parameters
    ----------
    dataset : str
        ``abilene``, ``geant``, ``bell_labs`` or ``cmu``.
    methods : tuple of str
        Rows of the table; by default all that do not have to be trained. ``ddpm-tme``, ``vae-tme`` and ``wgan-tme``
        are trained first (minutes, needs torch) and give two rows each: the generator's own estimate, and the same
        projected onto the loads.
    noise : float
        Sigma of the multiplicative lognormal noise on each load; 0.05 is about 5 %.
    missing_links : float
        Part of the internal counters that is not measured at all in the test part.
    seed : int
        Of the noise and of the choice of missing counters.
    assumed_noise : float, optional
        Relative error that the estimators are told; the true one by default.
    intervals : int
        Use only so many of the first test intervals; 0 for all.
    weeks : int
        Last weeks of the training part that the learned methods train on, without glitches; 0 for all.
    seeds : tuple of int
        One training and inversion of each learned method for each; its rows are means over them.
    training_steps : int
        Steps of the learned methods' training instead of those of their configurations; 0 to keep them.
    device : str
        To train on: ``cpu``, ``cuda`` or ``auto``.
    rolling : bool
        Instead of the test part estimate weeks of the training part, each from the weeks before.
    ages : tuple of int
        With `rolling`: how many weeks before the estimated one the history ends.

    Raises
    ------
    UsageError
        If a number makes no sense, or a method is unknown.
    """

    dataset: str = "abilene"
    methods: tuple[str, ...] = METHODS
    noise: float = 0.0
    missing_links: float = 0.0
    seed: int = 0
    assumed_noise: float | None = None
    intervals: int = 0
    weeks: int = 0
    seeds: tuple[int, ...] = (0,)
    training_steps: int = 0
    device: str = "cpu"
    rolling: bool = False
    ages: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if not self.methods:
            raise UsageError(f"no method to compare; choose from {', '.join(NAMES)}")
        for name in self.methods:
            if name not in LEARNED:
                method_named(name, 0.0)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise UsageError(f"seeds {self.seeds} make no sense; give one or more different numbers from 0")
        if not self.ages or len(set(self.ages)) < len(self.ages) or min(self.ages) < 0:
            raise UsageError(f"ages {self.ages} make no sense; give one or more different numbers of weeks from 0")
        for name, value, most in (
            ("noise", self.noise, np.inf),
            ("missing_links", self.missing_links, 1.0),
            ("assumed_noise", self.assumed_noise or 0.0, np.inf),
            ("intervals", self.intervals, np.inf),
            ("seed", self.seed, np.inf),
            ("weeks", self.weeks, np.inf),
            ("training_steps", self.training_steps, np.inf),
        ):
            if not (0 <= value <= most and value < np.inf):
                raise UsageError(f"{name}={value:g} makes no sense; give a value from 0{'' if most > 1 else ' to 1'}")

    @property
    def told_noise(self) -> float:
        """Relative error that the estimators are told."""
        return self.noise if self.assumed_noise is None else self.assumed_noise

    def conditions(self) -> list[str]:
        """Noise and missing counters, in words."""
        parts = [f"{100 * self.noise:.3g}% noise"] if self.noise else ["no noise"]
        if self.told_noise != self.noise:
            parts.append(f"estimators told {100 * self.told_noise:.3g}%")
        if self.missing_links:
            parts.append(f"{self.missing_links:.0%} of the internal counters missing")
        return parts


def run(
    config: EstimationBenchmark,
    *,
    dataset: Dataset | None = None,
    progress: Callable[[str], None] | None = None,
) -> EstimationResult:
    """Run the benchmark.

    Parameters
    ----------
    config : EstimationBenchmark
    dataset : Dataset, optional
        Data to use instead of those that ``config.dataset`` names.
    progress : callable, optional
        Called with the name of each method before it starts.

    Raises
    ------
    UsageError
        If there is no such data set, or the back-test is to be a rolling one.
    OdflowError
        If the data are not there, or a method cannot do with them.
    """
    if config.rolling:
        raise UsageError("for rolling back-tests use odflow.evaluate.rolling_estimation.rolling_run")
    data = named_dataset(config.dataset) if dataset is None else dataset
    train, truth = data.train, data.test
    if config.intervals:
        truth = truth.isel(time=slice(0, config.intervals))
    loads, given = loads_of(truth, config, data)
    rows = []
    for name in config.methods:
        if progress:
            progress(name)
        if name in LEARNED:
            rows += _run_learned(name, config, train, truth, given, data, progress)
        elif name in BACKTESTED:
            methods = [method_named(name, config.told_noise, seed) for seed in config.seeds]
            rows.append(_mean_row([_run_method(one, train, truth, given, data, warm=False) for one in methods]))
        else:
            rows.append(_run_method(method_named(name, config.told_noise), train, truth, given, data))
    command = command_line("estimation", config) if dataset is None else f"{__name__}.run({config}, dataset=...)"
    as_printed = not (config.noise or config.missing_links or config.intervals or dataset is not None)
    return EstimationResult(
        config=config,
        split=_split(data, train, truth, given, loads),
        rows=tuple(rows),
        published=published(config.dataset) if as_printed else (),
        provenance=provenance(command, config.seed),
    )


def loads_of(truth: xr.DataArray, config: EstimationBenchmark, data: Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Link loads as they were, and as methods are given them: with noise, with counters missing."""
    loads = data.routing.loads(truth) if data.loads is None else data.loads.sel(time=truth["time"])
    return loads, without_counters(noisy(loads, config.noise, seed=config.seed), config.missing_links, seed=config.seed)


def _run_method(
    method: Method, train: xr.DataArray, truth: xr.DataArray, loads: xr.DataArray, data: Dataset, warm: bool = True
) -> MethodRow:
    estimator, routing = method.estimator, data.routing
    history = method.history(train, truth)
    with warnings.catch_warnings():
        # noise was added on purpose
        warnings.simplefilter("ignore", InconsistentLoadsWarning)
        if warm:
            estimator.fit(history=history, routing=routing).estimate(loads.isel(time=[0]), routing)
        told = reset_peak()
        start = time.perf_counter()
        estimator.fit(history=history, routing=routing)
        fitted = time.perf_counter()
        estimate = estimator.estimate(loads, routing)
        done = time.perf_counter()
    peak = peak_mib() if told else float("nan")
    found = score(truth, estimate, loads=loads, routing=routing)
    return MethodRow(method.name, method.words, method.kind, found, fitted - start, done - fitted, peak)


def _mean_row(rows: list[MethodRow]) -> MethodRow:
    """Of one method, over seeds."""
    scores = tuple(row.score for row in rows)
    return replace(
        rows[0],
        score=mean_score(scores),
        by_seed=scores,
        fit_s=fmean(row.fit_s for row in rows),
        estimate_s=fmean(row.estimate_s for row in rows),
        peak_mib=max(row.peak_mib for row in rows),
    )


def _run_learned(
    name: str,
    config: EstimationBenchmark,
    train: xr.DataArray,
    truth: xr.DataArray,
    loads: xr.DataArray,
    data: Dataset,
    tell: Callable[[str], None] | None,
) -> list[MethodRow]:
    """A row for each stage, means over the seeds."""
    history = training_history(train, config.weeks)
    found: dict[str, list[Score]] = {stage: [] for stage in STAGES}
    fits, estimates, peaks, words = [], [], [], dict.fromkeys(STAGES, "")
    for seed in config.seeds:

        def report(done: int, total: int, losses: Mapping[str, float], seed: int = seed) -> None:
            if tell:
                parts = ", ".join(f"{part} {value:.3g}" for part, value in losses.items())
                tell(f"{name}, seed {seed}: step {done} of {total}; {parts}")

        estimator = learned_estimator(
            name, seed=seed, noise=config.told_noise, training_steps=config.training_steps, device=config.device
        )
        words = {stage: learned_words(name, stage, config.weeks, estimator) for stage in STAGES}
        start = time.perf_counter()
        estimator.fit(history, data.routing, progress=report)
        fits.append(time.perf_counter() - start)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentLoadsWarning)
            both, costs = timed_stages(estimator, loads, data.routing, report)
        estimates.append(costs.total_s)
        peaks.append(costs.peak_mib)
        for stage in STAGES:
            found[stage].append(score(truth, both.sel(stage=stage), loads=loads, routing=data.routing))
    cost = (fmean(fits), fmean(estimates), max(peaks))
    return [
        MethodRow(f"{name} ({stage})", words[stage], "estimate", mean_score(each), *cost, by_seed=tuple(each))
        for stage, each in found.items()
    ]


def _split(data: Dataset, train: xr.DataArray, truth: xr.DataArray, given: xr.DataArray, loads: xr.DataArray) -> Split:
    gone = np.isnan(given.values).all(axis=0) & ~np.isnan(loads.values).all(axis=0)
    step = np.timedelta64(round(train.attrs["interval_s"]), "s")
    end, start = labels.as_times(train["time"].values)[-1] + step, labels.as_times(truth["time"].values)[0]
    gap = float((start - end) / np.timedelta64(1, "D"))
    return Split(
        dataset=data.name,
        sha256=data.sha256,
        train=f"{_span(train)}, ends {gap:.3g} days before the test part",
        test=_span(truth),
        gap_days=gap,
        measured=data.loads is not None,
        missing=tuple(str(link) for link in given["link"].values[gone]),
    )


def _span(array: xr.DataArray) -> str:
    times = labels.as_times(array["time"].values).astype("datetime64[m]")
    return f"{len(times)} intervals of {array.attrs['interval_s']:g} s, {times[0]} to {times[-1]} UTC"
