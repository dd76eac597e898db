"""The realism benchmark: statistics of simulated traffic beside those of real traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odflow.errors import DataError, UsageError
from odflow.evaluate.realism_compare import mean_statistics, spread_of, statistics
from odflow.evaluate.realism_real import REAL, Halves, halves
from odflow.evaluate.realism_result import Compared, RealismResult, StatisticRow
from odflow.evaluate.report import command_line, provenance
from odflow.simulate import presets
from odflow.simulate.backbone import BackboneSimulator
from odflow.simulate.cellular import CellularSimulator
from odflow.simulate.randomise import BackboneRandomization, randomize
from odflow.simulate.randomise_cells import CellularRandomization

if TYPE_CHECKING:
    Simulator = BackboneSimulator | CellularSimulator

CHECK_SEEDS = 1000  # the simulations that are checked are not those of the calibration
PRESETS: dict[str, Any] = {
    "abilene": presets.abilene_like,
    "geant": presets.geant_like,
    "milan": partial(presets.urban_cells, 1.175, services=(presets.urban_cells().services[2],)),
    "c2tm": presets.c2tm_like,
    "lte": presets.lte_like,
}


@dataclass(frozen=True)
class RealismBenchmark:
    """What to run.

    Parameters
    ----------
    datasets : tuple of str
        Of ``abilene``, ``geant`` (TMs), ``milan``, ``c2tm`` and ``lte`` (cells).
    simulations : int
        Of each calibrated configuration; their statistics are averaged.
    worlds : int
        Randomised worlds; 0 for none.
    seed : int
        Of the worlds.
    workers : int
        Processes that simulate, beside this one.

    Raises
    ------
    UsageError
        If a name is unknown or a number makes no sense.
    """

    datasets: tuple[str, ...] = tuple(REAL)
    simulations: int = 20
    worlds: int = 200
    seed: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        for name in self.datasets:
            if name not in REAL:
                raise UsageError(f"unknown data set '{name}'; those with real traffic are {', '.join(REAL)}")
        if not self.datasets or len(set(self.datasets)) < len(self.datasets):
            raise UsageError(f"data sets {', '.join(self.datasets) or 'none'}: name at least one, and each only once")
        for name, least in (("simulations", 1), ("worlds", 0), ("seed", 0), ("workers", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}, expected at least {least}")


def run(config: RealismBenchmark, *, progress: Callable[[str], None] | None = None) -> RealismResult:
    """Run the benchmark.

    Raises
    ------
    DataError
        If a data set is not here.
    """
    tell = progress or (lambda text: None)
    compared = tuple(_compared(name, config, tell) for name in config.datasets)
    return RealismResult(config, compared, provenance(command_line("realism", config), config.seed))


def draw(result: RealismResult, folder: str | Path) -> list[Path]:
    """Write two figures for each data set: views of real and simulated traffic, and its place among the worlds.

    Raises
    ------
    DataError
        If a data set is not here.
    """
    from odflow.evaluate.html import png, write_bytes
    from odflow.evaluate.realism_figures import realism_figure, worlds_figure

    Path(folder).mkdir(parents=True, exist_ok=True)
    written = []
    for compared in result.compared:
        real = halves(compared.name)
        like = simulator_like(compared.name, real).run(CHECK_SEEDS)
        figures = {"views": realism_figure({"real, kept aside": real.check[0], "calibrated simulator": like})}
        if compared.has_worlds:
            figures["worlds"] = worlds_figure(compared)
        for name, figure in figures.items():
            path = Path(folder) / f"realism-{compared.name}-{name}.png"
            write_bytes(path, png(figure, dpi=100))
            written.append(path)
    return written


def simulator_like(name: str, real: Halves) -> Simulator:
    """The calibrated simulator of a data set, as long and at the interval of its stretches."""
    part = real.calibrate[0]
    span = {
        "weeks": len(part) * part.attrs["interval_s"] / (7 * 86400),
        "interval": f"{part.attrs['interval_s']:g}s",
        "start": str(part["time"].values[0])[:19],
    }
    config = PRESETS[name](**span)
    if name in ("abilene", "geant"):
        if real.network is None:
            raise DataError(f"data set '{name}' has no network to simulate")
        return BackboneSimulator(real.network, config)
    return CellularSimulator(config)


def randomization_of(simulator: Simulator) -> BackboneRandomization | CellularRandomization:
    """The ranges for a simulator of this kind."""
    return BackboneRandomization() if isinstance(simulator, BackboneSimulator) else CellularRandomization()


def _compared(name: str, config: RealismBenchmark, tell: Callable[[str], None]) -> Compared:
    real = halves(name)
    simulator = simulator_like(name, real)
    one, other = (mean_statistics([statistics(part) for part in half]) for half in (real.calibrate, real.check))
    found = []
    for k in range(config.simulations):
        tell(f"{name}: simulation {k + 1} of {config.simulations}")
        found.append(statistics(simulator.run(CHECK_SEEDS + k)))
    drawn = _worlds(name, simulator, config, tell)
    mean = mean_statistics(found)
    rows = tuple(
        StatisticRow(
            name=key,
            calibrate=one[key],
            check=other[key],
            simulated=mean[key],
            spread=spread_of(key, [each[key] for each in found]),
            worlds=tuple(world[key] for world in drawn),
        )
        for key in one
        if np.isfinite(one[key]) and np.isfinite(other[key])
    )
    return Compared(name, real.rule, len(real.calibrate), len(real.check), rows)


def _worlds(
    name: str, simulator: Simulator, config: RealismBenchmark, tell: Callable[[str], None]
) -> list[dict[str, float]]:
    found = []
    worlds = randomize(simulator, randomization_of(simulator), config.worlds, config.seed, workers=config.workers)
    for k, world in enumerate(worlds):
        tell(f"{name}: world {k + 1} of {config.worlds}")
        found.append(statistics(world.traffic))
    return found
