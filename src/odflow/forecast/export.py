"""Forecasting networks as functions of plain tensors, for ``torch.export`` and ONNX."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from odflow.errors import MissingDependencyError
from odflow.files import replacing
from odflow.forecast.inputs import Geometry, Inputs
from odflow.forecast.surroundings import CALENDAR
from odflow.forecast.windows import SEASONAL

if TYPE_CHECKING:
    from odflow.forecast.sim_mstnet import SimMSTNet


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


def export_onnx(forecaster: SimMSTNet, path: str | Path) -> None:
    """See :meth:`SimMSTNet.export_onnx`."""
    if not (find_spec("onnx") and find_spec("onnxscript")):
        raise MissingDependencyError("ONNX needs two more packages: pip install onnx onnxscript")
    nodes, services = forecaster.scale_.floor.shape
    config, (near, weight) = forecaster.config, forecaster.geometry_
    sizes = (config.past, nodes, services), (config.past + config.lead, nodes, services, SEASONAL)
    arguments = [torch.zeros(1, *size) for size in sizes for _ in range(2)]
    arguments += [torch.zeros(1, length, CALENDAR) for length in (config.past, config.lead)]
    names = (*Inputs._fields, *Geometry._fields)
    with replacing(path) as temporary:
        torch.onnx.export(
            Plain(forecaster.network_),
            (*arguments, near, weight),
            str(temporary),
            input_names=list(names),
            output_names=["forecast"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
