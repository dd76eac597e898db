"""Killed at any moment and resumed: the same weights and losses, bit for bit."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 needs a POSIX system")


def losses(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return [[row[0], *row[2:]] for row in csv.reader(file)]


def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path):
    script = Path(__file__).with_name("killed.py")
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    kills = json.loads(run.stdout)
    assert (kills["between"], kills["first"], kills["fourth"]) == (1, 1, 1)
    assert sum(kills.values()) >= 6
    whole, log = load_file(tmp_path / "whole" / "weights.safetensors"), losses(tmp_path / "whole" / "log.csv")
    assert (log[0], [row[0] for row in log[1:]]) == (["step", "critic", "maker"], [str(k) for k in range(1, 101)])
    assert len({row[1] for row in log}) > 95
    for name in kills:
        resumed = load_file(tmp_path / name / "weights.safetensors")
        assert {k: v.tobytes() for k, v in resumed.items()} == {k: v.tobytes() for k, v in whole.items()}, name
        assert losses(tmp_path / name / "log.csv") == log, name
