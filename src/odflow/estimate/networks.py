"""Networks as arrays in a file, and back (needs torch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from odflow.errors import OdflowError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.lessons import LessonConfig


def network_numbers(networks: Sequence[nn.Module]) -> dict[str, NDArray[Any]]:
    """Weights and buffers of all, in single precision."""
    return {
        f"network {k}.{name}": value.detach().cpu().float().numpy()
        for k, network in enumerate(networks)
        for name, value in network.state_dict().items()
    }


def networks_in(
    tensors: Mapping[str, NDArray[Any]], count: int, kind: type[nn.Module], config: LessonConfig
) -> list[nn.Module]:
    """What :func:`network_numbers` has made arrays of.

    Raises
    ------
    OdflowError
        If a network is incomplete or of another size than in `config`.
    """
    out = []
    for k in range(count):
        start, network = f"network {k}.", kind(config)
        own = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
        try:
            network.load_state_dict({name: torch.from_numpy(value) for name, value in own.items()})
        except RuntimeError as error:
            raise OdflowError(f"its network {k} is incomplete or of another size") from error
        out.append(network.eval())
    return out
