"""Simulated networks of many kinds to learn estimation from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from odflow.evaluate.synthetic import random_network
from odflow.network.model import Network
from odflow.network.routing import Routing
from odflow.simulate import presets
from odflow.simulate.backbone import BackboneSimulator
from odflow.simulate.config import BackboneConfig
from odflow.simulate.randomise import BackboneRandomization
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

if TYPE_CHECKING:
    import xarray as xr

_NODES = (6, 24)
_DEGREE = (2.4, 4.5)  # directed links out of a node
_INTERVALS = ("15min", "30min", "1h")
_WEEKS = (3.0, 6.0)
_WIDER_NODES, _WIDER_DEGREE, _SMALL = (5, 60), (2.0, 6.0), 16
_GABRIEL, _LEAST_GABRIEL = 0.3, 10
_NEAR_GRAVITY, _MADE_UP = 0.15, 0.35  # shares of the worlds
_RANDOM, _NO_SELF = 0.8, 0.15  # of those that are simulated
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


def wider_worlds(count: int, seed: int = 0) -> Iterator[World]:
    """Networks of 5 to 60 nodes over one or two weeks, with traffic of more kinds.

    Simulated with parameters at random or as calibrated, made up in another way, about as gravity says, and without
    traffic of nodes to themselves.

    Parameters
    ----------
    count : int
    seed : int
        The worlds are a pure function of it.
    """
    yield from map(wider_world, np.random.SeedSequence(seed).generate_state(count, np.uint32).tolist())


def wider_world(seed: int) -> World:
    """One of :func:`wider_worlds`."""
    rng = np.random.default_rng(seed)
    nodes = round(float(np.exp(rng.uniform(*np.log(_WIDER_NODES)))))
    if rng.random() < _GABRIEL and nodes >= _LEAST_GABRIEL:
        network = Network.from_topohub(f"gabriel/{nodes // 5 * 5}/{rng.integers(10)}")
    else:
        network = random_network(nodes, seed=seed, degree=rng.uniform(*_WIDER_DEGREE))
    interval = str(rng.choice(_INTERVALS if nodes > _SMALL else ("5min", *_INTERVALS)))
    demands = _wider_traffic(network, interval, rng, seed)
    noise = float(np.exp(rng.uniform(*np.log(_NOISE)))) if rng.random() < _NOISY else 0.0
    return World(demands, Routing.shortest_path(network), noise)


def _wider_traffic(network: Network, interval: str, rng: np.random.Generator, seed: int) -> xr.DataArray:
    kind, total = rng.random(), 10 ** rng.uniform(9, 12)
    if kind < _MADE_UP:
        near = kind < _NEAR_GRAVITY
        config = PlausibleTraffic(
            weeks=1,
            interval=interval,
            total=total,
            mass_spread=rng.uniform(0.3, 1.5),
            residual_spread=rng.uniform(0, 0.3 if near else 1.2),
            self_share=1.0 if near else rng.uniform(0, 1),
            noise=rng.uniform(0.05, 0.4),
            noise_spread=rng.uniform(0.2, 1.2),
            power=rng.uniform(1.0, 2.0),
        )
        return plausible_traffic(network, config, seed=seed)
    usual = [BackboneConfig(), presets.abilene_like(), presets.geant_like()][int(rng.integers(3))]
    usual = replace(usual, interval=interval, weeks=float(rng.uniform(1, 2)), total=total, services=())
    drawn = BackboneRandomization().draw(usual, seed) if rng.random() < _RANDOM else usual
    return BackboneSimulator(network, replace(drawn, self_share=0.0) if rng.random() < _NO_SELF else drawn).run(seed)


def _world(seed: int) -> World:
    rng = np.random.default_rng(seed)
    network = random_network(int(rng.integers(*_NODES, endpoint=True)), seed=seed, degree=rng.uniform(*_DEGREE))
    kind = [BackboneConfig(), presets.abilene_like(), presets.geant_like()][int(rng.integers(3))]
    interval, weeks = str(rng.choice(_INTERVALS)), float(rng.uniform(*_WEEKS))
    usual = replace(kind, interval=interval, weeks=weeks, total=10 ** rng.uniform(9, 12), services=())
    demands = BackboneSimulator(network, BackboneRandomization().draw(usual, seed)).run(seed)
    noise = float(np.exp(rng.uniform(*np.log(_NOISE)))) if rng.random() < _NOISY else 0.0
    return World(demands, Routing.shortest_path(network), noise)
