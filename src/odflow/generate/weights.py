"""Weights of networks as named arrays, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn


def weights_of(networks: Mapping[str, nn.Module]) -> dict[str, NDArray[Any]]:
    """All parameters and buffers, named ``network.key``."""
    return {
        f"{name}.{key}": value.cpu().numpy()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }


def filled(
    build: Callable[[int], dict[str, nn.Module]], flows: int, tensors: Mapping[str, NDArray[Any]]
) -> dict[str, nn.Module]:
    """Build networks and give them saved weights, on the CPU.

    Shapes and types are compared before any memory is taken, so that a damaged configuration costs nothing.

    Raises
    ------
    KeyError
        If weights are missing.
    ValueError
        If weights are of another shape or type than the networks ask for.
    """
    with torch.device("meta"):
        networks = build(flows)
    for name, network in networks.items():
        state = {}
        for key, value in network.state_dict().items():
            array = tensors[f"{name}.{key}"]
            found = f"{array.dtype} {tuple(array.shape)}"
            asked = f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
            if found != asked:
                raise ValueError(f"'{name}.{key}' is {found}, the configuration asks for {asked}")
            state[key] = torch.from_numpy(array.copy())
        network.load_state_dict(state, assign=True)
    return networks
