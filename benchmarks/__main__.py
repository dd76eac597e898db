"""Run every quick benchmark with the settings of the published tables, or those named.

``python -m benchmarks [NAME ...]``; ``germany50`` and ``reweighting`` take a quarter of an hour and have to be named,
and ``python -m benchmarks ddpm-tme [OPTIONS]`` is apart, for it trains for hours.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import estimation, germany50, reweighting, speed
from odflow.errors import OdflowError

RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> int:
    try:
        if names[:1] == ["ddpm-tme"]:
            from benchmarks.ddpm_tme.command import app

            app(names[1:], result_action="return_value")
            return 0
        for name in names or ["estimation", "speed"]:
            match name:
                case "estimation":
                    estimation.write(RESULTS)
                case "speed":
                    speed.write(RESULTS)
                case "germany50":
                    germany50.write(RESULTS)
                case "reweighting":
                    reweighting.write(RESULTS)
                case _:
                    known = "estimation, speed, germany50, reweighting and ddpm-tme"
                    raise OdflowError(f"no benchmark '{name}'; there are {known}")
    except OdflowError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
