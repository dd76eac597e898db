"""Speed table."""

from __future__ import annotations

import sys
from pathlib import Path

from odflow.evaluate.report import write_text
from odflow.evaluate.speed import SpeedBenchmark, run


def write(folder: Path) -> None:
    result = run(SpeedBenchmark(), progress=lambda name: print(name, file=sys.stderr))
    write_text(
        folder / "speed.md", "# Speed and memory\n\nMade by `python -m benchmarks speed`.\n\n" + result.markdown()
    )
    result.to_json(folder / "speed.json")
