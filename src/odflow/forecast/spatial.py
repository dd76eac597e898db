"""Attention of each node to its nearest others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from odflow.forecast.dropout import Dropout
from odflow.forecast.inputs import Geometry
from odflow.forecast.pieces import by_nodes


def neighbour_attention(query: Tensor, key: Tensor, value: Tensor, geometry: Geometry) -> Tensor:
    """Scaled dot-product attention of each node to its K neighbours, interval by interval.

    Scores are ``q . k / sqrt(d) + log(weight)``: neighbours count in proportion to how near they are before anything
    is learnt, and those of weight 0 not at all. Linear in the number of nodes.

    Parameters
    ----------
    query, key, value : Tensor, shape (B, N, T, heads, d)
    geometry : Geometry
        Of N nodes.

    Returns
    -------
    Tensor, shape (B, N, T, heads, d)
    """

    def some(asking: Tensor, near: Tensor, bias: Tensor) -> Tensor:
        scores = [(asking * key[:, near[0, :, k]]).sum(dim=-1) for k in range(near.shape[2])]
        share = (torch.stack(scores, dim=-1) * query.shape[-1] ** -0.5 + bias[:, :, None, None]).softmax(dim=-1)
        return torch.stack(
            [share[..., k, None] * value[:, near[0, :, k]] for k in range(near.shape[2])],
        ).sum(dim=0)

    return by_nodes(some, query, geometry.near[None], geometry.weight[None].log())


class SpatialAttention(nn.Module):
    """Residual attention between neighbours.

    Parameters
    ----------
    width, heads : int
    dropout : Dropout
    """

    def __init__(self, width: int, heads: int, dropout: Dropout) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width, bias=False)
        self.answer = nn.Linear(width, width)
        self.dropout = dropout

    def forward(self, x: Tensor, geometry: Geometry) -> Tensor:
        """States (B, N, T, D) that know of their neighbours' at the same time."""
        query, key, value = self.ask(self.norm(x)).unflatten(-1, (3, self.heads, -1)).unbind(dim=-3)
        mixed = neighbour_attention(query, key, value, geometry).flatten(-2)
        return torch.add(x, self.dropout(self.answer(mixed)))
