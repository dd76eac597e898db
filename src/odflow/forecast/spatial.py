"""Attention of each node to its nearest others."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.forecast.dropout import Dropout
from odflow.forecast.inputs import Geometry
from odflow.forecast.pieces import all_by_nodes, by_nodes

_OWN = 2.0  # at first, as a score: 7 times as much as another node at the same place, or as little


def neighbour_attention(query: Tensor, key: Tensor, value: Tensor, own: Tensor, geometry: Geometry) -> Tensor:
    """Scaled dot-product attention of each node to its K neighbours, interval by interval.

    Scores are ``q . k / sqrt(d) + log(weight)``, plus `own` for the node itself: neighbours count in proportion to how
    near they are before anything is learnt, and those of weight 0 not at all. Linear in the number of nodes.

    Parameters
    ----------
    query, key, value : Tensor, shape (B, N, T, heads, d)
    own : Tensor, shape (heads,)
    geometry : Geometry
        Of N nodes, the same for all samples, or (B, N, K) if each has its own.

    Returns
    -------
    Tensor, shape (B, N, T, heads, d)
    """
    if geometry.near.ndim == 3:
        asking, known, told = (x.flatten(0, 1)[None] for x in (query, key, value))
        return neighbour_attention(asking, known, told, own, _joined(geometry))[0].unflatten(0, query.shape[:2])
    itself = functional.pad(own[None], (0, 0, 0, geometry.near.shape[1] - 1))[:, None, None, None, :, None]

    def some(asking: Tensor, near: Tensor, bias: Tensor) -> Tensor:
        columns = near[0].unbind(dim=1)
        scores = torch.stack([(asking * key.index_select(1, column)).sum(dim=-1, keepdim=True) for column in columns])
        shares = (scores * query.shape[-1] ** -0.5 + itself + bias.movedim(-1, 0)[..., None, None, None]).softmax(dim=0)
        mixed = shares[0] * value.index_select(1, columns[0])
        for share, column in zip(shares[1:], columns[1:], strict=True):
            mixed = torch.addcmul(mixed, share, value.index_select(1, column))
        return mixed

    return by_nodes(some, query, geometry.near[None], geometry.weight[None].log())


def _joined(geometry: Geometry) -> Geometry:
    """All samples' nodes as one network without ways from one sample to another."""
    first = geometry.near.shape[1] * torch.arange(len(geometry.near), device=geometry.near.device)
    return Geometry((geometry.near + first[:, None, None]).flatten(0, 1), geometry.weight.flatten(0, 1))


class SpatialAttention(nn.Module):
    """Residual attention between neighbours.

    Parameters
    ----------
    width, heads : int
    dropout : Dropout

    Attributes
    ----------
    own : Parameter, shape (heads,)
        Score of the node itself; at first from one head that listens to others to one that keeps to itself.
    """

    def __init__(self, width: int, heads: int, dropout: Dropout) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.ask = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(3))
        self.own = nn.Parameter(torch.linspace(-_OWN, _OWN, heads))
        self.answer = nn.Linear(width, width)
        self.dropout = dropout

    def forward(self, x: Tensor, geometry: Geometry) -> Tensor:
        """States (B, N, T, D) that know of their neighbours' at the same time."""
        query, key, value = all_by_nodes(self._ask, x)
        mixed = neighbour_attention(query, key, value, self.own, geometry)
        return by_nodes(lambda own, other: own + self.dropout(self.answer(other.flatten(-2))), x, mixed)

    def _ask(self, x: Tensor) -> list[Tensor]:
        own = self.norm(x)
        return [ask(own).unflatten(-1, (self.heads, -1)) for ask in self.ask]
