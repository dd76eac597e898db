"""Base stations of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from odflow.errors import FormatError, OdflowError
from odflow.simulate.cellular import CellularSimulator
from odflow.simulate.space import EARTH_KM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.simulate.cellular_config import CellularConfig

    Floats = NDArray[np.float64]

MARGIN_M = 500.0
_METRES, _DEGREES = ("x_m", "y_m"), ("latitude", "longitude")


def around(path: str | Path, config: CellularConfig) -> CellularSimulator:
    """A simulator of a city around base stations of one's own.

    Parameters
    ----------
    path : path-like
        CSV with the columns ``x_m`` and ``y_m``, or ``latitude`` and ``longitude`` in degrees (WGS 84), and ``name``
        if they have names.
    config : CellularConfig
        Of which the size is replaced by that of the stations, with half a kilometre around them.

    Raises
    ------
    FormatError, OdflowError
        If the file cannot be read or has no such columns.
    """
    names, places = read_sites(path)
    low, high = places.min(axis=0) - MARGIN_M, places.max(axis=0) + MARGIN_M
    width, height = (high - low) / 1000
    sized = replace(config, width_km=float(width), height_km=float(height), stations=len(places))
    return CellularSimulator(sized, places - low, names)


def read_sites(path: str | Path) -> tuple[tuple[str, ...], Floats]:
    """Names and coordinates (S, 2) in m of base stations, relative to the middle of those in degrees."""
    file = Path(path)
    try:
        table = pd.read_csv(file, dtype={"name": str})
    except FileNotFoundError as error:
        raise OdflowError(f"{path}: no such file") from error
    except (ValueError, OSError) as error:
        raise FormatError(file, f"is not a table: {error}") from error
    used = next((pair for pair in (_METRES, _DEGREES) if set(pair) <= set(table.columns)), None)
    if used is None or not len(table):
        raise FormatError(file, "expected the columns x_m and y_m, or latitude and longitude; a row for each station")
    values = table[list(used)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise FormatError(file, f"row {bad[0] + 2}: {used[0]} and {used[1]} are not both numbers")
    names = table["name"].fillna("").tolist() if "name" in table.columns else [f"s{k}" for k in range(len(table))]
    if len(set(names)) < len(names) or "" in names:
        raise FormatError(file, "every station needs a name of its own, or none a name")
    return tuple(names), values if used is _METRES else _metres(values)


def _metres(degrees: Floats) -> Floats:
    """Latitude and longitude on the plane that touches the earth in their middle; good to 1 % within 100 km."""
    middle = degrees.mean(axis=0)
    turn = np.radians(degrees - middle) * EARTH_KM * 1000
    return np.column_stack([turn[:, 1] * np.cos(np.radians(middle[0])), turn[:, 0]])
