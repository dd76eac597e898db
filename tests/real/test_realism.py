"""Simulated beside real traffic (``python -m benchmarks realism`` makes the whole table)."""

from __future__ import annotations

import numpy as np
import pytest

from odflow.evaluate.realism import RealismBenchmark, run
from odflow.evaluate.realism_real import halves

pytestmark = pytest.mark.real
# share of the statistics that are within 25 % of the half that was kept aside; LTE has two stations that differ
NEAR = {"abilene": 0.8, "geant": 0.8, "milan": 0.8, "c2tm": 0.8, "lte": 0.5}


@pytest.mark.parametrize("name", NEAR)
def test_calibrated_configurations_are_near_the_other_half(name: str, real_data) -> None:
    (found,) = run(RealismBenchmark(datasets=(name,), worlds=0)).compared
    assert found.near >= NEAR[name]
    assert found.near >= found.repeats - 0.1  # nearly as near as real traffic to itself


@pytest.mark.parametrize(
    ("name", "counts", "shape"),
    [
        ("abilene", (4, 3), (4032, 12, 12)),
        ("geant", (1, 1), (1344, 23, 23)),
        ("milan", (1, 1), (2160, 25, 1)),
        ("c2tm", (1, 1), (192, 16, 3)),
        ("lte", (1, 1), (8615, 1, 3)),
    ],
)
def test_halves_share_nothing(name: str, counts, shape, real_data) -> None:
    found = halves(name)
    assert (len(found.calibrate), len(found.check)) == counts
    assert found.calibrate[0].shape == shape
    for part in (*found.calibrate, *found.check):
        assert np.isfinite(part.values).all()
    if name in ("abilene", "geant", "milan"):
        times = [set(part["time"].values.tolist()) for part in (*found.calibrate, *found.check)]
        assert sum(map(len, times)) == len(set().union(*times))
