"""Networks to start from that have learnt from something else than varied worlds; each is made once and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.sim_mstnet.sets import LINKS, SETS, load
from odflow.forecast.pretrained import ORIGINS, TRAINING, WORLDS, load_network, save_network
from odflow.forecast.pretraining import Pool, pretrain
from odflow.forecast.worlds import varied_worlds

if TYPE_CHECKING:
    from odflow.forecast.mstnet import MSTNet

REAL_STEPS = 1500  # of 4,000 on worlds: there is less to learn from


def without_randomisation(folder: Path) -> MSTNet:
    """From as many worlds as the network that comes with odflow, with the parameters of the simulators' presets."""
    return _kept(
        folder / "starts" / "no-randomisation.safetensors",
        lambda: Pool(varied_worlds(WORLDS, 0, randomised=False), TRAINING, origins=ORIGINS),
        TRAINING.steps,
    )


def from_real_sets(dataset: str, folder: Path) -> MSTNet:
    """From the training parts of all real sets but those of the same network or operator."""
    others = [name for name in (*SETS, *LINKS) if name.partition("-")[0] != dataset.partition("-")[0]]
    return _kept(
        folder / "starts" / f"real-but-{dataset.partition('-')[0]}.safetensors",
        lambda: Pool([load(name).train for name in others], TRAINING, origins=ORIGINS * WORLDS // len(others)),
        REAL_STEPS,
    )


def _kept(file: Path, pool: Callable[[], Pool], steps: int) -> MSTNet:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        save_network(pretrain(pool(), replace(TRAINING, steps=steps)), file, {"steps": steps})
    return load_network(file)
