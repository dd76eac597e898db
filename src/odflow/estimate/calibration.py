"""How far off an estimator's quantiles have been on its own past, and quantiles put right by that.

Split conformal prediction on rolling back-tests, in units of the estimator's own standard deviation (Lei et al. 2018,
section 5.2), and localised (Guan 2023): errors weigh the more, the more alike the loads surprised the estimator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

LEVELS = np.arange(1, 200) / 200
_GROUPS, _PLACES = 10, 16
_WIDTH, _LEAST_WEIGHT = 0.3, 1e-3  # of the kernel, in log surprise
_LEAST_UNIT, _LEAST_SHARE = 0.05, 0.5  # log; of the median unit of flows of the same size
_WEEK = np.timedelta64(7, "D")


@dataclass(frozen=True, eq=False)
class Calibration:
    """Quantiles of errors, in the estimator's own standard deviations, by size of the flow and surprise.

    Parameters
    ----------
    group : int array, shape (flows,)
        Of flows of like size.
    floor : array, shape (flows,)
        bit/s; added to demands before logarithms are taken.
    least : array, shape (groups, 2)
        Of the units, below and above the estimate.
    surprise : array, shape (places,)
        Rising log surprises.
    errors : array, shape (groups, places, levels)
        At ``LEVELS``.
    """

    group: Ints
    floor: Floats
    least: Floats
    surprise: Floats
    errors: Floats

    def select(self, columns: Ints) -> Calibration:
        """The same for flows in another order."""
        return replace(self, group=self.group[columns], floor=self.floor[columns])

    def quantiles(self, estimate: Floats, spread: Floats, surprise: Floats, levels: Floats) -> Floats:
        """Quantiles of demands, shape (levels, T, flows).

        Parameters
        ----------
        estimate : array, shape (T, flows)
        spread : array, shape (T, flows)
            Standard deviation, as the estimator has it.
        surprise : array, shape (T,)
        levels : array
        """
        where = np.clip(surprise, self.surprise[0], self.surprise[-1])
        left = np.clip(np.searchsorted(self.surprise, where) - 1, 0, len(self.surprise) - 2)
        step = np.maximum(self.surprise[left + 1] - self.surprise[left], 1e-12)
        share = ((where - self.surprise[left]) / step)[:, None]
        below, above = np.maximum(units(estimate, spread, self.floor), self.least[self.group].T[:, None])
        middle = np.log(np.maximum(estimate, 0.0) + self.floor)
        out = np.empty((len(levels), *estimate.shape))
        for k, level in enumerate(levels):
            at = np.array([[np.interp(level, LEVELS, row) for row in rows] for rows in self.errors])
            error = ((1 - share) * at[:, left].T + share * at[:, left + 1].T)[:, self.group]
            out[k] = np.exp(middle + error * np.where(error > 0, above, below)) - self.floor
        return np.maximum(out, 0.0)


def units(estimate: Floats, spread: Floats, floor: Floats) -> Floats:
    """What a standard deviation is in logarithms, below and above the estimate, shape (2, T, flows)."""
    low, middle, high = (np.log(np.maximum(estimate + k * spread, 0.0) + floor) for k in (-1, 0, 1))
    return np.stack([middle - low, high - middle])


def floors(mean: Floats) -> Floats:
    """What is added to demands before logarithms are taken, bit/s."""
    return np.asarray(1e-2 * mean + 1e-4 * mean.mean())


@dataclass(frozen=True, eq=False)
class Tried:
    """Estimates of one back-test.

    Parameters
    ----------
    truth, estimate, spread : array, shape (T, flows)
        NaN in the truth = not measured; the spread is the standard deviation, as the estimator has it.
    surprise : array, shape (T,)
    mean : array, shape (flows,)
        How large flows were before, as far as was known.
    """

    truth: Floats
    estimate: Floats
    spread: Floats
    surprise: Floats
    mean: Floats

    def of_size(self, group: int) -> tuple[Floats, Floats]:
        """Of the flows of a size: errors in logarithms, (T, k), and their units, (2, T, k)."""
        flows = _by_size(self.mean)[group]
        floor, estimate, truth = floors(self.mean)[flows], self.estimate[:, flows], self.truth[:, flows]
        off = np.log(truth + floor) - np.log(np.maximum(estimate, 0.0) + floor)
        return off, units(estimate, self.spread[:, flows], floor)


def calibrated(tried: list[Tried], mean: Floats) -> Calibration:
    """Take note of the errors of back-tests; `mean` (flows,) says how large flows are now."""
    surprise = np.concatenate([one.surprise for one in tried])
    places = np.quantile(surprise, np.linspace(0.02, 0.98, _PLACES))
    weights = np.exp(-0.5 * ((surprise - places[:, None]) / _WIDTH) ** 2) + _LEAST_WEIGHT
    group, least, errors = np.empty(len(mean), dtype=np.int64), [], []
    for k, flows in enumerate(_by_size(mean)):
        group[flows] = k
        off, unit = (np.concatenate(part, axis=-2) for part in zip(*(one.of_size(k) for one in tried), strict=True))
        least.append(np.maximum(_LEAST_SHARE * np.median(unit, axis=(1, 2)), _LEAST_UNIT))
        below, above = np.maximum(unit, least[-1][:, None, None])
        scaled = off / np.where(off > 0, above, below)
        errors.append([_weighted(scaled, np.broadcast_to(weight[:, None], scaled.shape)) for weight in weights])
    return Calibration(group, floors(mean), np.array(least), places, np.array(errors))


def _by_size(mean: Floats) -> list[Ints]:
    """Groups of flows, from the smallest to the largest."""
    return np.array_split(np.argsort(mean, kind="stable"), min(_GROUPS, len(mean)))


def _weighted(errors: Floats, weight: Floats) -> Floats:
    """Quantiles at ``LEVELS`` of errors with weights, both (T, k)."""
    there = np.isfinite(errors)
    if not there.any():
        raise DataError("a back-test has no measured demand to compare with; the history has too many gaps")
    order = np.argsort(errors[there], kind="stable")
    mass = np.cumsum(weight[there][order])
    return np.asarray(np.interp(LEVELS, (mass - mass[0] / 2) / mass[-1], errors[there][order]))


def folds(
    history: xr.DataArray, most: int, snapshots: int, parts: int = 2, overlapping: int = 1
) -> Iterator[tuple[xr.DataArray, xr.DataArray]]:
    """Back-tests inside a history: what is known, and complete TMs to estimate; the latest first.

    Parameters
    ----------
    history : DataArray (time, origin, destination)
    most : int
        Back-tests.
    snapshots : int
        Of each to estimate, evenly spread over a week, or over one of so many `parts` of a shorter history.
    parts : int
    overlapping : int
        One begins so many times in such a span.

    Raises
    ------
    DataError
        If the history is too short for one, or none has a complete TM.
    """
    times = history["time"].values
    end = times[-1] + (times[-1] - times[-2] if len(times) > 1 else np.timedelta64(0))
    length = min(_WEEK, (end - times[0]) // parts)
    complete = np.isfinite(history.values).all(axis=(1, 2))
    tried = found = 0
    for k in range(most):
        first = end - length - k * (length // overlapping)
        past = np.flatnonzero(times < first)
        now = np.flatnonzero((times >= first) & (times < first + length))
        if len(past) < 2 or first - times[0] < length:
            break
        step = -(-len(now) // snapshots)
        some = now[k % overlapping % max(step, 1) :: max(step, 1)]
        tried += len(some) > 0
        if complete[some].any():
            found += 1
            yield history[past], history[some[complete[some]]]
    if tried and not found:
        raise DataError("the history has no complete TM to try the estimator on")
    if not found:
        raise DataError("the history is too short to try the estimator on; give two weeks of it, or two days at least")
