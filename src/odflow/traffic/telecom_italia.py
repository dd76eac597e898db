"""Files of the Telecom Italia Big Data Challenge: messages, calls and internet in squares of Milano and Trentino.

One text file a day, without a header, with a row for each square, interval of ten minutes and country code::

    square_id  time_interval  country_code  sms_in  sms_out  call_in  call_out  internet

separated by tabs; ``time_interval`` is the start in ms since 1970 (UTC), a day from midnight to midnight of local
time. Activities are in proportion to numbers of records by a factor that was not disclosed; empty where there were
none. Barlacchi et al., "A multi-source dataset of urban life in the city of Milan and the Province of Trentino",
Scientific Data 2, 150055, 2015.
"""

from __future__ import annotations

import glob
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import xarray as xr

from odflow import labels
from odflow.errors import DataError, FormatError, OdflowError, UsageError, listed
from odflow.files import readable
from odflow.traffic.city_grid import CITIES, City, read_grid
from odflow.traffic.csvfile import first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

__all__ = ["SERVICES", "Rows", "check_start", "day_of", "is_telecom_italia", "read_grid", "read_telecom_italia", "rows"]

SERVICES = ("sms", "call", "internet")
STEP_MS = 600_000
_DAY = 144  # intervals of ten minutes
_COLUMNS = ("square_id", "time_interval", "country_code", "sms_in", "sms_out", "call_in", "call_out", "internet")
_INTS, _FLOATS = _COLUMNS[:3], _COLUMNS[3:]
_SPAN = (1_380_585_600_000, 1_393_632_000_000)  # October 2013 to February 2014, so that a wrong digit is found
_INTERVALS = {600.0: 1, 3600.0: 6}
_NAME = re.compile(r"sms-call-internet-(mi|tn)-(\d{4}-\d\d-\d\d)\.(?:txt|tsv|csv)(?:\.gz)?", re.IGNORECASE)
_BLOCK_BYTES = 8 << 20
_BOM = b"\xef\xbb\xbf"
_INT = re.compile(rb"[0-9]{1,18}")
_FLOAT = re.compile(rb"([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]{1,3})?", re.IGNORECASE)


class Rows(NamedTuple):
    """Some rows of a file: square, start of the interval in units of ten minutes since 1970, activity (N, 3)."""

    square: Ints
    slot: Ints
    activity: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Sums:
    """Activity by UTC day; each block (intervals of the day, cells and one for all other squares, services)."""

    where: Ints  # square to cell
    width: int
    per: int  # intervals of ten minutes in one of the result
    blocks: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    seen: dict[int, Path] = field(default_factory=dict)

    def add(self, part: Rows) -> None:
        cell, day = self.where[part.square], part.slot // _DAY
        for one in np.unique(day).tolist():
            mine = day == one
            block = self.blocks.setdefault(one, np.zeros((_DAY // self.per, self.width, len(SERVICES))))
            at = ((part.slot[mine] - one * _DAY) // self.per * self.width + cell[mine]) * len(SERVICES)
            for service in range(len(SERVICES)):
                np.add.at(block.reshape(-1), at + service, part.activity[mine, service])

    def claim(self, path: Path, slots: Iterable[int]) -> None:
        for slot in sorted(slots):
            if slot in self.seen:
                at = np.datetime64(slot * STEP_MS, "ms").astype("datetime64[m]")
                raise DataError(f"{path}: has the interval {at} UTC, and so has {self.seen[slot]}; give one of them")
            self.seen[slot] = path

    def whole(self) -> tuple[int, NDArray[np.float64]]:
        """First interval and values (time, cell, service); NaN where an interval is missing, or a part of it."""
        slots = np.array(sorted(self.seen))
        first, last = int(slots[0] // self.per), int(slots[-1] // self.per)
        found, parts = np.unique(slots // self.per, return_counts=True)
        length = _DAY // self.per
        values = np.full((last - first + 1, self.width - 1, len(SERVICES)), np.nan)
        for interval in found[parts == self.per].tolist():
            values[interval - first] = self.blocks[interval // length][interval % length, :-1]
        return first, values


def read_telecom_italia(
    paths: str | Path | Sequence[str | Path],
    squares: Sequence[int | str] | None = None,
    interval: str | float = "10min",
    *,
    city: str | None = None,
    grid: str | Path | xr.Dataset | None = None,
) -> xr.DataArray:
    """Read the activity of mobile phones from files of the Telecom Italia Big Data Challenge.

    Country codes are summed; so are in and out of messages and calls.

    Parameters
    ----------
    paths : path-like or sequence of them
        Files such as ``sms-call-internet-mi-2013-11-01.txt``, gzipped or not; a folder of them, or a glob.
    squares : sequence of int, optional
        Which squares, in this order; by default all.
    interval : str or float
        ``"10min"``, or ``"1h"`` to sum over hours.
    city : str, optional
        ``"milano"`` or ``"trento"``, where the names of the files do not tell.
    grid : path-like or Dataset, optional
        The GeoJSON file of the squares, or what :func:`read_grid` made of it: which squares there are, and where.

    Returns
    -------
    DataArray (time, cell, service)
        Named ``traffic``; services ``sms``, ``call`` and ``internet``; cells are ids as text, with the coordinates
        ``x_m`` and ``y_m``. Without a `grid`, these are centres of squares from the south-west corner on (235 m in
        Milano, 1 km in Trento), of all 10000 squares in Milano and of those that occur in Trento. Times are UTC at
        the start of each interval, without gaps; local time was an hour later in these months.

        A square without a row in an interval had no activity: 0. An interval without any row was not measured: NaN
        for all; an hour too if one of its six parts is missing. In memory, one day of Milano at 10 minutes is 35 MB.

    Raises
    ------
    OdflowError
        If a file cannot be read.
    FormatError
        If it is not of this format: the file and the line that is wrong.
    DataError
        If two files have the same interval.
    UsageError
        If the files are of both cities or of none, a square is not in the grid, or the interval is another.
    """
    files = _files(paths)
    area = _city(files, city)
    per = _INTERVALS.get(labels.duration_s(interval, "interval"))
    if per is None:
        raise UsageError(f"interval is '{interval}', expected '10min' or '1h'")
    table = None if grid is None else grid if isinstance(grid, xr.Dataset) else read_grid(grid)
    known = np.arange(area.columns * area.rows) + 1 if table is None else table["cell"].values.astype(np.int64)
    chosen = known if squares is None else _chosen(squares, known, area)
    where = np.full(int(known.max()) + 1, -1)
    where[known] = len(chosen)
    where[chosen] = np.arange(len(chosen))
    sums, met = _Sums(where, len(chosen) + 1, per), np.zeros(len(where), dtype=bool)
    for path in files:
        slots: set[int] = set()
        for part in rows(path, where >= 0):
            sums.add(part)
            slots.update(np.unique(part.slot).tolist())
            met[part.square] = True
        sums.claim(path, slots)
    first, values = sums.whole()
    if table is None and squares is None and len(known) > area.squares:
        values, chosen = values[:, met[chosen]], chosen[met[chosen]]
    return _labelled(values, first, chosen, area, table, per)


def _labelled(
    values: NDArray[np.float64], first: int, squares: Ints, city: City, table: xr.Dataset | None, per: int
) -> xr.DataArray:
    cells = squares.astype(str)
    if table is None:
        x, y = city.places(squares)
        places = {"x_m": ("cell", x), "y_m": ("cell", y)}
    else:
        here = table.sel(cell=cells)
        places = {str(name): ("cell", here[name].values) for name in here.data_vars}
    step = np.timedelta64(STEP_MS * per, "ms")
    time = ((first + np.arange(len(values))) * step + np.datetime64(0, "ms")).astype("datetime64[ns]")
    return xr.DataArray(
        values,
        dims=("time", "cell", "service"),
        coords={"time": time, "cell": cells, "service": list(SERVICES), **places},
        name="traffic",
        attrs={
            "interval_s": STEP_MS * per / 1000,
            "units": "activity, to an unknown scale",
            "source": f"Telecom Italia Big Data Challenge, {city.name}, {city.activity}",
            "local_time": "UTC+1 (times are UTC)",
        },
    )


def rows(path: Path, inside: Mask) -> Iterator[Rows]:
    """Rows of a file in blocks of some megabytes.

    Parameters
    ----------
    path : Path
    inside : bool array
        Whether the square of this number is in the grid.

    Raises
    ------
    OdflowError
        If the file cannot be read.
    FormatError
        If it is not of this format: the line that is wrong.
    """
    readable(path)
    some = False
    try:
        for batch in _batches(path):
            if not batch.num_rows:
                continue
            part = _checked(batch, inside)
            if part is None:
                raise _fault(path, inside, "has an empty field, or a number out of range")
            some = True
            yield part
    except (pa.ArrowInvalid, OSError) as error:
        raise _fault(path, inside, f"cannot be read: {first_line(error)}") from error
    if not some:
        raise FormatError(path, "has no rows")


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    types = dict.fromkeys(_INTS, pa.int64()) | dict.fromkeys(_FLOATS, pa.float64())
    with pa.input_stream(str(path), compression="gzip" if _gzipped(path) else None) as raw:
        yield from pyarrow.csv.open_csv(
            raw,
            pyarrow.csv.ReadOptions(column_names=list(_COLUMNS), block_size=_BLOCK_BYTES),
            pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False),
            pyarrow.csv.ConvertOptions(column_types=types, null_values=[""]),
        )


def _checked(batch: pa.RecordBatch, inside: Mask) -> Rows | None:
    """A batch as numbers; ``None`` if a row is wrong."""
    if any(batch.column(name).null_count for name in _INTS):
        return None
    square, time = (batch.column(name).to_numpy(zero_copy_only=False) for name in _INTS[:2])
    sms_in, sms_out, call_in, call_out, internet = (
        pc.fill_null(batch.column(name), 0.0).to_numpy(zero_copy_only=False) for name in _FLOATS
    )
    good = square.min() >= 0 and square.max() < len(inside) and inside[square].all()
    good = good and _SPAN[0] <= time.min() and time.max() < _SPAN[1] and not (time % STEP_MS).any()
    for values in (sms_in, sms_out, call_in, call_out, internet):
        good = good and values.min() >= 0 and values.max() < np.inf  # false for NaN
    activity = np.column_stack([sms_in + sms_out, call_in + call_out, internet])
    return Rows(square, time // STEP_MS, activity) if good else None


def _fault(path: Path, inside: Mask, otherwise: str) -> FormatError:
    """What is wrong with a file, found slowly but named by its line."""
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, 1):
                wrong = _wrong(line if number > 1 else line.removeprefix(_BOM), inside)
                if wrong:
                    return FormatError(path, wrong, number)
    except (OSError, EOFError, zlib.error) as error:
        return FormatError(path, f"is damaged: {first_line(error)}")
    return FormatError(path, otherwise)


def _wrong(line: bytes, inside: Mask) -> str:
    fields = line.rstrip(b"\r\n").split(b"\t")
    if fields == [b""]:
        return ""
    if len(fields) != len(_COLUMNS):
        return f"has {len(fields)} columns, expected {len(_COLUMNS)} with tabs between: {', '.join(_COLUMNS)}"
    for name, text in zip(_COLUMNS, fields, strict=True):
        pattern = _INT if name in _INTS else _FLOAT
        if not pattern.fullmatch(text.strip()) and (text or name in _INTS):
            shown = text[:40].decode(errors="replace")
            return f"{name} is '{shown}', expected a {'whole ' if name in _INTS else ''}number, not negative"
        if name in _FLOATS and text and not float(text) < float("inf"):
            return f"{name} is not finite"
    square, time = int(fields[0]), int(fields[1])
    if square >= len(inside) or not inside[square]:
        return f"square_id {square} is not in the grid"
    if not _SPAN[0] <= time < _SPAN[1]:
        return f"time_interval {time} is not from October 2013 to February 2014, in ms since 1970"
    return f"time_interval {time} is not the start of ten minutes" if time % STEP_MS else ""


def _gzipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _opened(path: Path) -> IO[bytes] | gzip.GzipFile:
    return gzip.open(path, "rb") if _gzipped(path) else path.open("rb")


def check_start(path: Path, city: City, lines: int = 1000) -> None:
    """Check the first lines of a file.

    Raises
    ------
    OdflowError
        If it cannot be read.
    FormatError
        If it is not of this format: the line that is wrong.
    """
    readable(path)
    try:
        with _opened(path) as file:
            for number, line in zip(range(1, lines + 1), file, strict=False):
                wrong = _wrong(line if number > 1 else line.removeprefix(_BOM), city.inside)
                if wrong:
                    raise FormatError(path, wrong, number)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(path, f"is damaged: {first_line(error)}") from error


def is_telecom_italia(path: Path) -> bool:
    """Whether a file starts as those of the challenge do, or a folder has files named like them."""
    if path.is_dir():
        return any(_NAME.fullmatch(file.name) for file in path.iterdir())
    try:
        with _opened(path) as file:
            fields = file.readline(1000).removeprefix(_BOM).rstrip(b"\r\n").split(b"\t")
    except (OSError, EOFError, zlib.error):
        return False
    return len(fields) == len(_COLUMNS) and all(_INT.fullmatch(text) for text in fields[:2])


def day_of(path: Path) -> tuple[str, np.datetime64] | None:
    """Code of the city and day that the name of a file states; ``None`` if it states none."""
    match = _NAME.fullmatch(path.name)
    try:
        return (match[1].lower(), np.datetime64(match[2], "D")) if match else None
    except ValueError:
        return None


def _files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    found: list[Path] = []
    for given in [paths] if isinstance(paths, str | Path) else paths:
        path = Path(given)
        if path.is_dir():
            inside = [file for file in path.iterdir() if _NAME.fullmatch(file.name)]
            if not inside:
                raise OdflowError(f"{path}: has no files such as sms-call-internet-mi-2013-11-01.txt")
            found += sorted(inside)
        elif path.exists() or not glob.has_magic(str(given)):
            found.append(path)
        else:
            found += sorted(Path(name) for name in glob.glob(str(given), recursive=True))  # noqa: PTH207
    if not found:
        raise OdflowError(f"{listed([paths] if isinstance(paths, str | Path) else paths)}: no such files")
    return found


def _city(files: Sequence[Path], name: str | None) -> City:
    if name is not None:
        if name not in CITIES:
            raise UsageError(f"city is '{name}', expected one of {', '.join(CITIES)}")
        return CITIES[name]
    stated = [day_of(path) for path in files]
    codes = {one[0] for one in stated if one}
    if None in stated:
        nameless = files[stated.index(None)]
        raise UsageError(f"{nameless}: the name tells no city; give read_telecom_italia city='milano' or 'trento'")
    if len(codes) > 1:
        raise UsageError("the files are of both cities, whose squares have the same numbers; read one city at a time")
    return next(city for city in CITIES.values() if city.code in codes)


def _chosen(squares: Sequence[int | str], known: Ints, city: City) -> Ints:
    asked, there = labels.label_list(squares, "squares"), set(known.astype(str).tolist())
    unknown = [one for one in asked if one not in there]
    if unknown:
        raise UsageError(f"square {listed(unknown)} is not in the grid of {city.name}")
    if not asked or len(set(asked)) < len(asked):
        raise UsageError("squares: give at least one, and each once")
    return np.array([int(one) for one in asked])
