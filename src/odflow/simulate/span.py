"""What the configurations of all simulators share: a length, an interval, a start; and how time is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from odflow import labels
from odflow.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DAY_S = 86400.0
_MONDAY = np.datetime64("1970-01-05", "ns")


@dataclass(frozen=True, kw_only=True)
class Span:
    """Intervals that follow each other.

    Parameters
    ----------
    weeks : float
    interval, start : str
    """

    weeks: float
    interval: str
    start: str

    usual: ClassVar[str]  # interval to name in an error

    def _check(self, name: str, good: bool, expected: str) -> None:
        value = getattr(self, name)
        if not good or value == float("inf"):
            raise UsageError(f"{name} is {value}, expected {expected}")

    def _check_span(self) -> None:
        if not 0 < self.interval_s <= DAY_S:
            raise UsageError(f"interval is '{self.interval}', expected at most a day, such as '{self.usual}'")
        if self.steps < 1:
            raise UsageError(f"{self.weeks:g} weeks are shorter than an interval of {self.interval}")
        labels.as_times([self.start])

    @property
    def interval_s(self) -> float:
        """Interval in seconds."""
        return labels.duration_s(self.interval, "interval")

    @property
    def steps(self) -> int:
        """Number of intervals."""
        return round(self.weeks * 7 * DAY_S / self.interval_s)

    @property
    def times(self) -> NDArray[np.datetime64]:
        """Starts of the intervals."""
        step = np.timedelta64(round(self.interval_s * 1e9), "ns")
        return np.asarray(labels.as_times([self.start])[0] + np.arange(self.steps) * step)


def week_seconds(time: NDArray[np.datetime64]) -> Floats:
    """Seconds since some Monday, midnight."""
    return np.asarray((time - _MONDAY) / np.timedelta64(1, "s"))


def is_weekend(seconds: Floats) -> NDArray[np.bool_]:
    """Whether times, in seconds since a Monday, are on Saturday or Sunday."""
    return np.asarray(seconds % (7 * DAY_S) >= 5 * DAY_S)


def random_stream(seed: int, *stream: int) -> np.random.Generator:
    """Random numbers of one effect of a simulation."""
    return np.random.default_rng((seed, *stream))
