"""Exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class Average:
    """Moving average of named tensors; those that are not floating-point are copied.

    Parameters
    ----------
    weights : mapping of str to Tensor
        The tensors to follow, the very ones that the optimizers change.
    decay : float
        The average keeps min(decay, (1 + k) / (10 + k)) of itself at step k.

    Attributes
    ----------
    values : dict of str to Tensor
        The average, by the same names.
    """

    def __init__(self, weights: Mapping[str, Tensor], decay: float) -> None:
        self.values = _clones(weights)
        self._weights, self._decay = weights, decay
        kinds = {tensor.dtype for tensor in weights.values()}
        self._groups = {kind: [name for name in weights if weights[name].dtype == kind] for kind in kinds}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the weights after step `step` (from 0 on)."""
        share = 1 - min(self._decay, (1 + step) / (10 + step))
        for kind, names in self._groups.items():
            values, weights = [self.values[name] for name in names], [self._weights[name] for name in names]
            if kind.is_floating_point:
                torch._foreach_lerp_(values, weights, share)
            else:
                torch._foreach_copy_(values, weights)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average in the place of the weights for a while."""
        own = _clones(self._weights)
        assign(self._weights, self.values)
        try:
            yield
        finally:
            assign(self._weights, own)


@torch.no_grad()
def assign(weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Write values into weights of the same names."""
    for name, tensor in weights.items():
        tensor.copy_(values[name])


def _clones(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}
