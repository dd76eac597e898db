"""Cutting planes and their multipliers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Planes(nn.Module):
    """At most so many cuts ``value + a (w' - w) + b (phi' - phi) <= 0``.

    The value of each cut follows the moves of w and phi, which loses no digits where products with w and phi
    themselves would.

    Parameters
    ----------
    count : int
        Cuts kept.
    logits, params : int
        Lengths of w and of phi, flat.
    dtype : dtype
    """

    a: Tensor
    b: Tensor
    value: Tensor
    size: Tensor
    multiplier: Tensor
    age: Tensor

    def __init__(self, count: int, logits: int, params: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("a", torch.zeros(count, logits, dtype=dtype))
        self.register_buffer("b", torch.zeros(count, params, dtype=dtype))
        for name in ("value", "multiplier", "age"):
            self.register_buffer(name, torch.zeros(count, dtype=dtype))
        self.register_buffer("size", torch.ones(count, dtype=dtype))

    def add(self, a: Tensor, b: Tensor, gap: Tensor, allowed: float) -> None:
        """Linearise ``gap <= allowed`` here, in the place of a cut without a multiplier, or else of the oldest."""
        idle = self.multiplier == 0
        place = int(torch.where(idle, torch.inf, self.age).argmax())
        self.age += 1
        self.age[place] = 0
        self.a[place], self.b[place] = a, b
        self.size[place], self.value[place] = gap, gap - allowed
        self.multiplier[place] = 0.0

    def ascend(self, rate: float) -> None:
        """Raise the multipliers of violated cuts and lower those of others, to 0 at least.

        By `rate` where a cut is violated by all of the gap that it was made for.
        """
        self.multiplier.add_(rate * self.value / self.size).clamp_(min=0)

    def pull(self) -> tuple[Tensor, Tensor]:
        """Gradients of the cuts' part of the Lagrangian with respect to w and phi."""
        return self.multiplier @ self.a, self.multiplier @ self.b

    def follow(self, logits: Tensor, params: Tensor) -> None:
        """Take account of these changes of w and phi."""
        self.value.add_(self.a @ logits + self.b @ params)
