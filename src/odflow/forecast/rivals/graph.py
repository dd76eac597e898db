"""Means over each node's nearest others, as matrices of nodes x nodes.

Beyond some hundreds of nodes they are sparse: one number for each neighbour, so that time and memory grow with nodes
times neighbours, not with the square of the nodes. What fills up a geometry has weight 0 and counts for nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from odflow.forecast.inputs import Geometry

_TINY = 1e-12
_FEW = 256  # nodes up to which dense matrices are the faster ones


def near(geometry: Geometry) -> Tensor:
    """Weighted mean of a node and its neighbours: one step of a random walk, ``D^-1 W``."""
    return _by_row(geometry.near, geometry.weight)


def others(geometry: Geometry) -> Tensor:
    """Weighted mean of a node's neighbours without itself; 0 for a node that has none."""
    return _by_row(geometry.near[:, 1:], geometry.weight[:, 1:])


def back(geometry: Geometry) -> Tensor:
    """Weighted mean of those that a node is a neighbour of: one step against the arrows, ``D_in^-1 W^T``."""
    ends, weight = geometry.near.flatten(), geometry.weight.flatten()
    arriving = weight.new_zeros(len(geometry.near)).index_add(0, ends, weight)
    return _sparse(ends, _starts(geometry.near), weight / arriving.clamp(min=_TINY)[ends], len(geometry.near))


def spread(matrix: Tensor, x: Tensor) -> Tensor:
    """Apply one of these to x, shape (..., N, W); the same shape."""
    if not matrix.is_sparse:
        return matrix @ x
    rows = x.movedim(-2, 0)
    mixed = torch.sparse.mm(matrix, rows.flatten(1))
    return mixed.view(rows.shape).movedim(0, -2)


def _by_row(ends: Tensor, weight: Tensor) -> Tensor:
    shares = weight / weight.sum(dim=1, keepdim=True).clamp(min=_TINY)
    return _sparse(_starts(ends), ends.flatten(), shares.flatten(), len(ends))


def _starts(ends: Tensor) -> Tensor:
    return torch.arange(len(ends), device=ends.device).repeat_interleave(ends.shape[1])


def _sparse(rows: Tensor, columns: Tensor, values: Tensor, nodes: int) -> Tensor:
    places = torch.stack([rows, columns])
    matrix = torch.sparse_coo_tensor(places, values, (nodes, nodes), check_invariants=False).coalesce()
    return matrix if nodes > _FEW else matrix.to_dense()
