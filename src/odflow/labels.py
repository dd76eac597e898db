"""Labelled arrays of traffic: construction, checks at every door, alignment by name.

A traffic matrix (TM) is a ``DataArray`` named ``demand`` with dims ``(time, origin,
destination)``; link loads are named ``load`` with dims ``(time, link)``. Both are in bit/s,
at the UTC start of intervals of ``attrs["interval_s"]`` seconds. NaN means not measured.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from odflow.errors import DataError, LabelError, UnitError, UsageError, listed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

UNITS = "bit/s"
IN = "in:"
OUT = "out:"

Labels = tuple[str, ...]

_UNITS_OF_TIME = {
    1.0: "s sec second seconds",
    60.0: "min minute minutes",
    3600.0: "h hour hours",
    86400.0: "d day days",
    604800.0: "w week weeks",
}
_SECONDS = {name: seconds for seconds, names in _UNITS_OF_TIME.items() for name in names.split()}
_DURATION = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_SECONDS)})", re.IGNORECASE)

_YEARS = np.array(["1678", "2261"], dtype="datetime64[Y]")  # what datetime64[ns] can hold
_ZONE = re.compile(r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$")


def demands(
    values: ArrayLike,
    time: ArrayLike,
    nodes: Sequence[str],
    interval_s: float,
    **attrs: Hashable,
) -> xr.DataArray:
    """Build a TM array.

    Parameters
    ----------
    values : array-like, shape (T, n, n) or (T, n*n)
        Demands in bit/s, ``[time, origin, destination]``, flat form row-major by origin. For a
        single time the first axis may be left out.
    time : array-like, shape (T,)
        UTC start of each interval (anything ``numpy.datetime64`` accepts).
    nodes : sequence of n str
        Labels of both origins and destinations.
    interval_s : float
        Interval length in seconds.

    Raises
    ------
    DataError, LabelError, UnitError
        If values and labels do not fit together, and where :func:`check_demands` does.
    """
    names, times = [str(node) for node in nodes], as_times(time)
    n, rows = len(names), len(times)
    given = _numbers(values, "demands")
    shapes = {(rows, n, n), (rows, n * n)} | ({(n, n), (n * n,)} if rows == 1 else set())
    if given.shape not in shapes:
        raise DataError(f"demands of shape {given.shape} do not fit {rows} times of {n} x {n} nodes")
    array = xr.DataArray(
        given.reshape(rows, n, n),
        dims=("time", "origin", "destination"),
        coords={"time": times, "origin": names, "destination": names},
        name="demand",
        attrs={"units": UNITS, "interval_s": _seconds(interval_s, "demands"), **attrs},
    )
    return check_demands(array)


def loads(
    values: ArrayLike,
    time: ArrayLike,
    links: Sequence[str],
    interval_s: float,
    **attrs: Hashable,
) -> xr.DataArray:
    """Build a link-load array from ``values`` of shape (T, links) in bit/s.

    Raises
    ------
    DataError, LabelError, UnitError
        If values and labels do not fit together, and where :func:`check_loads` does.
    """
    names, times = [str(link) for link in links], as_times(time)
    given = _numbers(values, "loads")
    if given.shape != (len(times), len(names)):
        raise DataError(f"loads of shape {given.shape} do not fit {len(times)} times and {len(names)} links")
    array = xr.DataArray(
        given,
        dims=("time", "link"),
        coords={"time": times, "link": names},
        name="load",
        attrs={"units": UNITS, "interval_s": _seconds(interval_s, "loads"), **attrs},
    )
    return check_loads(array)


def as_times(values: ArrayLike) -> NDArray[np.datetime64]:
    """Convert to ``datetime64[ns]``, shape (T,).

    Raises
    ------
    LabelError
        Plain numbers and times with a zone (refused rather than guessed), text that is no date,
        and years that ``datetime64[ns]`` cannot hold.
    """
    array = np.atleast_1d(np.asarray(values))
    if array.ndim > 1:
        raise LabelError(f"times have shape {array.shape}; they need one dimension")
    if array.dtype.kind == "S":
        array = array.astype(str)
    items = array.tolist() if array.dtype.kind in "OU" else []
    if any(_ZONE.search(v) if isinstance(v, str) else getattr(v, "tzinfo", None) for v in items):
        raise LabelError("times carry a time zone; make them UTC and drop it: .tz_convert('UTC').tz_localize(None)")
    if array.size and (array.dtype.kind in "biufc" or any(isinstance(v, int | float) and v == v for v in items)):
        raise LabelError("times are plain numbers; say what they count: pandas.to_datetime(values, unit='s')")
    try:
        # numpy only warns of damaged zones, as in 2026-01-05T22:00-0
        with warnings.catch_warnings(action="error") if items else nullcontext():
            years = array.astype("datetime64[Y]")
            times = array.astype("datetime64[ns]")
    except (ValueError, TypeError, OverflowError, Warning) as error:
        raise LabelError(f"times cannot be read as dates: {error}") from error
    outside = ~np.isnat(years) & ((years < _YEARS[0]) | (years > _YEARS[1]))
    if outside.any():
        raise LabelError(f"year {years[outside][0]} is out of range; times lie between {_YEARS[0]} and {_YEARS[1]}")
    return times


def duration_s(length: str | float, name: str) -> float:
    """Read a length of time in seconds: ``"5min"``, ``"25h"``, ``"7 days"``, ``"2w"``, or plain seconds.

    Raises
    ------
    UsageError
        If it is none, or not positive; `name` says which parameter it was.
    """
    if isinstance(length, int | float | np.number):
        seconds = float(length)
    else:
        match = _DURATION.fullmatch(str(length).strip())
        seconds = float(match[1]) * _SECONDS[match[2].lower()] if match else -1.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{name} is '{length}', expected a length of time such as '5min', '25h' or '7d'")
    return seconds


def end_of(array: xr.DataArray) -> np.datetime64:
    """End of the last interval."""
    step = np.timedelta64(round(float(array.attrs["interval_s"]) * 1e9), "ns")
    return np.datetime64(array["time"].values[-1] + step)


def seconds_between(begin: np.datetime64, end: np.datetime64) -> float:
    """From one time to the other; negative if it goes back."""
    return float((end - begin) / np.timedelta64(1, "s"))


def check_demands(array: xr.DataArray, *, extra: tuple[str, ...] = ()) -> xr.DataArray:
    """Check a TM array at a door and return it as float64 in canonical order of dims.

    Parameters
    ----------
    array : DataArray
        Dims ``(time, origin, destination)`` in any order, plus those named in `extra`.
    extra : tuple of str
        Further dims allowed (``sample``, ``quantile``, ``service``), put first.

    Raises
    ------
    DataError
        Wrong dims, infinite or negative values.
    LabelError
        Duplicate, missing or unordered labels; origins and destinations that differ.
    UnitError
        ``attrs["units"]`` is not ``"bit/s"`` or ``attrs["interval_s"]`` is missing.
    """
    array = _check(array, (*extra, "time", "origin", "destination"), "demands")
    origins, destinations = _names(array, "origin"), _names(array, "destination")
    if set(origins) != set(destinations):
        odd = sorted(set(origins) ^ set(destinations))
        raise LabelError(
            f"origins and destinations of the demands differ: {listed(odd)} on one side only; "
            "reindex both to the same nodes"
        )
    return array if origins == destinations else array.sel(destination=list(origins))


def check_loads(array: xr.DataArray, *, extra: tuple[str, ...] = ()) -> xr.DataArray:
    """Check link loads at a door, as :func:`check_demands` does for TMs."""
    return _check(array, (*extra, "time", "link"), "loads")


def _check(array: xr.DataArray, dims: tuple[str, ...], what: str) -> xr.DataArray:
    if not isinstance(array, xr.DataArray):
        raise DataError(f"{what} must be an xarray.DataArray, not {type(array).__name__}")
    if set(array.dims) != set(dims):
        hint = "; keep the time dim, as with .isel(time=[0])" if "time" not in array.dims else ""
        raise DataError(f"{what} need dims {dims}, these have {tuple(array.dims)}{hint}")
    _check_units(array, what)
    for dim in dims:
        if dim not in array.coords:
            raise LabelError(f"{what} have no labels along '{dim}'")
    array = _canonical(array.transpose(*dims), what)
    for dim in ("origin", "destination", "link"):
        if dim in dims:
            _check_unique(_names(array, dim), what, dim)
    _check_times(array, what)
    _check_values(array, what)
    return array


def _canonical(array: xr.DataArray, what: str) -> xr.DataArray:
    """Float64 values, text labels and ``datetime64[ns]`` times, as all of odflow relies on."""
    if array.dtype != np.float64:
        array = array.copy(data=_numbers(array.values, what))
    fixed: dict[Hashable, Any] = {}
    for dim in ("origin", "destination", "link"):
        if dim in array.dims and array[dim].dtype.kind != "U":
            fixed[dim] = list(_names(array, dim))
    if array["time"].dtype != np.dtype("datetime64[ns]"):
        fixed["time"] = as_times(np.asarray(array.indexes["time"]))
    return array.assign_coords(fixed) if fixed else array


def _numbers(values: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":
            raise TypeError(f"their type is {array.dtype}")
        return array.astype(float)
    except (ValueError, TypeError) as error:
        raise DataError(f"{what} are not numbers: {str(error).splitlines()[0]}") from error


def _seconds(interval: object, what: str) -> float:
    try:
        seconds = float(interval)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        seconds = float("nan")
    if not 0 < seconds < float("inf"):
        raise UnitError(f"{what} need attrs['interval_s'], a positive number of seconds (got {interval!r})")
    return seconds


def _check_units(array: xr.DataArray, what: str) -> None:
    units = array.attrs.get("units")
    if units is None:
        raise UnitError(f"{what} state no units; convert to bit/s and set attrs['units'] = 'bit/s'")
    if str(units) != UNITS:
        raise UnitError(f"{what} are in '{units}'; convert to bit/s and set attrs['units'] = 'bit/s'")
    _seconds(array.attrs.get("interval_s"), what)


def _names(array: xr.DataArray, dim: str) -> Labels:
    return tuple(v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in array[dim].values)


def _check_unique(names: Sequence[str], what: str, dim: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise LabelError(f"{what} name {dim} {listed(twice)} more than once")


def _check_times(array: xr.DataArray, what: str) -> None:
    times = array["time"].values
    if np.isnat(times).any():
        raise LabelError(f"{what} have an empty time at row {int(np.isnat(times).argmax())}")
    wrong = np.flatnonzero(times[1:] <= times[:-1])  # not by differences: those of far times overflow
    if wrong.size:
        k = wrong[0]
        at = times[k + 1].astype("datetime64[s]")
        kind = "twice" if times[k + 1] == times[k] else "after a later one"
        raise LabelError(
            f"{what} have the time {at} {kind}; sort by time and drop duplicates: "
            ".drop_duplicates('time').sortby('time')"
        )


def _check_values(array: xr.DataArray, what: str) -> None:
    values = array.values
    if values.size == 0:
        raise DataError(f"{what} are empty: shape {values.shape}")
    # two reductions instead of two masks: these arrays can be large
    with np.errstate(invalid="ignore"):
        low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    if low < 0 or np.isinf(high):
        bad = np.argwhere((values < 0) | np.isinf(values))[0]
        place = ", ".join(f"{dim} {_label(array, dim, i)}" for dim, i in zip(array.dims, bad, strict=True))
        value = values[tuple(bad)]
        raise DataError(f"{what} hold {value:g} at {place}; traffic is finite and not negative (NaN = not measured)")


def _label(array: xr.DataArray, dim: Any, index: int) -> str:
    label = array[dim].values[index]
    return str(label.astype("datetime64[s]")) if isinstance(label, np.datetime64) else f"'{label}'"


def align_nodes(array: xr.DataArray, nodes: Sequence[str], what: str = "demands") -> xr.DataArray:
    """Reorder the nodes of a checked TM to `nodes`; the sets must be equal. `what` says whose, for messages.

    Raises
    ------
    LabelError
        Naming the nodes that only one side has.
    """
    names = _names(array, "origin")
    if names == tuple(nodes):
        return array
    _same(names, nodes, what, "node", "rename with .assign_coords or reindex both dims to the routing's nodes")
    return array.sel(origin=list(nodes), destination=list(nodes))


def align_links(array: xr.DataArray, links: Sequence[str]) -> xr.DataArray:
    """Reorder the links of checked loads to `links`; the sets must be equal.

    Raises
    ------
    LabelError
        Naming the links that only one side has.
    """
    names = _names(array, "link")
    if names == tuple(links):
        return array
    _same(names, links, "loads", "link", "loads.reindex(link=routing.links) marks missing ones as not measured")
    return array.sel(link=list(links))


def _same(have: Sequence[str], want: Sequence[str], what: str, kind: str, remedy: str) -> None:
    known, wanted = set(have), set(want)
    missing = [label for label in want if label not in known]
    unknown = [label for label in have if label not in wanted]
    if not missing and not unknown:
        return
    parts = []
    if missing:
        parts.append(f"{what} lack {kind} {listed(missing)}")
    if unknown:
        parts.append(f"{what} have {kind} {listed(unknown)} that the routing does not know")
    if kind == "node" and len(missing) == len(unknown) == 1:
        pair = f"{{'{unknown[0]}': '{missing[0]}'}}"
        remedy = f"if the two are the same node, say so when reading: read_demands(..., rename={pair})"
    raise LabelError(f"{'; '.join(parts)}; {remedy}")


def flat(array: xr.DataArray, nodes: Sequence[str]) -> NDArray[np.float64]:
    """Values of a checked TM as (T, n*n), columns row-major by origin, nodes in this order."""
    values = align_nodes(array, nodes).values
    return values.reshape(values.shape[0], -1)


def label_list(given: Iterable[object], what: str) -> Labels:
    """Labels as text; a bare text is refused, for its letters would be taken as labels.

    Raises
    ------
    UsageError
        For a bare text.
    """
    if isinstance(given, str):
        raise UsageError(f"{what} is the text '{given}'; give a list of labels: {what}=['{given}']")
    return tuple(str(label) for label in given)


def od_pairs(nodes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs in the order of the flat form."""
    return [(origin, destination) for origin in nodes for destination in nodes]
