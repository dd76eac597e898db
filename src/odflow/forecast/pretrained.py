"""The network that comes with odflow: trained on simulated worlds of many kinds (needs torch)."""

from __future__ import annotations

from dataclasses import asdict, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from odflow.errors import FormatError
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.pretraining import Pool, pretrain, tied_network
from odflow.forecast.worlds import varied_worlds
from odflow.modelfile import ModelFile, read_model, write_model
from odflow.training import Progress

if TYPE_CHECKING:
    from odflow.forecast.mstnet import MSTNet

KIND = "MSTNet"
FILE = "mstnet.safetensors"
WORLDS, ORIGINS = 1200, 32
TRAINING = MSTNetConfig(
    sharing="tied", steps=4000, batch=32, learning_rate=3e-3, final_learning_rate=1e-4, ema=0.998, patience=0
)


def pretrained() -> MSTNet:
    """The network of tied branches that comes with odflow; its file says how it was made."""
    with as_file(files("odflow.forecast") / "weights" / FILE) as path:
        return load_network(path)


def load_network(path: str | Path) -> MSTNet:
    """A network that :func:`make_network` or :func:`save_network` wrote.

    Raises
    ------
    FormatError
        If it is none.
    """
    file = read_model(path)
    if file.kind != KIND:
        raise FormatError(Path(path), f"holds a {file.kind}, expected a pre-trained {KIND}")
    config = dict(file.header["config"])
    network = tied_network(MSTNetConfig(**{**config, "quantiles": tuple(config["quantiles"])}))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in file.tensors.items()})
    return network.eval()


def save_network(network: MSTNet, path: str | Path, made_by: dict[str, object]) -> None:
    """Write a network of tied branches, and how it was made."""
    tensors = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    header = {"config": asdict(network.config), "made_by": made_by}
    write_model(path, ModelFile(KIND, header, tensors))


def make_network(
    path: str | Path,
    *,
    worlds: int = WORLDS,
    steps: int = TRAINING.steps,
    seed: int = 0,
    device: str = "cpu",
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> MSTNet:
    """Make the network that comes with odflow: ``python -m odflow.forecast.pretrained FILE``.

    Half an hour on one core; the same file for the same arguments, up to rounding.
    """
    config = replace(TRAINING, steps=steps, seed=seed, device=device)
    pool = Pool(varied_worlds(worlds, seed), config, origins=ORIGINS, seed=seed)
    network = pretrain(pool, config, checkpoint=checkpoint, resume=resume, progress=progress)
    save_network(network, path, {"worlds": worlds, "seed": seed, "samples": len(pool.rows)})
    return network


if __name__ == "__main__":
    import sys

    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    make_network(
        out,
        checkpoint=out.with_suffix(".checkpoint"),
        resume=out.with_suffix(".checkpoint").exists(),
        progress=lambda done, total, losses: print(f"\r{done} of {total}: {losses}", end="", file=sys.stderr),
    )
