"""The network shared by all flows that makes one estimate of many (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from odflow.estimate.candidates import FEATURES
from odflow.estimate.gram import inverses
from odflow.training.config import TrainingConfig

if TYPE_CHECKING:
    from odflow.estimate.candidates import Seen
    from odflow.estimate.observe import Observed

_FURTHEST = 4.0  # logarithm by which a stage may change a flow
_TRACE = 1e-6  # of all traffic


@dataclass(frozen=True, kw_only=True)
class StackConfig(TrainingConfig):
    """Sizes and training of the network.

    Parameters
    ----------
    width : int
        Of its hidden layers.
    dropout : float
        Share of hidden numbers dropped in training.
    weight_decay : float
        Of the weights (AdamW).
    meets : int
        Steps towards the loads after the second stage.
    snapshots : int
        TMs of each back-test to learn from.
    """

    steps: int = 1200
    batch: int = 32
    learning_rate: float = 1e-2
    final_learning_rate: float = 1e-4
    ema: float = 0.98
    width: int = 32
    dropout: float = 0.1
    weight_decay: float = 0.1
    meets: int = 2
    snapshots: int = 24

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "meets", "snapshots"):
            self._whole(name, 1)


class Paths(NamedTuple):
    """One routing.

    Parameters
    ----------
    matrix : Tensor, shape (rows, flows)
    used : Tensor, shape (rows, flows)
        1 where a flow passes, divided by the rows that it passes.
    """

    matrix: Tensor
    used: Tensor


class Snapshots(NamedTuple):
    """Some snapshots under one routing; traffic in shares of the base estimate's total.

    Parameters
    ----------
    features : Tensor, shape (T, flows, FEATURES)
    base : Tensor, shape (T, flows)
    loads : Tensor, shape (T, rows)
        0 where not used.
    measured : Tensor, shape (T, rows)
        1 or 0.
    inverse : Tensor, shape (T, rows, rows)
        Of ``A diag(base) A' + N`` over the rows that are used; 0 elsewhere.
    """

    features: Tensor
    base: Tensor
    loads: Tensor
    measured: Tensor
    inverse: Tensor

    def take(self, rows: Tensor) -> Snapshots:
        """Some of them."""
        return Snapshots(*(part[rows] for part in self))


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


def meet(x: Tensor, seen: Snapshots, paths: Paths, steps: int) -> Tensor:
    """Move TMs towards the loads by the least change in units of the base, keeping them positive."""
    for _ in range(steps):
        left = (seen.loads - x @ paths.matrix.T) * seen.measured
        z = torch.einsum("tij,tj->ti", seen.inverse, left)
        moved = x + seen.base * (z @ paths.matrix)
        x = torch.maximum(moved, 0.1 * moved.detach().clamp(min=0) + 0.02 * seen.base)
    return x


def paths_of(observed: Observed, dtype: torch.dtype = torch.float32) -> Paths:
    """The routing of a block."""
    matrix = torch.from_numpy(observed.system.matrix.toarray()).to(dtype)
    used = (matrix > 0).to(dtype)
    return Paths(matrix, used / used.sum(dim=0).clamp(min=1))


def snapshots_of(seen: Seen, observed: Observed, dtype: torch.dtype = torch.float32) -> tuple[Snapshots, np.ndarray]:
    """A block as the network takes it, and the unit of each snapshot, (T, 1), bit/s."""
    unit = np.maximum(seen.base.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    base = seen.base / unit + 1e-7 * observed.system.carried
    used = observed.used
    loads = np.where(used, np.nan_to_num(observed.values) / unit, 0.0)
    M = observed.system.gram(base)
    np.einsum("tii->ti", M)[:] += np.where(used, np.sqrt(observed.variance) / unit, 0.0) ** 2
    inverse = inverses(M, used, 1e-7)
    arrays = (seen.features, base, loads, used.astype(float), inverse)
    return Snapshots(*(torch.from_numpy(np.ascontiguousarray(one)).to(dtype) for one in arrays)), unit


def _layers(inputs: int, config: StackConfig) -> nn.Sequential:
    width, last = config.width, nn.Linear(config.width, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    hidden = [nn.Linear(inputs, width), nn.GELU(), nn.Dropout(config.dropout)]
    return nn.Sequential(*hidden, nn.Linear(width, width), nn.GELU(), nn.Dropout(config.dropout), last)
