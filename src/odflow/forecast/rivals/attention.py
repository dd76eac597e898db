"""Attention and the layers around it.

Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3; ProbSparse attention in
:mod:`odflow.forecast.probsparse`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.generate.denoisers import sinusoids

# queries, keys and values (B, heads, L, size) to answers
Mix = Callable[[Tensor, Tensor, Tensor], Tensor]

full: Mix = functional.scaled_dot_product_attention
causal: Mix = partial(functional.scaled_dot_product_attention, is_causal=True)


class Attention(nn.Module):
    """Multi-head attention (section 3.2.2).

    Parameters
    ----------
    width, heads : int
    mix : callable
        What becomes of queries, keys and values.
    """

    def __init__(self, width: int, heads: int, mix: Mix = full) -> None:
        super().__init__()
        self.heads, self.mix = heads, mix
        self.ask = nn.Linear(width, width)
        self.know = nn.Linear(width, 2 * width)
        self.answer = nn.Linear(width, width)

    def forward(self, asking: Tensor, known: Tensor) -> Tensor:
        """What those asking, (B, L, width), find among the known, (B, M, width); shape (B, L, width)."""
        keys, values = (self._split(part) for part in self.know(known).chunk(2, dim=-1))
        found = self.mix(self._split(self.ask(asking)), keys, values)
        answer: Tensor = self.answer(found.transpose(1, 2).flatten(2))
        return answer

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Attention among all, then a perceptron for each, both around a residual and normalised after it."""

    def __init__(self, width: int, heads: int, dropout: float, mix: Mix = full) -> None:
        super().__init__()
        self.attention = Attention(width, heads, mix)
        self.perceptron = perceptron(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, L, width) to the same."""
        x = self.norms[0](x + self.drop(self.attention(x, x)))
        y: Tensor = self.norms[1](x + self.drop(self.perceptron(x)))
        return y


class DecoderLayer(nn.Module):
    """The same with attention to an encoder's output in between; the attention among all sees no later ones."""

    def __init__(self, width: int, heads: int, dropout: float, mix: Mix = causal) -> None:
        super().__init__()
        self.attention = Attention(width, heads, mix)
        self.across = Attention(width, heads)
        self.perceptron = perceptron(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Shape (B, L, width) to the same, given the encoder's (B, M, width)."""
        x = self.norms[0](x + self.drop(self.attention(x, x)))
        x = self.norms[1](x + self.drop(self.across(x, memory)))
        y: Tensor = self.norms[2](x + self.drop(self.perceptron(x)))
        return y


def perceptron(width: int) -> nn.Sequential:
    """Position-wise feed-forward network, four times as wide inside (section 3.3)."""
    return nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))


def positions(first: int, count: int, like: Tensor) -> Tensor:
    """Encoded positions (section 3.5) from `first` on, shape (count, width) for x (..., width)."""
    return sinusoids(torch.arange(first, first + count, device=like.device), like.shape[-1]).to(like.dtype)
