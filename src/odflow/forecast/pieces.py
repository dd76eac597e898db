"""Many nodes, some at a time: memory does not grow with what lies between input and output, and stays in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_SERIES = 512  # at once on a CPU, for its cache;
_MORE = 65536  # elsewhere, for the memory


def by_nodes(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Apply a function of tensors (B, N, ...), to which nodes are independent, to some nodes at a time."""
    return all_by_nodes(lambda *part: [function(*part)], *tensors)[0]


def all_by_nodes(function: Callable[..., Sequence[Tensor]], *tensors: Tensor) -> list[Tensor]:
    """The same for a function that returns several tensors."""
    most = _SERIES if tensors[0].device.type == "cpu" else _MORE
    size = max(1, most // max(1, len(tensors[0])))
    if tensors[0].shape[1] <= size:
        return list(function(*tensors))
    pieces = zip(*(tensor.split(size, dim=1) for tensor in tensors), strict=True)
    results = zip(*(function(*piece) for piece in pieces), strict=True)
    return [torch.cat(parts, dim=1) for parts in results]
