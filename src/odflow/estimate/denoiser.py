"""Denoiser of traffic matrices as logarithms of ratios to what is expected (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.estimate.candidates import FEATURES
from odflow.estimate.lessons import LessonConfig
from odflow.estimate.snapshots import Snapshots

_TRACE = 1e-3  # of the mean flow, added before logarithms are taken
_LEAST, _MOST = 0.03, 1.5  # logarithm that a standard deviation is
_FURTHEST = 6.0  # logarithm
_FURTHEST_SCALED = 8.0
_WAVES = (2.0, 4.0, 8.0, 16.0)  # of a quarter of the noise level's logarithm
_EMBEDDED = 16


@dataclass(frozen=True, kw_only=True)
class DenoisingConfig(LessonConfig):
    """Sizes, training and sampling of a :class:`DiffusionPosterior`; the defaults are those of fine-tuning.

    Parameters
    ----------
    width : int
        Of the hidden state of a flow.
    blocks : int
        In each of which flows see each other.
    dropout : float
        Share of hidden numbers dropped in training.
    noise_mean : float
        Mean logarithm of the noise levels to train at.
    noise_spread : float
        Its standard deviation.
    evaluations : int
        Of the network for an estimate or a draw.
    most_noise : float
        Level of the first of them.
    least_noise : float
        Level of the last.
    """

    steps: int = 2000
    learning_rate: float = 3e-3
    final_learning_rate: float = 1e-4
    ema: float = 0.99
    snapshots: int = 48
    width: int = 48
    blocks: int = 2
    dropout: float = 0.2
    noise_mean: float = -0.2
    noise_spread: float = 1.2
    evaluations: int = 8
    most_noise: float = 4.0
    least_noise: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "blocks"):
            self._whole(name, 1)
        self._whole("evaluations", 2)


class Ratios(NamedTuple):
    """Traffic as ``v = log((x + trace) / (base + trace)) / scale``: 0 = as expected, 1 = by a standard deviation more.

    Parameters
    ----------
    base, scale : Tensor, shape (T, flows)
    trace : Tensor, shape (T, 1)
    """

    base: Tensor
    scale: Tensor
    trace: Tensor

    @classmethod
    def about(cls, seen: Snapshots) -> Ratios:
        """Those to the base estimates."""
        trace = _TRACE * seen.base.mean(dim=1, keepdim=True)
        deviation = torch.log1p(seen.spread / (seen.base + trace))
        return cls(seen.base, deviation.clamp(_LEAST, _MOST), trace)

    def of(self, x: Tensor) -> Tensor:
        """V of TMs x, (T, flows)."""
        v = torch.log((x.clamp(min=0) + self.trace) / (self.base + self.trace)) / self.scale
        return v.clamp(-_FURTHEST_SCALED, _FURTHEST_SCALED)

    def back(self, v: Tensor) -> Tensor:
        """TMs of v."""
        factor = (v * self.scale).clamp(-_FURTHEST, _FURTHEST).exp()
        return ((self.base + self.trace) * factor - self.trace).clamp(min=0)


class FlowDenoiser(nn.Module):
    """Estimates v from v with noise, given the features of the flows.

    One small network for all flows; in each block a flow also sees the mean state of the flows of its origin, of its
    destination and of all. So a permutation of the nodes permutes the result, and the network fits any number of them.
    The noise level enters as in Karras et al., "Elucidating the design space of diffusion-based generative models",
    2022 (table 1, with data of variance one).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: DenoisingConfig) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))
        self.first = nn.Linear(FEATURES + 4, width)
        self.level = nn.Sequential(nn.Linear(2 * len(_WAVES), _EMBEDDED), nn.SiLU())
        self.blocks = nn.ModuleList(_Block(width, config.dropout) for _ in range(config.blocks))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))
        nn.init.zeros_(self.last[1].weight)  # type: ignore[arg-type]

    def forward(self, v: Tensor, level: Tensor, before: Tensor, features: Tensor, scale: Tensor) -> Tensor:
        """Estimate of v, (T, flows).

        Parameters
        ----------
        v : Tensor, shape (T, flows)
            With noise.
        level : Tensor, shape (T,)
            Its standard deviation.
        before : Tensor, shape (T, flows)
            An earlier estimate that has met the loads; 0 = none.
        features : Tensor, shape (T, flows, FEATURES)
        scale : Tensor, shape (T, flows)
            See :class:`Ratios`.
        """
        noise = torch.log(level)[:, None] / 4
        waves = noise * torch.tensor(_WAVES, dtype=v.dtype, device=v.device)
        embedded = self.level(torch.cat([waves.cos(), waves.sin()], dim=1))
        shrink = 1 / (1 + level**2)[:, None]
        own = torch.stack([torch.log(scale) / 2, v * shrink.sqrt(), before, noise.expand_as(v)], dim=-1)
        known = ((features - self.mean) / self.std).clamp(-5, 5)
        h = self.first(torch.cat([known, own], dim=-1))
        for block in self.blocks:
            h = block(h, embedded)
        return shrink * v + level[:, None] * shrink.sqrt() * self.last(h)[..., 0]


class _Block(nn.Module):
    """Two layers and a residual; what a flow sees of others is added in between, and so is the noise level."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        wide = 2 * width
        self.norm = nn.LayerNorm(width)
        self.own, self.second = nn.Linear(width, wide), nn.Linear(wide, width)
        self.origin, self.destination, self.all = (nn.Linear(width, wide, bias=False) for _ in range(3))
        self.level = nn.Linear(_EMBEDDED, wide)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, level: Tensor) -> Tensor:
        g, n = self.norm(h), round(h.shape[1] ** 0.5)
        square = g.unflatten(1, (n, n))
        by_origin, by_destination = square.mean(2), square.mean(1)
        everywhere = self.all(by_origin.mean(1)) + self.level(level)
        inner = self.own(g).unflatten(1, (n, n)) + (self.origin(by_origin) + everywhere[:, None])[:, :, None]
        inner = (inner + self.destination(by_destination)[:, None]).flatten(1, 2)
        return torch.add(h, self.second(self.dropout(functional.silu(inner))))
