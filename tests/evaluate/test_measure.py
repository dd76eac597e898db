"""Time and memory."""

from __future__ import annotations

import time

import numpy as np
import pytest

from odflow.evaluate import measure
from odflow.evaluate.measure import Timing, peak_mib, reset_peak, timed


def clock(monkeypatch, *times):
    left = list(times)
    monkeypatch.setattr(measure, "seconds", lambda call: left.pop(0))
    return left


def test_timed_leaves_the_warm_up_out(monkeypatch):
    left = clock(monkeypatch, 5.0, 1.0, 3.0, 1.5)
    assert timed(print, 3) == Timing(best=1.0, median=1.5, runs=3)
    assert left == []


def test_long_work_runs_once(monkeypatch):
    left = clock(monkeypatch, 9.0, 1.0)
    assert timed(print, 3) == Timing(best=9.0, median=9.0, runs=1)
    assert left == [1.0]


def test_seconds():
    assert measure.seconds(lambda: time.sleep(0.02)) >= 0.02


def test_peak_memory_sees_an_array_and_forgets_it():
    if not reset_peak():
        pytest.skip("this system cannot reset the peak memory of a process")
    before = peak_mib()
    block = np.ones(2**24)  # 128 MiB
    assert peak_mib() - before > 120
    del block
    reset_peak()
    assert peak_mib() - before < 20
