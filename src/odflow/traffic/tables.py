"""Traffic in tables: CSV long or wide, Parquet long."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import xarray as xr

from odflow.errors import DataError, FormatError, listed
from odflow.files import readable
from odflow.labels import duration_s
from odflow.traffic.csvfile import CsvFile, first_line, one_chunk
from odflow.traffic.units import agreed_interval, agreed_rate, first_bad, utc, why_no_time

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DEMAND", "EXTRA", "FLAGS", "LOAD", "Kind", "read_csv", "read_parquet"]

EXTRA = {"service": str, "sample": int, "quantile": float}  # further dims, in this order, before time
FLAGS = {"quality": pa.int64(), "valid": pa.bool_(), "bound": pa.float64()}  # further coordinates
_LONG_ONLY = {"origin", "destination", "demand", "link", "load", "node", "interface"}  # never in a wide table
_MOST_CELLS = 2**31

Blame = Callable[[int, str], NoReturn]


@dataclass(frozen=True)
class Kind:
    """Which table: the name of the value and of the label columns."""

    name: str
    keys: tuple[str, ...]

    @property
    def header(self) -> str:
        """The columns to expect, for messages."""
        return ",".join(("time", *self.keys, self.name))


DEMAND = Kind("demand", ("origin", "destination"))
LOAD = Kind("load", ("link",))


def read_csv(path: Path, kind: Kind, unit: str | None, interval: str | float | None) -> xr.DataArray:
    """Read a CSV table, long or wide; gzipped if it ends in ``.gz``.

    Long: ``time,origin,destination,demand`` or ``time,link,load``, in any order, further columns
    ``service``, ``sample``, ``quantile`` (dims), ``quality``, ``valid``, ``bound`` (coordinates) and
    ``interval_s``. Wide:
    ``time`` first, then a column ``origin->destination`` or a link each.

    Parameters
    ----------
    path : Path
    kind : Kind
    unit : str, optional
        bit/s by default.
    interval : str or float, optional
        The most common spacing of the times by default.

    Raises
    ------
    FormatError
        With the line, counted from 1, header included.
    """
    table = CsvFile.open(path)
    names = table.names
    columns = {name.lower(): name for name in names}
    if {"time", *kind.keys, kind.name} <= set(columns):
        arrays = table.read({columns[k]: t for k, t in _column_types(kind, set(columns)).items()})
        array, stated = _long(path, {k.lower(): v for k, v in arrays.items()}, kind, table.blame)
    elif names[0].lower() == "time" and len(names) > 1 and not _LONG_ONLY & set(columns):
        array, stated = _wide(path, table, kind), None
    else:
        raise FormatError(path, f"header is '{','.join(names)[:80]}', expected {kind.header}", table.line)
    return _finished(path, array, agreed_rate(path, None, unit, "bit/s"), stated, interval)


def read_parquet(path: Path, kind: Kind, unit: str | None, interval: str | float | None) -> xr.DataArray:
    """Read a long Parquet table with the columns that :func:`read_csv` takes.

    Raises
    ------
    FormatError
        With the row, counted from 1.
    """
    readable(path)

    def blame(row: int, reason: str) -> NoReturn:
        raise FormatError(path, f"row {row + 1}: {reason}")

    try:
        names = set(pa.parquet.read_schema(path).names)
        missing = [name for name in ("time", *kind.keys, kind.name) if name not in names]
        if missing:
            raise FormatError(path, f"has no column {listed(missing)}, expected {kind.header}")
        types = _column_types(kind, names)
        table = pa.parquet.read_table(path, columns=list(types))
        arrays = {name: one_chunk(table[name]) for name in types}
        notes = json.loads((table.schema.metadata or {}).get(b"odflow", b"{}"))
        attrs, flags = dict(notes.get("attrs", {})), dict(notes.get("flags", {}))
        arrays["time"] = _parquet_times(arrays["time"])
        arrays |= {name: _cast(arrays[name], kind_) for name, kind_ in types.items() if name != "time"}
    except (pa.ArrowException, OSError, ValueError, TypeError, AttributeError) as error:
        raise FormatError(path, f"cannot be read as Parquet: {first_line(error)}") from error
    array, stated = _long(path, arrays, kind, blame)
    array.attrs.update({k: v for k, v in attrs.items() if k not in ("units", "interval_s")})
    for name, note in flags.items():
        if name in array.coords and isinstance(note, dict):
            array[name].attrs.update(note)
    if stated is None and "interval_s" in attrs:
        stated = duration_s(attrs["interval_s"], "interval")
    return _finished(path, array, agreed_rate(path, attrs.get("units"), unit, "bit/s"), stated, interval)


def _column_types(kind: Kind, names: set[str]) -> dict[str, pa.DataType]:
    types = {"time": pa.string(), **dict.fromkeys(kind.keys, pa.string()), kind.name: pa.float64()}
    optional = {**dict.fromkeys(EXTRA, pa.string()), **FLAGS, "interval_s": pa.float64()}
    return types | {name: type_ for name, type_ in optional.items() if name in names}


def _parquet_times(column: pa.Array) -> pa.Array:
    """As text or as UTC nanoseconds."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("ns", tz=column.type.tz)).cast(pa.timestamp("ns"))
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("ns"))
    return column.cast(pa.string())


def _cast(column: pa.Array, type_: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    # small flags keep their type
    return column if type_ == pa.int64() and pa.types.is_integer(column.type) else column.cast(type_)


def _times(column: pa.Array, blame: Blame) -> tuple[NDArray[np.datetime64], NDArray[np.int64]]:
    """Sorted times, and which of them each row has."""
    coded = column.dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    if pa.types.is_timestamp(column.type):
        texts = [str(time) for time in coded.dictionary.to_pylist()]
        each = coded.dictionary.to_numpy(zero_copy_only=False).astype("datetime64[ns]")
    else:
        texts = coded.dictionary.to_pylist()
        each = utc(texts)
    bad = np.flatnonzero(np.isnat(each))
    if bad.size or (codes < 0).any():
        row = int(np.flatnonzero((codes < 0) | np.isin(codes, bad))[0])
        blame(row, why_no_time("" if codes[row] < 0 else texts[codes[row]]))
    times, inverse = np.unique(each, return_inverse=True)
    return times, inverse.astype(np.int64)[codes]


def _labels(
    columns: Sequence[pa.Array], names: Sequence[str], blame: Blame
) -> tuple[list[str], list[NDArray[np.int64]]]:
    """Labels in order of first appearance, shared by the columns, and the code of each row in each."""
    index: dict[str, int] = {}
    codes = []
    for column, name in zip(columns, names, strict=True):
        coded = column.dictionary_encode()
        rows = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        own = coded.dictionary.to_pylist()
        empty = np.flatnonzero((rows < 0) | np.isin(rows, [i for i, label in enumerate(own) if not label]))
        if empty.size:
            blame(int(empty[0]), f"the {name} is empty")
        codes.append(np.array([index.setdefault(label, len(index)) for label in own], dtype=np.int64)[rows])
    return list(index), codes


def _long(path: Path, columns: dict[str, pa.Array], kind: Kind, blame: Blame) -> tuple[xr.DataArray, float | None]:
    if not len(columns["time"]):
        raise FormatError(path, "has no rows")
    coords: dict[str, Any] = {}
    codes: list[NDArray[np.int64]] = []
    for name, type_ in EXTRA.items():
        if name in columns:
            texts, (rows,) = _labels([columns[name]], [name], blame)
            coords[name] = _converted(texts, rows, type_, name, blame)
            codes.append(rows)
    coords["time"], rows = _times(columns["time"], blame)
    codes.append(rows)
    found, key_codes = _labels([columns[key] for key in kind.keys], kind.keys, blame)
    coords |= dict.fromkeys(kind.keys, found)
    codes += key_codes
    shape = tuple(len(coords[dim]) for dim in coords)
    if np.prod(shape, dtype=float) > _MOST_CELLS:
        raise DataError(f"{path}: {' x '.join(map(str, shape))} cells ({', '.join(coords)}) do not fit into memory")
    values = _float_values(columns[kind.name], blame, kind.name)
    at = np.ravel_multi_index(tuple(codes), shape)
    _check_once(at, shape, coords, blame)
    cells = np.full(int(np.prod(shape)), np.nan)
    cells[at] = values
    array = xr.DataArray(cells.reshape(shape), dims=tuple(coords), coords=coords, name=kind.name)
    return _with_flags(path, array, columns, at, blame), _stated_interval(columns.get("interval_s"), blame)


def _converted(texts: list[str], rows: NDArray[np.int64], type_: type, name: str, blame: Blame) -> list[Any]:
    result = []
    for i, text in enumerate(texts):
        try:
            result.append(type_(text))
        except ValueError:
            blame(int((rows == i).argmax()), f"{name} is '{text[:40]}', expected a number")
    return result


def _check_once(at: NDArray[np.int64], shape: tuple[int, ...], coords: dict[str, Any], blame: Blame) -> None:
    seen = np.zeros(int(np.prod(shape)), dtype=bool)
    seen[at] = True
    if np.count_nonzero(seen) == len(at):
        return
    order = np.argsort(at, kind="stable")
    again = np.flatnonzero(at[order][1:] == at[order][:-1])
    row = int(order[again + 1].min())
    cell = np.unravel_index(at[row], shape)
    named = ", ".join(f"{dim} {coords[dim][i]}" for dim, i in zip(coords, cell, strict=True))
    blame(row, f"{named} occurred before".replace(".000000000", ""))


def _float_values(column: pa.Array, blame: Blame, name: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.fill_null(np.nan).to_numpy(zero_copy_only=False)
    found = first_bad(values)
    if found:
        blame(found[0], f"{name} {found[1]}")
    return values


def _with_flags(
    path: Path, array: xr.DataArray, columns: dict[str, pa.Array], at: NDArray[np.int64], blame: Blame
) -> xr.DataArray:
    for name in FLAGS:
        if name not in columns:
            continue
        column = columns[name]
        if name == "bound":
            cells = np.full(array.size, np.nan)
            cells[at] = column.fill_null(np.nan).to_numpy(zero_copy_only=False)
        else:
            if column.null_count:
                blame(int(np.flatnonzero(column.is_null())[0]), f"{name} is empty")
            if len(at) < array.size:
                raise FormatError(
                    path, f"has {len(at)} rows for {array.size} cells; with {name}, every cell needs a row"
                )
            flags = column.to_numpy(zero_copy_only=False)
            cells = np.empty(array.size, dtype=_small(flags))
            cells[at] = flags
        cells = cells.reshape(array.shape)
        if name == "valid":
            first = tuple(slice(None) if dim == "time" else 0 for dim in array.dims)
            array = array.assign_coords(valid=("time", cells[first]))
        else:
            array = array.assign_coords({name: (array.dims, cells)})
    return array


def _small(flags: NDArray[Any]) -> np.dtype[Any]:
    fits = flags.dtype == np.int64 and flags.min() >= -128 and flags.max() < 128
    return np.dtype(np.int8) if fits else flags.dtype


def _stated_interval(column: pa.Array | None, blame: Blame) -> float | None:
    if column is None:
        return None
    lengths = column.fill_null(np.nan).to_numpy(zero_copy_only=False)
    odd = np.flatnonzero(~(lengths == lengths[0]) | ~(lengths > 0) | np.isinf(lengths))
    if odd.size:
        blame(int(odd[0]), f"interval_s is {lengths[odd[0]]:g}, expected the same positive number in every row")
    return float(lengths[0])


def _wide(path: Path, table: CsvFile, kind: Kind) -> xr.DataArray:
    names = table.names[1:]
    pairs = _pairs(path, table, kind, names) if kind is DEMAND else []
    columns = table.read({table.names[0]: pa.string(), **dict.fromkeys(names, pa.float64())})
    times, rows = _times(columns[table.names[0]], table.blame)
    if len(times) < len(rows):
        again = next(i for i, code in enumerate(rows) if code in rows[:i])
        table.blame(again, f"time {times[rows[again]].astype('datetime64[s]')} occurred before")
    values = np.stack([_float_values(columns[name], table.blame, f"'{name}':") for name in names], axis=1)
    if kind is LOAD:
        return xr.DataArray(values[np.argsort(rows)], coords={"time": times, "link": names}, name=kind.name)
    nodes = list(dict.fromkeys([pair[0] for pair in pairs] + [pair[1] for pair in pairs]))
    index = {node: i for i, node in enumerate(nodes)}
    cube = np.full((len(times), len(nodes), len(nodes)), np.nan)
    ends = np.array([(index[origin], index[destination]) for origin, destination in pairs])
    cube[rows[:, None], ends[:, 0], ends[:, 1]] = values
    return xr.DataArray(cube, coords={"time": times, "origin": nodes, "destination": nodes}, name=kind.name)


def _pairs(path: Path, table: CsvFile, kind: Kind, names: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for name in names:
        ends = [end.strip() for end in name.split("->")]
        if len(ends) != 2 or "" in ends:
            raise FormatError(
                path, f"column '{name[:40]}' names no pair; expected origin->destination, or {kind.header}", table.line
            )
        if (ends[0], ends[1]) in pairs:
            raise FormatError(path, f"pair '{name[:40]}' occurs twice", table.line)
        pairs.append((ends[0], ends[1]))
    return pairs


def _finished(
    path: Path, array: xr.DataArray, scale: float, stated: float | None, interval: str | float | None
) -> xr.DataArray:
    if scale != 1.0:
        array = array.copy(data=array.values * scale)
        if "bound" in array.coords:
            array = array.assign_coords(bound=array["bound"] * scale)
    length = agreed_interval(str(path), array["time"].values, stated, interval)
    array.attrs |= {"units": "bit/s", "interval_s": length}
    return array
