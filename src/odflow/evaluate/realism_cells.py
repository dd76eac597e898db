"""Statistics of cellular traffic by which simulated traffic is compared with real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError
from odflow.evaluate.realism_series import HOUR_S, gini, in_time, is_weekend_at, power_law, within_hours
from odflow.simulate.span import DAY_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_FLOOR = 0.05  # of a series' mean, below which differences of its logarithm do not count
_MOST_AXES = 5
_FEW = 3  # cells, below which statistics over cells have no meaning


@dataclass(frozen=True)
class CellStatistics:
    """What simulated cells should have in common with real ones; every service counts alike.

    Parameters
    ----------
    gini : float
        Inequality of cells, 0 (all alike) to 1; mean over services.
    energy_1, energy_5 : float
        Share of the variance of standardised series (cell and service) along the first one and five principal axes;
        NaN if there are no more.
    daily_swing : float
        Busiest over quietest hour of the mean working day, all cells together.
    busy_hour : float
        Hour of the busiest hour of the mean working day, 0 to 24, in the time of the data.
    weekend : float
        Mean level on weekends over that of working days.
    correlation_step, correlation_hour, correlation_day, correlation_week : float
        Autocorrelation at one interval, one hour, one day, one week: mean weighted by volume. NaN where the series is
        shorter than twice the lag, and for one hour if that is the interval.
    variation : float
        Coefficient of variation within hours (two intervals, if they are longer), mean weighted by volume.
    power : float
        Exponent of that variance against the mean, over cells; mean over services.
    kurtosis : float
        Median of the excess kurtosis of increments of log traffic, as ``log10(3 + excess)``.
    zeros : float
        Share of values that are 0.
    service_correlation : float
        Correlation of two services of a cell beyond their daily cycle, mean over cells and pairs.
    near_correlation, far_correlation : float
        Correlation of two cells beyond their daily cycle, mean over the nearest and the farthest quarter of all pairs.
    """

    gini: float
    energy_1: float
    energy_5: float
    daily_swing: float
    busy_hour: float
    weekend: float
    correlation_step: float
    correlation_hour: float
    correlation_day: float
    correlation_week: float
    variation: float
    power: float
    kurtosis: float
    zeros: float
    service_correlation: float
    near_correlation: float
    far_correlation: float


def cell_statistics(x: Floats, start_s: float, interval_s: float, places: Floats | None = None) -> CellStatistics:
    """All statistics of cell traffic.

    Parameters
    ----------
    x : array, shape (T, cells, services)
        Without missing values, at a constant interval.
    start_s, interval_s : float
        First interval's start, seconds since 1970, in the time by which people live; length of an interval.
    places : array, shape (cells, 2), optional
        m; correlations against distance are NaN without.

    Raises
    ------
    DataError
        If there are gaps or no traffic, or less than a day of working days and of a weekend each.
    """
    x = np.asarray(x, dtype=float)
    if not np.isfinite(x).all() or not x.any():
        raise DataError("statistics of cells need complete series with traffic; fill or leave out what is missing")
    steps, cells, services = x.shape
    x = x / np.maximum(x.mean(axis=(0, 1)), np.finfo(float).tiny)
    flat = x.reshape(steps, -1)
    mean, within = flat.mean(axis=0), within_hours(flat, interval_s)
    residual = beyond_cycle(x, np.arange(steps, dtype=np.float64) * interval_s + start_s, interval_s)
    near, far = spatial_correlation(residual, places)
    shared = in_time(flat, start_s, interval_s)
    if interval_s >= HOUR_S:
        shared["correlation_hour"] = np.nan
    if flat.shape[1] <= _MOST_AXES:
        shared["energy_5"] = np.nan
    return CellStatistics(
        gini=_over_services(x.mean(axis=0), gini) if cells >= _FEW else np.nan,
        power=float(np.mean([power_law(mean[k::services], within[k::services]) for k in range(services)])),
        service_correlation=service_correlation(residual),
        near_correlation=near,
        far_correlation=far,
        **shared,
    )


def _over_services(mean: Floats, statistic: Callable[[Floats], float]) -> float:
    return float(np.mean([statistic(one) for one in mean.T]))


def beyond_cycle(x: Floats, time: Floats, interval_s: float) -> Floats:
    """Logarithm of each series minus its mean at this time of a working or weekend day, same shape, unit variance."""
    log = np.log(x + _FLOOR * x.mean(axis=0) + np.finfo(float).tiny)
    slots = round(DAY_S / interval_s)
    slot = (time % DAY_S // interval_s).astype(int) + slots * is_weekend_at(time)
    sums = np.zeros((2 * slots, *x.shape[1:]))
    np.add.at(sums, slot, log)
    count = np.maximum(np.bincount(slot, minlength=2 * slots), 1)
    residual = log - (sums / count[:, None, None])[slot]
    return np.asarray(residual / np.maximum(residual.std(axis=0), np.finfo(float).tiny))


def service_correlation(residual: Floats) -> float:
    """Mean correlation of two services of a cell, from :func:`beyond_cycle`; NaN with one service."""
    services = residual.shape[2]
    pairs = [(a, b) for a in range(services) for b in range(a)]
    if not pairs:
        return float("nan")
    return float(np.mean([(residual[:, :, a] * residual[:, :, b]).mean() for a, b in pairs]))


def spatial_correlation(residual: Floats, places: Floats | None) -> tuple[float, float]:
    """Mean correlation of the nearest and of the farthest quarter of all pairs of cells; NaN without places."""
    cells = residual.shape[1]
    if places is None or cells < _FEW:
        return float("nan"), float("nan")
    together = np.einsum("tcs,tds->cd", residual, residual) / (len(residual) * residual.shape[2])
    one, other = np.triu_indices(cells, 1)
    order = np.argsort(np.hypot(*(places[one] - places[other]).T), kind="stable")
    quarter = max(1, len(order) // 4)
    found = together[one, other][order]
    return float(found[:quarter].mean()), float(found[-quarter:].mean())
