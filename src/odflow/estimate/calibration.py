"""How far off an estimator's quantiles have been on its own past, and quantiles put right by that.

Split conformal prediction on rolling back-tests, in units of the estimator's own standard deviation (Lei et al. 2018,
section 5.2), and localised (Guan 2023): errors weigh the more, the more alike the loads surprised the estimator, and
the later they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
_LEAST_DRAWS = 20  # to put in order
_GROUPS, _PLACES = 10, 16
_WIDTH, _LEAST_WEIGHT = 0.3, 1e-3  # of the kernel, in log surprise
_LEAST_UNIT, _LEAST_SHARE = 0.05, 0.5  # log; of the median unit of flows of the same size
_HALF_LIFE = 3.0  # weeks, of what back-tests weigh
_OWN, _DOUBT = 0.7, 2.0  # exponent, weeks: trust in how a flow differs from others of its size
_SMALL, _LARGE = 0.05, 5.0  # errors of a flow, for that
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
    own : array, shape (flows,)
        How large the errors of a flow are to those of others of its size.
    least : array, shape (groups, 2)
        Of the units, below and above the estimate.
    surprise : array, shape (places,)
        Rising log surprises.
    errors : array, shape (groups, places, levels)
        At ``LEVELS``.
    """

    group: Ints
    floor: Floats
    own: Floats
    least: Floats
    surprise: Floats
    errors: Floats

    def select(self, columns: Ints) -> Calibration:
        """The same for flows in another order."""
        return replace(self, group=self.group[columns], floor=self.floor[columns], own=self.own[columns])

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
        below, above = np.maximum(units(estimate, spread, self.floor), self.least[self.group].T[:, None]) * self.own
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


def errors_of(truth: Floats, estimate: Floats, spread: Floats, floor: Floats) -> tuple[Floats, Floats]:
    """Errors in logarithms, (T, k), and the units of these, (2, T, k)."""
    off = np.log(truth + floor) - np.log(np.maximum(estimate, 0.0) + floor)
    return off, units(estimate, spread, floor)


def in_units(off: Floats, unit: Floats, least: Floats) -> Floats:
    """Errors (T, k) over their units (2, T, k), which are no less than these below and above the estimate, (2,)."""
    below, above = np.maximum(unit, least[:, None, None])
    return np.asarray(off / np.where(off > 0, above, below))


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
    end : datetime64
        Last time.
    """

    truth: Floats
    estimate: Floats
    spread: Floats
    surprise: Floats
    mean: Floats
    end: np.datetime64

    def of_size(self, group: int) -> tuple[Ints, Floats, Floats]:
        """The flows of a size, their errors in logarithms, (T, k), and the units of these, (2, T, k)."""
        flows = _by_size(self.mean)[group]
        truth, estimate, spread = (x[:, flows] for x in (self.truth, self.estimate, self.spread))
        return flows, *errors_of(truth, estimate, spread, floors(self.mean)[flows])


def calibrated(tried: list[Tried], mean: Floats) -> Calibration:
    """Take note of the errors of back-tests; `mean` (flows,) says how large flows are now."""
    surprise, recency = np.concatenate([one.surprise for one in tried]), _recency(tried)
    places, weights = localised(surprise)
    weights *= recency
    sizes, scaled = _by_size(mean), [np.empty_like(one.truth) for one in tried]
    least = np.array([_scale(tried, k, scaled) for k in range(len(sizes))])
    own = _own(tried, scaled)
    group, errors = np.empty(len(mean), dtype=np.int64), []
    for k, flows in enumerate(sizes):
        group[flows] = k
        some = [_by_size(one.mean)[k] for one in tried]
        z = np.concatenate([one[:, columns] / own[columns] for one, columns in zip(scaled, some, strict=True)])
        errors.append([weighted_quantiles(z, np.broadcast_to(weight[:, None], z.shape)) for weight in weights])
    return Calibration(group, floors(mean), own, least, places, np.array(errors))


def localised(surprise: Floats) -> tuple[Floats, Floats]:
    """Some places among surprises (T,), and what each snapshot weighs there, (places, T)."""
    places = np.quantile(surprise, np.linspace(0.02, 0.98, _PLACES))
    return places, np.exp(-0.5 * ((surprise - places[:, None]) / _WIDTH) ** 2) + _LEAST_WEIGHT


def least_unit(unit: Floats) -> Floats:
    """Of units (2, T, k): the least below and above the estimate, (2,)."""
    return np.asarray(np.maximum(_LEAST_SHARE * np.median(unit, axis=(1, 2)), _LEAST_UNIT))


def _recency(tried: list[Tried]) -> Floats:
    """Weight of each snapshot by the age of its back-test."""
    latest = max(one.end for one in tried)
    age = np.array([(latest - one.end) / _WEEK for one in tried])
    return np.repeat(0.5 ** (age / _HALF_LIFE), [len(one.surprise) for one in tried])


def _scale(tried: list[Tried], group: int, scaled: list[Floats]) -> Floats:
    """Write the errors of flows of a size in their units to `scaled`; the least unit below and above the estimate."""
    parts = [one.of_size(group) for one in tried]
    least = least_unit(np.concatenate([unit for _, _, unit in parts], axis=1))
    for out, (flows, off, unit) in zip(scaled, parts, strict=True):
        out[:, flows] = in_units(off, unit, least)
    return least


def _own(tried: list[Tried], scaled: list[Floats]) -> Floats:
    """How large the errors of each flow are to those of flows of its size: mean over back-tests, in logarithms."""
    total, count = np.zeros((2, len(tried[0].mean)))
    for one, z in zip(tried, scaled, strict=True):
        known = np.isfinite(z)
        size = np.where(known, np.minimum(np.abs(z), _LARGE), 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        for flows in _by_size(one.mean):
            there = flows[known[:, flows].any(axis=0)]
            if len(there):
                total[there] += np.log(np.maximum(size[there], _SMALL) / max(size[there].mean(), _SMALL))
                count[there] += 1
    weeks = 1 + (max(one.end for one in tried) - min(one.end for one in tried)) / _WEEK
    return np.asarray(np.exp(_OWN * weeks / (weeks + _DOUBT) * total / np.maximum(count, 1)))


def _by_size(mean: Floats) -> list[Ints]:
    """Groups of flows, from the smallest to the largest."""
    return np.array_split(np.argsort(mean, kind="stable"), min(_GROUPS, len(mean)))


def weighted_quantiles(errors: Floats, weight: Floats) -> Floats:
    """Quantiles at ``LEVELS`` of errors with weights, both (T, k)."""
    there = np.isfinite(errors)
    if not there.any():
        raise DataError("a back-test has no measured demand to compare with; the history has too many gaps")
    order = np.argsort(errors[there], kind="stable")
    mass = np.cumsum(weight[there][order])
    return np.asarray(np.interp(LEVELS, (mass - mass[0] / 2) / mass[-1], errors[there][order]))


def calibrated_draws(raw: Callable[[int], Iterator[Floats]], quantiles: Callable[[Floats], Floats], n: int) -> Floats:
    """Joint draws (n, T, flows) whose marginals are calibrated quantiles, in the order of raw draws.

    Parameters
    ----------
    raw : callable
        So many draws, each of shape (T, flows).
    quantiles : callable
        Those at some levels, shape (levels, T, flows).
    n : int

    Notes
    -----
    Schefzik, Thorarinsdottir, Gneiting, "Uncertainty quantification in complex simulation models using ensemble copula
    coupling", Statistical Science 28, 2013.
    """
    count = max(n, _LEAST_DRAWS)
    draws = np.stack(list(raw(count)))
    np.put_along_axis(draws, draws.argsort(axis=0), quantiles((np.arange(count) + 0.5) / count), axis=0)
    return draws[:n]


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
