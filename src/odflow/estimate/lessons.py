"""Back-tests inside a history to learn from, and learning from them (needs torch)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from odflow import labels
from odflow.errors import DataError
from odflow.estimate.calibration import folds
from odflow.estimate.candidates import Candidates
from odflow.estimate.observe import noise_like, observe
from odflow.estimate.snapshots import Paths, Snapshots, paths_of, snapshots_of
from odflow.training.config import TrainingConfig
from odflow.training.seeds import generator_of

if TYPE_CHECKING:
    import xarray as xr

    from odflow.estimate.candidates import Seen
    from odflow.estimate.observe import Noise, Observed
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing
    from odflow.training.task import Update

_TOGETHER = 8  # snapshots of one routing, in random order, that stay together in training
_PAST = np.timedelta64(28, "D")  # of history for each back-test
_MOST, _PARTS, _OVERLAPPING = 400, 4, 7
_FEWEST = 100  # snapshots
_ORDER = 7101  # stream of random numbers
_LEAST = 0.25  # of all back-tests for a member that leaves some out


@dataclass(frozen=True, kw_only=True)
class LessonConfig(TrainingConfig):
    """What learning from back-tests takes.

    Parameters
    ----------
    batch : int
        Eights of snapshots.
    weight_decay : float
        Of the weights (AdamW).
    snapshots : int
        TMs of each back-test to learn from.
    """

    batch: int = 4
    ema: float = 0.98
    weight_decay: float = 0.1
    snapshots: int = 24

    def __post_init__(self) -> None:
        super().__post_init__()
        self._whole("snapshots", 1)


@dataclass(frozen=True, eq=False)
class Lesson:
    """Snapshots of a back-test under one routing, and what was really sent.

    Parameters
    ----------
    observed : Observed
    seen : Seen
    snapshots : Snapshots
    paths : Paths
    truth : Tensor, shape (T, flows)
        In shares of the traffic of each snapshot.
    """

    observed: Observed
    seen: Seen
    snapshots: Snapshots
    paths: Paths
    truth: Tensor


@dataclass(frozen=True, eq=False)
class Lessons:
    """Those of one back-test.

    Parameters
    ----------
    candidates : Candidates
        Fitted to what was known then.
    truth : array, shape (T, flows)
        bit/s.
    parts : tuple of Lesson
        By routing.
    """

    candidates: Candidates
    truth: np.ndarray
    parts: tuple[Lesson, ...]

    @property
    def first(self) -> np.datetime64:
        """First time."""
        return self.parts[0].observed.time[0]

    @property
    def last(self) -> np.datetime64:
        """Last time."""
        return self.parts[-1].observed.time[-1]


def lessons_of(
    history: xr.DataArray,
    routing: Routing | RoutingEpochs,
    config: LessonConfig,
    noise: Noise = 0.0,
    *,
    most: int = _MOST,
    overlapping: int = _OVERLAPPING,
) -> list[Lessons]:
    """Back-tests: weeks of a history, one from each day on, from what is before them; the latest first.

    Parameters
    ----------
    history : DataArray (time, origin, destination)
    routing : Routing or RoutingEpochs
    config : LessonConfig
    noise : float or mapping of link to float
        Relative error that loads are given.
    most : int
        Back-tests.
    overlapping : int
        So many begin in a week, or in a quarter of a shorter history.

    Raises
    ------
    DataError
        If the history is too short for one, or has no complete TM.
    """
    rng, out = np.random.default_rng(config.seed), []
    for past, now in folds(history, most, config.snapshots, _PARTS, overlapping):
        sent = now[now.values.sum(axis=(1, 2)) > 0]
        if not len(sent):
            continue
        candidates = Candidates().fit(past[past["time"].values >= past["time"].values[-1] - _PAST])
        loads = noise_like(routing.loads(sent), noise, rng)
        truth = labels.flat(sent, routing.nodes)
        parts = []
        for span, observed in observe(loads, routing, noise=noise):
            seen = candidates.see(observed)
            snapshots, unit = snapshots_of(seen, observed)
            parts.append(
                Lesson(observed, seen, snapshots, paths_of(observed), torch.from_numpy(truth[span] / unit).float())
            )
        out.append(Lessons(candidates, truth, tuple(parts)))
    return out


def check_enough(lessons: Sequence[Lessons]) -> None:
    """Refuse to train on too little.

    Raises
    ------
    DataError
    """
    if len(lessons) < 2 or sum(len(one.truth) for one in lessons) < _FEWEST:
        raise DataError(
            "the history is too short to train on back-tests of it; give three weeks of it or more, "
            "or take networks that are pretrained"
        )


def without_block(lessons: Sequence[Lessons], number: int, count: int) -> tuple[list[Lessons], list[Lessons]]:
    """One of `count` spans of time, and all back-tests that share no time with it; of a short history all others."""
    block = list(lessons[number * len(lessons) // count : (number + 1) * len(lessons) // count])
    first, last = min(one.first for one in block), max(one.last for one in block)
    apart = [one for one in lessons if one.last < first or one.first > last]
    if len(apart) < _LEAST * len(lessons):
        apart = [one for one in lessons if one not in block]
    return block, apart


class Group(NamedTuple):
    """All snapshots to learn from under one routing, and what was really sent in shares of their traffic."""

    snapshots: Snapshots
    paths: Paths
    truth: Tensor


def grouped(lessons: Iterable[Lesson]) -> list[Group]:
    """Lessons by routing."""
    found: dict[int, list[Lesson]] = {}
    for one in lessons:
        found.setdefault(id(one.observed.system), []).append(one)
    return [
        Group(
            Snapshots(*(torch.cat(part) for part in zip(*(one.snapshots for one in some), strict=True))),
            some[0].paths,
            torch.cat([one.truth for one in some]),
        )
        for some in found.values()
    ]


class LessonTask(ABC):
    """A network that learns from lessons.

    Parameters
    ----------
    network : nn.Module
    groups : sequence of Group
    config : LessonConfig
    """

    def __init__(self, network: nn.Module, groups: Sequence[Group], config: LessonConfig) -> None:
        self.network, self.groups = network, groups
        self.modules: dict[str, nn.Module] = {"network": network}
        adam = torch.optim.AdamW(
            network.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.optimizers: dict[str, torch.optim.Optimizer] = {"network": adam}
        order = generator_of(config.seed, _ORDER)
        self.parts = [torch.randperm(len(one.truth), generator=order).split(_TOGETHER) for one in groups]
        self.data = torch.tensor([(k, part) for k, parts in enumerate(self.parts) for part in range(len(parts))])

    @abstractmethod
    def losses(self, seen: Snapshots, paths: Paths, truth: Tensor, generator: torch.Generator) -> Tensor:
        """Of each snapshot."""

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """See :class:`odflow.training.task.Task`."""
        with torch.random.fork_rng(devices=[]):  # for dropout, which draws from torch's global generator
            torch.manual_seed(generator.initial_seed())
            loss = self.errors(batch, generator).mean()
        update("network", loss)
        return {"loss": loss.detach()}

    def errors(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Losses of snapshots, given as pairs of group and part."""
        out, batch, device = [], batch.cpu(), self.network.get_buffer("mean").device
        for k in batch[:, 0].unique().tolist():
            group, parts = self.groups[k], batch[batch[:, 0] == k, 1].tolist()
            rows = torch.cat([self.parts[k][part] for part in parts])
            seen = Snapshots(*(part.to(device) for part in group.snapshots.take(rows)))
            paths = Paths(*(part.to(device) for part in group.paths))
            out.append(self.losses(seen, paths, group.truth[rows].to(device), generator))
        return torch.cat(out)

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Mean loss."""
        return float(self.errors(data, generator).mean())


def fresh_network(network: type[nn.Module], config: LessonConfig, member: int, groups: Sequence[Group]) -> nn.Module:
    """A network before training; its buffers ``mean`` and ``std`` are those of the features."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator_of(config.seed, member).initial_seed())
        made = network(config)
    values = torch.cat([one.snapshots.features.flatten(0, 1) for one in groups])
    made.get_buffer("mean").copy_(values.mean(0))
    made.get_buffer("std").copy_(values.std(0).clamp(min=0.05))
    return made
