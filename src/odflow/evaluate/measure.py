"""Time and memory of a piece of work."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds of repeated runs.

    Parameters
    ----------
    best, median : float
        Seconds.
    runs : int
        Runs counted; the warm-up before them is not, unless it was too long to repeat (then runs is 1).
    """

    best: float
    median: float
    runs: int


def timed(call: Callable[[], object], repeats: int, *, too_long: float = 8.0) -> Timing:
    """Time `call` after one warm-up run; work that takes longer than `too_long` seconds runs only once."""
    first = seconds(call)
    if first > too_long:
        return Timing(first, first, 1)
    times = [seconds(call) for _ in range(max(repeats, 1))]
    return Timing(min(times), statistics.median(times), len(times))


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock seconds of one run."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def reset_peak() -> bool:
    """Forget this process's peak memory so far; returns whether the system can (Linux)."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True


def peak_mib() -> float:
    """Peak resident memory of this process in MiB, since :func:`reset_peak` where that works.

    Linux's own figure (``VmHWM``) where there is one: ``ru_maxrss`` of a child also counts what its
    parent held when it was started. NaN on systems without either.
    """
    try:
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
