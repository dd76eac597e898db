from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np
import pytest

from odflow import Network, Node
from odflow.errors import UsageError
from odflow.simulate import BackboneConfig, BackboneSimulator
from odflow.simulate.randomise import BackboneRandomization, randomize

NETWORK = Network(tuple(Node(f"n{k}", 45 + k, 2 * k) for k in range(5)), ())
SIMULATOR = BackboneSimulator(NETWORK, BackboneConfig(interval="1h", total=5e9))


def test_draws_cover_their_ranges() -> None:
    ranges = BackboneRandomization()
    drawn = [ranges.draw(SIMULATOR.config, seed) for seed in range(2000)]
    for name, (low, high) in ranges.ranges.items():
        values = np.array([getattr(config, name) for config in drawn])
        assert low <= values.min()
        assert values.max() <= high
        middle = np.sqrt(low * high) if low > 0 and high >= 3 * low else (low + high) / 2
        assert np.median(values) == pytest.approx(middle, rel=0.06, abs=0.03 * (high - low))
    assert {config.total for config in drawn} == {5e9}
    pairs = np.array([(config.mass_spread, config.variation) for config in drawn])
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.07


def test_every_range_is_of_a_parameter() -> None:
    known = {f.name for f in fields(BackboneConfig)}
    assert set(BackboneRandomization().ranges) <= known
    usual = asdict(BackboneConfig(sampling=1))  # no sampling, as 0
    for name, (low, high) in BackboneRandomization().ranges.items():
        assert low <= usual[name] <= high, name


def test_worlds_are_independent_and_come_again() -> None:
    one = list(randomize(SIMULATOR, BackboneRandomization(), 4, seed=1))
    assert len({world.seed for world in one}) == len({world.config for world in one}) == 4
    for world in one:
        again = BackboneSimulator(NETWORK, world.config).run(world.seed)
        assert again.values.tobytes() == world.traffic.values.tobytes()
    fewer = list(randomize(SIMULATOR, BackboneRandomization(), 2, seed=1))
    assert [world.seed for world in fewer] == [world.seed for world in one[:2]]
    spread = list(randomize(SIMULATOR, BackboneRandomization(), 4, seed=1, workers=2))
    for world, same in zip(one, spread, strict=True):
        assert (world.seed, world.config) == (same.seed, same.config)
        assert world.traffic.values.tobytes() == same.traffic.values.tobytes()


def test_bad_ranges() -> None:
    with pytest.raises(UsageError, match=r"range of weekend is 1 to 0\.5"):
        BackboneRandomization(weekend=(1, 0.5))
    with pytest.raises(UsageError, match="white is 2, expected a share"):
        BackboneRandomization(white=(0, 2))
    with pytest.raises(UsageError, match="n is -1"):
        list(randomize(SIMULATOR, BackboneRandomization(), -1))
