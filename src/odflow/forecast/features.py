"""What pooled regressions see of a series at an origin, in logarithms relative to its last value.

One row for each origin, lead, node and service; the same columns for all, so that one model learns from all series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odflow.forecast.past import at_leads, before, held, same_slot
from odflow.simulate.span import DAY_S, is_weekend, week_seconds

if TYPE_CHECKING:
    from odflow.forecast.base import Floats, Ints, Times

LAGS = 24
FLOOR, LEAST_FLOOR = 0.01, 1e-4  # of a series' mean, and at least of the mean series'
_WEEK = 7


def floors(mean: Floats) -> Floats:
    """What is added before logarithms are taken: a hundredth of a series' mean.

    And at least a little of the mean series' of the service, for series in which nothing has been seen yet.

    Parameters
    ----------
    mean : array, shape (N, S)
    """
    return np.asarray(np.maximum(FLOOR * mean, LEAST_FLOOR * mean.mean(axis=0)) + np.finfo(np.float32).tiny)


def logs(x: Floats, floor: Floats) -> Floats:
    """Logarithms of x (T, N, S) above a floor (N, S)."""
    return np.asarray(np.log(np.maximum(x, 0.0) + floor))


def features(log: Floats, usual: Floats, time: Times, origins: Ints, leads: Ints, day: int) -> tuple[Floats, Floats]:
    """Columns and last values.

    Parameters
    ----------
    log : array, shape (T, N, S)
        Only what is before an origin is used.
    usual : array, shape (N, S)
        Logarithm of the series' mean.
    time : datetime64, shape (at least T,)
    origins : ints, shape (n,)
    leads : ints, shape (L,)
        To forecast, from 1 on.
    day : int
        Intervals of a day.

    Returns
    -------
    array, shape (n, L, N, S, columns)
        The latest `LAGS` values, the same time a day and a week before, its mean over a week, that mean now, all minus
        the last value; that minus the usual one; hour of the day (cosine, sine), weekend, service, lead. NaN where not
        known.
    array, shape (n, N, S)
        Last values.
    """
    (n, lead), (_, nodes, services) = (len(origins), len(leads)), log.shape
    longest = int(leads.max())
    anchor = before(held(log), origins)
    lagged = _lagged(log, origins) - anchor[:, None]
    columns = [np.broadcast_to(one[:, None], (n, lead, nodes, services)) for one in np.moveaxis(lagged, 1, 0)]
    for period, count in ((day, 1), (_WEEK * day, 1), (day, _WEEK)):
        columns.append(same_slot(log, origins, longest, period, count)[:, leads - 1] - anchor[:, None])
    now = same_slot(log, origins - 1, 1, day, _WEEK) - anchor[:, None]
    columns += [np.broadcast_to(one, (n, lead, nodes, services)) for one in (now, (anchor - usual)[:, None])]
    seconds = week_seconds(time)[at_leads(origins, longest)[:, leads - 1]]
    turn = 2 * np.pi * seconds / DAY_S
    ahead = np.broadcast_to(leads.astype(float), (n, lead))
    for one in (np.cos(turn), np.sin(turn), is_weekend(seconds).astype(float)):
        columns.append(np.broadcast_to(one[:, :, None, None], (n, lead, nodes, services)))
    columns.append(np.broadcast_to(np.arange(float(services)), (n, lead, nodes, services)))
    columns.append(np.broadcast_to(ahead[:, :, None, None], (n, lead, nodes, services)))
    return np.stack(columns, axis=-1), anchor


def _lagged(log: Floats, origins: Ints) -> Floats:
    """The latest values, newest first, shape (n, LAGS, N, S); NaN before the beginning."""
    index = origins[:, None] - 1 - np.arange(LAGS)
    return np.where((index >= 0)[..., None, None], log[np.maximum(index, 0)], np.nan)
