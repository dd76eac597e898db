"""Weights that must not concentrate on a few samples."""

from __future__ import annotations

import torch
from torch import Tensor

_HALVINGS = 40


def effective_share(weights: Tensor) -> float:
    """Effective sample size ``(sum w)^2 / sum w^2`` as a share of the number of weights (Kish 1965)."""
    return float(weights.sum() ** 2 / weights.square().sum() / len(weights))


@torch.no_grad()
def spread_out(logits: Tensor, least: float) -> Tensor:
    """Logits drawn towards their mean, as little as it takes for the sigmoids to have this effective share."""
    if effective_share(logits.sigmoid()) >= least:
        return logits
    mean, low, high = logits.mean(), 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if effective_share((mean + middle * (logits - mean)).sigmoid()) >= least:
            low = middle
        else:
            high = middle
    return mean + low * (logits - mean)
