"""Domain randomisation: a distribution over every parameter of a simulator; one seed gives one world."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from odflow.errors import UsageError
from odflow.simulate.backbone import BackboneSimulator
from odflow.simulate.config import BackboneConfig
from odflow.simulate.ranges import Randomization, Range

if TYPE_CHECKING:
    import xarray as xr

    from odflow.simulate.cellular import CellularSimulator
    from odflow.simulate.cellular_config import CellularConfig

    Simulator: TypeAlias = BackboneSimulator | CellularSimulator


@dataclass(frozen=True, kw_only=True)
class BackboneRandomization(Randomization[BackboneConfig]):
    """Ranges of parameters of :class:`BackboneConfig`, drawn independently.

    Uniformly, or uniformly in the logarithm where the upper end is at least three times the lower one and both are
    above 0. Both ends equal keep a parameter fixed. Parameters without a range here are those of the simulator.

    The ranges hold, with a wide margin, what was calibrated on Abilene and GÉANT (:mod:`odflow.simulate.presets`) and
    what the sources that :class:`BackboneConfig` names say; the real statistics of both are within nine of ten worlds.

    Raises
    ------
    UsageError
        If a range is empty, or an end of one makes no sense as a parameter.
    """

    usual: ClassVar[Any] = BackboneConfig()

    mass_spread: Range = (0.5, 2.0)
    direction_spread: Range = (0.1, 0.8)
    friction: Range = (0.0, 1.5)
    residual_spread: Range = (0.3, 2.5)
    reciprocity: Range = (0.0, 0.95)
    silent: Range = (0.0, 0.1)
    self_share: Range = (0.0, 0.3)
    daily_swing: Range = (1.2, 4.0)
    busy_hour: Range = (0.0, 24.0)
    busy_hour_spread: Range = (0.5, 4.0)
    second_peak: Range = (0.0, 0.5)
    swing_spread: Range = (0.1, 1.0)
    weekend: Range = (0.5, 1.2)
    weekend_spread: Range = (0.0, 0.3)
    variation: Range = (0.1, 1.0)
    variation_spread: Range = (0.2, 1.5)
    power: Range = (0.8, 1.9)
    white: Range = (0.1, 0.9)
    memory_min: Range = (10.0, 240.0)
    long_share: Range = (0.2, 0.8)
    long_memory_h: Range = (4.0, 48.0)
    tail: Range = (0.0, 1.6)
    shared: Range = (0.0, 0.6)
    drift: Range = (0.1, 0.8)
    drift_days: Range = (2.0, 30.0)
    shifts_per_year: Range = (0.0, 20.0)
    shift_spread: Range = (0.2, 1.5)
    growth: Range = (1.0, 2.0)
    bursts_per_week: Range = (0.0, 10.0)
    burst_size: Range = (0.5, 5.0)
    burst_minutes: Range = (5.0, 60.0)
    flash_crowds_per_week: Range = (0.0, 3.0)
    flash_factor: Range = (1.2, 5.0)
    flash_hours: Range = (0.5, 6.0)
    sampling: Range = (1.0, 3000.0)


@dataclass(frozen=True, eq=False)
class World:
    """One draw of a randomised simulator.

    Parameters
    ----------
    seed : int
        Of this world: the simulator with this `config` gives the same traffic again by ``run(seed)``.
    config : BackboneConfig or CellularConfig
    traffic : DataArray
        What its ``run`` gives.
    """

    seed: int
    config: BackboneConfig | CellularConfig
    traffic: xr.DataArray

    @property
    def parameters(self) -> dict[str, float]:
        """All numbers of the configuration by name; those of a service as ``video.share``."""
        found = _numbers(self.config)
        for service in self.config.services:
            found |= {f"{service.name}.{name}": value for name, value in _numbers(service).items()}
        return found


def _numbers(config: object) -> dict[str, float]:
    named = ((f.name, getattr(config, f.name)) for f in fields(config))  # type: ignore[arg-type]
    return {name: float(value) for name, value in named if isinstance(value, (int, float))}


def randomize(
    simulator: Simulator, randomization: Randomization[Any], n: int, seed: int = 0, *, workers: int = 0
) -> Iterator[World]:
    """Simulate independent worlds, one after the other, without holding more than a few in memory.

    Parameters
    ----------
    simulator : BackboneSimulator or CellularSimulator
        What is not randomised is as in its configuration.
    randomization : BackboneRandomization or CellularRandomization
    n : int
        Number of worlds.
    seed : int
        The worlds are a pure function of it, whatever the number of workers.
    workers : int
        Processes beside this one; 0 = none.

    Yields
    ------
    World

    Raises
    ------
    UsageError
        If `n` or `workers` is negative.
    """
    if n < 0 or workers < 0:
        raise UsageError(f"n is {n} and workers is {workers}, expected numbers of 0 or more")
    seeds = np.random.SeedSequence(seed).generate_state(n, np.uint32).tolist()
    tasks = ((simulator, randomization, int(one)) for one in seeds)
    if not workers:
        yield from map(_world, tasks)
        return
    with ProcessPoolExecutor(workers) as pool:
        waiting = [pool.submit(_world, task) for task in islice(tasks, 2 * workers)]
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(_world, task) for task in islice(tasks, 1)]


def _world(task: tuple[Simulator, Randomization[Any], int]) -> World:
    simulator, randomization, seed = task
    config = randomization.draw(simulator.config, seed)
    return World(seed, config, replace(simulator, config=config).run(seed))
