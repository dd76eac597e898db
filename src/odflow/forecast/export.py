"""Forecasting networks as functions of plain tensors, for ``torch.export`` and ONNX."""

from __future__ import annotations

from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs


class Plain(nn.Module):
    """Any forecasting network with a tensor for each argument.

    Parameters
    ----------
    network : Module
        Of Inputs and Geometry.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        values: Tensor,
        known: Tensor,
        seasonal: Tensor,
        seasonal_known: Tensor,
        past: Tensor,
        future: Tensor,
        near: Tensor,
        weight: Tensor,
    ) -> Tensor:
        """Forecast (B, H, N, S, Q); arguments as in Inputs and Geometry."""
        inputs = Inputs(values, known, seasonal, seasonal_known, past, future)
        out: Tensor = self.network(inputs, Geometry(near, weight))
        return out
