"""The estimation benchmark: TMs of a data set's test part from its link loads, by every method."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import InconsistentLoadsWarning, UsageError
from odflow.evaluate.measure import peak_mib, reset_peak
from odflow.evaluate.perturb import noisy, without_counters
from odflow.evaluate.protocol import METHODS, Method, method_named, named_dataset
from odflow.evaluate.published import Published, published
from odflow.evaluate.report import Provenance, Report, command_line, markdown_table, number, plain, provenance
from odflow.evaluate.scores import FlowScore, Score, score

if TYPE_CHECKING:
    from rich.table import Table

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


@dataclass(frozen=True)
class MethodRow:
    """How one method did.

    Parameters
    ----------
    method, words, kind : str
        Name, parameters in words, and ``estimate``, ``context`` (uses no loads) or ``oracle`` (knows test TMs).
    score : Score
    fit_s, estimate_s : float
        Wall-clock seconds, one run, after a warm-up on the first interval.
    peak_mib : float
        Peak resident memory of the whole process while fitting and estimating, MiB; NaN where it
        cannot be told apart from what went before.
    """

    method: str
    words: str
    kind: str
    score: Score
    fit_s: float
    estimate_s: float
    peak_mib: float


@dataclass(frozen=True)
class Split:
    """What was used, in words and numbers.

    Parameters
    ----------
    dataset, sha256 : str
    train, test : str
        Intervals and dates.
    gap_days : float
        From the end of the history to the start of the test part.
    loads : str
        Where the link loads come from.
    missing : tuple of str
        Counters made missing.
    """

    dataset: str
    sha256: str
    train: str
    test: str
    gap_days: float
    loads: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class EstimationResult(Report):
    """What :func:`run` found.

    Parameters
    ----------
    config : EstimationBenchmark
    split : Split
    rows : tuple of MethodRow
    published : tuple of Published
        Only without noise and with all counters, as published.
    provenance : Provenance
    """

    config: EstimationBenchmark
    split: Split
    rows: tuple[MethodRow, ...]
    published: tuple[Published, ...]
    provenance: Provenance

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types."""
        return dict(plain(self))

    def row(self, method: str) -> MethodRow:
        """The row of a method.

        Raises
        ------
        UsageError
            If it was not run.
        """
        for row in self.rows:
            if row.method == method:
                return row
        raise UsageError(f"method '{method}' was not run; there are {', '.join(row.method for row in self.rows)}")

    def markdown(self) -> str:
        """The result as a Markdown section."""
        c, s = self.config, self.split
        lines = [f"## {self.title()}", "", *self.provenance.lines()]
        lines += [f"- data: {s.dataset}, sha256 `{s.sha256}`", f"- history: {s.train}", f"- test: {s.test}"]
        lines += [f"- loads: {s.loads}"]
        if s.missing:
            lines += [f"- counters not measured ({len(s.missing)}): {', '.join(s.missing)}"]
        if c.noise or c.assumed_noise is not None:
            lines += [f"- relative load error told to the estimators: {c.told_noise:g}"]
        rows = [_cells(row, row.score.all) for row in self.rows] + [_published_cells(row) for row in self.published]
        lines += ["", "All flows, the diagonal included:", "", markdown_table(_HEADINGS, rows)]
        rows = [_cells(row, row.score.off_diagonal) for row in self.rows]
        lines += ["", "Without the diagonal:", "", markdown_table(_HEADINGS[:-3], [row[:-3] for row in rows])]
        lines += ["", *(f"- {_marked(row)}: {row.words}" for row in self.rows)]
        return "\n".join(lines) + "\n"

    def title(self) -> str:
        """Data set and conditions in words."""
        parts = [self.split.dataset]
        parts += [f"{self.config.noise:.3g} noise on the loads" if self.config.noise else "noise-free"]
        parts += [f"{self.config.missing_links:.0%} of the internal counters missing"] * bool(self.config.missing_links)
        return ", ".join(parts)

    def table(self) -> Table:
        """The main columns for the terminal."""
        from rich.table import Table

        test = f"{self.rows[0].score.times} test intervals"
        table = Table(title=f"{self.title()}, {test}", caption=f"test: {self.split.test}")
        table.add_column("method")
        for heading in _SHORT:
            table.add_column(heading, justify="right")
        for row in self.rows:
            every, rest = row.score.all, row.score.off_diagonal
            residual = every.residual.mean if every.residual else None
            errors = (every.tre.mean, every.tre.max, rest.tre.mean, every.sre.median, every.nmae, residual)
            table.add_row(_marked(row), *map(number, errors), number(row.estimate_s, 2))
        if self.published:
            table.add_section()
        for other in self.published:
            values = (other.tre_mean, other.tre_max, None, other.sre_median)
            table.add_row(f"{other.method} (published)", *map(number, values))
        return table


_SHORT = ("TRE mean", "TRE max", "TRE off-diag.", "SRE median", "NMAE", "link residual", "seconds")
_HEADINGS = (
    "method",
    "TRE mean",
    "median",
    "std",
    "max",
    "SRE mean",
    "median",
    "std",
    "max",
    "volume-weighted median",
    "NMAE",
    "RMSE mean, Mbit/s",
    "median",
    "std",
    "max",
    "link residual mean",
    "max",
    "fit s",
    "estimate s",
    "peak MiB",
)


def _cells(row: MethodRow, part: FlowScore) -> list[str]:
    rmse, residual = part.rmse, part.residual
    values = [part.tre.mean, part.tre.median, part.tre.std, part.tre.max]
    values += [part.sre.mean, part.sre.median, part.sre.std, part.sre.max, part.sre_weighted_median, part.nmae]
    values += [value / 1e6 for value in (rmse.mean, rmse.median, rmse.std, rmse.max)]
    values += [residual.mean, residual.max] if residual else [float("nan")] * 2
    cost = [number(row.fit_s, 2), number(row.estimate_s, 2), number(row.peak_mib, 0)]
    return [_marked(row), *map(number, values), *cost]


def _marked(row: MethodRow) -> str:
    return {"oracle": f"*{row.method}*", "context": f"{row.method} (no loads used)"}.get(row.kind, row.method)


def _published_cells(row: Published) -> list[str]:
    cells = [f"{row.method} (published in {row.source}, not run again)", number(row.tre_mean), "-", "-"]
    cells += [number(row.tre_max), number(row.sre_mean), number(row.sre_median)]
    return cells + ["-"] * (len(_HEADINGS) - len(cells))


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
        loads="A x of the true TMs" if data.loads is None else "measured",
        missing=tuple(str(link) for link in given["link"].values[gone]),
    )


def _span(array: xr.DataArray) -> str:
    times = labels.as_times(array["time"].values).astype("datetime64[m]")
    return f"{len(times)} intervals of {array.attrs['interval_s']:g} s, {times[0]} to {times[-1]} UTC"
