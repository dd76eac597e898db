"""What can be read off the past at once for many origins: last values, values of the same time of day.

Series are arrays (T, N, S), NaN = missing. An origin t knows what is before it; lead h, from 1 on, is index t + h - 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def held(x: Floats) -> Floats:
    """Each gap filled with the value before it; NaN where there is none yet."""
    index = np.where(np.isnan(x), 0, np.arange(len(x)).reshape(-1, *[1] * (x.ndim - 1)))
    return np.asarray(np.take_along_axis(x, np.maximum.accumulate(index, axis=0), axis=0))


def before(x: Floats, at: Ints) -> Floats:
    """Rows of x just before these indices, NaN before the first; shape (*at.shape, N, S)."""
    found = x[np.maximum(at - 1, 0)]
    return np.where((at > 0).reshape(*at.shape, 1, 1), found, np.nan)


def last_value(x: Floats, origins: Ints, lead: int) -> Floats:
    """The last known value of each series, for all leads: (n, lead, N, S)."""
    return np.repeat(before(held(x), origins)[:, None], lead, axis=1)


def to_learn_from(steps: int, day: int, lead: int, only: tuple[int, ...]) -> tuple[Ints, Ints]:
    """Origins whose targets are in a history, from a day on where it is long enough, and leads: `only` and the last.

    Raises
    ------
    DataError
        If there is no such origin.
    """
    origins = np.arange(min(day, max(1, (steps - lead) // 2)), steps - lead + 1)
    if not len(origins):
        raise DataError(f"{steps} intervals are too few to learn {lead} leads from")
    return origins, np.array(sorted({*only, lead} if only else range(1, lead + 1)))


def at_leads(origins: Ints, lead: int) -> Ints:
    """Indices that are forecast, shape (n, lead)."""
    return np.asarray(origins[:, None] + np.arange(lead))


def same_slot(x: Floats, origins: Ints, lead: int, period: int, count: int) -> Floats:
    """Mean of the latest `count` known values a whole number of periods before, shape (n, lead, N, S).

    Parameters
    ----------
    x : array, shape (T, N, S)
    origins : ints, shape (n,)
    lead : int
    period, count : int
        Such as a day and 7: the values at the same time on up to seven past days that are known. NaN where none is.
    """
    out = np.full((len(origins), lead, *x.shape[1:]), np.nan)
    for begin in range(0, lead, period):
        ahead = slice(begin, min(begin + period, lead))
        means = lagged_mean(x, period, begin // period + 1, count)
        index = at_leads(origins, lead)[:, ahead]
        inside = index < len(means)
        out[:, ahead] = np.where(inside[..., None, None], means[np.minimum(index, len(means) - 1)], np.nan)
    return out


def lagged_mean(x: Floats, period: int, first: int, count: int) -> Floats:
    """Mean of the known ones of ``x[u - d * period]`` over `count` whole numbers d from `first` on.

    For all indices u, and `first` periods beyond the end; NaN where none is known.
    """
    length = len(x) + first * period
    total, known = np.zeros((length, *x.shape[1:])), np.zeros((length, *x.shape[1:]))
    there = np.isfinite(x)
    values = np.where(there, x, 0.0)
    for d in range(first, first + count):
        shift = d * period
        part = slice(shift, min(length, len(x) + shift))
        if shift >= length:
            break
        used = part.stop - part.start
        total[part] += values[:used]
        known[part] += there[:used]
    return np.asarray(np.where(known > 0, total / np.maximum(known, 1), np.nan))


def smoothed(x: Floats, alpha: float) -> Floats:
    """Exponentially weighted mean of what is known up to and including each index; NaN before the first value.

    ``m_t = alpha x_t + (1 - alpha) m_{t-1}``, and as it was where x is missing.
    """
    out = np.empty_like(x)
    level = np.full(x.shape[1:], np.nan)
    for t, row in enumerate(x):
        new = np.isfinite(row)
        level = np.where(new & np.isfinite(level), level + alpha * (row - level), np.where(new, row, level))
        out[t] = level
    return out


def known_mean(x: Floats, axes: tuple[int, ...] = (0,)) -> Floats:
    """Mean of what is known along some axes; 0 where nothing is."""
    known = np.isfinite(x)
    return np.asarray(np.where(known, x, 0).sum(axis=axes) / np.maximum(known.sum(axis=axes), 1))
