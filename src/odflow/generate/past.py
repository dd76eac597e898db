"""The history a generator learns from: checked, complete TMs, flat."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import DataError, OdflowWarning, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 8  # complete TMs below which nothing can be learnt


@dataclass(frozen=True, eq=False)
class Past:
    """Complete TMs in order of time, with their labels.

    Attributes
    ----------
    values : array, shape (T, flows)
        bit/s, float64, columns row-major by origin.
    nodes : tuple of str
    interval_s : float
    first, end : datetime64
        Start of the first interval and end of the last one of the whole history.
    left_out : int
        TMs without some demand.
    age_days : array, shape (T,)
        From the start of each TM to `end`.
    """

    values: NDArray[np.float64]
    nodes: tuple[str, ...]
    interval_s: float
    first: np.datetime64
    end: np.datetime64
    left_out: int
    age_days: NDArray[np.float64]

    def by_age(self, rows: int, half_life: float) -> NDArray[np.int64]:
        """Rows to learn from in place of the first `rows`: as many, recent ones repeated and old ones thinned out.

        A TM comes up in proportion to ``0.5 ** (age / half_life)``, by systematic resampling: no chance is
        involved, and the order in time stays.

        Parameters
        ----------
        rows : int
        half_life : float
            Days; 0 = all TMs alike, each of them once.

        Returns
        -------
        array, shape (rows,)
        """
        if not half_life:
            return np.arange(rows)
        age = self.age_days[:rows] - self.age_days[rows - 1]
        share = np.cumsum(0.5 ** (age / half_life))
        return np.searchsorted(share, (np.arange(rows) + 0.5) / rows * share[-1])

    @staticmethod
    def of(history: xr.DataArray) -> Past:
        """Check a history, dims (time, origin, destination), bit/s, and leave out incomplete TMs.

        Warns
        -----
        OdflowWarning
            How many TMs are left out because a demand of theirs is not measured.

        Raises
        ------
        DataError
            If fewer than `LEAST` complete TMs remain, or none holds traffic.
        LabelError, UnitError
            As :func:`odflow.labels.check_demands`.
        """
        checked = labels.check_demands(history)
        nodes = tuple(str(node) for node in checked["origin"].values)
        values = labels.flat(checked, nodes)
        missing = np.isnan(values)
        complete = ~missing.any(axis=1)
        kept, total = int(complete.sum()), len(values)
        if kept < LEAST:
            raise DataError(_too_few(kept, total, missing, nodes))
        if kept < total:
            warnings.warn(
                f"history: {total - kept} of {total} TMs lack a demand and are left out of the training",
                OdflowWarning,
                stacklevel=3,
            )
            values = values[complete]
        if not values.any():
            raise DataError("history holds no traffic, every measured demand is 0; there is nothing to learn")
        times = labels.as_times(checked["time"].values)
        interval = float(checked.attrs["interval_s"])
        end = times[-1] + np.timedelta64(round(interval * 1e9), "ns")
        age = (end - times[complete]) / np.timedelta64(1, "D")
        return Past(values, nodes, interval, times[0], end, total - kept, age)


def _too_few(kept: int, total: int, missing: NDArray[np.bool_], nodes: tuple[str, ...]) -> str:
    text = f"history has {kept} complete TMs of {total}, a generator needs at least {LEAST}"
    often = np.flatnonzero(missing.mean(axis=0) > 0.5)
    if not often.size:
        return f"{text}; give a longer one"
    pairs = labels.od_pairs(nodes)
    names = listed(f"{pairs[k][0]}->{pairs[k][1]}" for k in often)
    return f"{text}; most lack the flow {names}: set it to 0 if there is none, or leave the node out"
