"""Columns of a table as exact numbers, labels and times; what cannot be read names its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

LATEST_S = 2**33
NUMBER = r"^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$"


class BadRow(Exception):  # noqa: N818
    """Row (0-based) that cannot be used; turned into an OdflowError where the place has a name."""

    def __init__(self, row: int, message: str) -> None:
        self.row, self.message = row, message
        super().__init__(message)


def first(mask: Any) -> int | None:
    """Row of the first true value of an arrow mask; null counts as false."""
    row = pc.index(pc.fill_null(mask, False), True).as_py()
    return None if row < 0 else row


def text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return stripped text, empty where there is none."""
    try:
        plain = pc.fill_null(pc.cast(column, pa.string()), "")
    except (pa.ArrowException, ValueError) as error:
        raise BadRow(0, f"holds {column.type}, expected text") from error
    return pc.utf8_trim_whitespace(plain)


def labels(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return stripped text, none of it empty."""
    names = text(column)
    row = first(pc.equal(names, ""))
    if row is not None:
        raise BadRow(row, f"no {name}")
    return names


def whole(column: pa.ChunkedArray, name: str, most: int) -> pd.arrays.IntegerArray:
    """Exact unsigned integers up to `most`; a missing or empty value is NA."""
    kind, hint = column.type, ""
    if pa.types.is_floating(kind):
        hint = " that a float holds exactly; keep octets as integers"
        column = pc.if_else(pc.is_nan(column), None, column)
        wrong = pc.or_(pc.not_equal(column, pc.floor(column)), pc.greater_equal(pc.abs(column), 2.0**53))
        wrong = pc.or_(wrong, pc.less(column, 0))
    elif pa.types.is_integer(kind):
        wrong = pc.less(column, pa.scalar(0, kind))
    else:
        given = text(column)
        digits = pc.utf8_ltrim(given, "0")
        column = pc.if_else(pc.equal(given, ""), None, pc.if_else(pc.equal(digits, ""), "0", given))
        beyond = pc.and_(pc.equal(pc.utf8_length(digits), 20), pc.greater(digits, str(2**64 - 1)))
        wrong = pc.or_(pc.invert(pc.match_substring_regex(column, r"^0*[0-9]{1,20}$")), beyond)
    row = first(wrong)
    if row is None:
        numbers = pc.cast(column, pa.uint64())
        row = first(pc.greater(numbers, pa.scalar(most, pa.uint64())))
    if row is not None:
        raise BadRow(row, f"{name} is {str(column[row])[:40]!r}, expected a whole number from 0 to {most}{hint}")
    filled = pc.fill_null(numbers, pa.scalar(0, pa.uint64())).to_numpy()
    return pd.arrays.IntegerArray(np.array(filled, dtype=np.uint64), np.array(pc.is_null(column).to_numpy(), bool))


def times(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Nanoseconds since the epoch."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        seconds = pc.cast(pc.cast(column, pa.timestamp("s", kind.tz), safe=False), pa.int64())
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        seconds = column
    else:
        return _text_times(text(column))
    row = first(pc.invert(pc.fill_null(pc.and_(pc.greater_equal(seconds, 0), pc.less(seconds, LATEST_S)), False)))
    if row is not None:
        raise _bad_time(row, column[row].as_py())
    if pa.types.is_timestamp(kind):
        return np.array(pc.cast(pc.cast(column, pa.timestamp("ns", kind.tz)), pa.int64()).to_numpy())
    number = np.asarray(seconds.to_numpy())
    if number.dtype.kind != "f":
        return number.astype(np.int64) * 1_000_000_000
    floor = np.floor(number.astype(float))
    return floor.astype(np.int64) * 1_000_000_000 + np.rint((number - floor) * 1e6).astype(np.int64) * 1000


def _text_times(given: pa.ChunkedArray) -> NDArray[np.int64]:
    """Unix seconds if the first row is a number, ISO 8601 otherwise."""
    if len(given) and pc.match_substring_regex(given[0], NUMBER).as_py():
        row = first(pc.invert(pc.match_substring_regex(given, NUMBER)))
        if row is not None:
            raise _bad_time(row, given[row].as_py())
        integers = first(pc.invert(pc.match_substring_regex(given, r"^-?[0-9]{1,15}$"))) is None
        return times(pc.cast(given, pa.int64() if integers else pa.float64()))
    dates = pd.to_datetime(given.to_pandas(), utc=True, format="ISO8601", errors="coerce").dt.tz_localize(None)
    wrong = (dates.isna() | (dates < pd.Timestamp(0)) | (dates >= pd.Timestamp(LATEST_S, unit="s"))).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise _bad_time(row, given[row].as_py())
    return dates.dt.as_unit("ns").to_numpy().view(np.int64)


def _bad_time(row: int, value: object) -> BadRow:
    return BadRow(
        row, f"time is {str(value)[:40]!r}, expected unix seconds (not milliseconds) or ISO 8601, from 1970 on"
    )
