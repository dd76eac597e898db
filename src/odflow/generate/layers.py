"""What VAE and WGAN-GP have in common: perceptrons on square roots of scaled traffic."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

_SLOPE = 0.2  # of LeakyReLU below 0


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


@torch.no_grad()
def centre(network: nn.Sequential, batch: Tensor) -> None:
    """Start the outputs of an untrained perceptron at the mean of a batch, shape (B, outputs)."""
    bias = network[-1].bias
    assert isinstance(bias, Tensor)
    bias.copy_(batch.mean(dim=0))
