"""Columns of a CSV file, read fast; what is wrong is found slowly but named by its line."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from odflow.errors import FormatError, OdflowError, listed
from odflow.files import readable

__all__ = ["CsvFile", "first_line", "one_chunk"]

_UNDECODED = re.compile("[\udc80-\udcff]")
_EMPTY = ["", "nan", "NaN", "NAN", "NA", "null"]


@dataclass(frozen=True)
class CsvFile:
    """A CSV file with a header; gzipped if it ends in ``.gz``.

    Parameters
    ----------
    path : Path
    line : int
        Line of the header, counted from 1.
    names : list of str
        Column names.
    delimiter : str
        Comma, semicolon or tab.
    """

    path: Path
    line: int
    names: list[str]
    delimiter: str

    @classmethod
    def open(cls, path: Path) -> CsvFile:
        """Read the header.

        Raises
        ------
        FormatError
            If there is none, or a column occurs twice.
        """
        line, text = _first_line(readable(path))
        if text.startswith(("\udcff\udcfe", "\udcfe\udcff")):  # its byte-order mark, undecoded
            raise FormatError(path, "is UTF-16 text; save it as UTF-8")
        if "\0" in text or not text:
            raise FormatError(path, "is not a CSV file with a header")
        delimiter = max(",;\t", key=text.count)
        try:
            names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter), [])]
        except csv.Error as error:
            raise FormatError(path, f"header cannot be read: {error}", line) from error
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise FormatError(path, f"column {listed(twice)} occurs twice", line)
        return cls(path, line, names, delimiter)

    def read(self, types: dict[str, pa.DataType]) -> dict[str, pa.Array]:
        """Read the named columns; text is trimmed, empty numbers are null."""
        try:
            table = pa.csv.read_csv(
                self.path,
                read_options=pa.csv.ReadOptions(
                    skip_rows=self.line, column_names=self.names, use_threads=False, block_size=1 << 24
                ),
                parse_options=pa.csv.ParseOptions(delimiter=self.delimiter),
                convert_options=pa.csv.ConvertOptions(
                    column_types=types, include_columns=list(types), null_values=_EMPTY, strings_can_be_null=False
                ),
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            self._find_fault(types)
            raise FormatError(self.path, f"cannot be read as CSV: {first_line(error)}") from error
        if not table.num_rows:
            raise FormatError(self.path, "has a header and no rows")
        arrays = {name: one_chunk(table[name]) for name in types}
        return {
            name: pc.utf8_trim_whitespace(array) if pa.types.is_string(array.type) else array
            for name, array in arrays.items()
        }

    def blame(self, row: int, reason: str) -> NoReturn:
        """Raise with the line of a row."""
        for k, (line, _) in enumerate(self._data()):
            if k == row:
                raise FormatError(self.path, reason, line)
        raise FormatError(self.path, reason)

    def _data(self) -> Iterator[tuple[int, list[str]]]:
        return ((line, row) for line, row in _rows(self.path, self.delimiter) if line > self.line)

    def _find_fault(self, types: dict[str, pa.DataType]) -> None:
        numeric = {i: name for i, name in enumerate(self.names) if types.get(name, pa.string()) != pa.string()}
        for line, row in self._data():
            if len(row) != len(self.names):
                raise FormatError(self.path, f"has {len(row)} fields where {len(self.names)} are due", line)
            if _UNDECODED.search("".join(row)):
                raise FormatError(self.path, "is not UTF-8 text; save the file as UTF-8", line)
            for i, name in numeric.items():
                if not _fits(row[i].strip(), types[name]):
                    what = f"'{row[i].strip()[:40]}'"
                    raise FormatError(self.path, f"{name} is {what}, expected {_expected(types[name])}", line)


def _open(path: Path) -> IO[str]:
    # undecodable bytes become surrogates, so that their line can be named
    options: Any = {"mode": "rt", "encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
    return gzip.open(path, **options) if path.suffix == ".gz" else path.open(**options)


def _first_line(path: Path) -> tuple[int, str]:
    try:
        with _open(path) as file:
            filled = ((line, text.strip()) for line, text in enumerate(file, 1) if text.strip())
            return next(filled, (0, ""))
    except (OSError, EOFError, zlib.error) as error:
        raise OdflowError(f"{path}: cannot be read: {error}") from error


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """First line and fields of every row that is not empty, slowly but exactly."""
    try:
        with _open(path) as file:
            reader = csv.reader(file, delimiter=delimiter)
            start = 1
            for row in reader:
                if row:
                    yield start, row
                start = reader.line_num + 1
    except csv.Error as error:
        raise FormatError(path, f"is not CSV: {error}", reader.line_num) from error
    except (OSError, EOFError, zlib.error) as error:
        raise OdflowError(f"{path}: cannot be read: {error}") from error


def _expected(type_: pa.DataType) -> str:
    if type_ == pa.bool_():
        return "true or false"
    return "a whole number" if type_ == pa.int64() else "a number (empty = not measured)"


def _fits(text: str, type_: pa.DataType) -> bool:
    if text in _EMPTY:
        return True
    if type_ == pa.bool_():
        return text.lower() in ("true", "false", "0", "1")
    try:
        int(text) if type_ == pa.int64() else float(text)
    except ValueError:
        return False
    return "_" not in text


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def first_line(error: BaseException) -> str:
    """The first line of another library's message."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
