"""Rolling-origin forecasts: for each lead the same targets, each forecast from what was known that long before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow.errors import DataError
from odflow.evaluate.forecast_scores import ForecastScore, naive_error, score_forecast
from odflow.forecast.base import check_series, middle_of
from odflow.simulate.span import DAY_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.forecast.base import Forecaster

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_AT_ONCE = 256  # origins, so that forecasts of large networks fit into memory


@dataclass(frozen=True, eq=False)
class Rolling:
    """What is forecast from what.

    Parameters
    ----------
    series : DataArray (time, node, service)
        All that forecasters may look at before an origin; NaN where they may not.
    first : int
        Index of the first target; all from there to the end are targets.
    leads : tuple of int
        1 = the next interval.
    every : int
        Only each so many-th interval is a target.
    """

    series: xr.DataArray
    first: int
    leads: tuple[int, ...]
    every: int = 1

    @property
    def history(self) -> xr.DataArray:
        """What may be learnt from: all before the first origin."""
        return self.series[: self.first - max(self.leads) + 1]

    @property
    def targets(self) -> Ints:
        """Indices that are forecast."""
        return np.arange(self.first, self.series.sizes["time"], self.every)

    @property
    def truth(self) -> Floats:
        """What came, shape (targets, N, S)."""
        return np.asarray(self.series.values[self.targets], dtype=float)

    @property
    def days(self) -> Ints:
        """Day of each target, for a bootstrap."""
        time = self.series["time"].values[self.targets]
        return np.asarray((time - time[0]) // np.timedelta64(1, "D"), dtype=np.int64)

    def thinned(self, most: int) -> Rolling:
        """At most so many targets, evenly spread; 0 = all."""
        return replace(self, every=self.every * -(-len(self.targets) // most)) if most else self

    def forecast(self, forecaster: Forecaster) -> dict[int, Floats]:
        """Forecasts of all targets by a fitted forecaster, (targets, N, S) for each lead."""
        return {lead: middle_of(found) for lead, found in self.quantiles(forecaster).items()}

    def quantiles(self, forecaster: Forecaster) -> dict[int, Floats]:
        """The same with all quantiles that the forecaster has learnt, (targets, N, S, Q) for each lead."""
        most, targets = max(self.leads), self.targets
        later = _extended(self.series, most - 1)
        out = {lead: np.empty((*self.truth.shape, len(forecaster.levels))) for lead in self.leads}
        origins = np.unique(np.concatenate([targets - lead + 1 for lead in self.leads]))
        for begin in range(0, len(origins), _AT_ONCE):
            some = origins[begin : begin + _AT_ONCE]
            found = forecaster.quantiles_at(later, some, most, only=self.leads)
            for k, (lead, kept) in enumerate(out.items()):
                inside = np.isin(some + lead - 1, targets)
                kept[np.searchsorted(targets, some[inside] + lead - 1)] = found[inside, k]
        return out

    def scores(self, forecasts: dict[int, Floats]) -> dict[int, ForecastScore]:
        """Errors by lead."""
        day = max(1, round(DAY_S / float(self.series.attrs["interval_s"])))
        naive = naive_error(self.history.values, day)
        return {lead: score_forecast(found, self.truth, naive) for lead, found in forecasts.items()}


def rolling(
    series: xr.DataArray, first: np.datetime64, leads: tuple[int, ...], *, days: float = 0.0, every: int = 1
) -> Rolling:
    """Set up rolling origins.

    Parameters
    ----------
    series : DataArray (time, node, service)
    first : datetime64
        Time of the first target.
    leads : tuple of int
    days : float
        Days of history before the first origin that are known; 0 = all.
    every : int
        Only each so many-th interval is a target.

    Raises
    ------
    DataError
        If nothing is left to learn from, or to forecast.
    """
    series = check_series(series)
    begin = int(np.searchsorted(series["time"].values, first))
    cut = begin - max(leads) + 1
    if begin >= series.sizes["time"] or cut < 2:
        raise DataError(f"{series.sizes['time']} intervals leave too few before or after {first}")
    if days:
        length = round(days * DAY_S / float(series.attrs["interval_s"]))
        if length > cut:
            raise DataError(f"{days:g} days before the first origin are more than there are")
        series = series[cut - length :]
        begin -= cut - length
    return Rolling(series, begin, leads, every)


def _extended(series: xr.DataArray, count: int) -> xr.DataArray:
    """Unknown intervals added at the end, so that the last origins can look beyond it."""
    if not count:
        return series
    time = series["time"].values
    step = np.timedelta64(round(float(series.attrs["interval_s"]) * 1e9), "ns")
    later = time[-1] + step * np.arange(1, count + 1)
    names = {dim: series[dim] for dim in series.dims[1:] if dim in series.coords}
    empty = np.full((count, *series.shape[1:]), np.nan)
    return xr.DataArray(
        np.concatenate([series.values, empty]),
        dims=series.dims,
        coords={"time": np.concatenate([time, later])} | names,
        attrs=series.attrs,
    )
