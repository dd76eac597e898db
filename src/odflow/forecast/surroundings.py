"""What a network knows of when and where: calendar features and neighbours (needs torch)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from odflow.forecast.inputs import Geometry
from odflow.simulate.space import EARTH_KM
from odflow.simulate.span import DAY_S, is_weekend, week_seconds

if TYPE_CHECKING:
    import xarray as xr

    from odflow.forecast.base import Floats, Times

CALENDAR = 5


def calendar(time: Times) -> Floats:
    """Time of the day as two harmonics (cosine, sine), and weekend, shape (T, 5)."""
    seconds = week_seconds(time)
    turn = 2 * np.pi * seconds / DAY_S
    columns = (np.cos(turn), np.sin(turn), np.cos(2 * turn), np.sin(2 * turn), is_weekend(seconds))
    return np.stack(columns, axis=1).astype(float)


def geometry_of(series: xr.DataArray, count: int) -> Geometry:
    """Neighbours of the nodes by their coordinates; without any, each node has only itself.

    Parameters
    ----------
    series : DataArray (time, node, service)
        With ``x_m`` and ``y_m``, or ``latitude`` and ``longitude``, along node.
    count : int
        Neighbours of each, itself among them.
    """
    places = _places(series)
    if places is None:
        nodes = series.sizes["node"]
        return Geometry(torch.arange(nodes)[:, None], torch.ones(nodes, 1))
    return nearest(places, count)


def nearest(places: Floats, count: int) -> Geometry:
    """The nearest nodes, each with the weight ``exp(-(d / typical)^2)``, typical the mean distance to these.

    Parameters
    ----------
    places : array, shape (N, 2 or 3)
        Coordinates in any unit of length.
    count : int
    """
    from scipy.spatial import cKDTree

    count = min(count, len(places))
    distance, near = cKDTree(places).query(places, k=count)
    distance, near = distance.reshape(len(places), count), near.reshape(len(places), count)
    for node in np.flatnonzero(near[:, 0] != np.arange(len(places))):  # others at the very same place came first
        others = near[node][near[node] != node]
        near[node] = [node, *others[: count - 1]]
    typical = distance[:, 1:].mean() if count > 1 and distance[:, 1:].any() else 1.0
    weight = np.exp(-((distance / typical) ** 2))
    weight[:, 0] = 1.0
    return Geometry(torch.from_numpy(near.astype(np.int64)), torch.from_numpy(weight).float())


def _places(series: xr.DataArray) -> Floats | None:
    if {"x_m", "y_m"} <= set(series.coords):
        found = np.column_stack([series["x_m"].values, series["y_m"].values]).astype(float)
    elif {"latitude", "longitude"} <= set(series.coords):
        latitude, longitude = (np.radians(series[name].values.astype(float)) for name in ("latitude", "longitude"))
        flat = np.cos(latitude)
        found = EARTH_KM * np.column_stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)])
    else:
        return None
    return found if np.isfinite(found).all() else None
