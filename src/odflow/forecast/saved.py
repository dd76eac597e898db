"""Fitted forecasters in files (needs torch)."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from odflow.errors import OdflowError, UsageError
from odflow.forecast.inputs import Geometry
from odflow.forecast.mstnet import MSTNet
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.sim_mstnet import SimMSTNet
from odflow.forecast.windows import Scale
from odflow.modelfile import ModelFile, write_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

KIND = "SimMSTNet"
_SCALE = ("floor", "middle", "spread", "mean")
_NETWORK = "network."


def save_forecaster(forecaster: SimMSTNet, path: str | Path) -> None:
    """Write a fitted :class:`SimMSTNet`; :func:`odflow.load` reads it.

    Raises
    ------
    UsageError
        If it is not fitted.
    OdflowError
        If the file cannot be written.
    """
    if not forecaster.interval_s_:
        raise UsageError("SimMSTNet is not fitted; call fit(history) first")
    network = forecaster.network_
    tensors: dict[str, NDArray[np.generic]] = {name: getattr(forecaster.scale_, name) for name in _SCALE}
    tensors |= {name: getattr(forecaster.geometry_, name).numpy() for name in Geometry._fields}
    tensors |= {_NETWORK + name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    header = {
        "config": asdict(network.config),
        "services": network.shape.services,
        "interval_s": forecaster.interval_s_,
        "names": forecaster.names_,
        "training": {"steps": forecaster.trained_.steps, "best": forecaster.trained_.best_validation},
    }
    write_model(path, ModelFile(KIND, header, tensors))


def restored(model: ModelFile) -> SimMSTNet:
    """The forecaster of a file of this kind.

    Raises
    ------
    OdflowError, LookupError, ValueError, TypeError
        If it does not fit together.
    """
    header, tensors = model.header, model.tensors
    config = MSTNetConfig(**{**header["config"], "quantiles": tuple(header["config"]["quantiles"])})
    found = SimMSTNet(config)
    found.interval_s_ = float(header["interval_s"])
    found.names_ = {name: list(labels) for name, labels in header["names"].items()}
    found.scale_ = Scale(*(tensors[name].astype(float) for name in _SCALE))
    found.geometry_ = Geometry(torch.from_numpy(tensors["near"]), torch.from_numpy(tensors["weight"]))
    network = MSTNet(replace(found.shape(1), services=int(header["services"])), config)
    own = [name for name in tensors if name.startswith(_NETWORK)]
    state = {name.removeprefix(_NETWORK): torch.from_numpy(tensors[name]) for name in own}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise OdflowError("weights and configuration do not fit each other") from error
    nodes, services = found.scale_.floor.shape
    if len(found.geometry_.near) != nodes or {"node": nodes, "service": services} != {
        name: len(labels) for name, labels in found.names_.items()
    }:
        raise OdflowError("nodes, services and scales do not fit each other")
    found.network_ = network.eval()
    found.parameters_ = sum(parameter.numel() for parameter in network.parameters())
    return found
