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
    """

    def __init__(self, weights: Mapping[str, Tensor], decay: float) -> None:
        self.decay = decay
        self.weights = dict(weights)
        self.values = {name: tensor.detach().clone() for name, tensor in weights.items()}
        floating = [name for name, tensor in weights.items() if tensor.is_floating_point()]
        kinds = {self.values[name].dtype for name in floating}
        self._averaged = [[name for name in floating if self.values[name].dtype == kind] for kind in kinds]
        self._copied = [name for name in weights if name not in set(floating)]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the weights after step `step` (from 0 on)."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for names in self._averaged:
            torch._foreach_lerp_([self.values[n] for n in names], [self.weights[n] for n in names], share)
        for name in self._copied:
            self.values[name].copy_(self.weights[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average in the place of the weights for a while."""
        own = {name: tensor.detach().clone() for name, tensor in self.weights.items()}
        assign(self.weights, self.values)
        try:
            yield
        finally:
            assign(self.weights, own)


@torch.no_grad()
def assign(weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Write values into weights of the same names."""
    for name, tensor in weights.items():
        tensor.copy_(values[name])
