"""Simulated networks of many kinds to learn estimation from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from odflow.evaluate.synthetic import random_network
from odflow.network.routing import Routing
from odflow.simulate import presets
from odflow.simulate.backbone import BackboneSimulator
from odflow.simulate.config import BackboneConfig
from odflow.simulate.randomise import BackboneRandomization

if TYPE_CHECKING:
    import xarray as xr

_NODES = (6, 24)
_DEGREE = (2.4, 4.5)  # directed links out of a node
_INTERVALS = ("15min", "30min", "1h")
_WEEKS = (3.0, 6.0)
_NOISY, _NOISE = 0.3, (0.003, 0.1)  # share of the worlds; relative error of the loads


class World(NamedTuple):
    """A network and its traffic.

    Parameters
    ----------
    demands : DataArray (time, origin, destination)
        bit/s.
    routing : Routing
    noise : float
        Relative error that its loads are to have.
    """

    demands: xr.DataArray
    routing: Routing
    noise: float


def varied_worlds(count: int, seed: int = 0) -> Iterator[World]:
    """Backbones of 6 to 24 nodes over three to six weeks, with all parameters drawn at random.

    Parameters
    ----------
    count : int
    seed : int
        The worlds are a pure function of it.
    """
    yield from map(_world, np.random.SeedSequence(seed).generate_state(count, np.uint32).tolist())


def _world(seed: int) -> World:
    rng = np.random.default_rng(seed)
    network = random_network(int(rng.integers(*_NODES, endpoint=True)), seed=seed, degree=rng.uniform(*_DEGREE))
    kind = [BackboneConfig(), presets.abilene_like(), presets.geant_like()][int(rng.integers(3))]
    interval, weeks = str(rng.choice(_INTERVALS)), float(rng.uniform(*_WEEKS))
    usual = replace(kind, interval=interval, weeks=weeks, total=10 ** rng.uniform(9, 12), services=())
    demands = BackboneSimulator(network, BackboneRandomization().draw(usual, seed)).run(seed)
    noise = float(np.exp(rng.uniform(*np.log(_NOISE)))) if rng.random() < _NOISY else 0.0
    return World(demands, Routing.shortest_path(network), noise)
