"""Embedding and recovery networks: scaled TMs to latents and back (Yuan et al. 2023, pre-processing module)."""

from __future__ import annotations

from torch import nn


def latent_size(flows: int) -> int:
    """Size of the latent for a number of flows: 128 up to 144 flows (Abilene), 256 above (GEANT).

    Networks with fewer flows than that get as many as they have flows, to the nearest multiple of 8.
    """
    wanted = min(flows, 128 if flows <= 144 else 256)
    return max(8, 8 * round(wanted / 8))


def embedding(flows: int, hidden: int, latent: int) -> nn.Sequential:
    """Two fully connected layers from TMs (B, flows) to latents (B, latent).

    The latents have mean 0 and variance 1 each, over the batch in training mode and over the training
    data in evaluation mode, which is what a diffusion supposes of its data.
    """
    return nn.Sequential(
        nn.Linear(flows, hidden),
        nn.LeakyReLU(),
        nn.Linear(hidden, latent),
        nn.BatchNorm1d(latent, affine=False),
    )


def recovery(latent: int, flows: int) -> nn.Linear:
    """One fully connected layer from latents (B, latent) to TMs (B, flows)."""
    return nn.Linear(latent, flows)
