"""A folder with files of the Telecom Italia Big Data Challenge, put there by hand: what is in it, and is it whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from odflow.errors import DataError, FormatError, OdflowError
from odflow.traffic.city_grid import CITIES, City, read_grid
from odflow.traffic.download import Store, real_data_folder
from odflow.traffic.telecom_italia import STEP_MS, check_start, day_of, rows

__all__ = ["CityFiles", "DayCheck", "check_days", "city_files", "city_folder"]

_DAY = 144
_LOCAL = np.timedelta64(1, "h")  # local time is ahead of UTC by this in November and December
_FIRST, _DAYS = np.datetime64("2013-11-01"), 62


@dataclass(frozen=True)
class CityFiles:
    """What there is of a city.

    Parameters
    ----------
    city : City
    folder : Path
    days : dict of datetime64 to Path
        The file of each day, in order.
    grid : Path or None
        GeoJSON file of the squares.
    """

    city: City
    folder: Path
    days: dict[np.datetime64, Path]
    grid: Path | None

    def __str__(self) -> str:
        first, last = min(self.days), max(self.days)
        gaps = [str(day) for day in np.arange(first, last + 1) if day not in self.days]
        missing = f", without {', '.join(gaps)}" if gaps else ""
        grid = self.city.grid_file if self.grid else f"no {self.city.grid_file} (https://doi.org/{self.city.grid[4:]})"
        return f"{self.folder}: {len(self.days)} of {_DAYS} days, {first} to {last}{missing}; {grid}"


class DayCheck(NamedTuple):
    """What the file of a day has of a city: how many of its 144 intervals, and squares with any row."""

    name: str
    path: Path
    intervals: int
    squares: int


def city_folder(name: str) -> Path:
    """Where the files of ``"milano"`` or ``"trento"`` lie: in the real-data folder, else in the cache."""
    near = real_data_folder() / name
    return near if near.is_dir() else Store.of_user().folder / name


def city_files(name: str) -> CityFiles:
    """Look what there is of ``"milano"`` or ``"trento"``, and check the first lines of each file.

    Raises
    ------
    OdflowError
        If there is nothing, saying what to download and where to put it.
    DataError
        If there are two files of a day.
    FormatError
        If a file is damaged.
    """
    city, folder = CITIES[name], city_folder(name)
    days: dict[np.datetime64, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        code, day = day_of(path) or ("", _FIRST)
        if code != city.code:
            continue
        if day in days:
            raise DataError(f"{folder}: has {days[day].name} and {path.name}; keep one of them")
        check_start(path, city)
        days[day] = path
    if not days:
        raise OdflowError(_by_hand(city, folder))
    grid = folder / city.grid_file
    if grid.is_file() and (count := read_grid(grid).sizes["cell"]) != city.squares:
        raise FormatError(grid, f"has {count} squares, expected {city.squares}")
    return CityFiles(city, folder, days, grid if grid.is_file() else None)


def check_days(found: CityFiles) -> list[DayCheck]:
    """Read all files from beginning to end (seconds each) and count what is in them.

    Raises
    ------
    FormatError
        If a line is wrong.
    DataError
        If a file has times of another day than its name says.
    """
    return [_check_day(path, day, found.city) for day, path in found.days.items()]


def _check_day(path: Path, day: np.datetime64, city: City) -> DayCheck:
    begin = int((day.astype("datetime64[ms]") - _LOCAL).astype(np.int64)) // STEP_MS
    slots, met = np.zeros(_DAY, dtype=bool), np.zeros(len(city.inside), dtype=bool)
    for part in rows(path, city.inside):
        outside = (part.slot < begin) | (part.slot >= begin + _DAY)
        if outside.any():
            at = np.datetime64(int(part.slot[outside][0]) * STEP_MS, "ms").astype("datetime64[m]")
            raise DataError(f"{path}: has the interval {at} UTC, which is not of that day in local time (UTC+1)")
        slots[part.slot - begin] = True
        met[part.square] = True
    return DayCheck(city.name, path, int(slots.sum()), int(met.sum()))


def _by_hand(city: City, folder: Path) -> str:
    return (
        f"{city.name}: cannot be downloaded by odflow, for its owners ask who you are and to accept their terms; from "
        f"https://doi.org/{city.activity[4:]} get sms-call-internet-{city.code}-2013-11-01.txt and the days after it, "
        f"as many as you want ({_DAYS} days, {city.gigabytes} GB), from https://doi.org/{city.grid[4:]} "
        f"{city.grid_file}; put them into {folder}, then run 'odflow data get {city.name}' again"
    )
