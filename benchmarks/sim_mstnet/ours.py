"""Sim-MSTNet and its ablations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.sim_mstnet.methods import Tuned, budget
from benchmarks.sim_mstnet.starts import from_real_sets, without_randomisation
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.sim_mstnet import SimMSTNet
from odflow.forecast.weighing import REWEIGHTING
from odflow.forecast.worlds import varied_worlds

if TYPE_CHECKING:
    import xarray as xr

REWEIGHTED_WORLDS = 200
OURS = ("sim-mstnet", "zero-shot", "blend")
# each changes one thing of sim-mstnet
ABLATIONS = (
    "no simulation",
    "no simulation, no mixture",
    "no simulation, hard sharing",
    "no simulation, no task attention",
    "no simulation, single task",
    "no simulation, fixed loss weights",
    "no randomisation",
    "real sets",
    "no blending",
    "plain fine-tuning",
    "reweighted",
    "uniform weights",
)
WITH_WORLDS: dict[str, Callable[[int], Iterable[xr.DataArray]]] = {
    "reweighted": lambda seed: varied_worlds(REWEIGHTED_WORLDS, 1000 + seed),
    "uniform weights": lambda seed: varied_worlds(REWEIGHTED_WORLDS, 1000 + seed),
    **{name: lambda seed: [] for name in ABLATIONS if name.startswith("no simulation")},
}
ANCHOR = 0.1


def ours(name: str, dataset: str, series: int, seed: int, folder: Path) -> SimMSTNet:
    """Sim-MSTNet, or one of its ablations, trained with the budget of its rivals."""
    lead = MSTNetConfig().lead
    scratch = budget(series, lead, seed, Tuned())
    config = replace(budget(series, lead, seed, Tuned(learning_rate=1e-3)), anchor=ANCHOR)
    match name:
        case "sim-mstnet":
            return SimMSTNet(config)
        case "zero-shot":
            return SimMSTNet(config, fine_tune=False)
        case "no simulation":
            return SimMSTNet(scratch)
        case "no simulation, no mixture":
            return SimMSTNet(replace(scratch, mixture=False))
        case "no simulation, hard sharing":
            return SimMSTNet(replace(scratch, sharing="hard"))
        case "no simulation, no task attention":
            return SimMSTNet(replace(scratch, task_attention=False))
        case "no simulation, single task":
            return SimMSTNet(replace(scratch, sharing="none"))
        case "no simulation, fixed loss weights":
            return SimMSTNet(replace(scratch, dynamic_weights=False))
        case "no randomisation":
            return SimMSTNet(config, start=without_randomisation(folder))
        case "real sets":
            return SimMSTNet(config, start=from_real_sets(dataset, folder))
        case "plain fine-tuning":
            return SimMSTNet(replace(config, anchor=0.0), blend=1.0)
        case "no blending":
            return SimMSTNet(config, blend=1.0)
        case "reweighted":
            return SimMSTNet(config, reweighting=replace(REWEIGHTING, seed=seed))
        case "uniform weights":
            return SimMSTNet(config, reweighting=replace(REWEIGHTING, seed=seed), uniform=True)
    raise ValueError(name)
