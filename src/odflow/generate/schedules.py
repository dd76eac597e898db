"""Noise schedules of a diffusion: how much noise each step adds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import pi

import torch
from torch import Tensor

_LARGEST_BETA = 0.999


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """Variances of the noise that the T steps of a diffusion add.

    Step t (0 to T - 1) turns clean data x_0 into ``sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps``
    (Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic Models", 2020, eq. 4).

    Attributes
    ----------
    betas : Tensor, shape (T,)
        float64, between 0 and 1.
    """

    betas: Tensor

    @cached_property
    def alphas(self) -> Tensor:
        """``1 - betas``."""
        return 1 - self.betas

    @cached_property
    def alpha_bars(self) -> Tensor:
        """Products of the alphas up to each step: the share of the data's variance that is left."""
        return self.alphas.cumprod(0)

    def __len__(self) -> int:
        return len(self.betas)


def linear_schedule(steps: int, first: float = 1e-4, last: float = 0.02) -> NoiseSchedule:
    """Betas that grow linearly (Ho et al. 2020, section 4).

    Parameters
    ----------
    steps : int
        T.
    first, last : float
        Betas at both ends for T = 1000. For another T they are multiplied by 1000 / T (and kept below
        1), so that the data ends up under as much noise, whatever T.
    """
    betas = torch.linspace(first, last, steps, dtype=torch.float64) * (1000 / steps)
    return NoiseSchedule(betas.clamp(max=_LARGEST_BETA))


def cosine_schedule(steps: int) -> NoiseSchedule:
    """Betas whose alpha_bar falls as a squared cosine (Nichol, Dhariwal 2021, eq. 17, s = 0.008)."""
    shift = 0.008
    share = torch.arange(steps + 1, dtype=torch.float64) / steps
    bars = torch.cos((share + shift) / (1 + shift) * pi / 2) ** 2
    return NoiseSchedule((1 - bars[1:] / bars[:-1]).clamp(max=_LARGEST_BETA))
