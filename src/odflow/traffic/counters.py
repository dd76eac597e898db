"""From irregular polls of octet counters to link loads on fixed intervals, by exact octet accounting."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from odflow import labels
from odflow.errors import CounterWarning, DataError, UsageError, listed
from odflow.labels import duration_s
from odflow.traffic.accounting import NS, Flag, judge_gaps, share_out, usable_polls
from odflow.traffic.polls import check_interfaces, check_polls, read_interfaces, read_polls

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from odflow.traffic.accounting import Cells

__all__ = ["Flag", "counters_to_loads", "quality_summary", "read_interfaces", "read_polls"]

HEADROOM = 1.05
CEILING = 1e14
REMEDIES = {
    Flag.GAP: "polls are missing or too far apart for the interval: use a longer interval or pass max_gap",
    Flag.PARTIAL: "the polls cover no whole interval: use a shorter interval",
    Flag.AMBIGUOUS: "32-bit counters could have wrapped unseen: pass bits=64, or speeds (bit/s) in the interface map",
    Flag.IMPLAUSIBLE: "rates exceed the speed: check the unit of speed or max_rate (bit/s)",
    Flag.RESET: "counters fall or restart from poll to poll: check that they are octet counters",
    Flag.CLOCK: "poll times and sys_uptime disagree: sys_uptime must be in hundredths of a second",
    Flag.CONFLICT: "polls of the same time contradict each other: check that interface names are unique per node",
}


@dataclass(frozen=True, slots=True)
class _Table:
    """Polls in order of interface and time; interface `i` has rows ``starts[i]:starts[i + 1]``."""

    row: NDArray[np.int64]
    time: NDArray[np.int64]
    octets: dict[str, NDArray[np.uint64]]
    known: dict[str, NDArray[np.bool_]]
    uptime: NDArray[np.float64]
    epoch: NDArray[np.int64]
    starts: NDArray[np.int64]
    index: dict[tuple[str, str], int]
    wide: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Counter:
    """One row of the interface map: a counter, its place in the table of polls and its limits."""

    name: str
    at: int | None
    direction: str
    link: int
    bits: int
    cap: float
    sure: bool


def counters_to_loads(
    polls: pd.DataFrame,
    interfaces: pd.DataFrame,
    interval: str | float = "5min",
    *,
    bits: Literal["auto", 32, 64] = "auto",
    max_rate: float | None = None,
    max_gap: str | float | None = None,
    tolerance: float = 0.0,
    clock_tolerance: str | float = "5s",
) -> xr.DataArray:
    """Turn polls of octet counters into link loads, with the quality of every interval.

    Between two polls the octet difference is exact, but not where in that time the octets passed.
    So the octets of an interval are determined exactly where its two edges fall on polls, or into
    poll gaps without a single octet; polls inside it are not even needed. Elsewhere the octets of
    the gap across an edge are shared out in proportion to time, in whole octets, so that totals
    are conserved exactly; the result says by how much each load can be wrong (``bound``).

    Parameters
    ----------
    polls : DataFrame
        As from :func:`read_polls`; rows in the order in which they were taken, if known.
    interfaces : DataFrame
        As from :func:`read_interfaces`. Counters that feed the same link add up (members of a
        bundle, several customer ports); if one of them is not measured, neither is the sum.
    interval : str or float
        Length of the intervals, such as ``"5min"``, or seconds. They start at multiples of it
        from the epoch; the result has all whole intervals between the first and the last poll.
    bits : {"auto", 32, 64}
        Width of the counters where the map has no ``bits``. Automatic: 64 if any counter of the
        node reaches 2**32, else 32.
    max_rate : float, optional
        bit/s that no interface exceeds. With a ``speed`` in the map, 1.05 times that is the limit too.
    max_gap : str or float, optional
        Longest poll gap whose octets are shared out over interval edges; 1.5 intervals by default.
        An interval of which more than a tenth lies in longer ones has no value.
    tolerance : float
        An interval is still good if its load is proven right to this fraction: 0 demands exactness,
        0.01 accepts slightly jittered polls of interfaces whose speed is known.
    clock_tolerance : str or float
        How far the elapsed time of a gap and its sys_uptime may differ (plus 0.1 % of the gap).

    Returns
    -------
    DataArray
        Loads in bit/s, dims ``(time, link)``, links in the order of the map, with coordinates
        ``quality`` (int8, named in its attributes ``flag_values`` and ``flag_meanings``, see
        :class:`Flag`) and ``bound`` (bit/s, largest possible error; NaN where the load is), and
        ``attrs["unmapped_interfaces"]``: how many polled interfaces the map does not use.

    Raises
    ------
    DataError
        Malformed polls or map; polls shorter than an interval; no interval that can be used.
    UsageError
        A parameter that makes no sense.

    Warns
    -----
    CounterWarning
        Counters of the map without polls, and 32-bit counters whose speed is unknown.

    Notes
    -----
    The worst flag that touches an interval wins, in this order. With a value:

    * ``good``: right to `tolerance`; exact by default.
    * ``split``: octets were shared out in proportion to time; wrong by at most ``bound``.
    * ``wrap``: the counter fell and one wrap gives a plausible rate, but without sys_uptime a reset
      is not excluded. (With it, the difference is exact and the interval good.)

    Without (NaN), since the octets do not determine it:

    * ``partial``: the polls begin or end inside the interval.
    * ``gap``: no polls, or more than a tenth of the interval in gaps longer than `max_gap` that
      cross its edges (inside an interval, or without octets, a gap of any length is exact).
    * ``ambiguous``: the counter could have wrapped once more at a plausible rate.
    * ``implausible``: more octets than the interface can carry.
    * ``reset``: sys_uptime restarted, the discontinuity time changed, or the counter fell and a wrap
      is not plausible; also next to such a fall, if one wrong poll would explain it.
    * ``clock``: poll times and sys_uptime disagree, or the polling clock went through this time twice.
    * ``conflict``: two polls of the same time with different octets.

    What leaves no trace cannot be seen: a reset between two polls without sys_uptime and
    discontinuity time after which the counter has grown past its old value.
    """
    step = _nanoseconds(interval, "interval")
    gap_s = 1.5 * step / NS if max_gap is None else _nanoseconds(max_gap, "max_gap") / NS
    clock_s = _nanoseconds(clock_tolerance, "clock_tolerance") / NS
    _check_numbers(bits, max_rate, tolerance)
    names, table = check_interfaces(interfaces), _tabulate(check_polls(polls))
    counters = _counters(names, table, bits, max_rate)
    if all(counter.at is None for counter in counters):
        polled = listed(f"{node} {interface}" for node, interface in table.index)
        raise DataError(f"no polled interface is in the map: the polls have {polled}, the map {_mapped(names)}")
    links = list(dict.fromkeys(names["link"]))
    edges = _edges(table, step, len(links))
    octets = np.zeros((edges.size - 1, len(links)))
    bound, flags = np.zeros_like(octets), np.zeros(octets.shape, dtype=np.int8)
    for counter in counters:
        cells = _account(counter, table, edges, gap_s, clock_s)
        octets[:, counter.link] += cells.octets
        bound[:, counter.link] += cells.bound
        np.maximum(flags[:, counter.link], cells.flags, out=flags[:, counter.link])
    flags[(flags == Flag.GOOD) & (bound > tolerance * octets)] = Flag.SPLIT
    unusable = flags > Flag.WRAP
    if unusable.all():
        raise DataError(_nothing(flags))
    _warn(counters)
    per_second = np.where(unusable, np.nan, step / NS / 8)
    used = {counter.at for counter in counters}
    result = labels.loads(
        octets / per_second,
        edges[:-1].view("datetime64[ns]"),
        links,
        step / NS,
        unmapped_interfaces=sum(at not in used for at in table.index.values()),
    )
    result = result.assign_coords(quality=(("time", "link"), flags), bound=(("time", "link"), bound / per_second))
    result["quality"].attrs = {
        "long_name": "quality of the load",
        "flag_values": np.array([int(flag) for flag in Flag], dtype=np.int8),
        "flag_meanings": " ".join(flag.name.lower() for flag in Flag),
    }
    result["bound"].attrs = {"long_name": "largest possible error of the load", "units": labels.UNITS}
    return result


def quality_summary(loads: xr.DataArray) -> pd.DataFrame:
    """Count the intervals of each quality.

    Parameters
    ----------
    loads : DataArray
        As from :func:`counters_to_loads`.

    Returns
    -------
    DataFrame
        One row per flag, from best to worst, with ``intervals`` (link intervals) and their ``share``.

    Raises
    ------
    DataError
        If the loads have no ``quality``.
    """
    if "quality" not in loads.coords:
        raise DataError("loads have no 'quality' coordinate; only loads made from counters do")
    counts = np.bincount(loads["quality"].values.ravel(), minlength=len(Flag))
    index = pd.Index([flag.name.lower() for flag in Flag], name="quality")
    return pd.DataFrame({"intervals": counts, "share": counts / max(1, counts.sum())}, index=index)


def _nanoseconds(value: str | float, name: str) -> int:
    length = round(min(duration_s(value, name), 1e10) * NS)
    if not 0 < length < 2**62:
        raise UsageError(f"{name}: {value!r} is too short or too long for polls")
    return length


def _check_numbers(bits: object, max_rate: float | None, tolerance: float) -> None:
    if bits not in ("auto", 32, 64):
        raise UsageError(f"bits is {bits!r}, expected 'auto', 32 or 64")
    if max_rate is not None and not 0 < max_rate < np.inf:
        raise UsageError(f"max_rate is {max_rate!r}, expected a positive number of bit/s")
    if not 0 <= tolerance < 1:
        raise UsageError(f"tolerance is {tolerance!r}, expected a fraction from 0 up to, not including, 1")


def _tabulate(polls: pd.DataFrame) -> _Table:
    """Sort by interface and time, keeping the order of rows among equal times."""
    time = polls["time"].to_numpy().view(np.int64)
    node, node_names = pd.factorize(polls["node"])
    interface, interface_names = pd.factorize(polls["interface"])
    key, pairs = pd.factorize(node.astype(np.int64) * len(interface_names) + interface)
    order = np.lexsort((time, key))
    octets, known = {}, {}
    wide = np.zeros(len(node_names), dtype=bool)
    for direction in ("in", "out"):
        column = polls[f"{direction}_octets"].array
        values = column.to_numpy(dtype=np.uint64, na_value=0)
        wide[node[values >= 2**32]] = True
        octets[direction], known[direction] = values[order], ~column.isna()[order]
    uptime = np.full(time.size, np.nan)
    if "sys_uptime" in polls:
        uptime = polls["sys_uptime"].to_numpy(dtype=float, na_value=np.nan)
    epoch = np.full(time.size, -1, dtype=np.int64)
    if "discontinuity_time" in polls:
        epoch = pd.factorize(polls["discontinuity_time"])[0].astype(np.int64)
    at = [
        (str(node_names[pair // len(interface_names)]), str(interface_names[pair % len(interface_names)]))
        for pair in pairs
    ]
    return _Table(
        row=order,
        time=time[order],
        octets=octets,
        known=known,
        uptime=uptime[order],
        epoch=epoch[order],
        starts=np.searchsorted(key[order], np.arange(len(pairs) + 1)),
        index={name: i for i, name in enumerate(at)},
        wide=frozenset(str(name) for name in node_names[wide]),
    )


def _counters(
    names: pd.DataFrame, table: _Table, bits: Literal["auto", 32, 64], max_rate: float | None
) -> list[_Counter]:
    place = {link: i for i, link in enumerate(dict.fromkeys(names["link"]))}
    counters = []
    for name in names.itertuples(index=False):
        width: int = (64 if name.node in table.wide else 32) if bits == "auto" else bits
        width = width if pd.isna(name.bits) else int(name.bits)
        rate = min(max_rate or CEILING, CEILING if np.isnan(name.speed) else HEADROOM * name.speed)
        label = f"{name.node} {name.interface} {name.direction}"
        at = table.index.get((name.node, name.interface))
        if at is not None and width == 32:
            _check_width(label, table.octets[name.direction][table.starts[at] : table.starts[at + 1]])
        sure = width == 64 or rate < CEILING
        counters.append(_Counter(label, at, name.direction, place[name.link], width, rate / 8, sure))
    return counters


def _mapped(names: pd.DataFrame) -> str:
    return listed(f"{name.node} {name.interface}" for name in names.itertuples(index=False))


def _check_width(label: str, octets: NDArray[np.uint64]) -> None:
    if octets.max(initial=0) >= 2**32:
        raise DataError(f"counter '{label}' reads {octets.max()}, too much for 32 bits; say bits 64, or leave it open")


def _edges(table: _Table, step: int, links: int) -> NDArray[np.int64]:
    """Edges of all whole intervals between the first and the last poll."""
    first, last = int(table.time.min()), int(table.time.max())
    span = f"{pd.Timestamp(first)} to {pd.Timestamp(last)}"
    start, count = -(-first // step), last // step - -(-first // step)
    if count < 1:
        raise DataError(f"polls from {span} cover no whole interval of {step / NS:g} s; use a shorter interval")
    if count * links > max(1e7, 50 * table.time.size):
        raise DataError(
            f"polls from {span} give {count} intervals of {step / NS:g} s, most of them empty; "
            "select one period or drop polls with a wrong time"
        )
    return np.arange(start, start + count + 1, dtype=np.int64) * step


def _account(counter: _Counter, table: _Table, edges: NDArray[np.int64], gap_s: float, clock_s: float) -> Cells:
    rows = slice(0, 0) if counter.at is None else slice(table.starts[counter.at], table.starts[counter.at + 1])
    polls = usable_polls(
        table.row[rows],
        table.time[rows],
        table.octets[counter.direction][rows],
        table.known[counter.direction][rows],
        table.uptime[rows],
        table.epoch[rows],
    )
    gaps = judge_gaps(polls, counter.bits, counter.cap, clock_s)
    return share_out(polls, gaps, edges, counter.cap, gap_s)


def _nothing(flags: NDArray[np.int8]) -> str:
    most = Flag(int(np.bincount(flags.ravel()).argmax()))
    return f"no interval can be used, most are flagged '{most.name.lower()}': {REMEDIES[most]}"


def _warn(counters: list[_Counter]) -> None:
    silent = [counter.name for counter in counters if counter.at is None]
    if silent:
        text = f"no polls for counter {listed(silent)} of the interface map; their links are not measured"
        warnings.warn(text, CounterWarning, stacklevel=3)
    unsure = [counter.name for counter in counters if counter.at is not None and not counter.sure]
    if unsure:
        text = f"counter {listed(unsure)} may be 32 bits wide and of any speed; {REMEDIES[Flag.AMBIGUOUS]}"
        warnings.warn(text, CounterWarning, stacklevel=3)
