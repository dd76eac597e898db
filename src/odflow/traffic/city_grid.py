"""Squares of Milano and of Trentino in which the Telecom Italia Big Data Challenge counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from odflow.errors import FormatError
from odflow.files import read_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["CITIES", "MILANO", "TRENTO", "City", "read_grid"]

_EARTH_M = 6_371_008.8


@dataclass(frozen=True)
class City:
    """One of the two areas, and how its squares are numbered: row by row from 1 in the south-west corner.

    Parameters
    ----------
    name : str
    code : str
        As in the names of the files.
    columns, rows : int
        Squares in a row, and rows.
    side_m : float
        Side of a square.
    squares : int
        How many there are: all in Milano, those in the province in Trento.
    activity, grid : str
        DOI of the files and of the GeoJSON of the squares at Harvard Dataverse.
    grid_file : str
        Name of the GeoJSON file.
    gigabytes : int
        Size of all files.
    """

    name: str
    code: str
    columns: int
    rows: int
    side_m: float
    squares: int
    activity: str
    grid: str
    grid_file: str
    gigabytes: int

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether the square of this number is in the grid."""
        return np.arange(self.columns * self.rows + 1) > 0

    def places(self, squares: ArrayLike) -> tuple[Floats, Floats]:
        """Centres of squares in metres east and north of the south-west corner of the grid.

        Parameters
        ----------
        squares : array-like of int, shape (N,)

        Returns
        -------
        x_m, y_m : float array, shape (N,)
        """
        row, column = np.divmod(np.asarray(squares, dtype=np.int64) - 1, self.columns)
        return (column + 0.5) * self.side_m, (row + 0.5) * self.side_m


MILANO = City(
    *("milano", "mi", 100, 100, 235.0, 10_000),
    *("doi:10.7910/DVN/EGZHFV", "doi:10.7910/DVN/QJWLFU", "milano-grid.geojson", 21),
)
TRENTO = City(
    *("trento", "tn", 117, 98, 1000.0, 6_575),
    *("doi:10.7910/DVN/QLCABU", "doi:10.7910/DVN/FZRVSX", "trentino-grid.geojson", 12),
)
CITIES = {city.name: city for city in (MILANO, TRENTO)}


def read_grid(geojson: str | Path) -> xr.Dataset:
    """Read the squares of a grid: polygons in longitude and latitude, each with the property ``cellId``.

    Parameters
    ----------
    geojson : path-like
        Such as ``milano-grid.geojson`` or ``trentino-grid.geojson``.

    Returns
    -------
    Dataset (cell)
        Labels are the ids as text, in the order of the file. ``longitude`` and ``latitude`` (degrees) of the centroid
        of each polygon, which in Trento may be a square cut off at the border of the province; ``x_m`` and ``y_m``
        (metres), the same on a plane that touches the earth in the middle of the grid, from its south-west corner on.

    Raises
    ------
    OdflowError
        If the file cannot be read.
    FormatError
        If it is no such GeoJSON: which polygon is wrong.
    """
    path = Path(geojson)
    try:
        features = json.loads(read_text(path))["features"]
        if not isinstance(features, list) or not features:
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(path, "is no GeoJSON with features") from error
    cells = [_cell(path, k, feature) for k, feature in enumerate(features)]
    names = [name for name, _, _ in cells]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FormatError(path, f"has the cellId {twice} more than once")
    longitude, latitude = np.array([place for _, *place in cells]).T
    x, y = _plane(longitude, latitude)
    columns = {"x_m": x, "y_m": y, "longitude": longitude, "latitude": latitude}
    return xr.Dataset({name: ("cell", values) for name, values in columns.items()}, coords={"cell": names})


def _cell(path: Path, index: int, feature: Any) -> tuple[str, float, float]:
    try:
        name = str(int(feature["properties"]["cellId"]))
        shape = feature["geometry"]
        rings = [shape["coordinates"][0]] if shape["type"] == "Polygon" else [one[0] for one in shape["coordinates"]]
        polygons = [np.array([point[:2] for point in ring], dtype=float) for ring in rings]
        if shape["type"] not in ("Polygon", "MultiPolygon") or any(len(one) < 3 for one in polygons):
            raise ValueError
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise FormatError(path, f"feature {index + 1} is no polygon with a whole number as cellId") from error
    points = np.concatenate(polygons)
    if not (np.abs(points) <= [180, 90]).all():
        raise FormatError(path, f"cell {name} is not in degrees of longitude and latitude")
    parts = [_centroid(one) for one in polygons]
    weights = np.array([area for area, _ in parts])
    centres = np.array([centre for _, centre in parts])
    middle = np.average(centres, axis=0, weights=weights) if weights.sum() > 0 else points.mean(axis=0)
    return name, float(middle[0]), float(middle[1])


def _centroid(ring: Floats) -> tuple[float, Floats]:
    """Area and centroid by the shoelace formula, about the first point for the sake of digits."""
    moved = ring - ring[0]
    following = np.roll(moved, -1, axis=0)
    cross = moved[:, 0] * following[:, 1] - following[:, 0] * moved[:, 1]
    twice = cross.sum()
    if twice == 0:
        return 0.0, ring.mean(axis=0)
    return abs(twice) / 2, ring[0] + ((moved + following) * cross[:, None]).sum(axis=0) / (3 * twice)


def _plane(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    middle = np.radians((latitude.min() + latitude.max()) / 2)
    x = np.radians(longitude - longitude.min()) * np.cos(middle) * _EARTH_M
    return x, np.radians(latitude - latitude.min()) * _EARTH_M
