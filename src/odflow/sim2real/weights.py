"""Weights that must not concentrate on a few samples."""

from __future__ import annotations

import torch
from torch import Tensor

_HALVINGS = 40
_SATURATED = 20.0  # the sigmoid of this is 1 but for 2e-9


def effective_share(weights: Tensor) -> float:
    """Effective sample size ``(sum w)^2 / sum w^2`` as a share of the number of weights (Kish 1965)."""
    return float(weights.sum() ** 2 / weights.square().sum() / len(weights))


@torch.no_grad()
def spread_out(logits: Tensor, least: float) -> Tensor:
    """Logits raised by a common amount, as little as it takes for the sigmoids to have this effective share.

    No sigmoid is above 1, so the more logits are raised, the more weights are alike; their order stays.
    """
    if effective_share(logits.sigmoid()) >= least:
        return logits
    low, high = 0.0, _SATURATED - float(logits.min())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if effective_share((logits + middle).sigmoid()) >= least:
            high = middle
        else:
            low = middle
    return logits + high
