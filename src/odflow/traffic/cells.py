"""Files of cellular traffic (time, cell, service)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from odflow import labels
from odflow.errors import DataError, FormatError, OdflowError, UsageError, listed
from odflow.files import replacing
from odflow.traffic.arrays import need_zarr, write_array
from odflow.traffic.csvfile import first_line

DIMS = ("time", "cell", "service")
QUANTILE = "quantile"  # of a forecast, before them
SUFFIXES = (".nc", ".zarr", ".csv")
_PLACE = ("x_m", "y_m")


def write_cells(traffic: xr.DataArray, path: str | Path) -> None:
    """Write traffic of cells; the suffix says how.

    Parameters
    ----------
    traffic : DataArray (time, cell, service)
        With the attribute ``interval_s``, and where known the coordinates ``unit`` of the services and ``x_m`` and
        ``y_m`` of the cells; and with the dimension ``quantile`` before them, if these are quantiles of a forecast.
    path : path-like
        ``.nc`` or ``.zarr``; or ``.csv``, a row for each (quantile,) time and cell, a column for each service. Replaced
        as a whole when all is written.

    Raises
    ------
    UsageError
        For another suffix.
    DataError
        If it is no such array.
    """
    if not isinstance(traffic, xr.DataArray) or not _are_cells(traffic) or "interval_s" not in traffic.attrs:
        raise DataError("expected traffic of cells (time, cell, service) with the attribute interval_s")
    array = _in_order(traffic).rename("traffic")
    file = Path(path)
    writers: dict[str, Callable[[Path], None]] = {
        ".nc": lambda to: write_array(array, to, zarr=False),
        ".zarr": lambda to: write_array(array, to, zarr=True),
        ".csv": lambda to: _write_csv(array, to),
    }
    if file.suffix.lower() not in writers:
        raise UsageError(f"{file}: traffic of cells is written to {', '.join(SUFFIXES)}")
    with replacing(file) as temporary:
        writers[file.suffix.lower()](temporary)


def read_cells(path: str | Path) -> xr.DataArray:
    """Read what :func:`write_cells` has written; of a CSV file the units and the interval are those of its columns.

    Files of the Telecom Italia Big Data Challenge, or a folder of them, are recognised and read by
    :func:`~odflow.read_telecom_italia` with its defaults.

    Returns
    -------
    DataArray (time, cell, service), or (quantile, time, cell, service)

    Raises
    ------
    OdflowError
        If the file cannot be read.
    FormatError
        If it holds no such traffic.
    """
    file = Path(path)
    if not file.exists():
        raise OdflowError(f"{path}: no such file or folder")
    if file.suffix.lower() not in (".nc", ".zarr"):
        from odflow.traffic.telecom_italia import is_telecom_italia, read_telecom_italia

        if is_telecom_italia(file):
            return read_telecom_italia(file)
    if file.suffix.lower() == ".csv":
        return _read_csv(file)
    if file.is_dir():
        need_zarr()
    try:
        with xr.open_dataset(file, engine="zarr" if file.is_dir() else "h5netcdf") as dataset:
            array = dataset["traffic"].load()
    except Exception as error:  # h5py, h5netcdf, zarr and xarray raise all sorts
        raise FormatError(file, f"holds no traffic of cells: {first_line(error)}") from error
    if not _are_cells(array) or "interval_s" not in array.attrs:
        raise FormatError(file, f"'traffic' has the dimensions {listed(map(str, array.dims))}, expected {listed(DIMS)}")
    array.attrs["interval_s"] = float(array.attrs["interval_s"])
    return _in_order(array)


def _are_cells(array: xr.DataArray) -> bool:
    return set(array.dims) - {QUANTILE} == set(DIMS)


def _in_order(array: xr.DataArray) -> xr.DataArray:
    return array.transpose(QUANTILE, *DIMS, missing_dims="ignore")


def _write_csv(array: xr.DataArray, path: Path) -> None:
    cells, steps, levels = array.sizes["cell"], array.sizes["time"], array.sizes.get(QUANTILE, 1)
    columns = {QUANTILE: np.repeat(array[QUANTILE].values, steps * cells)} if QUANTILE in array.dims else {}
    columns |= {
        "time": np.tile(np.repeat(np.datetime_as_string(array["time"].values, unit="s"), cells), levels),
        "cell": np.tile(array["cell"].values, steps * levels),
    }
    columns |= {name: np.tile(array[name].values, steps * levels) for name in _PLACE if name in array.coords}
    columns |= {str(name): array.sel(service=name).values.ravel() for name in array["service"].values}
    pd.DataFrame(columns).to_csv(path, index=False)


def _read_csv(path: Path) -> xr.DataArray:
    try:
        table = pd.read_csv(path, dtype={"cell": str})
    except (ValueError, OSError) as error:
        raise FormatError(path, f"is not a table: {first_line(error)}") from error
    services = [name for name in table.columns if name not in (QUANTILE, "time", "cell", *_PLACE)]
    if not {"time", "cell"} <= set(table.columns) or not services:
        raise FormatError(path, "expected the columns time, cell, and one for each service")
    for name in services:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise FormatError(path, f"column '{name}' is not of numbers")
    keys = [name for name in (QUANTILE, "time", "cell") if name in table.columns]
    if table.duplicated(keys).any():
        raise FormatError(path, "some time and cell have more than one row")
    dataset = table.set_index(keys)[services].to_xarray()
    array = _in_order(dataset.to_dataarray("service")).rename("traffic")
    array = array.assign_coords(time=labels.as_times(array["time"].values)).sortby("time")
    order = list(dict.fromkeys(table["cell"]))
    array = array.sel(cell=order)
    first = table.drop_duplicates("cell")
    array = array.assign_coords({name: ("cell", first[name].values) for name in _PLACE if name in table.columns})
    steps = np.diff(array["time"].values)
    if not len(steps):
        raise FormatError(path, "has one time only, so its interval is not known")
    array.attrs["interval_s"] = float(steps.min() / np.timedelta64(1, "s"))
    return array
