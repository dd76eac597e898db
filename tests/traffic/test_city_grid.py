from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.traffic.telecom import write_grid

from odflow.errors import FormatError, OdflowError
from odflow.traffic.city_grid import MILANO, TRENTO, read_grid


def test_numbers_run_east_then_north() -> None:
    x, y = MILANO.places([1, 2, 101, 10_000])
    np.testing.assert_array_equal(x, 235 * np.array([0.5, 1.5, 0.5, 99.5]))
    np.testing.assert_array_equal(y, 235 * np.array([0.5, 0.5, 1.5, 99.5]))
    assert [int(city.inside.sum()) for city in (MILANO, TRENTO)] == [10_000, 117 * 98]
    assert not MILANO.inside[0]


def test_centroids_and_a_plane(tmp_path: Path) -> None:
    grid = read_grid(write_grid(tmp_path / "g.geojson", [1, 2, 11], 10))
    assert grid["cell"].values.tolist() == ["1", "2", "11"]
    np.testing.assert_allclose(grid["longitude"], [11.005, 11.015, 11.005])
    np.testing.assert_allclose(grid["latitude"], [46.005, 46.005, 46.015])
    degree = 6_371_008.8 * np.pi / 180
    np.testing.assert_allclose(grid["y_m"], [0, 0, 0.01 * degree], atol=1e-6)
    np.testing.assert_allclose(grid["x_m"], [0, 0.01 * degree * np.cos(np.radians(46.01)), 0], atol=1e-6)


def feature(cell: object, kind: str, coordinates: object) -> dict[str, object]:
    return {"properties": {"cellId": cell}, "geometry": {"type": kind, "coordinates": coordinates}}


def write(path: Path, *features: object) -> Path:
    path.write_text(json.dumps({"features": features}))
    return path


SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]


def test_polygons_of_any_shape(tmp_path: Path) -> None:
    corner = [[0, 0], [3, 0], [0, 3], [0, 0]]
    far = [[10, 10], [11, 10], [11, 11], [10, 11], [10, 10]]
    grid = read_grid(
        write(
            tmp_path / "g.json",
            feature(7, "Polygon", [corner]),
            feature("8", "MultiPolygon", [[SQUARE], [far]]),
            feature(9, "Polygon", [[[1, 1], [1, 1], [1, 1]]]),
        )
    )
    np.testing.assert_allclose(grid["longitude"], [1, (4 * 1 + 10.5) / 5, 1])
    np.testing.assert_allclose(grid["latitude"], [1, (4 * 1 + 10.5) / 5, 1])


def test_bad_grids(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    with pytest.raises(OdflowError, match="no such file"):
        read_grid(path)
    for text in ("nonsense", "[]", '{"features": []}', '{"features": 3}'):
        path.write_text(text)
        with pytest.raises(FormatError, match="is no GeoJSON with features"):
            read_grid(path)
    good = feature(1, "Polygon", [SQUARE])
    for bad in (feature("x", "Polygon", [SQUARE]), feature(1, "Point", [1, 2]), {}, feature(1, "Polygon", [[[0, 0]]])):
        with pytest.raises(FormatError, match="feature 2 is no polygon with a whole number as cellId"):
            read_grid(write(path, good, bad))
    with pytest.raises(FormatError, match="cellId 1 more than once"):
        read_grid(write(path, good, good))
    with pytest.raises(FormatError, match="cell 2 is not in degrees"):
        read_grid(write(path, good, feature(2, "Polygon", [[[500_000, 5_000_000], [500_235, 5_000_000], [1, 1]]])))
