from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from odflow import Network, Node
from odflow.errors import DataError, UsageError
from odflow.evaluate.realism_compare import mean_statistics, statistics
from odflow.sim2real.calibration import CalibrationConfig, calibrate
from odflow.simulate import (
    BackboneConfig,
    BackboneRandomization,
    BackboneSimulator,
    CellularConfig,
    CellularRandomization,
    CellularSimulator,
)

NETWORK = Network(tuple(Node(f"n{k}", 45 + k, 2 * k) for k in range(6)), ())
START = BackboneSimulator(
    NETWORK, BackboneConfig(weeks=2, interval="1h", swing_spread=0.0, drift=0.05, shifts_per_year=0, bursts_per_week=0)
)
FREE = ("weekend", "daily_swing", "self_share", "busy_hour", "variation")


def only(names: tuple[str, ...]) -> BackboneRandomization:
    ranges = BackboneRandomization()
    fixed = {name: (getattr(START.config, name),) * 2 for name in ranges.ranges if name not in names}
    return replace(ranges, **fixed)  # type: ignore[arg-type]


def test_parameters_are_found_again() -> None:
    hidden = replace(START.config, weekend=0.55, daily_swing=3.2, self_share=0.22, busy_hour=20.0, variation=0.45)
    # other seeds than those of the calibration, as if it were real
    real = [BackboneSimulator(NETWORK, hidden).run(seed) for seed in range(100, 106)]
    course: list[float] = []
    options = CalibrationConfig(seeds=4, rounds=6, pull=0.02)
    found = calibrate(START, real, only(FREE), options, progress=lambda done, total, cost: course.append(cost))
    assert found.config.weekend == pytest.approx(0.55, rel=0.1)
    assert found.config.daily_swing == pytest.approx(3.2, rel=0.1)
    assert found.config.self_share == pytest.approx(0.22, rel=0.1)
    assert found.config.busy_hour == pytest.approx(20.0, abs=0.5)
    assert found.config.variation == pytest.approx(0.45, rel=0.2)
    assert found.cost[-1] < 0.25 * found.cost[0]
    assert list(found.cost[1:]) == course
    assert (np.diff(found.cost) < 0).all()
    for name in ("friction", "weeks", "total", "power"):
        assert getattr(found.config, name) == getattr(START.config, name)
    again = mean_statistics([statistics(BackboneSimulator(NETWORK, found.config).run(seed)) for seed in range(4)])
    assert found.simulated == pytest.approx(again, nan_ok=True)
    assert abs(found.deviations["weekend"]) < 0.4


def test_processes_change_nothing() -> None:
    real = statistics(BackboneSimulator(NETWORK, replace(START.config, weekend=0.6)).run(50))
    options = CalibrationConfig(seeds=2, rounds=1)
    one = calibrate(START, real, only(("weekend",)), options)
    two = calibrate(START, real, only(("weekend",)), replace(options, workers=2))
    assert one.config == two.config
    assert one.cost == two.cost


def test_a_city() -> None:
    start = CellularSimulator(CellularConfig(weeks=1, stations=6, width_km=3, height_km=3))
    ranges = CellularRandomization()
    neutral = {name: (0.0 if name.endswith("busy_hour") else 1.0) for name in ranges.ranges if "service" in name}
    fixed = {name: neutral.get(name, getattr(start.config, name, None)) for name in ranges.ranges}
    free = ("service_weekend", "station_spread")
    ranges = replace(ranges, **{name: (at, at) for name, at in fixed.items() if name not in free})  # type: ignore[arg-type]
    hidden = replace(start.config, services=tuple(replace(s, weekend=1.2 * s.weekend) for s in start.config.services))
    real = [replace(start, config=hidden).run(seed) for seed in range(20, 26)]
    found = calibrate(start, real, ranges, CalibrationConfig(seeds=6, rounds=4, pull=0.02))
    for one, true in zip(found.config.services, hidden.services, strict=True):
        assert one.weekend == pytest.approx(true.weekend, rel=0.06)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="no statistic to calibrate by"):
        calibrate(START, {"gini": float("nan")}, only(FREE))
    for change, message in (
        ({"seeds": 0}, "seeds is 0, expected at least 1"),
        ({"reach": 0.0}, "reach is 0.0, expected a positive number"),
    ):
        with pytest.raises(UsageError, match=message):
            CalibrationConfig(**change)  # type: ignore[arg-type]
