"""What the synthesis benchmark found, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from odflow.errors import UsageError
from odflow.evaluate.report import Provenance, Report, markdown_table, number, plain

if TYPE_CHECKING:
    from rich.table import Table

    from odflow.evaluate.synthesis import SynthesisBenchmark

MEASURES = ("wasserstein", "correlation", "frechet", "mmd", "auc", "nearest")


@dataclass(frozen=True)
class SynthesisScore:
    """The six measures of one set of TMs against the training TMs.

    Parameters
    ----------
    wasserstein : float
        Wasserstein distance of the flows, sum of W1 by sum of means.
    wasserstein_by_flow : float
        Mean over the flows of W1 by mean; not one of the six.
    correlation : float
        Mean absolute difference of the flows' correlations.
    frechet : float
        Squared Fréchet distance in PCA space.
    mmd : float
        Squared maximum mean discrepancy in PCA space, unbiased.
    auc : float
        ``0.5 + |AUC - 0.5|`` of the classifier test.
    nearest : float
        Median distance to the nearest training TM, relative to that of real TMs of other days; 1 is ideal.
    """

    wasserstein: float
    wasserstein_by_flow: float
    correlation: float
    frechet: float
    mmd: float
    auc: float
    nearest: float

    def loss(self, measure: str) -> float:
        """A measure such that less is better: as it is, but |log| of the nearest-neighbour ratio."""
        if measure == "nearest":
            return abs(float(np.log(self.nearest))) if self.nearest > 0 else float("inf")
        return float(getattr(self, measure))


@dataclass(frozen=True)
class SynthesisRow:
    """How one generator did.

    Parameters
    ----------
    generator, words, kind : str
        Name, what it is, and ``generator``, ``rival`` (simple, to be beaten) or ``floor`` (real TMs).
    scores : tuple of SynthesisScore
        One per seed.
    fit_s, sample_s : float
        Wall-clock seconds, mean over the seeds; NaN for what was not fitted here.
    """

    generator: str
    words: str
    kind: str
    scores: tuple[SynthesisScore, ...]
    fit_s: float = float("nan")
    sample_s: float = float("nan")

    def mean(self, field: str) -> float:
        """Mean of a measure over the seeds."""
        return fmean(getattr(score, field) for score in self.scores)

    def loss(self, measure: str) -> float:
        """Mean of :meth:`SynthesisScore.loss` over the seeds."""
        return fmean(score.loss(measure) for score in self.scores)


class _Column(NamedTuple):
    heading: str
    field: str
    digits: int
    factor: float = 1.0

    def mean(self, row: SynthesisRow) -> str:
        """Mean over the seeds."""
        return _fixed(self.factor * row.mean(self.field), self.digits)

    def spread(self, row: SynthesisRow) -> str:
        """Mean and standard deviation over the seeds."""
        values = [self.factor * getattr(score, self.field) for score in row.scores]
        return self.mean(row) + (f" ± {_fixed(stdev(values), self.digits)}" if len(values) > 1 else "")


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if abs(value) < 1e5 else number(value)


@dataclass(frozen=True)
class Compared:
    """What was compared with what, in words and numbers.

    Parameters
    ----------
    dataset, sha256 : str
    history : str
        Training TMs: intervals and dates.
    tms, left_out : int
        TMs used for training, and those left out because of gaps or because the source flags them.
    samples : int
        TMs on either side of every comparison.
    axes : int
        Of the PCA space,
    share : float
        which hold this part of the variance.
    """

    dataset: str
    sha256: str
    history: str
    tms: int
    left_out: int
    samples: int
    axes: int
    share: float


@dataclass(frozen=True)
class SynthesisResult(Report):
    """What :func:`odflow.evaluate.synthesis.run` found.

    Parameters
    ----------
    config : SynthesisBenchmark
    compared : Compared
    rows : tuple of SynthesisRow
        Floors, rivals, generators.
    provenance : Provenance
    """

    config: SynthesisBenchmark
    compared: Compared
    rows: tuple[SynthesisRow, ...]
    provenance: Provenance

    def row(self, generator: str) -> SynthesisRow:
        """The row of a generator, rival or floor.

        Raises
        ------
        UsageError
            If it was not run.
        """
        for row in self.rows:
            if row.generator == generator:
                return row
        raise UsageError(f"'{generator}' was not run; there are {', '.join(row.generator for row in self.rows)}")

    def better(self, one: str, other: str) -> tuple[str, ...]:
        """On which of the six measures one generator beats another, by the mean over the seeds."""
        a, b = self.row(one), self.row(other)
        return tuple(measure for measure in MEASURES if a.loss(measure) < b.loss(measure))

    def above_floor(self, generator: str) -> float:
        """The Wasserstein distance by volume, relative to that of two random parts of the training TMs."""
        return self.row(generator).mean("wasserstein") / self.rows[0].mean("wasserstein")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types; ``better`` holds on which measures one beats the other."""
        names = [row.generator for row in self._contenders]
        better = {one: {other: self.better(one, other) for other in names if other != one} for one in names}
        above = {name: self.above_floor(name) for name in names}
        return {**plain(self), "better": plain(better), "above_floor": plain(above)}

    @property
    def _contenders(self) -> list[SynthesisRow]:
        return [row for row in self.rows if row.kind != "floor"]

    @property
    def title(self) -> str:
        """Data set and conditions in words."""
        weeks = f"last {self.config.weeks} weeks" if self.config.weeks else "all training weeks"
        count = len(self.config.seeds)
        return f"{self.compared.dataset}, {weeks}, {count} seed{'s' if count > 1 else ''}"

    def markdown(self) -> str:
        """The result as a Markdown section, with the measures and rows explained."""
        return f"{self.section()}\n{explanation()}\n{row_list(self.rows)}\n"

    def section(self) -> str:
        """The Markdown section without the explanations."""
        c = self.compared
        lines = [f"## {self.title}", "", *self.provenance.lines()]
        lines += [f"- data: {c.dataset}, sha256 `{c.sha256}`", f"- training TMs: {c.history}; {c.left_out} left out"]
        lines += [f"- {c.samples} TMs on either side; PCA space of {c.axes} axes with {c.share:.0%} of the variance"]
        headings = ("TMs", *(column.heading for column in _COLUMNS), "W1 / floor", "fit s", "sample s")
        lines += ["", markdown_table(headings, [self._cells(row) for row in self.rows])]
        names = [row.generator for row in self._contenders]
        if len(names) > 1:
            wins = [[one, *(self._wins(one, other) for other in names)] for one in names]
            lines += ["", f"On how many of the {len(MEASURES)} measures the row beats the column:", ""]
            lines += [markdown_table(("", *names), wins)]
        return "\n".join(lines) + "\n"

    def table(self) -> Table:
        """The main table for the terminal."""
        from rich.table import Table

        caption = f"{self.compared.samples} TMs on either side; means over the seeds"
        table = Table(title=self.title, caption=caption)
        table.add_column("TMs")
        for column in _COLUMNS:
            table.add_column(column.heading, justify="right")
        for kind in dict.fromkeys(row.kind for row in self.rows):
            table.add_section()
            for row in self.rows:
                if row.kind == kind:
                    table.add_row(row.generator, *(column.mean(row) for column in _COLUMNS))
        return table

    def _cells(self, row: SynthesisRow) -> list[str]:
        costs = ["-" if np.isnan(value) else f"{value:.1f}" for value in (row.fit_s, row.sample_s)]
        cells = [column.spread(row) for column in _COLUMNS]
        return [marked(row), *cells, f"{self.above_floor(row.generator):.2f}", *costs]

    def _wins(self, one: str, other: str) -> str:
        return "" if one == other else str(len(self.better(one, other)))


_COLUMNS = (
    _Column("W1 by volume", "wasserstein", 4),
    _Column("W1 by flow", "wasserstein_by_flow", 3),
    _Column("correlation", "correlation", 4),
    _Column("Fréchet", "frechet", 2),
    _Column("MMD² x 1000", "mmd", 2, 1e3),
    _Column("AUC", "auc", 4),
    _Column("nearest", "nearest", 3),
)


def marked(row: SynthesisRow) -> str:
    """Name of a row; floors, which are real TMs, in italics."""
    return f"*{row.generator}*" if row.kind == "floor" else row.generator


def row_list(rows: tuple[SynthesisRow, ...]) -> str:
    """A Markdown list that explains the rows."""
    return "\n".join(f"- {marked(row)}: {row.words}" for row in rows)


def explanation() -> str:
    """A Markdown list that explains the measures."""
    return "\n".join(f"- {text}" for text in _EXPLANATION)


_EXPLANATION = (
    "Less is better, except for `nearest`, where 1 is ideal. ± is the standard deviation over the seeds: of the real "
    "TMs drawn, of the training and of the samples. Order in time plays no part.",
    "W1: Wasserstein distance between a flow's real and synthetic values; sum over flows by the sum of their means (by "
    "volume, the measure that counts), and mean over the flows of each by its own mean (by flow).",
    "correlation: mean absolute difference of the Pearson correlations of all pairs of flows that vary.",
    "Fréchet: squared Fréchet distance of normal distributions in the space of the principal axes of the training "
    "TMs, flows standardised. It and W1 and the correlations are not 0 for equal distributions at finite n.",
    "MMD²: squared maximum mean discrepancy there, unbiased, five Gaussian kernels.",
    "AUC: 0.5 + |AUC - 0.5| of a small neural network that tells synthetic from real TMs, five-fold cross-validated; "
    "0.5 is ideal, 1 the worst.",
    "nearest: median distance to the nearest training TM, divided by that of real TMs to the training TMs of other "
    "days; much below 1 is copying (TMs of the same hours come out at about a half), above 1 is unlike any real TM. "
    "Ranked by |log|.",
    "Means and standard deviations of flows count as at least 0.1 % of the mean demand, so that flows which are as "
    "good as empty do not decide.",
    "W1 / floor: W1 by volume relative to that of the first floor.",
)
