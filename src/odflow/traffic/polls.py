"""Readers of polls of octet counters and of the map from interfaces to links."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from odflow.errors import DataError, FormatError, listed
from odflow.files import readable
from odflow.traffic.columns import BadRow, labels, text, times, whole
from odflow.traffic.csvfile import CsvFile, first_line

POLLS = ("time", "node", "interface", "in_octets", "out_octets")
POLLS_OPTIONAL = ("sys_uptime", "discontinuity_time")
INTERFACES = ("node", "interface", "direction", "link")
INTERFACES_OPTIONAL = ("bits", "speed")
PARQUET = (".parquet", ".pq")


def read_polls(path: str | Path) -> pd.DataFrame:
    """Read polls of octet counters, one row per interface and poll.

    Parameters
    ----------
    path : path-like
        CSV with a header line, or Parquet (``.parquet``). Columns, in any order: ``time`` (unix
        seconds or ISO 8601, UTC where no zone is given), ``node``, ``interface``, ``in_octets``,
        ``out_octets`` (empty: no answer), optionally ``sys_uptime`` (hundredths of a second, as
        SNMP sysUpTime) and ``discontinuity_time`` (compared, never interpreted). Others are ignored.

    Returns
    -------
    DataFrame
        Rows in the order of the file: ``time`` as ``datetime64[ns]`` (times given as fractional
        numbers are rounded to microseconds), octets and uptime as exact ``UInt64``.

    Raises
    ------
    FormatError
        With file and line (Parquet: the row, counted from 1).
    """
    table, file = _read_table(path, POLLS, POLLS_OPTIONAL)
    try:
        return _tidy_polls(table)
    except BadRow as bad:
        _blame(file, bad)


def read_interfaces(path: str | Path) -> pd.DataFrame:
    """Read the map from interface counters to links.

    Parameters
    ----------
    path : path-like
        CSV with a header line, or Parquet. Columns: ``node``, ``interface``, ``direction`` (``in``
        or ``out``: which octet counter feeds the link), ``link``; optionally ``bits`` (32 or 64,
        the width of the counter) and ``speed`` (bit/s), both empty where unknown.

    Returns
    -------
    DataFrame
        ``bits`` as ``UInt64`` and ``speed`` as float, present always.

    Raises
    ------
    FormatError
        With file and line; also if a counter is listed twice, or if a link is fed by counters of
        both directions (which measure it twice; counters of one direction add up).
    """
    table, file = _read_table(path, INTERFACES, INTERFACES_OPTIONAL)
    try:
        return _tidy_interfaces(table)
    except BadRow as bad:
        _blame(file, bad)


def check_polls(frame: pd.DataFrame) -> pd.DataFrame:
    """Bring a table of polls into the form that :func:`read_polls` returns.

    Raises
    ------
    DataError
        Naming the row (0-based) or the columns at fault.
    """
    try:
        return _tidy_polls(_from_frame(frame, "polls", POLLS, POLLS_OPTIONAL))
    except BadRow as bad:
        raise DataError(f"polls, row {bad.row}: {bad.message}") from bad


def check_interfaces(frame: pd.DataFrame) -> pd.DataFrame:
    """Bring an interface map into the form that :func:`read_interfaces` returns.

    Raises
    ------
    DataError
        Naming the row (0-based) or the columns at fault.
    """
    try:
        return _tidy_interfaces(_from_frame(frame, "interfaces", INTERFACES, INTERFACES_OPTIONAL))
    except BadRow as bad:
        raise DataError(f"interfaces, row {bad.row}: {bad.message}") from bad


def _tidy_polls(table: pa.Table) -> pd.DataFrame:
    columns: dict[str, Any] = {"time": times(table["time"]).view("datetime64[ns]")}
    columns |= {name: labels(table[name], name).to_pandas() for name in ("node", "interface")}
    columns |= {name: whole(table[name], name, 2**64 - 1) for name in ("in_octets", "out_octets")}
    if "sys_uptime" in table.column_names:
        columns["sys_uptime"] = whole(table["sys_uptime"], "sys_uptime", 2**32 - 1)
    if "discontinuity_time" in table.column_names:
        epoch = text(table["discontinuity_time"])
        columns["discontinuity_time"] = pc.if_else(pc.equal(epoch, ""), None, epoch).to_pandas()
    return pd.DataFrame(columns)


def _tidy_interfaces(table: pa.Table) -> pd.DataFrame:
    names = {name: labels(table[name], name).to_pylist() for name in INTERFACES}
    empty = pa.chunked_array([pa.nulls(table.num_rows, pa.int64())])
    bits = whole(table["bits"] if "bits" in table.column_names else empty, "bits", 64)
    speed = _speeds(table["speed"] if "speed" in table.column_names else empty)
    fed: dict[str, str] = {}
    seen: set[tuple[str, str, str]] = set()
    for row, (node, interface, direction, link) in enumerate(zip(*names.values(), strict=True)):
        if direction not in ("in", "out"):
            raise BadRow(row, f"direction is {direction[:40]!r}, expected 'in' or 'out'")
        if (node, interface, direction) in seen:
            raise BadRow(row, f"{node!r}, {interface!r}, {direction} is listed twice; keep one row")
        if fed.setdefault(link, direction) != direction:
            raise BadRow(
                row,
                f"link {link!r} is fed by 'in' and 'out' counters, which would measure it twice; keep those of one end",
            )
        if not pd.isna(bits[row]) and bits[row] not in (32, 64):
            raise BadRow(row, f"bits is {bits[row]}, expected 32 or 64")
        seen.add((node, interface, direction))
    return pd.DataFrame({**names, "bits": bits, "speed": speed})


def _speeds(column: pa.ChunkedArray) -> list[float]:
    speeds = []
    for row, given in enumerate(text(column).to_pylist()):
        try:
            speed = float(given) if given not in ("", "nan") else math.nan
        except ValueError:
            speed = -1.0
        if speed <= 0 or math.isinf(speed):
            raise BadRow(row, f"speed is {given[:40]!r}, expected a positive number of bit/s")
        speeds.append(speed)
    return speeds


def _from_frame(frame: object, what: str, required: Sequence[str], optional: Sequence[str]) -> pa.Table:
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{what} must be a pandas.DataFrame, not {type(frame).__name__}; read a file with read_{what}")
    try:
        names = _wanted([str(name) for name in frame.columns], required, optional)
    except DataError as error:
        raise DataError(f"{what}: {error}") from error
    if frame.empty:
        raise DataError(f"{what} hold no rows")
    return pa.table({name: _arrow(frame[name]) for name in names})


def _arrow(column: pd.Series) -> pa.ChunkedArray:
    try:
        array = pa.array(column, from_pandas=True)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        array = pa.array(["" if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)])
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _wanted(names: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> list[str]:
    missing = [name for name in required if name not in names]
    if missing:
        raise DataError(f"no column {listed(missing)}; needed are {', '.join(required)}")
    wanted = [name for name in (*required, *optional) if name in names]
    twice = [name for name in wanted if list(names).count(name) > 1]
    if twice:
        raise DataError(f"column {listed(twice)} appears more than once")
    return wanted


def _read_table(path: str | Path, required: Sequence[str], optional: Sequence[str]) -> tuple[pa.Table, Path]:
    file = readable(path)
    read = _read_parquet if file.suffix.lower() in PARQUET else _read_csv
    return read(file, required, optional), file


def _read_parquet(file: Path, required: Sequence[str], optional: Sequence[str]) -> pa.Table:
    try:
        stored = pyarrow.parquet.ParquetFile(file)
        table = stored.read(columns=_wanted(stored.schema_arrow.names, required, optional))
    except DataError as error:
        raise FormatError(file, str(error)) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FormatError(file, f"cannot be read as Parquet: {first_line(error)}") from error
    if not table.num_rows:
        raise FormatError(file, "holds no rows")
    return table


def _read_csv(file: Path, required: Sequence[str], optional: Sequence[str]) -> pa.Table:
    source = CsvFile.open(file)
    try:
        names = _wanted(source.names, required, optional)
    except DataError as error:
        raise FormatError(file, str(error), source.line) from error
    columns = source.read(dict.fromkeys(names, pa.string()))
    return pa.table({name: pa.chunked_array([column]) for name, column in columns.items()})


def _blame(file: Path, bad: BadRow) -> NoReturn:
    if file.suffix.lower() in PARQUET:
        raise FormatError(file, f"row {bad.row + 1}: {bad.message}") from bad
    CsvFile.open(file).blame(bad.row, bad.message)
