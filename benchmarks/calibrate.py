"""Where the calibrated configurations of ``odflow.simulate.presets`` come from.

``python -m benchmarks calibrate [NAME ...]`` fits each to one half of its data set and prints it, rounded to three
digits, with its statistics; it takes up to a quarter of an hour for a set of TMs, a minute for cells.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

from odflow.evaluate.realism_real import Halves, halves
from odflow.evaluate.report import markdown_table, number
from odflow.sim2real.calibration import Calibration, CalibrationConfig, calibrate
from odflow.simulate import (
    CELL_SERVICES,
    BackboneConfig,
    BackboneRandomization,
    BackboneSimulator,
    CellularConfig,
    CellularRandomization,
    CellularSimulator,
)

# what no statistic tells stays as it is
BACKBONE_FIXED = ("growth", "flash_crowds_per_week", "flash_factor", "flash_hours", "drift_days")
CELLULAR_FIXED = ("frequency_ghz", "repair_h", "crowd_people", "crowd_hours")
ALONE_FIXED = (*CELLULAR_FIXED, "centre_km", "patch_m", "density_spread", "land_contrast", "station_spread", "shared")

_INTERNET = CELL_SERVICES[2]
_C2TM = tuple(
    replace(_INTERNET, name=name, unit=name, size_spread=spread)
    for name, spread in (("users", 0.3), ("packets", 1.5), ("bytes", 2.0))
)
_LTE = tuple(
    replace(_INTERNET, name=name, unit=unit, size_spread=spread)
    for name, unit, spread in (("down", "bits", 2.0), ("up", "bits", 2.0), ("users", "users", 0.3))
)
_START = BackboneConfig(
    weeks=2,
    direction_spread=0.3,
    friction=0.5,
    reciprocity=0.3,
    variation=0.4,
    variation_spread=0.5,
    power=1.6,
    tail=0.5,
    drift=0.3,
    bursts_per_week=1.0,
)
STARTS: dict[str, BackboneConfig | CellularConfig] = {
    "abilene": replace(_START, interval="5min", total=3.5e9, sampling=100, busy_hour=14, residual_spread=1.0),
    "geant": replace(_START, interval="15min", total=8.2e9, sampling=1000, busy_hour=17, residual_spread=1.6),
    "milan": CellularConfig(
        weeks=15 / 7,
        interval="10min",
        start="2013-11-01",
        services=(_INTERNET,),
        layout="grid",
        width_km=1.175,
        height_km=1.175,
        squares=5,
        pixel_m=47,
        stations=14,
        population=14_000,
        variation=0.3,
        shared=0.3,
        land_contrast=0.7,
    ),
    "c2tm": CellularConfig(
        weeks=8 / 7, start="2012-08-19", services=_C2TM, stations=16, population=50_000, variation=0.5
    ),
    "lte": CellularConfig(
        weeks=12 / 7,
        interval="2min",
        start="2019-01-12",
        services=_LTE,
        stations=1,
        width_km=1,
        height_km=1,
        population=5_000,
        variation=0.8,
    ),
}


def write(names: list[str]) -> None:
    """Print the configurations."""
    for name in names or STARTS:
        real = halves(name)
        found = _calibrated(name, real)
        print(f"## {name}: cost {' '.join(f'{cost:.2f}' for cost in found.cost)}\n")
        print(_code(found.config), "\n")
        rows = [
            [key, number(value), number(found.simulated[key]), f"{found.deviations[key]:.2f}"]
            for key, value in found.real.items()
        ]
        print(markdown_table(("statistic", "real", "simulated", "difference / 25 %"), rows), "\n", flush=True)


def _calibrated(name: str, real: Halves) -> Calibration:
    start = STARTS[name]
    ranges: Any
    fixed: tuple[str, ...]
    if isinstance(start, BackboneConfig):
        if real.network is None:
            raise ValueError(f"{name} has no network")
        simulator: Any = BackboneSimulator(real.network, start)
        ranges, fixed, seeds = BackboneRandomization(), BACKBONE_FIXED, 10
    else:
        simulator = CellularSimulator(start)
        ranges, fixed, seeds = CellularRandomization(), ALONE_FIXED if start.stations == 1 else CELLULAR_FIXED, 16
    kept = {one: (getattr(start, one), getattr(start, one)) for one in fixed}

    def tell(done: int, total: int, cost: float) -> None:
        print(f"{name}: round {done} of {total}, cost {cost:.2f}", flush=True)

    options = CalibrationConfig(seeds=seeds, rounds=8)
    return calibrate(simulator, real.calibrate, replace(ranges, **kept), options, progress=tell)


def _code(config: BackboneConfig | CellularConfig) -> str:
    """What differs from the default, as arguments."""
    usual = {f.name: f.default for f in fields(config)}
    found = asdict(config)
    lines = [f"    {name}={_rounded(value)!r}," for name, value in found.items() if value != usual[name]]
    return "\n".join(lines)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.3g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return tuple(_rounded(one) for one in value) if isinstance(value, (tuple, list)) else value
