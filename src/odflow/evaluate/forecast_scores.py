"""How good forecasts are: errors by service and lead, and whether a difference of two methods is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

RESAMPLES = 2000
CRPS_LEVELS = tuple((k + 0.5) / 10 for k in range(10))


@dataclass(frozen=True, eq=False)
class ForecastScore:
    """Errors of one lead, each of shape (services,); values that are not known do not count.

    Parameters
    ----------
    mae, rmse : array
        In the unit of the service.
    wape : array
        ``sum |y - f| / sum |y|``.
    mase : array
        Mean over nodes of the mean absolute error relative to that of the same time a day before in the history.
    count : array of int
        Values compared.
    """

    mae: Floats
    rmse: Floats
    wape: Floats
    mase: Floats
    count: Ints


def score_forecast(forecast: Floats, truth: Floats, naive: Floats | None = None) -> ForecastScore:
    """Compare forecasts of one lead with what came.

    Parameters
    ----------
    forecast, truth : arrays, shape (targets, N, S)
        NaN in the truth = not known; where it is known the forecast must be.
    naive : array, shape (N, S), optional
        Mean absolute difference from the day before in the history; `mase` is NaN without.

    Raises
    ------
    DataError
        If a forecast is missing, or no value is known.
    """
    known = np.isfinite(truth)
    if not np.isfinite(forecast[known]).all():
        raise DataError("a forecast is missing where there is something to compare it with")
    count = known.sum(axis=(0, 1))
    if not count.all():
        raise DataError("a service has no known value to compare a forecast with")
    off = np.where(known, np.abs(forecast - truth), 0.0)
    volume = np.where(known, np.abs(truth), 0.0).sum(axis=(0, 1))
    mase = np.full(len(count), np.nan)
    if naive is not None:
        per_node = off.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        used = (known.sum(axis=0) > 0) & (naive > 0)
        for k in np.flatnonzero(used.any(axis=0)):
            mase[k] = (per_node[used[:, k], k] / naive[used[:, k], k]).mean()
    return ForecastScore(
        mae=off.sum(axis=(0, 1)) / count,
        rmse=np.sqrt((off**2).sum(axis=(0, 1)) / count),
        wape=off.sum(axis=(0, 1)) / np.where(volume > 0, volume, np.nan),
        mase=mase,
        count=count,
    )


def crps(quantiles: Floats, truth: Floats, levels: Sequence[float] = CRPS_LEVELS) -> Floats:
    """Continuous ranked probability score relative to the mean traffic, shape (S,).

    Twice the mean pinball loss over the levels, which approximates the integral over all of them (Gneiting and
    Ranjan 2011); for a forecast without any spread it is the WAPE.

    Parameters
    ----------
    quantiles : array, shape (levels, targets, N, S)
    truth : array, shape (targets, N, S)
        NaN = not known.
    levels : sequence of float
        Evenly spread.
    """
    known = np.isfinite(truth)
    total = np.zeros(truth.shape[2])
    for level, found in zip(levels, quantiles, strict=True):
        off = np.where(known, truth - found, 0.0)
        total += np.maximum(level * off, (level - 1) * off).sum(axis=(0, 1))
    volume = np.where(known, np.abs(truth), 0.0).sum(axis=(0, 1))
    return np.asarray(2 * total / len(levels) / np.where(volume > 0, volume, np.nan))


def inside(low: Floats, high: Floats, truth: Floats) -> Floats:
    """Share of what is known that lies between two quantiles, shape (S,)."""
    known = np.isfinite(truth)
    within = (known & (truth >= low) & (truth <= high)).sum(axis=(0, 1))
    return np.asarray(within / known.sum(axis=(0, 1)))


def naive_error(history: Floats, day: int) -> Floats:
    """Mean absolute difference of a history (T, N, S) from a day before, shape (N, S); NaN where none is known."""
    off = np.abs(history[day:] - history[:-day]) if len(history) > day else np.empty((0, *history.shape[1:]))
    known = np.isfinite(off)
    total = np.where(known, off, 0.0).sum(axis=0)
    return np.asarray(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan))


@dataclass(frozen=True)
class Difference:
    """How much better one method is than another.

    Parameters
    ----------
    mean : float
        WAPE of the first minus that of the second, mean over services; below 0 the first is better.
    low, high : float
        95 % interval of it over days.
    """

    mean: float
    low: float
    high: float


def paired_difference(one: Floats, other: Floats, truth: Floats, days: Ints, *, seed: int = 0) -> Difference:
    """Difference of two methods' WAPE on the same targets, with an interval by a bootstrap of whole days.

    Days are drawn with replacement, the same ones for both methods, because errors of a day go together.

    Parameters
    ----------
    one, other, truth : arrays, shape (targets, N, S)
    days : ints, shape (targets,)
        Number of the day that each target is on.
    seed : int

    Raises
    ------
    DataError
        If all targets are on one day: there is nothing to draw from.
    """
    _, place = np.unique(days, return_inverse=True)
    count = int(place.max()) + 1
    if count < 2:
        raise DataError("all targets are on one day; an interval needs several")
    known = np.isfinite(truth)

    def by_day(values: Floats) -> Floats:
        sums = np.zeros((count, truth.shape[2]))
        np.add.at(sums, place, np.where(known, values, 0.0).sum(axis=1))
        return sums

    off = by_day(np.abs(one - truth)) - by_day(np.abs(other - truth))
    volume = by_day(np.abs(truth))
    drawn = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    found = (off[drawn].sum(axis=1) / volume[drawn].sum(axis=1)).mean(axis=1)
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return Difference(float((off.sum(axis=0) / volume.sum(axis=0)).mean()), low, high)


def mean_ranks(losses: Floats) -> Floats:
    """Mean rank of each method over tasks, 1 = best, ties shared; losses of shape (methods, tasks)."""
    lower = (losses[None] < losses[:, None]).sum(axis=1)
    equal = (losses[None] == losses[:, None]).sum(axis=1)
    return np.asarray((lower + (equal + 1) / 2).mean(axis=1))
