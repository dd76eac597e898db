"""Calibration of a simulator: the parameters whose traffic has the statistics of real traffic.

The method of simulated moments (McFadden 1989): statistics of the simulator are means over a few seeds, the same for
all parameters, so that they are smooth functions of them; Gauss-Newton steps within the box of the ranges. What counts
as a large difference is a quarter of the real value, or more where simulations differ more among themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import lsq_linear

from odflow.errors import DataError, UsageError
from odflow.evaluate.realism_compare import deviation, mean_statistics, statistics
from odflow.simulate.ranges import Randomization

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from odflow.simulate.backbone import BackboneSimulator
    from odflow.simulate.cellular import CellularSimulator

    Floats = NDArray[np.float64]
    Simulator = BackboneSimulator | CellularSimulator

_DIFFERENCE = 0.08  # of a range, for slopes: statistics are a little rough
_SMALLEST = 0.03  # of a range: steps are not made smaller


@dataclass(frozen=True, kw_only=True)
class CalibrationConfig:
    """How to calibrate.

    Parameters
    ----------
    seeds : int
        Simulations whose statistics are averaged.
    rounds : int
        Gauss-Newton steps at most.
    reach : float
        Largest change of a parameter in the first one, as a share of its range.
    pull : float
        Cost of half a range's distance from where a parameter started, in units of a statistic that is just near; for
        parameters that no statistic tells apart.
    workers : int
        Processes beside this one; 0 = none.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    seeds: int = 4
    rounds: int = 6
    reach: float = 0.25
    pull: float = 0.2
    workers: int = 0

    def __post_init__(self) -> None:
        for name, least in (("seeds", 1), ("rounds", 0), ("workers", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}, expected at least {least}")
        for name in ("reach", "pull"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}, expected a positive number")


@dataclass(frozen=True, eq=False)
class Calibration:
    """What came out.

    Parameters
    ----------
    config : BackboneConfig or CellularConfig
        Calibrated.
    real, simulated : dict of str to float
        Statistics; of the simulations the means over the seeds.
    cost : tuple of float
        At the start and after each round.
    """

    config: Any
    real: dict[str, float]
    simulated: dict[str, float]
    cost: tuple[float, ...]

    @property
    def deviations(self) -> dict[str, float]:
        """In units of what counts as near, see :func:`odflow.evaluate.realism_compare.deviation`."""
        return {name: deviation(name, self.simulated[name], value) for name, value in self.real.items()}


def calibrate(
    simulator: Simulator,
    real: xr.DataArray | Sequence[xr.DataArray] | Mapping[str, float],
    randomization: Randomization[Any],
    config: CalibrationConfig | None = None,
    *,
    progress: Callable[[int, int, float], None] | None = None,
) -> Calibration:
    """Fit a simulator's parameters to the statistics of real traffic.

    Parameters
    ----------
    simulator : BackboneSimulator or CellularSimulator
        Where to start; simulates as long and at the interval that its configuration says, which should be those of the
        real traffic.
    real : DataArray, several of them, or mapping of str to float
        Real traffic, stretches of it whose statistics are averaged, or the statistics themselves. What is NaN there is
        left out.
    randomization : Randomization
        Parameters to fit and the ranges to stay in.
    config : CalibrationConfig, optional
    progress : callable, optional
        Is told rounds done, rounds in all, and the cost.

    Raises
    ------
    DataError
        If no statistic is known.
    """
    config = config or CalibrationConfig()
    targets = _targets(real)
    free = [name for name, (low, high) in randomization.ranges.items() if low < high]
    shares = randomization.shares(simulator.config)
    start = np.array([shares[name] for name in free])
    with ProcessPoolExecutor(config.workers) if config.workers else nullcontext() as pool:
        fit = _Fit(simulator, randomization, targets, free, start, config, pool)
        by_seed = fit.simulations([start])[0]
        fit = replace(fit, scales=fit.scales_of(by_seed))
        here, reach = start, config.reach
        found = mean_statistics(by_seed)
        cost = [fit.cost(here, found)]
        for done in range(config.rounds):
            slopes = fit.slopes(here, found)
            while reach >= _SMALLEST:
                there = fit.step(here, found, slopes, reach)
                tried = fit.simulate([there])[0]
                if fit.cost(there, tried) < cost[-1]:
                    break
                reach /= 2
            else:
                break
            here, found = there, tried
            cost.append(fit.cost(here, found))
            if progress:
                progress(done + 1, config.rounds, cost[-1])
    return Calibration(fit.config_at(here), targets, found, tuple(cost))


def _targets(real: xr.DataArray | Sequence[xr.DataArray] | Mapping[str, float]) -> dict[str, float]:
    if isinstance(real, Mapping):
        found = dict(real)
    else:
        found = mean_statistics([statistics(one) for one in (real if isinstance(real, Sequence) else [real])])
    known = {name: value for name, value in found.items() if np.isfinite(value)}
    if not known:
        raise DataError("there is no statistic to calibrate by")
    return known


@dataclass(frozen=True, eq=False)
class _Fit:
    simulator: Simulator
    randomization: Randomization[Any]
    targets: dict[str, float]
    free: list[str]
    start: Floats
    options: CalibrationConfig
    pool: Executor | None
    scales: Floats | None = None  # of the deviations

    def config_at(self, point: Floats) -> Any:
        return self.randomization.at(self.simulator.config, dict(zip(self.free, point.tolist(), strict=True)))

    def simulate(self, points: Sequence[Floats]) -> list[dict[str, float]]:
        """Statistics at each point, means over the seeds."""
        return [mean_statistics(found) for found in self.simulations(points)]

    def simulations(self, points: Sequence[Floats]) -> list[list[dict[str, float]]]:
        """Statistics at each point with each seed."""
        tasks = [
            (replace(self.simulator, config=self.config_at(point)), seed)
            for point in points
            for seed in range(self.options.seeds)
        ]
        found = list(self.pool.map(_statistics_of, tasks) if self.pool else map(_statistics_of, tasks))
        count = self.options.seeds
        return [found[k : k + count] for k in range(0, len(found), count)]

    def scales_of(self, by_seed: list[dict[str, float]]) -> Floats:
        """Deviations that count as one: that of a quarter, and the standard deviation from seed to seed, together."""
        seeds = np.array([self.deviations(found) for found in by_seed])
        return np.asarray(np.sqrt(1 + seeds.var(axis=0)))

    def deviations(self, found: dict[str, float]) -> Floats:
        off = np.array([deviation(name, found[name], value) for name, value in self.targets.items()])
        return np.asarray(np.nan_to_num(off))

    def residuals(self, found: dict[str, float]) -> Floats:
        return self.deviations(found) / (1.0 if self.scales is None else self.scales)

    def cost(self, point: Floats, found: dict[str, float]) -> float:
        """Large deviations count by their size, small ones by their square (pseudo-Huber)."""
        off = self.residuals(found)
        return float(2 * (np.sqrt(1 + off**2) - 1).sum() + self._pull**2 * ((point - self.start) ** 2).sum())

    @property
    def _pull(self) -> float:
        return 2 * self.options.pull

    def slopes(self, point: Floats, found: dict[str, float]) -> Floats:
        """Of the residuals by the parameters, shape (statistics, parameters)."""
        change = np.where(point > 1 - _DIFFERENCE, -_DIFFERENCE, _DIFFERENCE)
        moved = self.simulate([point + change[k] * np.eye(len(point))[k] for k in range(len(point))])
        here = self.residuals(found)
        return np.stack([(self.residuals(one) - here) / size for one, size in zip(moved, change, strict=True)], axis=1)

    def step(self, point: Floats, found: dict[str, float], slopes: Floats, reach: float) -> Floats:
        """Least squares within reach and within the box, deviations weighted as the cost weighs them."""
        off = self.residuals(found)
        weight = (1 + off**2) ** -0.25
        matrix = np.vstack([weight[:, None] * slopes, self._pull * np.eye(len(point))])
        wanted = np.concatenate([-weight * off, self._pull * (self.start - point)])
        low, high = np.maximum(-reach, -point), np.minimum(reach, 1 - point)
        solved = lsq_linear(matrix, wanted, (low - 1e-9, high + 1e-9)).x
        return np.asarray(np.clip(point + solved, 0.0, 1.0))


def _statistics_of(task: tuple[Simulator, int]) -> dict[str, float]:
    simulator, seed = task
    return statistics(simulator.run(seed))
