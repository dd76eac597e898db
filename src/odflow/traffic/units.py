"""Units of traffic, lengths of intervals and times, as files and people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError, LabelError, UnitError, UsageError
from odflow.labels import duration_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.datetime64]

__all__ = [
    "agreed_interval",
    "agreed_rate",
    "bad_value",
    "first_bad",
    "prefixed",
    "rate",
    "utc",
    "why_no_time",
]

_PREFIX = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
# long spellings in any case; short ones by case, because b and B differ
_LONG = {
    f"{prefix}{word}{per}": factor * bits
    for prefix, factor in _PREFIX.items()
    for words, bits in ((("bit", "bits"), 1.0), (("byte", "bytes", "octet", "octets"), 8.0))
    for word in words
    for per in ("/s", "/sec", "/second", "persec", "persecond")
}
_SHORT = {
    f"{prefix}{letter}": factor * bits
    for lower, factor in _PREFIX.items()
    for prefix in {lower, lower.upper()}
    for letter, bits in (("bps", 1.0), ("b/s", 1.0), ("Bps", 8.0), ("B/s", 8.0))
}
_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<clock>\d\d:\d\d(?::\d\d)?)(?:(?<=:\d\d:\d\d)\.(?P<part>\d{1,9}))?"
    r"(?: ?(?P<zone>Z|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"(\d{1,11})(?:\.(\d*))?", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_OPTION = "(--unit, --history-unit)"  # what it is on the command line


def rate(unit: str) -> float:
    """Bit/s in one `unit`: ``rate("Mbit/s") == 1e6``, ``rate("byte/s") == 8``.

    Parameters
    ----------
    unit : str
        ``bit/s``, ``kbit/s``, ``Mbit/s``, ``Gbit/s``, ``byte/s`` and their usual spellings
        (``Mbps``, ``Mb/s``, ``MBITPERSEC``, ``kB/s``, ``octets/s``; b is bits and B is bytes).

    Raises
    ------
    UnitError
        If it is none of them.
    """
    key = str(unit).replace(" ", "")
    factor = _SHORT.get(key) or _LONG.get(key.lower())
    if factor is None:
        raise UnitError(f"unknown unit '{unit}'; use bit/s, kbit/s, Mbit/s, Gbit/s or byte/s")
    return factor


def agreed_rate(path: Path, stated: str | None, given: str | None, default: str | None) -> float:
    """Bit/s per unit of a file that may state its unit, when the caller may have given one.

    Raises
    ------
    UnitError
        If the two contradict each other, or neither says.
    """
    if stated is None:
        if given is None and default is None:
            raise UnitError(f"{path}: states no unit; pass one, as in unit='Mbit/s' {_OPTION}")
        return rate(given or default or "")
    try:
        factor = rate(stated)
    except UnitError as error:
        if given is None:
            raise UnitError(f"{path}: {error}, or say what it means by unit= {_OPTION}") from error
        return rate(given)
    if given is not None and rate(given) != factor:
        raise UnitError(f"{path}: says it is in {stated}, not {given}; leave out unit= {_OPTION}")
    return factor


def agreed_interval(where: str, times: Times, stated: float | None, given: str | float | None) -> float:
    """Interval length in seconds: as stated, as given, or the most common spacing of sorted `times`.

    Raises
    ------
    UsageError
        If `given` contradicts the file, or is needed and missing.
    """
    spacing = _common_spacing(times)
    if given is not None:
        length = duration_s(given, "interval")
        if stated is not None and abs(length - stated) > 1e-6 * stated:
            raise UsageError(
                f"{where}: has intervals of {stated:g} s, not {length:g} s; leave out interval= (--interval)"
            )
        if spacing is not None and length > 1.01 * spacing:
            raise UsageError(f"{where}: has a value every {spacing:g} s, so intervals of {length:g} s would overlap")
        return length
    if stated is not None:
        return stated
    if spacing is None:
        raise UsageError(
            f"{where}: one time does not tell how long its interval is; pass interval='5min' or such (--interval 5min)"
        )
    return spacing


def _common_spacing(times: Times) -> float | None:
    steps = np.diff(times)
    steps = steps[steps > np.timedelta64(0, "ns")]
    if not steps.size:
        return None
    values, counts = np.unique(steps, return_counts=True)
    return float(values[counts.argmax()] / np.timedelta64(1, "ns")) / 1e9


def utc(texts: Sequence[str]) -> Times:
    """Times from ISO 8601 (a zone is converted to UTC, none means UTC) or Unix seconds; NaT if neither."""
    nanoseconds = [_nanoseconds(text) for text in texts]
    lowest = np.iinfo(np.int64).min  # is NaT
    return np.array([lowest if ns is None else ns for ns in nanoseconds], dtype=np.int64).view("datetime64[ns]")


def _nanoseconds(text: str) -> int | None:
    """Since 1970, exactly; within the years that ``datetime64[ns]`` holds."""
    iso = _ISO.fullmatch(text)
    if iso:
        return _iso_nanoseconds(iso["date"], iso["clock"] or "", iso["part"] or "", iso["zone"] or "Z")
    number = _NUMBER.fullmatch(text)
    if not number or _like_date(text) or int(number[1]) >= 9_200_000_000:
        return None
    return int(number[1]) * 10**9 + int((number[2] or "")[:9].ljust(9, "0"))


def _iso_nanoseconds(day: str, clock: str, part: str, zone: str) -> int | None:
    hours, minutes = (0, 0) if zone == "Z" else (int(zone[1:3]), int(zone[3:].lstrip(":") or 0))
    try:
        local = datetime.fromisoformat(f"{day}T{clock}" if clock else day)
    except ValueError:
        return None
    if not 1678 <= local.year <= 2261 or hours > 23 or minutes > 59:
        return None
    ahead = timedelta(hours=hours, minutes=minutes)
    exact = (local + ahead if zone[0] == "-" else local - ahead) - _EPOCH
    return (exact.days * 86400 + exact.seconds) * 10**9 + int(part.ljust(9, "0"))


def why_no_time(text: str) -> str:
    """Reason for which :func:`utc` could not read a text."""
    if not text:
        return "the time is empty"
    if _like_date(text):
        return f"time '{text}' is either a date or Unix seconds; write dates with hyphens"
    if re.fullmatch(r"\d{11,}", text, re.ASCII):
        return f"time '{text}' is too large for Unix seconds; divide it to get seconds"
    return f"time '{text[:40]}' is neither ISO 8601 (such as 2004-03-01T00:05Z) nor Unix seconds"


def _like_date(text: str) -> bool:
    if len(text) != 8 or not text.isdigit() or not "1900" <= text[:4] <= "2100":
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def first_bad(values: NDArray[np.float64]) -> tuple[int, str] | None:
    """Index into the flattened values of the first that cannot be traffic, and why; NaN is fine."""
    with np.errstate(invalid="ignore"):
        bad = (values < 0) | np.isinf(values)
    if not bad.any():
        return None
    at = int(bad.argmax())
    return at, bad_value(float(values.flat[at]))


def bad_value(value: float) -> str:
    """Say why a number cannot be traffic."""
    return f"{value:g} cannot be traffic, which is finite and not negative (empty = not measured)"


def prefixed(path: Path | str, error: DataError | LabelError) -> DataError | LabelError:
    """The same error with the file in front."""
    return type(error)(f"{path}: {error}")
