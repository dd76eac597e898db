"""Simulated networks of many kinds to learn forecasting from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from odflow.evaluate.synthetic import random_network
from odflow.network.routing import Routing
from odflow.simulate import presets
from odflow.simulate.backbone import BackboneSimulator
from odflow.simulate.cellular import CellularSimulator
from odflow.simulate.cellular_config import CellularConfig
from odflow.simulate.config import BackboneConfig
from odflow.simulate.randomise import BackboneRandomization
from odflow.simulate.randomise_cells import CellularRandomization
from odflow.traffic.series import from_cells, from_tms

if TYPE_CHECKING:
    import xarray as xr

    Rng = np.random.Generator

NODES = 12
_CELL_INTERVALS = ("2min", "5min", "10min", "15min", "30min", "1h")
_BACKBONE_INTERVALS = ("5min", "10min", "15min", "30min", "1h")
_DAYS = (2, 3, 4, 6, 9, 15)
_MOST = 3000  # intervals of a world
_PLATEAUS = 0.6  # share of worlds that have some


def varied_worlds(count: int, seed: int = 0, *, randomised: bool = True) -> Iterator[xr.DataArray]:
    """Small networks with all parameters drawn at random: cells, nodes of a backbone, its links, its demands.

    Parameters
    ----------
    count : int
    seed : int
        The worlds are a pure function of it.
    randomised : bool
        False: all parameters but interval, length, network and chance are those of the simulators' presets.

    Yields
    ------
    DataArray (time, node, service)
        12 nodes of one to three services, over two days to two weeks at intervals from 2 minutes to an hour.
    """
    for one in np.random.SeedSequence(seed).generate_state(count, np.uint32).tolist():
        rng = np.random.default_rng(one)
        world = _cells(rng, one, randomised) if rng.random() < 0.5 else _backbone(rng, one, randomised)
        yield _with_plateaus(world, rng) if randomised and rng.random() < _PLATEAUS else world


def _span(rng: Rng, intervals: tuple[str, ...]) -> dict[str, Any]:
    interval = str(rng.choice(intervals))
    minutes = 60 if interval == "1h" else int(interval.removesuffix("min"))
    days = min(int(rng.choice(_DAYS)), _MOST * minutes // 1440)
    start = np.datetime64("2026-01-05") + int(rng.integers(7))
    return {"interval": interval, "weeks": days / 7, "start": str(start)}


def _cells(rng: Rng, seed: int, randomised: bool) -> xr.DataArray:
    base = [CellularConfig(), presets.urban_cells(), presets.c2tm_like(), presets.lte_like()][int(rng.integers(4))]
    base = replace(base, **_span(rng, _CELL_INTERVALS), stations=max(NODES, min(base.stations, 4 * NODES)))
    config = CellularRandomization().draw(base, seed) if randomised else base
    traffic = from_cells(CellularSimulator(config).run(seed))
    near = np.hypot(*(traffic[name].values - traffic[name].values[0] for name in ("x_m", "y_m"))).argsort()
    services = np.sort(rng.permutation(traffic.sizes["service"])[: int(rng.integers(1, 4))])
    return traffic[:, near[:NODES], services]


def _backbone(rng: Rng, seed: int, randomised: bool) -> xr.DataArray:
    network = random_network(NODES, seed=seed)
    base = [BackboneConfig(), presets.abilene_like(), presets.geant_like()][int(rng.integers(3))]
    base = replace(base, **_span(rng, _BACKBONE_INTERVALS), total=10 ** rng.uniform(9, 12))
    config = BackboneRandomization().draw(base, seed) if randomised else base
    demands = BackboneSimulator(network, config).run(seed)
    kind = rng.random()
    if kind < 0.5:
        return from_tms(demands, network=network)
    found = from_tms(demands, Routing.shortest_path(network)) if kind < 0.75 else from_tms(demands, flows=True)
    return found[:, np.sort(rng.permutation(found.sizes["node"])[:NODES])]


def _with_plateaus(world: xr.DataArray, rng: Rng) -> xr.DataArray:
    """Steady extra traffic that starts and ends at once, for minutes to a day, on some series; at times in pulses.

    What a few large users do, such as transfers between data centres; the simulators' bursts are shorter and fade.
    """
    steps, nodes, services = world.shape
    interval_h = float(world.attrs["interval_s"]) / 3600
    often = 10 ** rng.uniform(-2, -0.5)  # of an hour, share in which one starts
    extra = np.zeros(world.shape)
    for node in np.flatnonzero(rng.random(nodes) < rng.uniform(0.05, 0.5)):
        size = np.nanmean(world.values[:, node], axis=0) * rng.lognormal(0.5, 1.2)
        for start in np.flatnonzero(rng.random(steps) < often * interval_h):
            length = max(1, round(10 ** rng.uniform(-0.8, 1.3) / interval_h))
            rate = rng.uniform(0.3, 1.0) * np.ones(min(length, steps - int(start)))
            if rng.random() < 0.5:  # pulses: on and off by turns, all of like length
                pulse = max(1, round(length * rng.uniform(0.05, 0.3)))
                rate *= np.arange(len(rate)) // pulse % 2 == 0
            rate *= rng.lognormal(0, rng.uniform(0, 0.1), len(rate))
            extra[start : start + len(rate), node] += rate[:, None] * size * (rng.random(services) < 0.7)
    return world.copy(data=world.values + extra)
