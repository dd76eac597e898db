from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from odflow.errors import DataError, FormatError, OdflowError, UsageError
from odflow.simulate import CellularConfig, CellularSimulator
from odflow.traffic.cells import read_cells, write_cells

CELLS = CellularSimulator(CellularConfig(weeks=0.2, stations=4, width_km=2, height_km=2, interval="30min")).run(0)


@pytest.mark.parametrize("suffix", [".nc", ".zarr", ".csv"])
def test_what_is_written_comes_back(suffix: str, tmp_path: Path) -> None:
    if suffix == ".zarr":
        pytest.importorskip("zarr")
    path = tmp_path / f"cells{suffix}"
    write_cells(CELLS.transpose("service", "cell", "time"), path)
    read = read_cells(path)
    assert read.dims == ("time", "cell", "service")
    np.testing.assert_allclose(read.values, CELLS.values, rtol=1e-12)
    for name in ("time", "cell", "service", "x_m", "y_m"):
        np.testing.assert_array_equal(read[name].values, CELLS[name].values)
    assert read.attrs["interval_s"] == 1800.0
    if suffix != ".csv":
        assert read["unit"].values.tolist() == ["messages", "calls", "MB"]


def test_rows_in_any_order_and_gaps(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text(
        "cell,time,internet\nb,2026-01-05T01:00,4\nb,2026-01-05T00:00,3\na,2026-01-05T00:00,1\na,2026-01-05T01:00,\n"
    )
    read = read_cells(path)
    assert read["cell"].values.tolist() == ["b", "a"]
    np.testing.assert_array_equal(read.sel(service="internet").values, [[3.0, 1.0], [4.0, np.nan]])
    assert read.attrs["interval_s"] == 3600.0


BAD = {
    "time,cell\n2026-01-05T00:00,a\n": "one for each service",
    "time,cell,x\n2026-01-05T00:00,a,much\n": "column 'x' is not of numbers",
    "time,cell,x\n2026-01-05T00:00,a,1\n2026-01-05T00:00,a,2\n": "more than one row",
    "time,cell,x\n2026-01-05T00:00,a,1\n": "one time only",
    "": "is not a table",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_tables(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=BAD[text]):
        read_cells(path)


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(OdflowError, match="no such file"):
        read_cells(tmp_path / "nowhere.nc")
    with pytest.raises(DataError, match="expected traffic of cells"):
        write_cells(CELLS[0], tmp_path / "x.nc")
    with pytest.raises(UsageError, match=r"written to \.nc, \.zarr, \.csv"):
        write_cells(CELLS, tmp_path / "x.txt")
    other = tmp_path / "other.nc"
    xr.DataArray(np.zeros(3), dims="time", name="traffic").to_dataset().to_netcdf(other, engine="h5netcdf")
    with pytest.raises(FormatError, match="has the dimensions 'time'"):
        read_cells(other)
    other.write_text("nonsense")
    with pytest.raises(FormatError, match="holds no traffic of cells"):
        read_cells(other)
