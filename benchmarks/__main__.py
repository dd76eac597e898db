"""Run every benchmark with the settings of the published tables: ``python -m benchmarks [NAME ...]``."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import estimation, speed
from odflow.errors import OdflowError

RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> int:
    for name in names or ["estimation", "speed"]:
        try:
            match name:
                case "estimation":
                    estimation.write(RESULTS)
                case "speed":
                    speed.write(RESULTS)
                case _:
                    raise OdflowError(f"no benchmark '{name}'; there are estimation and speed")
        except OdflowError as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
