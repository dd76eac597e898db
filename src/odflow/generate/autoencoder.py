"""Embedding and recovery networks: scaled TMs to latents and back (Yuan et al. 2023, pre-processing module)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SHARE = 0.01  # of a batch in the moving averages
_LEAST_VARIANCE = 1e-8


def latent_size(flows: int) -> int:
    """Size of the latent for a number of flows: 128 up to 144 flows (Abilene), 256 above (GEANT).

    Networks with fewer flows than that get as many as they have flows, to the nearest multiple of 8.
    """
    wanted = min(flows, 128 if flows <= 144 else 256)
    return max(8, 8 * round(wanted / 8))


def embedding(flows: int, hidden: int, latent: int) -> nn.Sequential:
    """Two fully connected layers from scaled TMs (B, flows) to latents (B, latent)."""
    return nn.Sequential(nn.Linear(flows, hidden), nn.LeakyReLU(), nn.Linear(hidden, latent))


def recovery(latent: int, flows: int) -> nn.Linear:
    """One fully connected layer from latents (B, latent) to scaled TMs (B, flows)."""
    return nn.Linear(latent, flows)


class Standardised(nn.Module):
    """Latents to mean 0 and variance 1 each, as a diffusion supposes of its data, and back.

    The statistics are moving averages over the batches seen. They stand beside the autoencoder, not
    inside it: batch normalisation between embedding and recovery made the reconstruction of Abilene
    ten times worse (relative error 0.60 instead of 0.06 after 3,000 steps), because a latent follows
    the heavy tails of the traffic and a batch with a burst changes the scale of all its rows.

    Parameters
    ----------
    latent : int
    """

    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("variance", torch.ones(latent))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def observe(self, latents: Tensor) -> None:
        """Take a batch (B, latent) into account."""
        self.seen += 1
        share = max(_SHARE, 1 / int(self.seen))
        self.mean.lerp_(latents.mean(dim=0), share)
        self.variance.lerp_((latents - self.mean).square().mean(dim=0), share)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents (B, latent) to mean 0 and variance 1."""
        return (latents - self.mean) / (self.variance + _LEAST_VARIANCE).sqrt()

    def inverse(self, standard: Tensor) -> Tensor:
        """Undo :meth:`forward`."""
        return standard * (self.variance + _LEAST_VARIANCE).sqrt() + self.mean
