"""What the realism benchmark found, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from odflow.evaluate.realism_compare import HOURS, deviation, mean_statistics
from odflow.evaluate.report import Provenance, Report, markdown_table, number, plain

if TYPE_CHECKING:
    from rich.table import Table

    from odflow.evaluate.realism import RealismBenchmark

LOW, HIGH = 0.05, 0.95


@dataclass(frozen=True)
class StatisticRow:
    """One statistic.

    Parameters
    ----------
    name : str
    calibrate, check : float
        Of the half of the real data that the simulator was calibrated on, and of the other.
    simulated, spread : float
        Of the calibrated simulator: mean and standard deviation over simulations.
    worlds : tuple of float
        Of randomised worlds.
    """

    name: str
    calibrate: float
    check: float
    simulated: float
    spread: float
    worlds: tuple[float, ...]

    @property
    def near(self) -> bool:
        """Whether the simulated value is within 25 % of the real one, on the half that was kept aside."""
        return abs(deviation(self.name, self.simulated, self.check)) <= 1

    @property
    def repeats(self) -> bool:
        """Whether the real value of one half is within 25 % of that of the other."""
        return abs(deviation(self.name, self.calibrate, self.check)) <= 1

    @property
    def range(self) -> tuple[float, float]:
        """Where nine of ten worlds are; of hours of the day the shortest part of the day that holds so many."""
        known = np.sort([value for value in self.worlds if np.isfinite(value)])
        if not len(known):
            return float("nan"), float("nan")
        if self.name not in HOURS:
            low, high = np.quantile(known, (LOW, HIGH)).tolist()
            return low, high
        count = int(np.ceil((HIGH - LOW) * len(known)))
        ends = np.concatenate([known, known + 24])[count - 1 : count - 1 + len(known)]
        first = int(np.argmin(ends - known))
        return float(known[first]), float(ends[first] % 24)

    @property
    def inside(self) -> bool:
        """Whether the real value, mean of both halves, is in that range."""
        low, high = self.range
        if self.name in HOURS and high < low:  # over midnight
            return bool(self.real >= low or self.real <= high)
        return bool(low <= self.real <= high)

    @property
    def real(self) -> float:
        """Of both halves together."""
        halves = [{self.name: self.calibrate}, {self.name: self.check}]
        return mean_statistics(halves)[self.name]


@dataclass(frozen=True)
class Compared:
    """One data set.

    Parameters
    ----------
    name : str
    rule : str
        How the data were halved.
    calibrate, check : int
        Stretches of each half.
    rows : tuple of StatisticRow
    """

    name: str
    rule: str
    calibrate: int
    check: int
    rows: tuple[StatisticRow, ...]

    @property
    def near(self) -> float:
        """Share of the statistics that are near."""
        return float(np.mean([row.near for row in self.rows]))

    @property
    def repeats(self) -> float:
        """Share of the statistics in which the real data are near themselves."""
        return float(np.mean([row.repeats for row in self.rows]))

    @property
    def inside(self) -> float:
        """Share of the statistics whose real value is within the range of the worlds."""
        return float(np.mean([row.inside for row in self.rows]))

    @property
    def has_worlds(self) -> bool:
        """Whether there are worlds."""
        return bool(self.rows and self.rows[0].worlds)


@dataclass(frozen=True)
class RealismResult(Report):
    """What :func:`odflow.evaluate.realism.run` found.

    Parameters
    ----------
    config : RealismBenchmark
    compared : tuple of Compared
    provenance : Provenance
    """

    config: RealismBenchmark
    compared: tuple[Compared, ...]
    provenance: Provenance

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types; of the worlds the 5 and 95 % quantiles."""
        return {
            "config": plain(self.config),
            "compared": [
                {
                    **{name: getattr(one, name) for name in ("name", "rule", "near", "repeats", "inside")},
                    "statistics": [
                        {
                            **{name: plain(getattr(row, name)) for name in _FIELDS},
                            "worlds": plain(row.range),
                        }
                        for row in one.rows
                    ],
                }
                for one in self.compared
            ],
            "provenance": plain(self.provenance),
        }

    def markdown(self) -> str:
        """A section with a summary and one table for each data set."""
        parts = ["## Summary\n", markdown_table(_SUMMARY, [_summary(one) for one in self.compared]), ""]
        for one in self.compared:
            parts += [f"## {one.name}\n", f"Real data halved by: {one.rule}.\n"]
            parts += [markdown_table(_HEADINGS, [_cells(row) for row in one.rows]), "", _misses(one), ""]
        return "\n".join([*parts, *self.provenance.lines(), ""])

    def table(self) -> Table:
        """The summary; with a single data set its statistics."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        single = len(self.compared) == 1
        headings = _HEADINGS if single else _SUMMARY
        rows = [_cells(row) for row in self.compared[0].rows] if single else [_summary(one) for one in self.compared]
        for k, heading in enumerate(headings):
            table.add_column(heading, justify="left" if k == 0 else "right")
        for row in rows:
            table.add_row(*row)
        return table


_FIELDS = ("name", "calibrate", "check", "simulated", "spread", "near", "repeats", "inside")
_SUMMARY = ("data", "statistics", "simulated near real", "real near real", "real inside worlds")
_HEADINGS = ("statistic", "real, calibrated on", "real, kept aside", "simulated", "near", "worlds 5 to 95 %", "inside")


def _summary(one: Compared) -> list[str]:
    inside = f"{one.inside:.0%}" if one.has_worlds else "-"
    return [one.name, str(len(one.rows)), f"{one.near:.0%}", f"{one.repeats:.0%}", inside]


def _cells(row: StatisticRow) -> list[str]:
    low, high = row.range
    worlds = f"{number(low)} to {number(high)}" if row.worlds else "-"
    inside = ("yes" if row.inside else "**no**") if row.worlds else "-"
    simulated = f"{number(row.simulated)} ± {number(row.spread)}"
    near = "yes" if row.near else "**no**" if row.repeats else "**no** (nor is real)"
    return [row.name, number(row.calibrate), number(row.check), simulated, near, worlds, inside]


def _misses(one: Compared) -> str:
    far = [row.name for row in one.rows if not row.near]
    outside = [row.name for row in one.rows if one.has_worlds and not row.inside]
    words = [f"Not within 25 %: {', '.join(far) or 'none'}."]
    if one.has_worlds:
        words.append(f"Outside the worlds: {', '.join(outside) or 'none'}.")
    return " ".join(words)
