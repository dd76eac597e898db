"""Making the networks of SimulatedPrior: ``python -m odflow.estimate.simulated_training FILE`` (needs torch)."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from odflow.estimate.flow_network import fresh_parameters
from odflow.estimate.moment_calibration import Trial, table, trial
from odflow.estimate.simulated_lessons import Lesson, lessons
from odflow.estimate.simulated_prior import KIND, NETWORK, TABLE, SimulatedPrior, inverse_of, told
from odflow.estimate.worlds import wider_world
from odflow.modelfile import ModelFile, write_model
from odflow.training import train
from odflow.training.config import TrainingConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.training.task import Update

WORLDS, MEMBERS, TRIALS = 600, 3, 300
_TRIALS = 1  # stream of worlds
_LEAST_STD = 0.05


@dataclass(frozen=True, kw_only=True)
class SimulatedConfig(TrainingConfig):
    """Sizes and training of the networks.

    Parameters
    ----------
    batch : int
        Lessons.
    width : int
        Of the hidden state of a flow.
    blocks : int
        In each of which flows see each other.
    weight_decay : float
    """

    steps: int = 3000
    batch: int = 8
    learning_rate: float = 4e-3
    final_learning_rate: float = 1e-4
    ema: float = 0.99
    width: int = 32
    blocks: int = 2
    weight_decay: float = 1e-2


class Weights(nn.Module):
    """The weights of a network, as parameters, and what its features are scaled by, as buffers."""

    def __init__(self, lessons: Sequence[SimpleNamespace], config: SimulatedConfig) -> None:
        super().__init__()
        features = torch.cat([one.features for one in lessons])
        fresh = fresh_parameters(features.shape[1], config.width, config.blocks, np.random.default_rng(config.seed))
        self.named = {name: f"p{k}" for k, name in enumerate(fresh)}
        for name, value in fresh.items():
            tensor = torch.from_numpy(value)
            if name == "mean":
                self.register_buffer(self.named[name], features.mean(0))
            elif name == "std":
                self.register_buffer(self.named[name], features.std(0).clamp(min=_LEAST_STD))
            else:
                self.register_parameter(self.named[name], nn.Parameter(tensor))

    def numbers(self) -> dict[str, Tensor]:
        """By their names in :func:`fresh_parameters`."""
        return {name: getattr(self, own) for name, own in self.named.items()}


class SimulatedTask:
    """What is learnt: the mean TM, by least absolute errors.

    Parameters
    ----------
    weights : Weights
    lessons : sequence of SimpleNamespace
        See :func:`tensors_of`.
    config : SimulatedConfig
    """

    def __init__(self, weights: Weights, lessons: Sequence[SimpleNamespace], config: SimulatedConfig) -> None:
        self.weights, self.lessons = weights, lessons
        self.modules: dict[str, nn.Module] = {"network": weights}
        adam = torch.optim.AdamW(
            weights.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.optimizers: dict[str, torch.optim.Optimizer] = {"network": adam}

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """See :class:`odflow.training.task.Task`."""
        loss = self._error(batch)
        update("network", loss)
        return {"error": loss.detach()}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Mean error over traffic."""
        return float(self._error(data).detach())

    def _error(self, batch: Tensor) -> Tensor:
        p, errors = self.weights.numbers(), []
        for k in batch.tolist():
            lesson = self.lessons[k]
            x = told(p, lesson, lesson.inverse, torch.exp)
            errors.append((x - lesson.truth).abs().sum() / lesson.truth.sum())
        return torch.stack(errors).mean()


def tensors_of(lesson: Lesson) -> SimpleNamespace:
    """A lesson for torch."""
    seen = lesson.seen
    arrays = {"features": seen.features, "mean": seen.mean, "expected": seen.expected, "truth": lesson.truth}
    arrays |= {"matrix": seen.matrix.toarray(), "inverse": inverse_of(seen)}
    return SimpleNamespace(**{name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in arrays.items()})


def make(path: Path, *, worlds: int = WORLDS, members: int = MEMBERS, trials: int = TRIALS, seed: int = 0) -> None:
    """Make a file of networks; the same for the same arguments, up to rounding.

    It goes on where it was stopped. Two cores take some hour, and 6 GiB.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file; lessons and checkpoints are beside it until it is done.
    worlds : int
        To learn from.
    members : int
        Networks, each with a seed of its own.
    trials : int
        Other worlds, to put quantiles right.
    seed : int
    """
    beside = path.with_suffix(".lessons")
    taught = []
    for lesson in lessons(beside, worlds, seed):
        taught.append(tensors_of(lesson))
        _say(f"{len(taught)} lessons")
    numbers: dict[str, NDArray[Any]] = {}
    for k in range(members):
        config = SimulatedConfig(seed=seed + k)
        task = SimulatedTask(Weights(taught, config), taught, config)
        checkpoint = beside / f"{k}.checkpoint.safetensors"
        train(
            task, torch.arange(len(taught)), config, checkpoint=checkpoint, resume=checkpoint.exists(), progress=_told
        )
        weights = task.weights.numbers().items()
        numbers |= {f"{NETWORK} {k}.{name}": value.detach().cpu().numpy() for name, value in weights}
    header = {
        "networks": members,
        "made_by": {"worlds": worlds, "lessons": len(taught), "trials": trials, "seed": seed},
    }
    write_model(path, ModelFile(KIND, header, numbers))
    tried = []
    with ProcessPoolExecutor(2) as pool:
        for one in pool.map(_try, [(path, seed, k) for k in range(trials)]):
            tried.append(one)
            _say(f"{len(tried)} of {trials} trials")
    numbers |= {f"{TABLE}{name}": value.astype(np.float32) for name, value in table(tried).items()}
    write_model(path, ModelFile(KIND, header, numbers))
    shutil.rmtree(beside)


def _try(what: tuple[Path, int, int]) -> Trial:
    path, seed, k = what
    world = wider_world(int(np.random.SeedSequence([seed, _TRIALS]).generate_state(k + 1, np.uint32)[k]))
    return trial(world, SimulatedPrior(noise=world.noise, weights=path), np.random.default_rng([seed, _TRIALS, k]))


def _told(done: int, total: int, losses: Mapping[str, float]) -> None:
    _say(f"step {done} of {total}: error {losses['error']:.3f}")


def _say(text: str) -> None:
    print(f"\r{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    make(Path(sys.argv[1]))
