"""Labelled arrays of traffic: construction, checks at every door, alignment by name.

A traffic matrix (TM) is a ``DataArray`` named ``demand`` with dims ``(time, origin,
destination)``; link loads are named ``load`` with dims ``(time, link)``. Both are in bit/s,
at the UTC start of intervals of ``attrs["interval_s"]`` seconds. NaN means not measured.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from odflow.errors import DataError, LabelError, UnitError, listed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

UNITS = "bit/s"
IN = "in:"
OUT = "out:"

Labels = tuple[str, ...]


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
        Demands in bit/s, ``[time, origin, destination]``, flat form row-major by origin.
    time : array-like, shape (T,)
        UTC start of each interval (anything ``numpy.datetime64`` accepts).
    nodes : sequence of n str
        Labels of both origins and destinations.
    interval_s : float
        Interval length in seconds.

    Raises
    ------
    DataError, LabelError
        Where :func:`check_demands` does.
    """
    names = [str(node) for node in nodes]
    cube = np.asarray(values, dtype=float).reshape(-1, len(names), len(names))
    array = xr.DataArray(
        cube,
        dims=("time", "origin", "destination"),
        coords={"time": as_times(time), "origin": names, "destination": names},
        name="demand",
        attrs={"units": UNITS, "interval_s": float(interval_s), **attrs},
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
    DataError, LabelError
        Where :func:`check_loads` does.
    """
    array = xr.DataArray(
        np.asarray(values, dtype=float),
        dims=("time", "link"),
        coords={"time": as_times(time), "link": [str(link) for link in links]},
        name="load",
        attrs={"units": UNITS, "interval_s": float(interval_s), **attrs},
    )
    return check_loads(array)


def as_times(values: ArrayLike) -> NDArray[np.datetime64]:
    """Convert to ``datetime64[ns]``; times with a zone are refused rather than guessed."""
    array = np.asarray(values)
    if array.dtype.kind == "O" and any(getattr(v, "tzinfo", None) is not None for v in array.flat):
        raise LabelError("times carry a time zone; make them UTC and drop it: .tz_convert('UTC').tz_localize(None)")
    try:
        return np.atleast_1d(array.astype("datetime64[ns]"))
    except (ValueError, TypeError) as error:
        raise LabelError(f"times cannot be read as dates: {error}") from error


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


def check_loads(array: xr.DataArray) -> xr.DataArray:
    """Check link loads at a door, as :func:`check_demands` does for TMs."""
    return _check(array, ("time", "link"), "loads")


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
    for dim in ("origin", "destination", "link"):
        if dim in dims:
            _check_unique(_names(array, dim), what, dim)
    array = array.transpose(*dims)
    if array.dtype != np.float64:
        try:
            array = array.astype(float)
        except (ValueError, TypeError) as error:
            raise DataError(f"{what} are not numbers: {error}") from error
    _check_times(array, what)
    _check_values(array, what)
    return array


def _check_units(array: xr.DataArray, what: str) -> None:
    units = array.attrs.get("units")
    if units is None:
        raise UnitError(f"{what} state no units; convert to bit/s and set attrs['units'] = 'bit/s'")
    if units != UNITS:
        raise UnitError(f"{what} are in '{units}'; convert to bit/s and set attrs['units'] = 'bit/s'")
    interval = array.attrs.get("interval_s")
    try:
        good = interval is not None and 0 < float(interval) < float("inf")
    except (ValueError, TypeError):
        good = False
    if not good:
        raise UnitError(f"{what} need attrs['interval_s'], a positive number of seconds (got {interval!r})")


def _names(array: xr.DataArray, dim: str) -> Labels:
    return tuple(str(label) for label in array[dim].values)


def _check_unique(names: Sequence[str], what: str, dim: str) -> None:
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise LabelError(f"{what} name {dim} {listed(twice)} more than once")


def _check_times(array: xr.DataArray, what: str) -> None:
    times = as_times(array["time"].values)
    if np.isnat(times).any():
        raise LabelError(f"{what} have an empty time at row {int(np.isnat(times).argmax())}")
    if times.size < 2:
        return
    step = np.diff(times)
    wrong = np.flatnonzero(step <= np.timedelta64(0, "ns"))
    if wrong.size:
        at = times[wrong[0] + 1].astype("datetime64[s]")
        kind = "twice" if step[wrong[0]] == np.timedelta64(0, "ns") else "after a later one"
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


def align_nodes(array: xr.DataArray, nodes: Sequence[str]) -> xr.DataArray:
    """Reorder the nodes of a checked TM to `nodes`; the sets must be equal.

    Raises
    ------
    LabelError
        Naming the nodes that only one side has.
    """
    names = _names(array, "origin")
    if names == tuple(nodes):
        return array
    _same(names, nodes, "demands", "node", "rename with .assign_coords or reindex both dims to the routing's nodes")
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


def _same(have: Iterable[str], want: Iterable[str], what: str, kind: str, remedy: str) -> None:
    have, want = list(have), list(want)
    missing = [label for label in want if label not in set(have)]
    unknown = [label for label in have if label not in set(want)]
    if not missing and not unknown:
        return
    parts = []
    if missing:
        parts.append(f"{what} lack {kind} {listed(missing)}")
    if unknown:
        parts.append(f"{what} have {kind} {listed(unknown)} that the routing does not know")
    raise LabelError(f"{'; '.join(parts)}; {remedy}")


def flat(array: xr.DataArray, nodes: Sequence[str]) -> NDArray[np.float64]:
    """Values of a checked TM as (T, n*n), columns row-major by origin, nodes in this order."""
    values = align_nodes(array, nodes).values
    return values.reshape(values.shape[0], -1)


def od_pairs(nodes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs in the order of the flat form."""
    return [(origin, destination) for origin in nodes for destination in nodes]
