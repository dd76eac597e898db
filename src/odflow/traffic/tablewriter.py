"""Traffic into tables: CSV and Parquet, long."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import xarray as xr

from odflow.errors import DataError, UsageError, listed
from odflow.traffic.tables import FLAGS, Kind
from odflow.traffic.units import agreed_interval

__all__ = ["write_csv", "write_parquet"]


def write_csv(array: xr.DataArray, path: Path, kind: Kind) -> None:
    """Write one row per cell, empty where nothing was measured.

    Numbers are written so that they read back the same. The column ``interval_s`` is added where the
    times do not tell the length of an interval. Attributes are not kept.

    Raises
    ------
    DataError
        If it has coordinates that a table does not hold.
    """
    columns = _columns(array, kind)
    times = array["time"].values
    unit: Any = next(u for u in ("s", "ms", "us", "ns") if (times.astype(f"datetime64[{u}]") == times).all())
    texts = pa.array(np.char.add(np.datetime_as_string(times, unit=unit), "Z").tolist())
    columns["time"] = pa.DictionaryArray.from_arrays(columns["time"].indices, texts)
    columns[kind.name] = pa.array(array.values.ravel(), from_pandas=True)  # NaN becomes empty
    if not _told_by_times(array):
        columns["interval_s"] = pa.array(np.full(array.size, array.attrs["interval_s"]))
    names = [str(name) for dim in kind.keys for name in array[dim].values]
    plain = not any(mark in name for name in names for mark in ',"\r\n')
    with path.open("wb") as file:
        file.write((",".join(columns) + "\n").encode())
        if plain:
            options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
            pa.csv.write_csv(pa.table(columns), file, options)
        else:
            _write_slowly(columns, file)


def write_parquet(array: xr.DataArray, path: Path, kind: Kind) -> None:
    """Write one row per cell; attributes travel in the file's metadata as JSON.

    Raises
    ------
    DataError
        If it has coordinates or attributes that a table does not hold.
    """
    table = pa.table(_columns(array, kind))
    flags = {name: _jsonable(array[name].attrs) for name in FLAGS if name in array.coords}
    notes = json.dumps({"attrs": _jsonable(array.attrs), "flags": flags})
    pa.parquet.write_table(table.replace_schema_metadata({b"odflow": notes.encode()}), path)


def _columns(array: xr.DataArray, kind: Kind) -> dict[str, pa.Array]:
    extra = [name for name in array.coords if name not in array.dims and name not in FLAGS]
    if extra:
        raise DataError(f"a table cannot hold the coordinate {listed(extra)}; drop it or write .nc or .zarr")
    columns: dict[str, pa.Array] = {}
    inner = array.size
    for dim in array.dims:
        size = array.sizes[dim]
        inner //= size
        codes = np.tile(np.repeat(np.arange(size, dtype=np.int32), inner), array.size // (size * inner))
        columns[str(dim)] = pa.DictionaryArray.from_arrays(codes, pa.array(array[dim].values))
    columns[kind.name] = pa.array(array.values.ravel())
    for name in FLAGS:
        if name in array.coords:
            flags = array[name].broadcast_like(array).transpose(*array.dims).values
            columns[name] = pa.array(flags.ravel())
    return columns


def _told_by_times(array: xr.DataArray) -> bool:
    try:
        return agreed_interval("", array["time"].values, None, None) == array.attrs["interval_s"]
    except UsageError:
        return False


def _write_slowly(columns: dict[str, pa.Array], file: Any) -> None:
    """For labels that need quotes."""
    import io

    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    lists = [column.to_pylist() for column in columns.values()]
    writer = csv.writer(text, lineterminator="\n")
    for row in zip(*lists, strict=True):
        writer.writerow(["" if v is None else repr(v) if isinstance(v, float) else v for v in row])
    text.detach()


def _jsonable(attrs: Any) -> dict[str, Any]:
    plain = {}
    for name, value in attrs.items():
        value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        try:
            json.dumps(value)
        except TypeError as error:
            raise DataError(f"a table cannot hold the attribute '{name}'; drop it or make it text") from error
        plain[str(name)] = value
    return plain
