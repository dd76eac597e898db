"""Embedding and recovery networks: scaled TMs to latents and back (Yuan et al. 2023, pre-processing module)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SHARE = 0.01  # of a batch in the moving averages
_LEAST_VARIANCE = 1e-8  # of a latent, or of a principal component: histories may be constant
_LEAST_SHARE = 1e-7  # of the largest variance of a principal component; smaller ones are rounding


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


@torch.no_grad()
def start_at_principal_components(
    embedding: nn.Sequential, recovery: nn.Linear, scaled: Tensor, whiten: bool = True
) -> None:
    """Let both networks begin as the best linear autoencoder, with uncorrelated latents.

    Two layers of LeakyReLU hold a linear map W exactly: ``leaky(Wx) - leaky(-Wx) = (1 + slope) Wx``. Hidden
    units beyond the 2 * latent of that keep their first weights and count for nothing yet.

    Parameters
    ----------
    embedding, recovery : Module
        As the functions of these names make them; the hidden layer holds at least twice the latent.
    scaled : Tensor, shape (N, flows)
    whiten : bool
        Latents of variance 1; otherwise each keeps the variance of its component.
    """
    into, leaky, out = embedding[0], embedding[1], embedding[2]
    assert isinstance(into, nn.Linear)
    assert isinstance(leaky, nn.LeakyReLU)
    assert isinstance(out, nn.Linear)
    latent = out.out_features
    centre = scaled.double().mean(dim=0)
    around = scaled.double() - centre
    variances, axes = torch.linalg.eigh(around.T @ around / len(scaled))
    kept = min(latent, len(variances))
    sizes = variances.flip(0)[:kept].clamp(min=float(variances[-1]) * _LEAST_SHARE + _LEAST_VARIANCE).sqrt()
    axes = axes.flip(1)[:, :kept]
    axes = axes * torch.where(axes.sum(dim=0) < 0, -1.0, 1.0)
    linear = torch.zeros(latent, scaled.shape[1], dtype=torch.float64)
    if not whiten:
        sizes = torch.ones_like(sizes)
    linear[:kept] = (axes / sizes).T
    into.weight[: 2 * latent] = torch.cat([linear, -linear]).float()
    into.bias[: 2 * latent] = torch.cat([-linear @ centre, linear @ centre]).float()
    both = torch.eye(latent) / (1 + leaky.negative_slope)
    out.weight.zero_()
    out.weight[:, : 2 * latent] = torch.cat([both, -both], dim=1)
    out.bias.zero_()
    recovery.weight.zero_()
    recovery.weight[:, :kept] = (axes * sizes).float()
    recovery.bias.copy_(centre)


class Standardised(nn.Module):
    """Latents to mean 0 and variance 1 each, as a diffusion supposes of its data, and back.

    The statistics are moving averages over the batches seen. They stand beside the autoencoder, not
    inside it: batch normalisation between embedding and recovery made the reconstruction of Abilene
    ten times worse (relative error 0.60 instead of 0.06 after 3,000 steps), because a latent follows
    the heavy tails of the traffic and a batch with a burst changes the scale of all its rows.

    Parameters
    ----------
    latent : int
    each : bool
        Variance 1 for each latent; otherwise one scale for all, with variance 1 on average.
    """

    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(self, latent: int, each: bool = True) -> None:
        super().__init__()
        self.each = each
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
        return (latents - self.mean) / (self._spread() + _LEAST_VARIANCE).sqrt()

    def inverse(self, standard: Tensor) -> Tensor:
        """Undo :meth:`forward`."""
        return standard * (self._spread() + _LEAST_VARIANCE).sqrt() + self.mean

    def _spread(self) -> Tensor:
        return self.variance if self.each else self.variance.mean()
