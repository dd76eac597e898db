"""Mean TM by the time of the day or of the week."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from odflow.simulate.span import week_seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.priors import History

    Floats = NDArray[np.float64]
    Times = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Profile:
    """Mean TM by the time within a period, between the middles of its bins linear.

    Parameters
    ----------
    period : float
        s.
    table : array, shape (bins, flows)
        bit/s.
    """

    period: float
    table: Floats

    @staticmethod
    def of(history: History, *, period: float, bins: int, window: float, fill: Floats) -> Profile:
        """Means over the measured TMs of the last `window` seconds; `fill` (flows,) where there is none."""
        recent = history.age < window
        values = history.values[recent]
        measured = ~np.isnan(values)
        place = (week_seconds(history.time[recent]) % period / period * bins).astype(np.int64) % bins
        total, count = np.zeros((bins, values.shape[1])), np.zeros((bins, values.shape[1]))
        np.add.at(total, place, np.where(measured, values, 0.0))
        np.add.at(count, place, measured)
        return Profile(period, np.where(count > 0, total / np.maximum(count, 1), fill))

    def at(self, time: Times) -> Floats:
        """Means at these times, shape (T, flows)."""
        bins = len(self.table)
        place = week_seconds(time) % self.period / self.period * bins - 0.5
        left = np.floor(place).astype(np.int64)
        share = (place - left)[:, None]
        return np.asarray((1 - share) * self.table[left % bins] + share * self.table[(left + 1) % bins])

    def select(self, columns: NDArray[np.int64]) -> Profile:
        """The same for flows in another order."""
        return replace(self, table=self.table[:, columns])
