"""The forecaster: history to future, per node and service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np
import xarray as xr

from odflow.errors import DataError, UsageError
from odflow.simulate.span import DAY_S
from odflow.traffic.series import DIMS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Times = NDArray[np.datetime64]


def check_series(series: xr.DataArray) -> xr.DataArray:
    """Series as forecasters take them: (time, node, service), NaN = missing, on a regular time axis.

    Raises
    ------
    DataError
        For other dimensions, intervals that do not follow each other, or infinite values.
    """
    if not isinstance(series, xr.DataArray) or set(series.dims) != set(DIMS):
        given = getattr(series, "dims", type(series).__name__)
        raise DataError(f"expected series (time, node, service), got {given}")
    series = series.transpose(*DIMS)
    step = np.timedelta64(round(float(series.attrs.get("interval_s", 0)) * 1e9), "ns")
    if not step > np.timedelta64(0):
        raise DataError("series need the attribute interval_s, seconds")
    if (np.diff(series["time"].values) != step).any():
        raise DataError("series need a regular time axis; put NaN where intervals are missing")
    if np.isinf(series.values).any():
        raise DataError("series hold infinite values")
    return series


def middle_of(quantiles: Floats) -> Floats:
    """The forecast itself: the middle one of the last axis."""
    return np.asarray(quantiles[..., (quantiles.shape[-1] - 1) // 2])


class Forecaster(ABC):
    """Base of all forecasters; a subclass learns from arrays and looks ahead from arrays.

    Attributes
    ----------
    interval_s_ : float
        Of the history it was fitted on.
    levels : tuple of float
        Of the quantiles that it learns, in rising order; the middle one is the forecast.
    """

    interval_s_: float = 0.0
    levels: tuple[float, ...] = (0.5,)

    def fit(self, history: xr.DataArray) -> Self:
        """Learn.

        Parameters
        ----------
        history : DataArray (time, node, service)
            NaN = missing, never a target.

        Raises
        ------
        DataError
            If it is no such array, or empty.
        """
        series = check_series(history)
        if not np.isfinite(series.values).any():
            raise DataError("the history holds no value")
        self.interval_s_ = float(series.attrs["interval_s"])
        self._learn(series.values.astype(float), series["time"].values)
        return self

    def predict(self, recent: xr.DataArray, lead: int) -> xr.DataArray:
        """Forecast what follows.

        Parameters
        ----------
        recent : DataArray (time, node, service)
            The latest past, of the interval that was fitted; the longer, the more seasons it holds.
        lead : int
            Intervals to forecast.

        Returns
        -------
        DataArray (time, node, service)
            The next `lead` intervals.

        Raises
        ------
        UsageError
            If it is not fitted, or `lead` is not positive.
        DataError
            If `recent` does not fit.
        """
        found = self.predict_quantiles(recent, lead)
        return found[..., 0].drop_vars("quantile").copy(data=middle_of(found.values))

    def predict_quantiles(self, recent: xr.DataArray, lead: int) -> xr.DataArray:
        """The quantiles that a method has learnt, as they are: not calibrated.

        Parameters, errors: those of :meth:`predict`.

        Returns
        -------
        DataArray (time, node, service, quantile)
            Only the forecast itself, as quantile 0.5, of a method that learns no others.
        """
        series = check_series(recent)
        self._check_fitted(series, lead)
        time = series["time"].values
        step = np.timedelta64(round(self.interval_s_ * 1e9), "ns")
        later = time[-1] + step * np.arange(1, lead + 1)
        x, origins, leads = series.values.astype(float), np.array([len(time)]), tuple(range(1, lead + 1))
        found = self._quantiles(x, np.concatenate([time, later]), origins, lead, leads)[0]
        coords = {name: value for name, value in series.coords.items() if "time" not in value.dims}
        coords |= {"time": later, "quantile": list(self.levels)}
        return xr.DataArray(found, dims=(*DIMS, "quantile"), coords=coords, attrs=dict(series.attrs))

    def predict_at(self, series: xr.DataArray, origins: Ints, lead: int, *, only: tuple[int, ...] = ()) -> Floats:
        """Forecasts from many origins at once, each from what is before it alone.

        Parameters
        ----------
        series : DataArray (time, node, service)
        origins : ints, shape (n,)
            Indices of the first interval to forecast.
        lead : int
            The longest one.
        only : tuple of int
            Leads to forecast, from 1 on; all if not given.

        Returns
        -------
        array, shape (n, lead, N, S), or (n, len(only), N, S)
        """
        return middle_of(self.quantiles_at(series, origins, lead, only=only))

    def quantiles_at(self, series: xr.DataArray, origins: Ints, lead: int, *, only: tuple[int, ...] = ()) -> Floats:
        """The same with all quantiles that the method has learnt, see :meth:`predict_quantiles`, along a last axis."""
        series = check_series(series)
        self._check_fitted(series, lead)
        origins = np.asarray(origins, dtype=np.int64)
        if len(origins) and (origins.min() < 1 or origins.max() + lead > series.sizes["time"]):
            raise UsageError(f"origins from 1 to {series.sizes['time'] - lead} can be forecast for {lead} intervals")
        x, time = series.values.astype(float), series["time"].values
        return self._quantiles(x, time, origins, lead, only or tuple(range(1, lead + 1)))

    def _quantiles(self, x: Floats, time: Times, origins: Ints, lead: int, only: tuple[int, ...]) -> Floats:
        """Forecasts of some leads, (n, len(only), N, S, Q), by a method that learns quantiles."""
        return self._some(x, time, origins, lead, only)[..., None]

    def _some(self, x: Floats, time: Times, origins: Ints, lead: int, only: tuple[int, ...]) -> Floats:
        """Forecasts of some leads; a subclass may have a quicker way."""
        found = self.ahead(x, time, origins, lead)
        return found if len(only) == lead else found[:, np.array(only) - 1]

    def _check_fitted(self, series: xr.DataArray, lead: int) -> None:
        if not self.interval_s_:
            raise UsageError(f"{type(self).__name__} is not fitted; call fit(history) first")
        if lead < 1:
            raise UsageError(f"lead is {lead}, expected at least 1")
        if float(series.attrs["interval_s"]) != self.interval_s_:
            raise DataError(f"intervals of {series.attrs['interval_s']:g} s, fitted on {self.interval_s_:g} s")

    @property
    def day(self) -> int:
        """Intervals of a day."""
        return max(1, round(DAY_S / self.interval_s_))

    def _learn(self, x: Floats, time: Times) -> None:
        """Learn from x (T, N, S); nothing to do for most simple rules."""
        return

    @abstractmethod
    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """Forecasts (n, lead, N, S); of x (T, N, S) only what is before an origin may be used.

        `time` reaches at least to the last forecast.
        """
