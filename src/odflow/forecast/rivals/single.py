"""One network for each service, on its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs, Shape


class SingleTask(nn.Module):
    """Independent copies of a network, one per service, as single-task baselines are trained.

    A copy sees its own service only, and its parameters learn from that service's loss only.

    Parameters
    ----------
    build : callable
        Of a shape with one service, to a network: ``lambda one: LSTM(one, size)``.
    shape : Shape
        With all services.
    """

    def __init__(self, build: Callable[[Shape], nn.Module], shape: Shape) -> None:
        super().__init__()
        one = replace(shape, services=1)
        self.tasks = nn.ModuleList(build(one) for _ in range(shape.services))

    def forward(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """Forecasts of all services, shape (B, H, N, S, Q)."""
        forecasts = []
        for s, network in enumerate(self.tasks):
            own = slice(s, s + 1)
            part = inputs._replace(
                values=inputs.values[..., own],
                known=inputs.known[..., own],
                seasonal=inputs.seasonal[..., own, :],
                seasonal_known=inputs.seasonal_known[..., own, :],
            )
            forecasts.append(network(part, geometry))
        return torch.cat(forecasts, dim=3)
