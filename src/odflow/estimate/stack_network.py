"""The network shared by all flows that makes one estimate of many (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from odflow.estimate.candidates import FEATURES
from odflow.estimate.lessons import LessonConfig, LessonTask
from odflow.estimate.snapshots import Paths, Snapshots, meet

_FURTHEST = 4.0  # logarithm by which a stage may change a flow
_TRACE = 1e-6  # of all traffic


@dataclass(frozen=True, kw_only=True)
class StackConfig(LessonConfig):
    """Sizes and training of the network; the defaults are those of fine-tuning.

    Parameters
    ----------
    width : int
        Of its hidden layers.
    dropout : float
        Share of hidden numbers dropped in training.
    meets : int
        Steps towards the loads after the second stage.
    """

    steps: int = 800
    learning_rate: float = 3e-3
    final_learning_rate: float = 1e-4
    width: int = 32
    dropout: float = 0.1
    meets: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "meets"):
            self._whole(name, 1)


class StackNetwork(nn.Module):
    """Two stages of one small network for each flow, with a step towards the loads after each.

    The first changes the base estimate by what the features of a flow say. The second also knows what the first has
    done to the flow and to the others of its origin and destination, and how far the loads of its path are then off.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))
        self.first, self.second = _layers(FEATURES, config), _layers(FEATURES + 6, config)

    def forward(self, seen: Snapshots, paths: Paths) -> Tensor:
        """Estimates, (T, flows), in the unit of the snapshots."""
        features = ((seen.features - self.mean) / self.std).clamp(-5, 5)
        u = self.first(features)[..., 0].clamp(-_FURTHEST, _FURTHEST)
        x = seen.base * u.exp()
        off = torch.log((seen.loads + 1e-4) / (x @ paths.matrix.T + 1e-4)).clamp(-2, 2) * seen.measured
        met = torch.log((meet(x, seen, paths, 1) + _TRACE) / (seen.base + _TRACE)).clamp(-3, 3)
        square = u.unflatten(1, (int(u.shape[1] ** 0.5),) * 2)
        by_origin = square.mean(2, keepdim=True).expand_as(square).flatten(1)
        by_destination = square.mean(1, keepdim=True).expand_as(square).flatten(1)
        more = torch.stack([u, off @ paths.used, met, met - u, by_origin, by_destination], dim=-1)
        v = self.second(torch.cat([features, more], dim=-1))[..., 0].clamp(-_FURTHEST, _FURTHEST)
        return meet(x * v.exp(), seen, paths, self.config.meets)


class StackTask(LessonTask):
    """What is learnt: least absolute errors of TMs that meet the loads, as shares of the traffic (TRE)."""

    def losses(self, seen: Snapshots, paths: Paths, truth: Tensor, generator: torch.Generator) -> Tensor:
        """TRE of snapshots."""
        x: Tensor = self.network(seen, paths)
        return (x - truth).abs().sum(1) / truth.sum(1)


def _layers(inputs: int, config: StackConfig) -> nn.Sequential:
    width, last = config.width, nn.Linear(config.width, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    hidden = [nn.Linear(inputs, width), nn.GELU(), nn.Dropout(config.dropout)]
    return nn.Sequential(*hidden, nn.Linear(width, width), nn.GELU(), nn.Dropout(config.dropout), last)
