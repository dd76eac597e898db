"""Intervals by split conformal prediction: how far off forecasts were says how far off they will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError
from odflow.forecast.base import middle_of
from odflow.forecast.features import floors, logs
from odflow.forecast.past import known_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.datetime64]

REACH = np.timedelta64(7, "D")  # how far back errors are looked at
_FEW, _LEAST = 10, 0.1  # targets of a series for a spread of its own; that relative to the median one
_LEAST_LEARNT = 1e-3


@dataclass(frozen=True, eq=False)
class Conformal:
    """Errors of one lead in a back-test, in units of what is to be expected there.

    An error is the logarithm of what came over what was forecast, a `floor` added to both. Its unit is the distance of
    the outer quantiles from the middle one, each side by itself, where the method has learnt quantiles (Romano et al.
    2019, with the scaling of Sesia and Candès 2020); else the root mean square error of the series (Lei et al. 2018).

    Parameters
    ----------
    errors : array
        Of all series together, in rising order.
    spread : array, shape (N, S)
        The unit of methods without quantiles.
    floor : array, shape (N, S)
    """

    errors: Floats
    spread: Floats
    floor: Floats

    def quantile(self, forecast: Floats, level: float) -> Floats:
        """The quantile of this level, (..., N, S), of forecasts (..., N, S, Q) in the form of :func:`calibrated`."""
        middle, below, above = _parts(forecast, self.floor, self.spread)
        error = float(np.quantile(self.errors, level))
        found = np.exp(middle + error * (above if error > 0 else below)) - self.floor
        return np.asarray(np.maximum(found, 0.0))


def calibrated(forecast: Floats, truth: Floats, floor: Floats) -> Conformal:
    """Take note of errors.

    Parameters
    ----------
    forecast : array, shape (targets, N, S, Q)
        Q quantiles, the middle one is the forecast; Q is 1 for methods that have learnt no others.
    truth : array, shape (targets, N, S)
        NaN = not known.
    floor : array, shape (N, S)
        See :func:`odflow.forecast.features.floors`.
    """
    off = logs(truth, floor) - logs(middle_of(forecast), floor)
    there = np.isfinite(off)
    count = there.sum(axis=0)
    own = np.sqrt((np.where(there, off, 0.0) ** 2).sum(axis=0) / np.maximum(count, 1))
    usual = float(np.median(own[count >= _FEW])) if (count >= _FEW).any() else 1.0
    spread = np.where(count >= _FEW, np.maximum(own, _LEAST * usual), usual)
    _, below, above = _parts(forecast, floor, spread)
    unit = np.maximum(np.where(off > 0, above, below), np.finfo(float).tiny)
    return Conformal(np.sort((off / unit)[there]), spread, floor)


def recalibrated(
    forecast: Floats, truth: Floats, time: Times, first: np.datetime64, delay: np.timedelta64, levels: Sequence[float]
) -> Floats:
    """Quantiles of rolling forecasts of one lead, calibrated anew when a day begins, on what was known then.

    Parameters
    ----------
    forecast, truth
        As of :func:`calibrated`, of targets before `first` too.
    time : datetime64, shape (targets,)
    first : datetime64
        Quantiles are for the targets from here on.
    delay : timedelta64
        From the first interval that is forecast, lead 1, to the target.
    levels : sequence of float

    Returns
    -------
    array, shape (levels, targets from `first` on, N, S)

    Raises
    ------
    DataError
        If nothing is known before the first day.
    """
    later = time >= first
    out = np.empty((len(levels), later.sum(), *truth.shape[1:]))
    floor = floors(known_mean(truth[~later]))
    for day in np.arange(first, time[-1] + np.timedelta64(1, "s"), np.timedelta64(1, "D")):
        past = (time < day - delay) & (time >= day - delay - REACH)
        if not np.isfinite(truth[past]).any():
            raise DataError(f"nothing is known to calibrate intervals on before {day}")
        errors = calibrated(forecast[past], truth[past], floor)
        now = (time >= day) & (time < day + np.timedelta64(1, "D"))
        for k, level in enumerate(levels):
            out[k, now[later]] = errors.quantile(forecast[now], level)
    return out


def _parts(forecast: Floats, floor: Floats, spread: Floats) -> tuple[Floats, Floats, Floats]:
    """Logarithm of the forecast, and the units of errors below and above it."""
    found = logs(forecast, floor[..., None])
    middle = middle_of(found)
    if forecast.shape[-1] == 1:
        return middle, spread, spread
    below, above = middle - found[..., 0], found[..., -1] - middle
    return middle, np.maximum(below, _LEAST_LEARNT), np.maximum(above, _LEAST_LEARNT)
