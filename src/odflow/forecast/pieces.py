"""Many nodes, some at a time, so that memory does not grow with what lies between input and output."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_SERIES = 512  # at once: what lies in between is to stay in the cache of a CPU


def by_nodes(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Apply a function of tensors (B, N, ...), to which nodes are independent, to some nodes at a time."""
    size = max(1, _SERIES // max(1, len(tensors[0])))
    if tensors[0].shape[1] <= size:
        return function(*tensors)
    parts = zip(*(tensor.split(size, dim=1) for tensor in tensors), strict=True)
    return torch.cat([function(*part) for part in parts], dim=1)
