"""What VAE and WGAN-GP have in common: perceptrons on square roots of scaled traffic."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

_SLOPE = 0.2  # of LeakyReLU below 0
_LEAST_SPREAD = 1e-3  # of roots, which are about 1 on average


def perceptron(inputs: int, width: int, layers: int, outputs: int) -> nn.Sequential:
    """Fully connected network with `layers` hidden layers of LeakyReLU; (B, inputs) to (B, outputs)."""
    sizes = [inputs, *[width] * layers, outputs]
    parts: list[nn.Module] = []
    for before, after in pairwise(sizes):
        parts += [nn.Linear(before, after), nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*parts[:-1])


def root(scaled: Tensor) -> Tensor:
    """Square root of scaled traffic.

    It tames the tails: the variance of backbone traffic grows about as mean ** 1.5, and single TMs of
    GEANT hold a thousand times the usual demand.
    """
    return scaled.clamp(min=0).sqrt()


def square(rooted: Tensor) -> Tensor:
    """Undo :func:`root`; what a network puts below 0 is 0."""
    return rooted.relu().square()


class ToTraffic(nn.Module):
    """Latents (B, latent) to square roots of scaled TMs (B, flows), which may come out below 0.

    Attributes
    ----------
    middle : Tensor, shape (flows,)
        Mean of the roots.
    spread : Tensor, shape ()
        Their mean absolute deviation from it, over all flows.
    """

    middle: Tensor
    spread: Tensor

    def __init__(self, latent: int, width: int, layers: int, flows: int) -> None:
        super().__init__()
        self.layers = perceptron(latent, width, layers, flows)
        self.register_buffer("middle", torch.zeros(flows))
        self.register_buffer("spread", torch.ones(()))

    def forward(self, latents: Tensor) -> Tensor:
        """Roots of scaled demands."""
        return torch.addcmul(self.middle, self.layers(latents), self.spread)

    def standard(self, rooted: Tensor) -> Tensor:
        """Roots of scaled demands as other networks are to see them: about 0, and about 1 in size."""
        return (rooted - self.middle) / self.spread

    @torch.no_grad()
    def adapt(self, rooted: Tensor) -> None:
        """Take middle and spread from a batch of roots, shape (B, flows)."""
        self.middle.copy_(rooted.mean(dim=0))
        self.spread.copy_((rooted - self.middle).abs().mean().clamp(min=_LEAST_SPREAD))
