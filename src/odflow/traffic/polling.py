"""Simulated polls of octet counters whose truth is known: for demonstrations and tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from odflow.errors import DataError, UsageError, listed
from odflow.labels import IN, OUT, check_loads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.model import Network

    Ints = NDArray[np.int64]

SECOND = 1_000_000_000
MS = 1_000_000
TICK = 10_000_000
MINUTE = 60 * SECOND
LATE = 3


@dataclass(frozen=True)
class Truth:
    """What really happened behind simulated polls.

    Parameters
    ----------
    octets : DataArray, int64, dims (time, link)
        Octets that each link carried in each interval of the loads.
    events : DataFrame
        ``kind,node,interface,time``: ``reset`` of a node (no interface), ``loss`` of a poll,
        ``wrap`` (first poll after it), ``duplicate``, ``conflict`` and ``late`` rows.
    """

    octets: xr.DataArray
    events: pd.DataFrame


class Simulation(NamedTuple):
    """Polls and interface map, as the readers return them, and the truth."""

    polls: pd.DataFrame
    interfaces: pd.DataFrame
    truth: Truth


class _Port(NamedTuple):
    """An interface and the columns of the loads that its two counters count."""

    node: str
    interface: str
    inward: int | None
    outward: int | None


def simulate_polls(
    loads: xr.DataArray,
    *,
    network: Network | None = None,
    period_s: float = 300.0,
    jitter_s: float = 0.0,
    loss: float = 0.0,
    bits: Literal[32, 64] = 64,
    wraps: float = 0.0,
    resets: int = 0,
    duplicates: float = 0.0,
    conflicts: float = 0.0,
    late: float = 0.0,
    seed: int = 0,
) -> Simulation:
    """Poll the octet counters of a network that carries known loads, constant in each interval.

    ``in:X`` and ``out:X`` are counted at interface ``host`` of node X, an internal link at the
    node that sends into it, direction ``out``. All interfaces of a node are polled at once.

    Parameters
    ----------
    loads : DataArray
        bit/s, dims ``(time, link)``, without NaN, at evenly spaced times.
    network : Network, optional
        Ends and capacity of the links; without it their labels must read ``SOURCE->TARGET``.
    period_s, jitter_s : float
        Seconds between polls, and how far each can be from its time (whole milliseconds).
    loss, duplicates, conflicts, late : float
        Shares of rows that are lost, repeated, repeated with other octets, and written late.
    bits : {32, 64}
        Width of the counters.
    wraps : float
        Share of the counters made to wrap (32-bit counters also wrap without).
    resets : int
        Restarts of random nodes, at most one a minute: counters and sys_uptime begin again at 0.
    seed : int

    Raises
    ------
    DataError
        Loads that are not measured everywhere, not evenly spaced, or links without known ends.
    UsageError
        A parameter out of range.
    """
    shares = {"loss": loss, "wraps": wraps, "duplicates": duplicates, "conflicts": conflicts, "late": late}
    wrong = [name for name, share in shares.items() if not 0 <= share <= 1]
    if wrong or not 0 <= 2 * jitter_s < period_s or bits not in (32, 64) or resets < 0:
        raise UsageError(
            f"{listed(wrong) if wrong else 'period_s, jitter_s, bits or resets'} out of range: "
            "shares are from 0 to 1, jitter below half a period, bits 32 or 64, resets from 0 on"
        )
    loads = check_loads(loads)
    octets, start, step = _octets(loads)
    ports, interfaces = _ports(loads, network, bits)
    rng = np.random.default_rng(seed)
    nodes = list(dict.fromkeys(port.node for port in ports))
    end = step * octets.shape[0]
    if resets > end // MINUTE:
        raise UsageError(f"resets is {resets}, at most one a minute fits: {end // MINUTE}")
    restarts: dict[str, list[int]] = {node: [0] for node in nodes}
    minutes = rng.choice(end // MINUTE, resets, replace=False) if resets else np.empty(0, dtype=np.int64)
    for node, minute, ms in zip(rng.choice(nodes, resets), minutes, rng.integers(1, 30_000, resets), strict=True):
        restarts[node].append(int(minute) * MINUTE + int(ms) * MS)
    frames = []
    for node in nodes:
        times = _poll_times(end, period_s, jitter_s, rng)
        boots = np.array(sorted(restarts[node]), dtype=np.int64)
        boot = np.searchsorted(boots, times, side="right") - 1
        age = int(rng.integers(60 * 100, 2**32))
        uptime = (times - boots[boot]) // TICK + np.where(boot == 0, age, 0)
        for port in (port for port in ports if port.node == node):
            columns = {"time": times + start, "node": node, "interface": port.interface}
            for name, link in (("in_octets", port.inward), ("out_octets", port.outward)):
                count = None if link is None else _count(octets[:, link], step, times, boots, boot, bits, wraps, rng)
                columns[name] = pd.array([pd.NA] * times.size if count is None else count, dtype="UInt64")
            columns["sys_uptime"] = pd.array(np.mod(uptime, 2**32), dtype="UInt64")
            frames.append(pd.DataFrame({**columns, "boot": boot}))
    rows = pd.concat(frames, ignore_index=True)
    polls, events = _disturb(rows, shares, int(period_s * SECOND), rng)
    restarted = [(node, at + start) for node in nodes for at in sorted(restarts[node])[1:]]
    resets_seen = pd.DataFrame(restarted, columns=["node", "time"]).assign(kind="reset", interface="")
    events = pd.concat([events, resets_seen] if restarted else [events], ignore_index=True)
    polls["time"], events["time"] = (
        frame["time"].to_numpy(np.int64).view("datetime64[ns]") for frame in (polls, events)
    )
    events = events[["kind", "node", "interface", "time"]].sort_values(["time", "kind"], ignore_index=True)
    return Simulation(polls, interfaces, Truth(loads.copy(data=octets).rename("octets"), events))


def _octets(loads: xr.DataArray) -> tuple[Ints, int, int]:
    """Whole octets per interval, the start and the step in nanoseconds."""
    step = round(float(loads.attrs["interval_s"]) * SECOND)
    times = loads["time"].values.astype("datetime64[ns]").view(np.int64)
    if not times.size or (np.diff(times) != step).any() or np.isnan(loads.values).any():
        raise DataError("polls can only be simulated from loads that are measured everywhere, at evenly spaced times")
    return np.rint(loads.values * (step / SECOND / 8)).astype(np.int64), int(times[0]), step


def _ports(loads: xr.DataArray, network: Network | None, bits: int) -> tuple[list[_Port], pd.DataFrame]:
    known = {link.id: link for link in network.links} if network else {}
    peaks = loads.values.max(axis=0)
    access: dict[str, dict[str, int]] = {}
    ports, rows = [], []
    ends: dict[int, tuple[str, str]] = {}
    names = [str(link) for link in loads["link"].values]
    for i, name in enumerate(names):
        if name.startswith((IN, OUT)):
            side, node = name.split(":", 1)
            access.setdefault(node, {})[side] = i
            rows.append((node, "host", side, name))
            continue
        source, arrow, target = (
            (known[name].source, "->", known[name].target) if name in known else name.partition("->")
        )
        if not (source and arrow and target):
            raise DataError(f"ends of link '{name}' are not known; pass the network")
        ends[i] = (source, target)
        rows.append((source, "", "out", name))
    parallel = Counter(ends.values())
    for i, (source, target) in ends.items():
        interface = f"to-{target}" if parallel[source, target] == 1 else f"to-{target}:{names[i]}"
        rows[i] = (source, interface, "out", names[i])
        ports.append(_Port(source, interface, None, i))
    ports += [_Port(node, "host", sides.get("in"), sides.get("out")) for node, sides in access.items()]
    interfaces = pd.DataFrame(rows, columns=["node", "interface", "direction", "link"])
    interfaces["bits"] = pd.array([bits] * len(rows), dtype="UInt64")
    interfaces["speed"] = [
        _speed(float(peak), known[name].capacity if name in known else None)
        for name, peak in zip(names, peaks, strict=True)
    ]
    return ports, interfaces


def _speed(peak: float, capacity: float | None) -> float:
    """Capacity of the link, else the smallest power of ten from 10 Mbit/s on that carries the peak."""
    if capacity is not None and capacity >= peak:
        return float(capacity)
    return float(10 ** max(7, int(np.ceil(np.log10(max(peak, 1.0))))))


def _poll_times(end: int, period_s: float, jitter_s: float, rng: np.random.Generator) -> Ints:
    """Nanoseconds since the start of the loads, strictly increasing, within them."""
    period = int(period_s * SECOND)
    grid = np.arange(0, end + 1, period, dtype=np.int64)
    spread = int(jitter_s * 1000)
    return np.clip(grid + rng.integers(-spread, spread, grid.size, endpoint=True) * MS, 0, end)


def _count(
    octets: Ints,
    step: int,
    times: Ints,
    boots: Ints,
    boot: Ints,
    bits: int,
    wraps: float,
    rng: np.random.Generator,
) -> NDArray[np.uint64]:
    """Values of one counter at `times`, from a random value on."""
    total = np.concatenate(([0], np.cumsum(octets)))

    def carried(at: Ints) -> NDArray[np.uint64]:
        interval = np.minimum(at // step, octets.size - 1)
        share = (at - interval * step) / step
        part = np.where(share == 1, octets[interval], np.floor(octets[interval] * share).astype(np.int64))
        return (total[interval] + part).astype(np.uint64)

    modulus = 2**bits
    if rng.random() < wraps and total[-1]:
        first = modulus - int(rng.integers(1, min(int(total[-1]), modulus), endpoint=True))
    else:
        first = int(rng.integers(2 ** (bits - 24), 2**bits if bits == 32 else 2**50))
    value = carried(times) - carried(boots)[boot] + np.where(boot == 0, np.uint64(first % modulus), np.uint64(0))
    return value & np.uint64(modulus - 1)


def _disturb(
    rows: pd.DataFrame, shares: dict[str, float], period: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lose, repeat, contradict and delay rows; returns them in the order of writing, and what was done."""

    def chosen(kind: str, among: pd.DataFrame) -> pd.DataFrame:
        return among[rng.random(len(among)) < shares[kind]]

    events = {"wrap": _wrapped(rows), "loss": chosen("loss", rows)}
    rows = rows.drop(index=events["loss"].index)
    events["duplicate"], events["conflict"] = chosen("duplicates", rows), chosen("conflicts", rows)
    other = events["conflict"].copy()
    for column in ("in_octets", "out_octets"):
        flipped = other[column].to_numpy(np.uint64, na_value=0) ^ rng.integers(1, 1000, len(other), dtype=np.uint64)
        other[column] = pd.arrays.IntegerArray(flipped, other[column].isna().to_numpy())
    rows = pd.concat([rows, events["duplicate"], other], ignore_index=True)
    events["late"] = chosen("late", rows)
    written = rows["time"].to_numpy(np.int64, copy=True)
    written[events["late"].index] += rng.integers(1, LATE * period, len(events["late"]))
    polls = rows.iloc[np.argsort(written, kind="stable")].drop(columns="boot").reset_index(drop=True)
    named = [frame[["node", "interface", "time"]].assign(kind=kind) for kind, frame in events.items()]
    return polls, pd.concat(named, ignore_index=True)


def _wrapped(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose counter fell although the node ran on."""
    same = rows[["node", "interface", "boot"]].eq(rows[["node", "interface", "boot"]].shift()).all(axis=1)
    fell = [(rows[name] < rows[name].shift()).fillna(False) for name in ("in_octets", "out_octets")]
    return rows[same & (fell[0] | fell[1])]
