"""The estimation benchmark: TMs of a data set's test part from its link loads, by every method."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import InconsistentLoadsWarning, UsageError
from odflow.evaluate.estimation_result import EstimationResult, MethodRow, Split
from odflow.evaluate.measure import peak_mib, reset_peak
from odflow.evaluate.perturb import noisy, without_counters
from odflow.evaluate.protocol import METHODS, Method, method_named, named_dataset
from odflow.evaluate.published import published
from odflow.evaluate.report import command_line, provenance
from odflow.evaluate.scores import score

if TYPE_CHECKING:
    from odflow.traffic.datasets import Dataset


@dataclass(frozen=True)
class EstimationBenchmark:
    """What to run.

    Parameters
    ----------
    dataset : str
        ``abilene``, ``geant``, ``bell_labs`` or ``cmu``.
    methods : tuple of str
        Rows of the table; all by default.
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

    def __post_init__(self) -> None:
        if not self.methods:
            raise UsageError(f"no method to compare; choose from {', '.join(METHODS)}")
        for name in self.methods:
            method_named(name, 0.0)
        for name, value, most in (
            ("noise", self.noise, np.inf),
            ("missing_links", self.missing_links, 1.0),
            ("assumed_noise", self.assumed_noise or 0.0, np.inf),
            ("intervals", self.intervals, np.inf),
            ("seed", self.seed, np.inf),
        ):
            if not (0 <= value <= most and value < np.inf):
                raise UsageError(f"{name}={value:g} makes no sense; give a value from 0{'' if most > 1 else ' to 1'}")

    @property
    def told_noise(self) -> float:
        """Relative error that the estimators are told."""
        return self.noise if self.assumed_noise is None else self.assumed_noise


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
        If there is no such data set.
    OdflowError
        If the data are not there, or a method cannot do with them.
    """
    data = named_dataset(config.dataset) if dataset is None else dataset
    train, truth = data.train, data.test
    if config.intervals:
        truth = truth.isel(time=slice(0, config.intervals))
    loads = data.routing.loads(truth) if data.loads is None else data.loads.sel(time=truth["time"])
    given = without_counters(noisy(loads, config.noise, seed=config.seed), config.missing_links, seed=config.seed)
    rows = []
    for name in config.methods:
        if progress:
            progress(name)
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


def _run_method(
    method: Method, train: xr.DataArray, truth: xr.DataArray, loads: xr.DataArray, data: Dataset
) -> MethodRow:
    estimator, routing = method.estimator, data.routing
    history = method.history(train, truth)
    with warnings.catch_warnings():
        # noise was added on purpose
        warnings.simplefilter("ignore", InconsistentLoadsWarning)
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
