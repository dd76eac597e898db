"""Rolling back-test of estimators: each week of a history from the weeks before."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from odflow import labels
from odflow.errors import InconsistentLoadsWarning, UsageError
from odflow.estimate.base import Posterior
from odflow.evaluate.estimation import EstimationBenchmark, loads_of
from odflow.evaluate.estimation_result import marked
from odflow.evaluate.forecast_scores import CRPS_LEVELS, crps
from odflow.evaluate.learned import LEARNED
from odflow.evaluate.metrics import tre
from odflow.evaluate.protocol import Method, method_named, named_dataset
from odflow.evaluate.report import Provenance, Report, command_line, markdown_table, number, plain, provenance
from odflow.traffic.histories import WEEK_S

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray
    from rich.table import Table

    from odflow.traffic.datasets import Dataset

    Floats = NDArray[np.float64]

GROUPS = 5


@dataclass(frozen=True)
class Intervals:
    """How good quantiles are.

    Parameters
    ----------
    inside : float
        Share of the traffic of demands that lie in their nominal 90 % interval.
    by_size : tuple of float
        Share of demands that do, for flows from the smallest to the largest fifth by their mean in the history.
    crps : float
        Relative to the mean traffic; see :func:`odflow.evaluate.forecast_scores.crps`.
    """

    inside: float
    by_size: tuple[float, ...]
    crps: float


@dataclass(frozen=True)
class RollingRow:
    """How one method did.

    Parameters
    ----------
    method, words, kind : str
        As in :class:`~odflow.evaluate.estimation_result.MethodRow`.
    tre : dict of int to tuple of float
        By the age of the history in weeks: mean TRE of each week.
    intervals : Intervals, optional
        Mean over weeks, with the youngest history; of methods that give quantiles.
    fit_s, estimate_s : float
        Mean wall-clock seconds for a week of TMs, quantiles not included.
    """

    method: str
    words: str
    kind: str
    tre: dict[int, tuple[float, ...]]
    intervals: Intervals | None
    fit_s: float
    estimate_s: float


@dataclass(frozen=True)
class RollingResult(Report):
    """What :func:`rolling_run` found.

    Parameters
    ----------
    config : EstimationBenchmark
    dataset, sha256 : str
    weeks : tuple of int
        Estimated, the first week of the training part is 1.
    rows : tuple of RollingRow
    provenance : Provenance
    """

    config: EstimationBenchmark
    dataset: str
    sha256: str
    weeks: tuple[int, ...]
    rows: tuple[RollingRow, ...]
    provenance: Provenance

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types."""
        return dict(plain(self))

    @property
    def title(self) -> str:
        """Data set and conditions in words."""
        conditions = self.config.conditions()
        return ", ".join(
            [f"{self.dataset}, weeks {self.weeks[0]} to {self.weeks[-1]} from the weeks before", *conditions]
        )

    def markdown(self) -> str:
        """The result as a Markdown section."""
        ages, rows = self.config.ages, self.rows
        lines = [
            f"## {self.title}",
            "",
            *self.provenance.lines(),
            f"- data: {self.dataset}, sha256 `{self.sha256}`",
            "",
        ]
        lines += ["Mean TRE, all flows, by the age of the history:", ""]
        found = [[marked(row.method, row.kind), *(number(fmean(row.tre[age])) for age in ages)] for row in rows]
        lines += [markdown_table(("method", *map(_age, ages)), found), "", f"Week by week, {_age(ages[0])}:", ""]
        found = [[marked(row.method, row.kind), *(number(one) for one in row.tre[ages[0]])] for row in rows]
        lines += [markdown_table(("method", *map(str, self.weeks)), found), ""]
        lines += [
            "Nominal 90 % intervals: share of the traffic inside, share of demands by size of the flow; CRPS; cost:",
            "",
        ]
        sizes = ("smallest fifth", *map(str, range(2, GROUPS)), "largest fifth")
        found = [
            [marked(row.method, row.kind), *_intervals(row), f"{row.fit_s:.2f}", f"{row.estimate_s:.2f}"]
            for row in rows
        ]
        lines += [markdown_table(("method", "inside, %", *sizes, "CRPS", "fit s", "estimate s a week"), found), ""]
        return "\n".join([*lines, *(f"- {marked(row.method, row.kind)}: {row.words}" for row in rows), ""])

    def table(self) -> Table:
        """The main columns for the terminal."""
        from rich.table import Table

        table = Table(title=self.title, caption="mean TRE by the age of the history; intervals: nominal 90 %")
        for heading in ("method", *map(_age, self.config.ages), "inside, %", "CRPS", "s a week"):
            table.add_column(heading, justify="left" if heading == "method" else "right")
        for row in self.rows:
            inside, *_, score = _intervals(row)
            errors = (number(fmean(row.tre[age])) for age in self.config.ages)
            table.add_row(marked(row.method, row.kind), *errors, inside, score, f"{row.estimate_s:.2f}")
        return table


def rolling_run(
    config: EstimationBenchmark,
    *,
    dataset: Dataset | None = None,
    progress: Callable[[str], None] | None = None,
) -> RollingResult:
    """Estimate weeks of the training part, its second half, each from the weeks before; the test part is not touched.

    Parameters and errors as for :func:`odflow.evaluate.estimation.run`.

    Raises
    ------
    UsageError
        If a method would have to be trained for every week, or no week is left for the oldest history.
    """
    for name in config.methods:
        if name in LEARNED:
            raise UsageError(f"{name} would be trained for every week; leave it out of a rolling back-test")
    data = named_dataset(config.dataset) if dataset is None else dataset
    rows = round(WEEK_S / float(data.train.attrs["interval_s"]))
    weeks = len(data.train["time"]) // rows
    chosen = tuple(range(max(2 + max(config.ages), weeks // 2), weeks + 1))
    if not chosen:
        raise UsageError(f"{weeks} weeks are too few for a history that ends {max(config.ages)} weeks before the last")
    found = []
    for name in config.methods:
        if progress:
            progress(name)
        found.append(_row(method_named(name, config.told_noise), config, data, chosen, rows))
    command = (
        command_line("estimation", config) if dataset is None else f"{__name__}.rolling_run({config}, dataset=...)"
    )
    return RollingResult(config, data.name, data.sha256, chosen, tuple(found), provenance(command, config.seed))


def _row(method: Method, config: EstimationBenchmark, data: Dataset, weeks: tuple[int, ...], rows: int) -> RollingRow:
    errors: dict[int, list[float]] = {age: [] for age in config.ages}
    fits, estimates, intervals = [], [], []
    estimator, routing = method.estimator, data.routing
    for week in weeks:
        truth = data.train.isel(time=slice((week - 1) * rows, week * rows))
        if config.intervals:
            truth = truth.isel(time=slice(0, config.intervals))
        _, given = loads_of(truth, config, data)
        for age in config.ages:
            history = method.history(data.train.isel(time=slice(0, (week - 1 - age) * rows)), truth)
            with warnings.catch_warnings():
                # noise was added on purpose
                warnings.simplefilter("ignore", InconsistentLoadsWarning)
                start = time.perf_counter()
                estimator.fit(history=history, routing=routing)
                fitted = time.perf_counter()
                estimate = estimator.estimate(given, routing)
                fits.append(fitted - start)
                estimates.append(time.perf_counter() - fitted)
                errors[age].append(float(tre(truth, estimate).mean()))
                if age == config.ages[0] and isinstance(estimator, Posterior) and history is not None:
                    quantiles = estimator.quantiles(given, routing, CRPS_LEVELS)
                    intervals.append(judged(quantiles, truth, history))
    return RollingRow(
        method.name,
        method.words,
        method.kind,
        {age: tuple(found) for age, found in errors.items()},
        _mean(intervals) if intervals else None,
        fmean(fits),
        fmean(estimates),
    )


def judged(quantiles: xr.DataArray, truth: xr.DataArray, history: xr.DataArray) -> Intervals:
    """Compare quantiles of demands with the truth.

    Parameters
    ----------
    quantiles : DataArray (quantile, time, origin, destination)
        At the levels ``CRPS_LEVELS``.
    truth : DataArray (time, origin, destination)
        NaN = not measured.
    history : DataArray (time, origin, destination)
        Sizes of the flows; those without any traffic in the history belong to no size.
    """
    nodes = tuple(str(node) for node in truth["origin"].values)
    found = np.stack([labels.flat(one, nodes) for one in quantiles])
    x, fifths = labels.flat(truth, nodes), fifths_of(history, nodes)
    within = (x >= found[0]) & (x <= found[-1])
    known = np.isfinite(x)
    return Intervals(
        inside=float(np.nansum(x[within]) / np.nansum(x)),
        by_size=tuple(float(within[:, some].sum() / max(1, known[:, some].sum())) for some in fifths),
        crps=float(crps(found[..., None], x[..., None])[0]),
    )


def fifths_of(history: xr.DataArray, nodes: Sequence[str]) -> list[NDArray[np.int64]]:
    """Flows from the smallest to the largest fifth by their mean in the history; those without any traffic in none."""
    size = np.nanmean(labels.flat(history, nodes), axis=0)
    busy = np.flatnonzero(size > 0)
    return np.array_split(busy[np.argsort(size[busy], kind="stable")], GROUPS)


def _mean(found: list[Intervals]) -> Intervals:
    by_size = tuple(float(np.mean(column)) for column in zip(*(one.by_size for one in found), strict=True))
    return Intervals(fmean(one.inside for one in found), by_size, fmean(one.crps for one in found))


def _age(weeks: int) -> str:
    return {0: "up to date", 1: "a week old"}.get(weeks, f"{weeks} weeks old")


def _intervals(row: RollingRow) -> list[str]:
    if row.intervals is None:
        return ["-"] * (GROUPS + 2)
    shares = (row.intervals.inside, *row.intervals.by_size)
    return [*(f"{100 * share:.1f}" for share in shares), number(row.intervals.crps)]
