"""Weights of the tasks' losses that follow the losses (Ma et al. 2026; the formulas are ours)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def smoothed(relative: Tensor, losses: Tensor, first: Tensor, rho: float) -> Tensor:
    """Exponential smoothing of relative losses: ``rho relative + (1 - rho) losses / first``.

    Parameters
    ----------
    relative : Tensor, shape (S,)
        Smoothed so far.
    losses : Tensor, shape (S,)
        NaN = the task has none this time, and stays where it is.
    first : Tensor, shape (S,)
        What losses are relative to; a task of 0 there stays where it is.
    rho : float

    Returns
    -------
    Tensor, shape (S,)
    """
    usable = losses.isfinite() & (first > 0)
    now = losses / torch.where(usable, first, 1.0)
    return torch.where(usable, rho * relative + (1 - rho) * now, relative)


def balanced(relative: Tensor, temperature: float) -> Tensor:
    """Weights ``S softmax(relative / temperature)``, shape (S,): the slower a loss falls, the more it weighs."""
    return len(relative) * (relative / temperature).softmax(dim=0)


class LossWeights(nn.Module):
    """Weights of S tasks in the course of a training. All state is in buffers, so that checkpoints hold it.

    Parameters
    ----------
    tasks : int
    smoothing : float
        rho.
    temperature : float
    dynamic : bool
        Otherwise weights are always 1.

    Attributes
    ----------
    first : Tensor, shape (S,)
        First loss above 0 of each task; 0 = none yet.
    relative : Tensor, shape (S,)
        Smoothed relative losses; 1 at first.
    """

    first: Tensor
    relative: Tensor

    def __init__(self, tasks: int, smoothing: float, temperature: float, dynamic: bool = True) -> None:
        super().__init__()
        self.smoothing, self.temperature, self.dynamic = smoothing, temperature, dynamic
        self.register_buffer("first", torch.zeros(tasks))
        self.register_buffer("relative", torch.ones(tasks))

    @torch.no_grad()
    def update(self, losses: Tensor) -> Tensor:
        """Take note of losses (S,), NaN = none this time, and return the weights.

        Returns
        -------
        Tensor, shape (S,)
            They add up to S.
        """
        losses = losses.detach().to(self.first)
        fresh = (self.first == 0) & losses.isfinite()
        self.first.copy_(torch.where(fresh, losses, self.first))
        self.relative.copy_(smoothed(self.relative, losses, self.first, self.smoothing))
        return self.weights()

    def weights(self) -> Tensor:
        """Weights (S,) as they are now."""
        return balanced(self.relative, self.temperature) if self.dynamic else torch.ones_like(self.relative)
