"""Run every quick benchmark with the settings of the published tables, or those named.

``python -m benchmarks [NAME ...]``; ``forecast``, ``realism`` (minutes), ``failures``, ``loads-only``, ``diffusion``,
``germany50`` and ``reweighting`` (a quarter of an hour) have to be named. ``python -m benchmarks ddpm-tme
[OPTIONS]`` and ``sim-mstnet [OPTIONS]`` are apart, for they train for hours, and so is ``calibrate [NAME ...]``, which
makes no table but the configurations of simulators.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import estimation, failures, forecast, germany50, loads_only, realism, reweighting, speed
from odflow.errors import OdflowError

KNOWN = (
    "estimation, speed, failures, loads-only, diffusion, forecast, realism, germany50, reweighting, calibrate, "
    "ddpm-tme, sim-mstnet"
)
RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> int:
    try:
        if names[:1] == ["ddpm-tme"]:
            from benchmarks.ddpm_tme.command import app

            app(names[1:], result_action="return_value")
            return 0
        if names[:1] == ["sim-mstnet"]:
            from benchmarks.sim_mstnet.command import app as forecasts

            forecasts(names[1:], result_action="return_value")
            return 0
        if names[:1] == ["calibrate"]:
            from benchmarks import calibrate

            calibrate.write(names[1:])
            return 0
        for name in names or ["estimation", "speed"]:
            match name:
                case "estimation":
                    estimation.write(RESULTS)
                case "speed":
                    speed.write(RESULTS)
                case "failures":
                    failures.write(RESULTS)
                case "loads-only":
                    loads_only.write(RESULTS)
                case "diffusion":
                    from benchmarks import diffusion

                    diffusion.write(RESULTS)
                case "forecast":
                    forecast.write(RESULTS)
                case "realism":
                    realism.write(RESULTS)
                case "germany50":
                    germany50.write(RESULTS)
                case "reweighting":
                    reweighting.write(RESULTS)
                case _:
                    raise OdflowError(f"no benchmark '{name}'; there are {KNOWN}")
    except OdflowError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
