"""Traffic as labelled arrays: NetCDF and Zarr."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from odflow.errors import DataError, FormatError, MissingDependencyError, OdflowError, listed
from odflow.files import readable
from odflow.traffic.csvfile import first_line
from odflow.traffic.tables import EXTRA, Kind
from odflow.traffic.units import agreed_interval, agreed_rate

__all__ = ["need_zarr", "read_array", "write_array"]


def need_zarr() -> None:
    """Check that Zarr can be used.

    Raises
    ------
    MissingDependencyError
        Naming the extra to install.
    """
    try:
        import zarr  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("Zarr needs the package zarr: pip install 'odflow[scale]'") from error


def read_array(path: Path, kind: Kind, unit: str | None, interval: str | float | None) -> xr.DataArray:
    """Read the variable of this kind from NetCDF, or from Zarr if `path` is a folder.

    Its dims are ``time`` and the labels of `kind`, with ``service``, ``sample`` or ``quantile`` before
    them; further coordinates and attributes are kept. ``attrs["units"]`` is converted to bit/s.

    Raises
    ------
    FormatError, UnitError
        If there is no such variable, or its unit is not known.
    """
    dataset = _loaded(path)
    array = _variable(path, dataset, kind)
    attrs = {name: _plain(value) for name, value in array.attrs.items()}
    scale = agreed_rate(path, _text(attrs.get("units")), unit, None)
    stated = _stated_interval(path, attrs)
    if array.dtype.kind not in "biuf":
        raise FormatError(path, f"'{array.name}' holds no numbers but {array.dtype}")
    times = array["time"].values
    if times.dtype.kind != "M":
        raise FormatError(path, f"the times of '{array.name}' are not dates; give them units such as 'seconds since …'")
    if scale != 1.0 or array.dtype != np.float64:
        array = array.copy(data=array.values.astype(float) * scale)
    if "bound" in array.coords and scale != 1.0:
        array = array.assign_coords(bound=array["bound"] * scale)
    length = agreed_interval(str(path), np.sort(times), stated, interval)
    array.attrs = attrs | {"units": "bit/s", "interval_s": length}
    array.encoding = {}
    for coord in array.coords.values():
        coord.encoding = {}
    return array.rename(kind.name)


def _loaded(path: Path) -> xr.Dataset:
    folder = path.is_dir()
    options: dict[str, Any] = {"engine": "zarr", "chunks": None} if folder else {"engine": "h5netcdf"}
    if folder:
        need_zarr()
    else:
        readable(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks of the libraries about how the file was made
            if not folder:
                if not h5py.is_hdf5(path):
                    raise ValueError("it is no HDF5 file, as NetCDF-4 is")
                with h5py.File(path, "r") as file:  # h5netcdf is untidy about files that it cannot open
                    file.attrs.get("_nc3_strict")
            with xr.open_dataset(path, **options) as dataset:
                return dataset.load()
    except Exception as error:  # h5py, h5netcdf, zarr and xarray raise all sorts
        what = "Zarr" if folder else "NetCDF"
        raise FormatError(path, f"cannot be read as {what}: {first_line(error)}") from error


def _variable(path: Path, dataset: xr.Dataset, kind: Kind) -> xr.DataArray:
    dims = {"time", *kind.keys}
    fitting = [str(name) for name, array in dataset.data_vars.items() if dims <= set(array.dims) <= dims | set(EXTRA)]
    if kind.name not in fitting and len(fitting) != 1:
        raise FormatError(
            path,
            f"has no variable '{kind.name}' with dims {('time', *kind.keys)}, "
            f"only {listed(dataset.data_vars) or 'none'}",
        )
    array = dataset[kind.name if kind.name in fitting else fitting[0]]
    unlabelled = [dim for dim in array.dims if dim not in array.coords]
    if unlabelled:
        raise FormatError(path, f"'{array.name}' has no labels along {listed(unlabelled)}")
    return array


def _stated_interval(path: Path, attrs: dict[str, Any]) -> float | None:
    if "interval_s" not in attrs:
        return None
    try:
        length = float(attrs["interval_s"])
    except (ValueError, TypeError):
        length = float("nan")
    if not 0 < length < float("inf"):
        raise FormatError(path, f"interval_s is {attrs['interval_s']!r}, expected a positive number of seconds")
    return length


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays of one element as Python's own."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel()[0]
    return value.item() if isinstance(value, np.generic) else value


def write_array(array: xr.DataArray, path: Path, *, zarr: bool) -> None:
    """Write a checked array, exactly; times as integers since 1970.

    Raises
    ------
    DataError
        If an attribute or coordinate cannot be kept in the file.
    """
    array = array.copy(deep=False)
    array.encoding = {}
    times = array["time"].values
    whole = (times.astype("datetime64[s]") == times).all()
    encoding: dict[str, Any] = {
        "time": {"units": f"{'seconds' if whole else 'nanoseconds'} since 1970-01-01", "dtype": "int64"}
    }
    dataset = array.to_dataset(name=array.name)
    try:
        if zarr:
            need_zarr()
            dataset.to_zarr(path, mode="w", zarr_format=2, consolidated=True, encoding=encoding)
        else:
            encoding[str(array.name)] = {"zlib": True, "complevel": 1, "shuffle": True, "fletcher32": True}
            dataset.to_netcdf(path, engine="h5netcdf", encoding=encoding)
    except (OSError, OdflowError):
        raise
    except Exception as error:  # the libraries do not say which of their errors they raise
        raise DataError(
            f"cannot write {path.name}: {first_line(error)}; drop or simplify the coordinate or attribute"
        ) from error
