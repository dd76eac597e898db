"""Sums over each node's nearest others. Time and memory grow with nodes times neighbours, never with their square.

All take x, shape (..., N, W), and give the same shape. What fills up a geometry has weight 0 and counts for nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from odflow.forecast.inputs import Geometry

_TINY = 1e-12


def mean_near(x: Tensor, geometry: Geometry) -> Tensor:
    """Weighted mean of a node and its neighbours: one step of a random walk, ``D^-1 W x``."""
    return _gather(x, geometry.near, _shares(geometry.weight))


def mean_others(x: Tensor, geometry: Geometry) -> Tensor:
    """Weighted mean of a node's neighbours without itself; 0 for a node that has none."""
    return _gather(x, geometry.near[:, 1:], _shares(geometry.weight[:, 1:]))


def mean_back(x: Tensor, geometry: Geometry) -> Tensor:
    """Weighted mean of those that a node is a neighbour of: one step against the arrows, ``D_in^-1 W^T x``."""
    near, weight = geometry
    arriving = weight.new_zeros(len(near)).index_add(0, near.flatten(), weight.flatten())
    total = torch.zeros_like(x)
    for k in range(near.shape[1]):
        total = total.index_add(-2, near[:, k], x * weight[:, k, None])
    return total / arriving.clamp(min=_TINY)[:, None]


def _shares(weight: Tensor) -> Tensor:
    return weight / weight.sum(dim=1, keepdim=True).clamp(min=_TINY)


def _gather(x: Tensor, near: Tensor, share: Tensor) -> Tensor:
    total = torch.zeros_like(x)
    for k in range(near.shape[1]):
        total = torch.addcmul(total, x.index_select(-2, near[:, k]), share[:, k, None])
    return total
