"""Two estimates of one thing: their errors, and the weights of least error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_PAST, _NOW, _APART = 0.5, 0.15, 0.1  # how errors go up and down, and how well distances tell them; logarithms
_STEPS = np.linspace(-4, 4, 81)  # of such
_GAIN = 0.03  # of the error, that is worth to mix


class Errors(NamedTuple):
    """Of the estimates of a history and of the loads alone, over the traffic, and their correlation."""

    past: float
    now: float
    common: float

    def mixed(self, weight: float) -> float:
        """Of the mean of both estimates, the one of the history with this weight."""
        w, common = weight, self.common * self.past * self.now
        return float(np.sqrt(w**2 * self.past**2 + (1 - w) ** 2 * self.now**2 + 2 * w * (1 - w) * common))

    @property
    def weight(self) -> float:
        """Of the history, for the least error; 1 where the loads would hardly make that less."""
        common = self.common * self.past * self.now
        distance = self.past**2 + self.now**2 - 2 * common
        best = float(np.clip((self.now**2 - common) / max(distance, np.finfo(float).tiny), 0.0, 1.0))
        return best if self.mixed(best) < (1 - _GAIN) * self.past else 1.0

    def at(self, distance: float) -> Errors:
        """The likeliest errors when the estimates are this far apart and errors were these before."""
        past, now = (self.past * np.exp(_STEPS * _PAST))[:, None], self.now * np.exp(_STEPS * _NOW)
        apart = np.sqrt(past**2 + now**2 - 2 * self.common * past * now)
        off = np.log(max(distance, np.finfo(float).tiny) / apart) / _APART
        k, j = np.unravel_index(np.argmin(off**2 + _STEPS[:, None] ** 2 + _STEPS**2), off.shape)
        return self._replace(past=float(past[k, 0]), now=float(now[j]))
