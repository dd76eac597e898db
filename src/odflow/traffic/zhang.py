"""Zhang's files ``X01`` to ``X24`` of the Abilene network: measured and estimated flows, row by row."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from odflow.errors import FormatError, OdflowError, UsageError
from odflow.files import readable
from odflow.traffic.parts import Part
from odflow.traffic.units import first_bad, utc

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ABILENE", "COLUMNS", "WEEKS", "read_zhang"]

COLUMNS = ("realOD", "simpleGravityOD", "simpleTomogravityOD", "generalGravityOD", "generalTomogravityOD")
ABILENE = (
    "ATLA-M5", "ATLAng", "CHINng", "DNVRng", "HSTNng", "IPLSng",
    "KSCYng", "LOSAng", "NYCMng", "SNVAng", "STTLng", "WASHng",
)  # fmt: skip
INTERVAL_S = 300.0
_BIT_S = 100 * 8 / INTERVAL_S  # the unit is 100 bytes in 5 minutes, for 1 packet in 100 was sampled
_DAYS = (
    "03-01 03-08 04-02 04-09 04-22 05-01 05-08 05-15 05-22 05-29 06-05 06-12 "
    "06-19 06-26 07-03 07-10 07-17 07-24 07-31 08-07 08-13 08-21 08-28 09-04"
)
WEEKS = {f"X{week:02d}": f"2004-{day}" for week, day in enumerate(_DAYS.split(), 1)}


def read_zhang(path: Path, column: str | int = "measured", nodes: Sequence[str] | None = None) -> Part:
    """Read one ``X`` file, plain or gzipped: a TM per line, ``5 n²`` numbers, five for each OD pair.

    Parameters
    ----------
    path : Path
        A file named ``X01`` to ``X24`` (``.gz`` or not) starts on the day that Zhang's readme gives.
    column : str or int
        Which of the five: ``"measured"`` (1, ``realOD``), or an estimate: 2 ``simpleGravityOD``,
        3 ``simpleTomogravityOD``, 4 ``generalGravityOD``, 5 ``generalTomogravityOD``.
    nodes : sequence of n str, optional
        In the order of the file; by default the twelve of Abilene in Zhang's order, alphabetical.

    Raises
    ------
    FormatError
        With the line, where it does not hold ``5 n²`` numbers that can be traffic.
    UsageError
        If there is no such column.

    Notes
    -----
    The unit is 100 bytes per 5 minutes. Source: readme of www.cs.utexas.edu/~yzhang/research/AbileneTM/.
    """
    chosen = _column(column)
    names = ABILENE if nodes is None else tuple(nodes)
    width = 5 * len(names) ** 2
    values = _numbers(path, width)[:, chosen::5]
    found = first_bad(values)
    if found:
        raise FormatError(path, f"a demand of {found[1]}", _line_of(path, found[0] // values.shape[1]))
    day = WEEKS.get(path.name.removesuffix(".gz"))
    step = np.timedelta64(int(INTERVAL_S), "s")
    times = None if day is None else utc([day])[0] + step * np.arange(len(values))
    cube = (values * _BIT_S).reshape(-1, len(names), len(names))
    return Part(path, cube, names, times, INTERVAL_S, float("nan"), {"column": COLUMNS[chosen]})


def _column(column: str | int) -> int:
    if column == "measured":
        return 0
    if column in COLUMNS:
        return COLUMNS.index(str(column))
    if isinstance(column, int) and not isinstance(column, bool) and 1 <= column <= 5:
        return column - 1
    raise UsageError(f"column {column!r} does not exist; use 'measured', 1 to 5, or one of {', '.join(COLUMNS)}")


def _numbers(path: Path, width: int) -> NDArray[np.float64]:
    readable(path)
    try:
        frame = pd.read_csv(
            path,
            sep=r"\s+",
            header=None,
            dtype=np.float64,
            compression="gzip" if _gzipped(path) else None,
        )
        values: NDArray[np.float64] = frame.to_numpy()
    except (ValueError, OSError, EOFError, zlib.error, OverflowError):
        values = np.empty((0, 0))
    if values.shape[1:] != (width,) or np.isnan(values).any():
        _blame(path, width)
    return values


def _gzipped(path: Path) -> bool:
    with path.open("rb") as file:  # browsers unpack what is still called .gz
        return file.read(2) == b"\x1f\x8b"


def _lines(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise OdflowError(f"{path}: cannot be read: {error}") from error
    return text.decode("latin-1").split("\n")


def _line_of(path: Path, row: int) -> int:
    filled = [line for line, text in enumerate(_lines(path), 1) if text.strip()]
    return filled[row]


def _blame(path: Path, width: int) -> None:
    n = round((width // 5) ** 0.5)
    for line, text in enumerate(_lines(path), 1):
        fields = text.split()
        if fields and len(fields) != width:
            raise FormatError(
                path, f"has {len(fields)} numbers where {width} are due (5 for each pair of {n} nodes)", line
            )
        for k, word in enumerate(fields):
            if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", word, re.ASCII):
                raise FormatError(path, f"value {k + 1} is '{word[:40]}', expected a number", line)
    raise FormatError(path, f"holds no rows of {width} numbers")
