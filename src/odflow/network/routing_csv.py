"""Routing matrices as long CSV: one row per entry, read by pyarrow, faults located line by line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from odflow.errors import FormatError
from odflow.files import read_text
from odflow.network.formats.common import clean, shown
from odflow.network.routing import Routing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

COLUMNS = ("link", "origin", "destination", "fraction")
TOLERANCE = 1e-9
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True)
class Entries:
    """Fractions and where they belong, as positions in lists of labels."""

    starts: NDArray[np.datetime64]
    links: tuple[str, ...]
    nodes: tuple[str, ...]
    epoch: Ints
    link: Ints
    origin: Ints
    destination: Ints
    fraction: Floats

    def describe(self, at: int) -> str:
        """Name an entry for a message."""
        pair = f"from '{self.nodes[self.origin[at]]}' to '{self.nodes[self.destination[at]]}'"
        return f"link '{self.links[self.link[at]]}' {pair}"


def wrong_kind(path: Path, with_starts: bool) -> FormatError:
    """The error for a file with epochs where one routing was asked for, or the other way round."""
    if with_starts:
        return FormatError(path, "holds one routing without epochs; read it with Routing.read")
    return FormatError(path, "holds routing epochs; read it with RoutingEpochs.read")


def write_csv(routings: Sequence[Routing], starts: NDArray[np.datetime64] | None, path: Path) -> None:
    """Write one routing, or several with their starts."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS if starts is None else ("start", *COLUMNS))
        for k, routing in enumerate(routings):
            rows = _csv_rows(routing)
            if starts is None:
                writer.writerows(rows)
            else:
                start = np.datetime_as_string(starts[k])
                start = start.removesuffix("000000000").removesuffix(".")
                writer.writerows((start, *row) for row in rows)


def _csv_rows(routing: Routing) -> Iterator[tuple[str, str, str, str]]:
    n, nodes = len(routing.nodes), np.array(routing.nodes, dtype=object)
    matrix = routing.matrix.tocoo()
    link, column, fraction = matrix.row.astype(np.int64), matrix.col.astype(np.int64), matrix.data
    unused = np.setdiff1d(np.arange(len(routing.links)), link)
    link, column, fraction = _with_zeros(link, column, fraction, unused, np.zeros(len(unused), dtype=np.int64))
    if not np.array_equal(_by_appearance(*np.divmod(column, n)), np.arange(n)):
        # the diagonal of the first link, in order, ahead of everything else
        diagonal = np.arange(n) * (n + 1)
        absent = np.setdiff1d(diagonal, column[link == 0])
        link, column, fraction = _with_zeros(link, column, fraction, np.zeros(len(absent), dtype=np.int64), absent)
        first = (link == 0) & (column % (n + 1) == 0)
        order = np.concatenate((np.flatnonzero(first), np.flatnonzero(~first)))
        link, column, fraction = link[order], column[order], fraction[order]
    values, which = np.unique(fraction, return_inverse=True)
    texts = np.array([repr(float(value)).removesuffix(".0") for value in values], dtype=object)
    origin, destination = np.divmod(column, n)
    names = np.array(routing.links, dtype=object)
    return zip(names[link], nodes[origin], nodes[destination], texts[which], strict=True)


def _with_zeros(link: Ints, column: Ints, fraction: Floats, links: Ints, columns: Ints) -> tuple[Ints, Ints, Floats]:
    """Add entries of 0 and sort by link, then pair."""
    link, column = np.concatenate((link, links)), np.concatenate((column, columns))
    fraction = np.concatenate((fraction, np.zeros(len(links))))
    order = np.lexsort((column, link))
    return link[order], column[order], fraction[order]


def _by_appearance(origin: Ints, destination: Ints) -> Ints:
    """Codes in order of first appearance, origin before destination in each row."""
    codes, first = np.unique(np.stack((origin, destination), axis=1), return_index=True)
    return np.asarray(codes[np.argsort(first)])


def read_csv(path: Path, with_starts: bool) -> Entries:
    """Read and check every row."""
    text = read_text(path)
    columns = _header(path, text, with_starts)
    table = _table(path, text, columns)
    if not table.num_rows:
        raise FormatError(path, "has a header and no rows")
    fraction = table["fraction"].to_numpy()
    labels = {name: pc.utf8_trim_whitespace(table[name]) for name in columns if name != "fraction"}
    for name, column in labels.items():
        if len(empty := np.flatnonzero(pc.equal(column, "").to_numpy())):
            raise FormatError(path, f"{name} is empty", _line_of(text, empty[0]))
    if len(wrong := np.flatnonzero(~((fraction >= 0) & (fraction <= 1 + TOLERANCE)))):
        raise FormatError(path, f"fraction {fraction[wrong[0]]:g} is not in [0, 1]", _line_of(text, wrong[0]))
    link, links = _encode(labels["link"])
    ends, both = _encode(pa.chunked_array([*labels["origin"].chunks, *labels["destination"].chunks], pa.string()))
    rank = _by_appearance(*np.split(ends, 2))
    origin, destination = np.split(np.argsort(rank)[ends], 2)
    nodes = tuple(both[code] for code in rank)
    starts, epoch = np.zeros(1, dtype="datetime64[ns]"), np.zeros(len(link), dtype=np.int64)
    if with_starts:
        codes, times = _encode(labels["start"])
        known = [_time(path, time, text, codes, k) for k, time in enumerate(times)]
        starts, position = np.unique(np.array(known, dtype="datetime64[ns]"), return_inverse=True)
        epoch = position[codes]
    entries = Entries(starts, links, nodes, epoch, link, origin, destination, fraction)
    if (again := repeated(entries)) is not None:
        raise FormatError(path, f"{entries.describe(again)} is given twice", _line_of(text, again))
    return entries


def _header(path: Path, text: str, with_starts: bool) -> list[str]:
    try:
        first: list[str] = next(csv.reader(io.StringIO(text, newline="")), [])
    except csv.Error as error:
        raise FormatError(path, f"not a valid CSV header ({error})", 1) from error
    columns = [name.strip() for name in first]
    if len(columns) != len(set(columns)) or set(columns) - {"start"} != set(COLUMNS):
        expected = ",".join(("start", *COLUMNS) if with_starts else COLUMNS)
        raise FormatError(path, f"columns are {shown(','.join(columns), 80)}, expected {expected}", 1)
    if ("start" in columns) != with_starts:
        raise wrong_kind(path, with_starts)
    return columns


def _table(path: Path, text: str, columns: list[str]) -> pa.Table:
    types = {name: pa.float64() if name == "fraction" else pa.string() for name in columns}
    try:
        return pa_csv.read_csv(
            io.BytesIO(text.encode()),
            read_options=pa_csv.ReadOptions(column_names=columns, skip_rows_after_names=1),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False),
        )
    except (pa.ArrowException, ValueError) as error:
        raise _csv_fault(path, text, columns, str(error)) from error


def _csv_fault(path: Path, text: str, columns: list[str], reason: str) -> FormatError:
    """Find the row that the fast reader stumbled over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    at = columns.index("fraction")
    try:
        for row in islice(filter(None, reader), 1, None):
            if len(row) != len(columns):
                return FormatError(path, f"{len(row)} cells, expected {len(columns)}", reader.line_num)
            if not _is_number(row[at]):
                problem = f"fraction is {shown(row[at])}, expected a number in [0, 1]"
                return FormatError(path, problem, reader.line_num)
    except csv.Error as error:
        return FormatError(path, f"not a valid CSV row ({error})", reader.line_num)
    return FormatError(path, f"not a valid CSV file ({clean(reason)[:80]})")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _line_of(text: str, row: int | np.integer) -> int | None:
    """Line on which a row of the table ends; the header and empty lines are no rows."""
    reader = csv.reader(io.StringIO(text, newline=""))
    return next((reader.line_num for _ in islice(filter(None, reader), int(row) + 1, None)), None)


def _encode(column: pa.ChunkedArray) -> tuple[Ints, tuple[str, ...]]:
    """Codes and labels, in order of first appearance."""
    encoded = column.dictionary_encode().unify_dictionaries()
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    return codes.astype(np.int64), tuple(encoded.chunk(0).dictionary.to_pylist())


def _time(path: Path, time: str, text: str, codes: Ints, code: int) -> np.datetime64:
    try:
        stamp = pd.Timestamp(time) if _TIME.fullmatch(time) else pd.NaT
        stamp = stamp if stamp.tzinfo is None else stamp.tz_convert(None)
    except ValueError:
        stamp = pd.NaT
    if stamp is pd.NaT or not 1678 <= stamp.year < 2262:
        line = _line_of(text, int(np.argmax(codes == code)))
        raise FormatError(path, f"start is {shown(time)}, expected a UTC time such as 2004-03-01T00:05:00", line)
    return np.datetime64(stamp.to_datetime64(), "ns")


def repeated(entries: Entries) -> int | None:
    """Position of the first entry that was given before."""
    n = len(entries.nodes)
    key = (entries.epoch * len(entries.links) + entries.link) * n * n + entries.origin * n + entries.destination
    again = pd.Index(key).duplicated()
    return int(again.argmax()) if again.any() else None
