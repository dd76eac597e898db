"""Dropout without global random state."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from odflow.training.seeds import generator_of


class Dropout(nn.Module):
    """Dropout of channels, the same at all intervals, whose draws follow from a seed and the number of calls.

    (Srivastava et al. 2014; one mask for all times: Gal and Ghahramani 2016.)

    ``nn.Dropout`` draws from torch's global generator, and a resumed training would differ. Here the number of calls
    is a buffer, which checkpoints hold.

    Parameters
    ----------
    share : float
        Of numbers dropped in training.
    seed, number : int
        Seed, and what tells this layer from the others of the network.

    Attributes
    ----------
    calls : int Tensor, shape ()
        In training, so far.
    """

    calls: Tensor

    def __init__(self, share: float, seed: int, number: int) -> None:
        super().__init__()
        self.share, self.seed, self.number = share, seed, number
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Drop from (..., T, D), the same at all T; the identity outside of training."""
        if not self.training or not self.share:
            return x
        generator = generator_of(self.seed, self.number, int(self.calls))
        kept = torch.rand((*x.shape[:-2], 1, x.shape[-1]), generator=generator) >= self.share
        self.calls.add_(1)
        return x * (kept / (1 - self.share)).to(x)
