"""What the estimation benchmark found, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from odflow.errors import UsageError
from odflow.evaluate.published import Published
from odflow.evaluate.report import Provenance, Report, markdown_table, number, plain
from odflow.evaluate.scores import FlowScore, Score

if TYPE_CHECKING:
    from rich.table import Table

    from odflow.evaluate.estimation import EstimationBenchmark


@dataclass(frozen=True)
class MethodRow:
    """How one method did.

    Parameters
    ----------
    method, words, kind : str
        Name, parameters in words, and ``estimate``, ``context`` (uses no loads) or ``oracle`` (knows test TMs).
    score : Score
        Of a learned method the mean over its seeds.
    fit_s, estimate_s : float
        Wall-clock seconds, one run, after a warm-up on the first interval; of a learned method the mean
        over its seeds, without warm-up.
    peak_mib : float
        Peak resident memory of the whole process while fitting and estimating, MiB; NaN where it
        cannot be told apart from what went before.
    by_seed : tuple of Score
        Of a learned method, one for each seed.
    """

    method: str
    words: str
    kind: str
    score: Score
    fit_s: float
    estimate_s: float
    peak_mib: float
    by_seed: tuple[Score, ...] = ()

    @property
    def scores(self) -> tuple[Score, ...]:
        """One for each seed."""
        return self.by_seed or (self.score,)


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
    measured : bool
        Whether the link loads were measured, or are A x of the true TMs.
    missing : tuple of str
        Counters made missing.
    """

    dataset: str
    sha256: str
    train: str
    test: str
    gap_days: float
    measured: bool
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

    @property
    def title(self) -> str:
        """Data set and conditions in words."""
        loads = "measured loads" if self.split.measured else "loads from the true TMs"
        return ", ".join([self.split.dataset, loads, *self.config.conditions()])

    def markdown(self) -> str:
        """The result as a Markdown section."""
        return f"{self.section()}\n{method_list(self.rows)}\n"

    def section(self) -> str:
        """The Markdown section without the explanation of the methods."""
        s = self.split
        lines = [f"## {self.title}", "", *self.provenance.lines()]
        lines += [f"- data: {s.dataset}, sha256 `{s.sha256}`", f"- history: {s.train}", f"- test: {s.test}"]
        if s.missing:
            lines += [f"- counters not measured ({len(s.missing)}): {', '.join(s.missing)}"]
        every = [[marked(row.method, row.kind), *_errors([s.all for s in row.scores])] for row in self.rows]
        lines += ["", "All flows, the diagonal included:", ""]
        lines += [markdown_table(("method", *_ERRORS), every + [_published(row) for row in self.published])]
        rest = [[marked(row.method, row.kind), *_errors([s.off_diagonal for s in row.scores])] for row in self.rows]
        lines += ["", "Without the diagonal:", "", markdown_table(("method", *_ERRORS), rest)]
        lines += ["", "RMSE in Mbit/s, distance to the given loads, and cost:", ""]
        lines += [
            markdown_table(("method", *_REST), [[marked(row.method, row.kind), *_rest(row)] for row in self.rows])
        ]
        return "\n".join(lines) + "\n"

    def table(self) -> Table:
        """The main columns for the terminal."""
        from rich.table import Table

        caption = f"test: {self.split.test}"
        table = Table(title=self.title, caption=caption)
        table.add_column("method")
        for heading in _SHORT:
            table.add_column(heading, justify="right")
        for row in self.rows:
            every, rest = row.score.all, row.score.off_diagonal
            residual = every.residual.mean if every.residual else None
            errors = (every.tre.mean, every.tre.max, rest.tre.mean, every.sre.median, every.nmae, residual)
            table.add_row(marked(row.method, row.kind), *map(number, errors), f"{row.estimate_s:.2f}")
        if self.published:
            table.add_section()
        for other in self.published:
            values = (other.tre_mean, other.tre_max, None, other.sre_median)
            table.add_row(f"{other.method} (published)", *map(number, values))
        return table


_SHORT = ("TRE mean", "TRE max", "TRE off-diag.", "SRE median", "NMAE", "link residual", "seconds")
_ERRORS = (
    *("TRE mean", "median", "std", "max"),
    *("SRE mean", "median", "std", "max"),
    *("SRE volume-weighted median", "NMAE"),
)
_REST = (
    *("RMSE mean", "median", "std", "max", "RMSE off-diagonal mean"),
    *("link residual mean", "max", "worst link", "there"),
    *("fit s", "estimate s", "peak MiB"),
)


def marked(method: str, kind: str) -> str:
    """Name of a method, with a mark if it is not an honest competitor."""
    return {"oracle": f"*{method}*", "context": f"{method} (no loads used)"}.get(kind, method)


def method_list(rows: tuple[MethodRow, ...]) -> str:
    """A Markdown list that explains the methods."""
    return "\n".join(f"- {marked(row.method, row.kind)}: {row.words}" for row in rows)


def summary_table(results: list[EstimationResult]) -> str:
    """Mean TRE of every method (rows) in every result (columns, numbered), as a Markdown table."""
    methods = {row.method: marked(row.method, row.kind) for result in results for row in result.rows}
    found = [{row.method: row.score.all.tre.mean for row in result.rows} for result in results]
    rows = [[label, *(number(part.get(name)) for part in found)] for name, label in methods.items()]
    names = list(dict.fromkeys(row.method for result in results for row in result.published))
    printed = [{row.method: row.tre_mean for row in result.published} for result in results]
    rows += [[f"{name} (published, not run again)", *(number(part.get(name)) for part in printed)] for name in names]
    numbers = [str(k) for k in range(1, len(results) + 1)]
    key = [f"{k}. {result.title}" for k, result in enumerate(results, 1)]
    return markdown_table(("mean TRE", *numbers), rows) + "\n\n" + "\n".join(key) + "\n"


def _errors(parts: Sequence[FlowScore]) -> list[str]:
    return [spread(column) for column in zip(*map(_values, parts), strict=True)]


def _values(part: FlowScore) -> list[float]:
    tre, sre = part.tre, part.sre
    values = [tre.mean, tre.median, tre.std, tre.max, sre.mean, sre.median, sre.std, sre.max]
    return [*values, part.sre_weighted_median, part.nmae]


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean and, of several, standard deviation (divisor n - 1)."""
    mean = number(fmean(values), digits)
    if len(values) < 2:
        return mean
    return f"{mean} ± {stdev(values):.0e}" if "e" in mean else f"{mean} ± {stdev(values):,.{digits}f}"


def _rest(row: MethodRow) -> list[str]:
    rmse, residual = row.score.all.rmse, row.score.all.residual
    values = (rmse.mean, rmse.median, rmse.std, rmse.max, row.score.off_diagonal.rmse.mean)
    cells = [number(value / 1e6) for value in values]
    if residual is None:
        cells += ["-"] * 4
    else:
        cells += [number(residual.mean), number(residual.max), residual.worst_link, number(residual.worst)]
    return [*cells, f"{row.fit_s:.3f}", f"{row.estimate_s:.3f}", number(row.peak_mib, 0)]


def _published(row: Published) -> list[str]:
    cells = [f"{row.method} (published in {row.source}, not run again)", number(row.tre_mean), "-", "-"]
    cells += [number(row.tre_max), number(row.sre_mean), number(row.sre_median)]
    return cells + ["-"] * (len(_ERRORS) + 1 - len(cells))
