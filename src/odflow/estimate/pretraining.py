"""Making the networks that come with odflow: ``python -m odflow.estimate.pretraining stack|diffusion FILE``."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from odflow.errors import DataError
from odflow.estimate.denoiser import DenoisingConfig, FlowDenoiser
from odflow.estimate.diffusion import DenoisingTask
from odflow.estimate.lessons import Group, LessonConfig, LessonTask, fresh_network, grouped, lessons_of
from odflow.estimate.networks import network_numbers
from odflow.estimate.stack_network import StackConfig, StackNetwork, StackTask
from odflow.estimate.worlds import varied_worlds
from odflow.modelfile import ModelFile, write_model
from odflow.training import train

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

WORLDS, MEMBERS = 300, 3
_BACK_TESTS, _OVERLAPPING, _SNAPSHOTS = 4, 2, 16  # of a world; of each back-test


class Kind(NamedTuple):
    """What a file of networks holds, and how it is trained."""

    network: type[nn.Module]
    task: type[LessonTask]
    training: LessonConfig


KINDS = {
    "stack": Kind(StackNetwork, StackTask, StackConfig(steps=4000, learning_rate=1e-2)),
    "diffusion": Kind(FlowDenoiser, DenoisingTask, DenoisingConfig(steps=6000, learning_rate=5e-3)),
}


def lessons_of_worlds(worlds: int, seed: int = 0, told: Callable[[int], None] | None = None) -> list[Group]:
    """Back-tests inside simulated histories."""
    out, config = [], LessonConfig(snapshots=_SNAPSHOTS, seed=seed)
    for k, world in enumerate(varied_worlds(worlds, seed)):
        try:
            lessons = lessons_of(
                world.demands, world.routing, config, world.noise, most=_BACK_TESTS, overlapping=_OVERLAPPING
            )
        except DataError:  # such as a flow that is never seen
            continue
        out += grouped(part for one in lessons for part in one.parts)
        if told:
            told(k + 1)
    return out


def make(
    name: str, path: Path, *, worlds: int = WORLDS, members: int = MEMBERS, steps: int | None = None, seed: int = 0
) -> None:
    """Make a file of networks; the same for the same arguments, up to rounding.

    It goes on where it was stopped. One core takes some 20 minutes for the stack, 40 for the diffusion, and 2 GiB.

    Parameters
    ----------
    name : {"stack", "diffusion"}
    path : Path
        A ``.safetensors`` file; checkpoints are beside it until it is done.
    worlds : int
    members : int
        Networks, each with a seed of its own.
    steps : int, optional
        Of each training.
    seed : int
    """
    kind = KINDS[name]
    config = replace(kind.training, seed=seed, steps=steps or kind.training.steps)
    groups = lessons_of_worlds(worlds, seed, lambda done: _say(f"{done} of {worlds} worlds"))
    networks, checkpoints = [], [path.with_suffix(f".{k}.checkpoint.safetensors") for k in range(members)]
    for k, checkpoint in enumerate(checkpoints):
        network = fresh_network(kind.network, config, k, groups)
        own = replace(config, seed=seed + k)
        task = kind.task(network, groups, own)
        train(task, task.data, own, checkpoint=checkpoint, resume=checkpoint.exists(), progress=_training)
        networks.append(network)
    about = {"worlds": worlds, "seed": seed, "snapshots": sum(len(one.truth) for one in groups)}
    header = {"config": asdict(config), "networks": members, "made_by": about}
    write_model(path, ModelFile(kind.network.__name__, header, network_numbers(networks)))
    for checkpoint in checkpoints:
        checkpoint.unlink()


def _training(done: int, total: int, losses: object) -> None:
    _say(f"step {done} of {total}: {losses}")


def _say(text: str) -> None:
    print(f"\r{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    make(sys.argv[1], Path(sys.argv[2]))
