"""Series to forecast from the real data sets, and the geometry of the two cities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import odflow as of
from odflow.traffic.city_grid import MILANO, TRENTO, read_grid
from odflow.traffic.series_sets import NAMES

pytestmark = pytest.mark.real

SHAPES = {
    "milan": ((4320, 25, 1), (3024, 432, 864), 0.0),
    "c2tm": ((192, 32, 3), (120, 24, 48), 0.0408),
    "lte-elborn": ((5241, 1, 3), (3668, 524, 1049), 0.0),
    "lte-lescorts": ((8615, 1, 3), (6030, 862, 1723), 0.0),
    "abilene": ((41760, 12, 2), None, 0.1793),
    "abilene-links": ((41760, 30, 1), None, 0.1793),
    "abilene-od": ((41760, 144, 1), None, 0.1793),
    "geant": ((8686, 23, 2), None, 0.0741),
    "geant-links": ((8686, 74, 1), None, 0.0741),
    "geant-od": ((8686, 529, 1), None, 0.0741),
}


@pytest.fixture(autouse=True)
def _here(real_data, monkeypatch):
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(real_data))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_splits(name):
    shape, parts, missing = SHAPES[name]
    found = of.data.series(name)
    x = found.traffic
    assert x.dims == ("time", "node", "service")
    assert x.shape == shape
    assert float(np.isnan(x.values).mean()) == pytest.approx(missing, abs=1e-4)
    assert not (x.values < 0).any()
    step = np.timedelta64(int(x.attrs["interval_s"]), "s")
    assert (np.diff(x["time"].values) == step).all()
    have = [found.train, found.validation, found.test]
    assert sum(part.sizes["time"] for part in have) == shape[0]
    if parts is not None:
        assert tuple(part.sizes["time"] for part in have) == parts
    else:  # of what was measured
        flagged = {"abilene": 0, "geant": 22}[name.partition("-")[0]]
        counts = np.array([int(part.notnull().any(("node", "service")).sum()) for part in have])
        total = {"abilene": 34_272, "geant": 8064}[name.partition("-")[0]]
        assert counts.sum() == total - flagged
        np.testing.assert_allclose(counts / total, [0.7, 0.1, 0.2], atol=0.003)
    assert len(found.sha256) == 64
    assert found.source


def test_series_of_tms_are_the_tms():
    data = of.data.abilene()
    time = data.demands["time"].values[20_000]
    tm = data.demands.sel(time=time)
    nodes, links, flows = (of.data.series(name).traffic for name in ("abilene", "abilene-links", "abilene-od"))
    np.testing.assert_allclose(nodes.sel(time=time, service="ingress"), tm.sum("destination"), rtol=1e-12)
    np.testing.assert_allclose(nodes.sel(time=time, service="egress"), tm.sum("origin"), rtol=1e-12)
    np.testing.assert_array_equal(flows.sel(time=time).values.ravel(), tm.values.ravel())
    loads = data.routing.loads(data.demands.sel(time=[time]))
    np.testing.assert_allclose(links.sel(time=time)[:, 0], loads.sel(link=links["node"].values)[0], rtol=1e-12)
    assert nodes.sel(node="ATLA-M5")["latitude"].item() == 33.75
    glitch = of.data.geant().demands
    glitch = glitch["time"].values[~glitch["valid"].values]
    assert np.isnan(of.data.series("geant").traffic.sel(time=glitch).values).all()


def test_cells_are_as_in_their_files(real_data):
    c2tm, milan, lte = (of.data.series(name) for name in ("c2tm", "milan", "lte-lescorts"))
    with np.load(real_data / "c2tm_clustered_users_packets_bytes_hourly.npz") as file:
        np.testing.assert_array_equal(c2tm.traffic.values, file["fog"])
    assert c2tm.traffic["service"].values.tolist() == ["users", "packets", "bytes"]
    assert str(c2tm.test_from.astype("M8[D]")) == "2012-08-25"  # a Saturday
    with np.load(real_data / "milan_dgrn25_internet_10min.npz") as file:
        np.testing.assert_array_equal(milan.traffic.values, file["data"])
    assert milan.traffic["node"].values[0] == "5941"
    assert milan.traffic["x_m"].values[0] == 40.5 * 235
    assert milan.traffic["y_m"].values[0] == 59.5 * 235
    with np.load(real_data / "lte_barcelona_2bs_11feat_2min.npz") as file:
        np.testing.assert_array_equal(lte.traffic.values[:, 0], file["LesCorts"][:, :3])
        assert lte.train.sizes["time"] + lte.validation.sizes["time"] == int(file["LesCorts_ntrain"])


def _write_grid(path: Path, cells, west, south, east, north) -> Path:
    features = []
    for cell, w, s, e, n in zip(cells.tolist(), *(x.tolist() for x in (west, south, east, north)), strict=True):
        ring = [[w, s], [e, s], [e, n], [w, n], [w, s]]
        features.append({"properties": {"cellId": cell}, "geometry": {"type": "Polygon", "coordinates": [ring]}})
    path.write_text(json.dumps({"features": features}))
    return path


def test_numbers_of_squares_say_where_they_are(real_data, tmp_path):
    """The rule of rows and columns against the published polygons, by distances between squares."""
    with np.load(real_data / "milan_grid_features.npz") as file:
        cells, corners = file["cell_ids"], file["polygon"]
    low, high = corners.min(axis=1), corners.max(axis=1)
    milano = read_grid(_write_grid(tmp_path / "mi.json", cells, *low.T, *high.T))
    with np.load(real_data / "trento_grid.npz") as file:
        cells, box = file["cell_ids"], file["bbox"]
    trento = read_grid(_write_grid(tmp_path / "tn.json", cells, *box.T))
    for city, grid in ((MILANO, milano), (TRENTO, trento)):
        assert grid.sizes["cell"] == city.squares
        squares = grid["cell"].values.astype(int)
        here = np.array(city.places(squares)).T
        there = np.column_stack([grid["x_m"], grid["y_m"]])
        one, other = np.random.default_rng(0).integers(0, len(squares), (2, 5000))
        a, b = (np.linalg.norm(x[one] - x[other], axis=1) for x in (here, there))
        np.testing.assert_allclose(b, a, rtol=0.01, atol=0.6 * city.side_m)
