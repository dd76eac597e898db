"""Traffic matrices file by file, and their assembly into one array."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import DataError, FormatError, LabelError, UsageError, listed
from odflow.labels import duration_s
from odflow.traffic.units import agreed_interval, bad_value, prefixed, utc, why_no_time

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.datetime64]

__all__ = ["Part", "assemble", "by_name", "matched", "part_of_pairs", "renamed", "traffic_value"]


@dataclass(frozen=True, eq=False)
class Part:
    """Traffic matrices of one file.

    Parameters
    ----------
    path : Path
    values : float array, shape (T, n, n)
        bit/s, ``[time, origin, destination]``.
    nodes : tuple of n str
    times : datetime64 array, shape (T,), optional
        ``None`` where the file does not say.
    interval_s : float, optional
        ``None`` where the file does not say.
    absent : float
        What a pair means that only other files know: 0 or NaN.
    notes : dict
        Attributes for the array.
    """

    path: Path
    values: NDArray[np.float64]
    nodes: tuple[str, ...]
    times: Times | None
    interval_s: float | None
    absent: float
    notes: dict[str, str] = field(default_factory=dict)


def traffic_value(path: Path, text: str | None, where: str, line: int | None = None) -> float:
    """A demand from text.

    Raises
    ------
    FormatError
        If it is no number, negative or infinite, naming the place.
    """
    try:
        value = float(text if text and "_" not in text else "")
    except ValueError as error:
        what = f"'{text.strip()[:40]}'" if text and text.strip() else "empty"
        raise FormatError(path, f"{where} is {what}, expected a number", line) from error
    if not 0 <= value < float("inf"):
        raise FormatError(path, f"{where}: {bad_value(value)}", line)
    return value


def part_of_pairs(
    path: Path,
    pairs: Mapping[tuple[str, str], float],
    nodes: Sequence[str],
    *,
    absent: float,
    scale: float,
    time: np.datetime64 | None,
    interval_s: float | None,
    notes: dict[str, str] | None = None,
) -> Part:
    """One TM from its pairs; those between `nodes` that are not listed are 0."""
    index = {node: i for i, node in enumerate(nodes)}
    values = np.zeros((1, len(nodes), len(nodes)))
    if pairs:
        ends = np.array([(index[origin], index[destination]) for origin, destination in pairs])
        values[0, ends[:, 0], ends[:, 1]] = np.fromiter(pairs.values(), dtype=float, count=len(pairs)) * scale
    times = None if time is None else np.array([time], dtype="datetime64[ns]")
    return Part(path, values, tuple(nodes), times, interval_s, absent, notes or {})


def by_name(names: Iterable[str]) -> list[str]:
    """Sort names so that ``"2"`` comes before ``"10"``."""
    return sorted(names, key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    pieces = re.split(r"([0-9]+)", name)  # text and digits take turns
    return [(len(piece.lstrip("0")) if i % 2 else 0, piece) for i, piece in enumerate(pieces)]


def renamed(path: Path, nodes: Sequence[str], rename: Mapping[str, str] | None) -> tuple[str, ...]:
    """Labels after an explicit renaming.

    Raises
    ------
    LabelError
        If an old name does not occur or two nodes would get the same name.
    """
    if not rename:
        return tuple(nodes)
    unknown = [old for old in rename if old not in nodes]
    if unknown:
        raise LabelError(f"{path}: has no node {listed(unknown)} to rename; it has {listed(nodes)}")
    new = tuple(rename.get(node, node) for node in nodes)
    if len(set(new)) < len(new):
        raise LabelError(f"{path}: renaming gives two nodes the name {listed({n for n in new if new.count(n) > 1})}")
    return new


def matched(path: Path, have: Sequence[str], nodes: Sequence[str]) -> None:
    """Check that `nodes` names all nodes of a file.

    Raises
    ------
    LabelError
        Naming the others, and the renaming to ask for where it is plain which one is meant.
    """
    given, known = set(nodes), set(have)
    unknown = [node for node in have if node not in given]
    missing = [node for node in nodes if node not in known]
    if not unknown:
        return
    if len(unknown) == len(missing) == 1:
        pair = f"{{'{unknown[0]}': '{missing[0]}'}}"
        raise LabelError(
            f"{path}: has node '{unknown[0]}' where '{missing[0]}' is asked for; "
            f"if they are the same, say so: rename={pair}"
        )
    raise LabelError(f"{path}: has node {listed(unknown)}, not among the nodes asked for; rename= or add them")


def assemble(
    parts: Sequence[Part],
    *,
    start: str | Sequence[str] | None = None,
    interval: str | float | None = None,
    nodes: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Join parts into one array, sorted by time.

    Parameters
    ----------
    parts : sequence of Part
        At least one.
    start : str or sequence of str, optional
        For files without times: the time of the first one, the others following without a gap, or
        one time per file.
    interval, nodes, rename
        As in :func:`odflow.read_demands`.

    Raises
    ------
    LabelError, UsageError, FormatError
        If times or nodes do not fit together.
    """
    parts = [_relabelled(part, rename) for part in parts]
    stated = _stated_interval(parts)
    parts = _timed(parts, start, stated, interval)
    owner = np.repeat(np.arange(len(parts)), [len(part.values) for part in parts])
    times = np.concatenate([part.times for part in parts if part.times is not None])
    order = np.argsort(times, kind="stable")
    _check_twice(parts, times[order], owner[order])
    where = str(parts[0].path) if len(parts) == 1 else f"{parts[0].path} and {len(parts) - 1} more"
    interval_s = agreed_interval(where, times[order], stated, interval)
    names = tuple(nodes) if nodes is not None else tuple(dict.fromkeys(n for part in parts for n in part.nodes))
    values = _stacked(parts, names, order)
    try:
        return labels.demands(values, times[order], names, interval_s, **parts[0].notes)
    except (DataError, LabelError) as error:
        raise prefixed(where, error) from error


def _relabelled(part: Part, rename: Mapping[str, str] | None) -> Part:
    new = renamed(part.path, part.nodes, rename)
    return Part(part.path, part.values, new, part.times, part.interval_s, part.absent, part.notes)


def _stated_interval(parts: Sequence[Part]) -> float | None:
    first = next((part for part in parts if part.interval_s is not None), None)
    if first is None:
        return None
    for part in parts:
        if part.interval_s is not None and part.interval_s != first.interval_s:
            raise FormatError(
                part.path, f"has intervals of {part.interval_s:g} s, {first.path} has {first.interval_s:g} s"
            )
    return first.interval_s


def _timed(
    parts: Sequence[Part], start: str | Sequence[str] | None, stated: float | None, interval: str | float | None
) -> list[Part]:
    untimed = [part for part in parts if part.times is None]
    if start is None:
        if untimed:
            raise UsageError(f"{untimed[0].path}: states no time; pass start='2004-03-01' or such (UTC)")
        return list(parts)
    if len(untimed) < len(parts):
        named = next(part for part in parts if part.times is not None)
        raise UsageError(f"{named.path}: states its time; leave out start=")
    length = stated
    if length is None:
        if interval is None:
            raise UsageError(f"{parts[0].path}: states no interval; pass interval='5min' or such")
        length = duration_s(interval, "interval")
    step = np.timedelta64(round(length * 1e9), "ns")
    starts = _starts(parts, start, step)
    return [
        Part(
            part.path,
            part.values,
            part.nodes,
            first + step * np.arange(len(part.values)),
            stated,
            part.absent,
            part.notes,
        )
        for part, first in zip(parts, starts, strict=True)
    ]


def _starts(parts: Sequence[Part], start: str | Sequence[str], length: np.timedelta64) -> Times:
    several = isinstance(start, Sequence | np.ndarray) and not isinstance(start, str)
    texts = [str(time) for time in (start if several else [start])]
    times = utc(texts)
    for text, time in zip(texts, times, strict=True):
        if np.isnat(time):
            raise UsageError(f"start: {why_no_time(text)}")
    if len(times) == len(parts):
        return times
    if len(times) != 1:
        raise UsageError(f"{len(times)} start times for {len(parts)} files; pass one, or one per file")
    before = np.cumsum([0] + [len(part.values) for part in parts[:-1]])
    starts: Times = times[0] + length * before
    return starts


def _check_twice(parts: Sequence[Part], times: Times, owner: NDArray[np.int64]) -> None:
    same = np.flatnonzero(times[1:] == times[:-1])
    if same.size:
        k = int(same[0])
        at = times[k].astype("datetime64[s]")
        raise LabelError(f"{parts[owner[k]].path} and {parts[owner[k + 1]].path} both hold the time {at}; drop one")


def _stacked(parts: Sequence[Part], names: tuple[str, ...], order: NDArray[np.int64]) -> NDArray[np.float64]:
    index = {node: i for i, node in enumerate(names)}
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    stack = np.empty((len(order), len(names), len(names)))
    checked: dict[tuple[str, ...], NDArray[np.int64]] = {}
    done = 0
    for part in parts:
        if part.nodes not in checked:
            matched(part.path, part.nodes, names)
            checked[part.nodes] = np.array([index[node] for node in part.nodes], dtype=np.int64)
        at, rows = checked[part.nodes], rank[done : done + len(part.values)]
        done += len(rows)
        if len(at) < len(names):
            stack[rows] = part.absent
        stack[np.ix_(rows, at, at)] = part.values
    return stack
