"""How near simulated traffic is to real traffic, statistic by statistic."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError
from odflow.evaluate.realism_cells import cell_statistics
from odflow.evaluate.realism_tms import tm_statistics

if TYPE_CHECKING:
    import xarray as xr

NEAR = 0.25  # of the real value: what counts as near
HOURS = ("busy_hour",)  # hours of a day: 3 hours count as near, a quarter of the largest possible difference


def statistics(traffic: xr.DataArray) -> dict[str, float]:
    """Statistics by name of TMs (time, origin, destination) or of cells (time, cell, service).

    Cells need the coordinates ``x_m`` and ``y_m`` for correlations against distance.

    Raises
    ------
    DataError
        If it is neither, has gaps, no constant interval, or is too short.
    """
    time = traffic["time"].values
    start_s = float((time[0] - np.datetime64(0, "s")) / np.timedelta64(1, "s"))
    interval_s = float(traffic.attrs["interval_s"])
    if (np.diff(time) != np.timedelta64(round(interval_s * 1e9), "ns")).any():
        raise DataError("statistics need intervals that follow each other without gaps; leave parts of it out")
    if set(traffic.dims) == {"time", "origin", "destination"}:
        x = traffic.transpose("time", "origin", "destination").values
        return asdict(tm_statistics(x.reshape(len(x), -1), start_s, interval_s))
    if set(traffic.dims) == {"time", "cell", "service"}:
        places = None
        if {"x_m", "y_m"} <= set(traffic.coords):
            places = np.column_stack([traffic["x_m"].values, traffic["y_m"].values]).astype(float)
        x = traffic.transpose("time", "cell", "service").values
        return asdict(cell_statistics(x, start_s, interval_s, places))
    raise DataError(
        f"dimensions {', '.join(map(str, traffic.dims))}, expected time, origin, destination or time, cell, service"
    )


def deviation(name: str, simulated: float, real: float) -> float:
    """Signed difference of a statistic, in units of what counts as near; NaN where one of them is unknown.

    One is a quarter of the real value, and 3 hours for hours of the day.
    """
    if name in HOURS:
        return ((simulated - real + 12) % 24 - 12) / (12 * NEAR)
    return (simulated - real) / max(NEAR * abs(real), 1e-9)


def mean_statistics(many: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each statistic over several stretches or simulations, those that are known; hours as angles."""
    return {name: _mean(name, np.array([one[name] for one in many])) for name in many[0]}


def spread_of(name: str, values: list[float]) -> float:
    """Standard deviation of a statistic; of hours around their mean on the circle."""
    off = np.array(values) - mean_statistics([{name: value} for value in values])[name]
    return float(np.std((off + 12) % 24 - 12 if name in HOURS else off))


def _mean(name: str, values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan")
    if name in HOURS:
        return float(np.angle(np.exp(1j * known * np.pi / 12).mean()) * 12 / np.pi % 24)
    return float(known.mean())
