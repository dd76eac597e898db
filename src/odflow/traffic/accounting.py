"""Exact octet accounting of one counter: what every poll gap holds, then what every interval holds.

A *gap* is the time between two consecutive polls. Its octets are a difference of two counter
values, exact unless something about the gap is in doubt (:class:`Flag`); where inside the gap they
passed is not known. All octets are integers here, so nothing is lost or made by sharing them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Octets = NDArray[np.uint64]
    Floats = NDArray[np.float64]
    Flags = NDArray[np.int8]
    Mask = NDArray[np.bool_]

TICKS = 2.0**32
NS = 1e9
UNMEASURED = 0.1


class Flag(IntEnum):
    """Quality of one interval, from best to worst; above ``WRAP`` the load is NaN."""

    GOOD = 0
    SPLIT = 1
    WRAP = 2
    PARTIAL = 3
    GAP = 4
    AMBIGUOUS = 5
    IMPLAUSIBLE = 6
    RESET = 7
    CLOCK = 8
    CONFLICT = 9


@dataclass(frozen=True, slots=True)
class Polls:
    """Usable polls of one counter, in order of time.

    Parameters
    ----------
    times : int64, shape (k,)
        Nanoseconds since the epoch, strictly increasing.
    octets : uint64, shape (k,)
    uptime : float, shape (k,)
        sysUpTime in hundredths of a second, NaN where unknown.
    epoch : int64, shape (k,)
        Code of the discontinuity time, -1 where unknown.
    conflicts : int64
        Times at which polls contradict each other.
    doubled : int64, shape (m, 2)
        Spans of time that the polling clock went through twice, as the order of rows suggests.
    """

    times: Ints
    octets: Octets
    uptime: Floats
    epoch: Ints
    conflicts: Ints
    doubled: Ints


@dataclass(frozen=True, slots=True)
class Gaps:
    """Octets and flag of each of the k - 1 gaps of k polls."""

    octets: Octets
    flags: Flags


@dataclass(frozen=True, slots=True)
class Cells:
    """Octets of each interval, the largest possible error of them, and the flag."""

    octets: Floats
    bound: Floats
    flags: Flags


def usable_polls(row: Ints, times: Ints, octets: Octets, known: Mask, uptime: Floats, epoch: Ints) -> Polls:
    """Drop unanswered polls and repeats, and take contradicting polls out.

    All arrays are in order of time; `row` is the place of each poll in the file.
    """
    doubled = _doubled(times[np.argsort(row)], uptime[np.argsort(row)])
    times, octets, uptime, epoch = times[known], octets[known], uptime[known], epoch[known]
    if not times.size:
        return Polls(times, octets, uptime, epoch, times, doubled)
    repeat = np.diff(times) == 0
    group = np.concatenate(([0], np.cumsum(~repeat)))
    contradicts = np.zeros(group[-1] + 1, dtype=bool)
    contradicts[group[1:][repeat & (np.diff(octets) != 0)]] = True
    first = np.concatenate(([True], ~repeat))
    keep, clash = first & ~contradicts[group], first & contradicts[group]
    return Polls(times[keep], octets[keep], uptime[keep], epoch[keep], times[clash], doubled)


def _doubled(times: Ints, uptime: Floats) -> Ints:
    """Spans in which, by the order of rows, time went back while the device's uptime advanced."""
    advance = np.mod(np.diff(uptime), TICKS)
    back = np.flatnonzero((np.diff(times) < 0) & (advance > 0) & (advance < TICKS / 2))
    return np.stack([times[back + 1], times[back]], axis=1)


def judge_gaps(polls: Polls, bits: int, cap: float, clock_s: float) -> Gaps:
    """Octets of every gap, and whether they can be relied on.

    Parameters
    ----------
    polls : Polls
    bits : {32, 64}
        Width of the counter.
    cap : float
        The most octets per second that the interface can carry.
    clock_s : float
        Seconds by which elapsed time and sysUpTime may differ (a thousandth of the gap is added).
    """
    elapsed = np.diff(polls.times) / NS
    before, after = polls.octets[:-1], polls.octets[1:]
    octets = (after - before) & np.uint64(2**bits - 1)
    size, most = octets.astype(float), cap * elapsed
    fell = after < before
    plausible = size <= most
    running, restarted, shifted = _uptime(polls.times, polls.uptime, clock_s)
    dated = np.flatnonzero(polls.epoch >= 0)
    restarted |= _across(dated, np.diff(polls.epoch[dated]) != 0, elapsed.size)
    unexplained = fell & ~plausible
    flags = np.zeros(elapsed.size, dtype=np.int8)
    flags[fell & ~running] = Flag.WRAP
    flags[~plausible] = Flag.IMPLAUSIBLE
    flags[size + 2.0**bits <= most] = Flag.AMBIGUOUS
    flags[restarted | unexplained | _outliers(polls.octets, unexplained & ~restarted)] = Flag.RESET
    flags[shifted] = Flag.CLOCK
    clash = np.searchsorted(polls.times, polls.conflicts) - 1
    flags[clash[(clash >= 0) & (clash < flags.size)]] = Flag.CONFLICT
    _mark_doubled(flags, polls)
    return Gaps(octets, flags)


def _uptime(times: Ints, uptime: Floats, clock_s: float) -> tuple[Mask, Mask, Mask]:
    """Tell gaps in which the device ran on, restarted, or the clocks disagree (none where unknown).

    A poll without uptime leaves both gaps beside it under the verdict on the time across it.
    """
    at = np.flatnonzero(~np.isnan(uptime))
    elapsed, end = np.diff(times[at]) / NS, uptime[at][1:] / 100
    drift = np.mod(end - uptime[at][:-1] / 100 - elapsed + TICKS / 200, TICKS / 100) - TICKS / 200
    tolerance = clock_s + elapsed / 1000
    running = np.abs(drift) <= tolerance
    restarted = ~running & (end <= elapsed + tolerance)
    gaps = times.size - 1
    return _across(at, running, gaps), _across(at, restarted, gaps), _across(at, ~running & ~restarted, gaps)


def _across(at: Ints, verdict: Mask, gaps: int) -> Mask:
    """Give every gap the verdict on the time between those polls `at` that it lies between."""
    mask = np.zeros(max(gaps, 0), dtype=bool)
    if at.size > 1:
        mask[at[0] : at[-1]] = np.repeat(verdict, np.diff(at))
    return mask


def _outliers(octets: Octets, fell: Mask) -> Mask:
    """Find gaps next to an unexplained fall that a single wrong poll, high or low, would explain."""
    suspect = np.zeros_like(fell)
    if fell.size > 1:
        straight = octets[2:] >= octets[:-2]
        suspect[:-1] |= fell[1:] & straight
        suspect[1:] |= fell[:-1] & straight
    return suspect


def _mark_doubled(flags: Flags, polls: Polls) -> None:
    """Flag gaps in spans that time went through twice, if a contradiction in them confirms it."""
    if not polls.doubled.size or not flags.size:
        return
    last = flags.size - 1
    start = np.clip(np.searchsorted(polls.times, polls.doubled[:, 0], side="left") - 1, 0, last)
    stop = np.clip(np.searchsorted(polls.times, polls.doubled[:, 1], side="right"), 1, last + 1)
    odd = np.concatenate(([0], np.cumsum(flags >= Flag.CLOCK)))
    confirmed = odd[stop] > odd[start]
    depth = np.zeros(flags.size + 1, dtype=np.int64)
    np.add.at(depth, start[confirmed], 1)
    np.add.at(depth, stop[confirmed], -1)
    twice = np.cumsum(depth[:-1]) > 0
    flags[twice] = np.maximum(flags[twice], Flag.CLOCK)


def share_out(polls: Polls, gaps: Gaps, edges: Ints, cap: float, max_gap_s: float) -> Cells:
    """Octets of the intervals between consecutive `edges`.

    A gap inside one interval gives all its octets to it. A gap across edges is shared out in
    proportion to time, in whole octets; `bound` says how far the result can be from the truth,
    given that no more than `cap` octets per second can pass.

    Parameters
    ----------
    polls : Polls
    gaps : Gaps
    edges : int64, shape (n + 1,)
        Nanoseconds since the epoch, evenly spaced.
    cap : float
        The most octets per second that the interface can carry.
    max_gap_s : float
        Intervals are flagged ``GAP`` if more than a tenth of their time lies in gaps across their
        edges that are longer than this and not without octets.
    """
    times, cells = polls.times, edges.size - 1
    if times.size < 2:
        return Cells(np.zeros(cells), np.zeros(cells), np.full(cells, Flag.GAP, dtype=np.int8))
    start, stop = edges[:-1], edges[1:]
    last = gaps.flags.size - 1
    first_gap = np.clip(np.searchsorted(times, start, side="right") - 1, 0, last)
    last_gap = np.clip(np.searchsorted(times, stop, side="left") - 1, first_gap, last)
    flags = np.maximum.reduceat(np.append(gaps.flags, np.int8(0)), np.stack([first_gap, last_gap + 1], axis=1).ravel())[
        ::2
    ]
    total = np.concatenate(([np.uint64(0)], np.cumsum(np.where(gaps.flags <= Flag.WRAP, gaps.octets, np.uint64(0)))))
    at_start = total[first_gap] + _part(gaps.octets, times, first_gap, start)
    at_stop = total[last_gap] + _part(gaps.octets, times, last_gap, stop)
    alone = first_gap == last_gap
    bound, unmeasured = np.zeros(cells), np.zeros(cells)
    for gap, octets, counts in (
        (first_gap, np.where(alone, at_stop, total[first_gap + 1]) - at_start, np.ones(cells, dtype=bool)),
        (last_gap, at_stop - total[last_gap], ~alone),
    ):
        length = times[gap + 1] - times[gap]
        inside = np.minimum(stop, times[gap + 1]) - np.maximum(start, times[gap])
        shared = counts & (inside < length) & (gaps.octets[gap] > 0)
        bound += np.where(shared, _doubt(gaps.octets[gap], length, inside, octets, cap), 0.0)
        unmeasured += np.where(shared & (length > max_gap_s * NS), inside, 0)
    long = unmeasured > UNMEASURED * (edges[1] - edges[0])
    flags[long] = np.maximum(flags[long], Flag.GAP)
    outside = (start < times[0]) | (stop > times[-1])
    flags[outside] = Flag.GAP
    flags[outside & (stop > times[0]) & (start < times[-1])] = Flag.PARTIAL
    return Cells((at_stop - at_start).astype(float), bound, flags)


def _part(octets: Octets, times: Ints, gap: Ints, at: Ints) -> Octets:
    """Whole octets of a gap that are allocated to the time before `at`."""
    share = np.clip((at - times[gap]) / (times[gap + 1] - times[gap]), 0.0, 1.0)
    part = np.minimum(np.rint(octets[gap].astype(float) * share), 2.0**63).astype(np.uint64)
    return np.where(share == 1, octets[gap], np.minimum(part, octets[gap]))


def _doubt(octets: Octets, length: Ints, inside: Ints, allocated: Octets, cap: float) -> Floats:
    """Compute the largest error of the octets `allocated` to the time `inside` of a gap."""
    size, given = octets.astype(float), allocated.astype(float)
    highest = np.minimum(size, np.floor(cap * inside / NS))
    lowest = np.maximum(0.0, np.ceil(size - cap * (length - inside) / NS))
    return np.maximum(0.0, np.maximum(highest - given, given - lowest))
