"""odflow: from link counters and a topology to the traffic matrix, and what it means.

Public names are imported on first use, so ``import odflow`` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Network": "odflow.network.model",
    "Node": "odflow.network.model",
    "Link": "odflow.network.model",
    "Routing": "odflow.network.routing",
    "RoutingEpochs": "odflow.network.epochs",
    "demands": "odflow.labels",
    "loads": "odflow.labels",
    "read_demands": "odflow.traffic.files",
    "read_loads": "odflow.traffic.files",
    "write": "odflow.traffic.files",
    "read_polls": "odflow.traffic.counters",
    "read_interfaces": "odflow.traffic.counters",
    "counters_to_loads": "odflow.traffic.counters",
    "Gravity": "odflow.estimate",
    "Tomogravity": "odflow.estimate",
    "KLProjection": "odflow.estimate",
    "GaussianPosterior": "odflow.estimate",
    "StudentTPosterior": "odflow.estimate",
    "MomentPosterior": "odflow.estimate",
    "MomentModel": "odflow.estimate",
    "SimulatedPrior": "odflow.estimate",
    "LoadsAndHistory": "odflow.estimate",
    "plan": "odflow.estimate",
    "Plan": "odflow.estimate",
    "Measurement": "odflow.estimate",
    "StackedEstimator": "odflow.estimate",
    "StackConfig": "odflow.estimate",
    "DenoisingConfig": "odflow.estimate",
    "DiffusionPosterior": "odflow.estimate",
    "DDPMTME": "odflow.estimate",
    "VAETME": "odflow.estimate",
    "WGANTME": "odflow.estimate",
    "InversionConfig": "odflow.estimate",
    "TrafficDiffusion": "odflow.generate",
    "DiffusionConfig": "odflow.generate",
    "TrafficVAE": "odflow.generate",
    "VAEConfig": "odflow.generate",
    "TrafficWGANGP": "odflow.generate",
    "WGANConfig": "odflow.generate",
    "BackboneSimulator": "odflow.simulate",
    "BackboneConfig": "odflow.simulate",
    "BackboneRandomization": "odflow.simulate",
    "Service": "odflow.simulate",
    "randomize": "odflow.simulate",
    "CellularSimulator": "odflow.simulate",
    "CellularConfig": "odflow.simulate",
    "CellularRandomization": "odflow.simulate",
    "write_worlds": "odflow.simulate",
    "calibrate": "odflow.sim2real",
    "CalibrationConfig": "odflow.sim2real",
    "read_cells": "odflow.traffic.cells",
    "read_telecom_italia": "odflow.traffic.telecom_italia",
    "write_cells": "odflow.traffic.cells",
    "CellService": "odflow.simulate",
    "CounterSampler": "odflow.simulate",
    "SimMSTNet": "odflow.forecast",
    "MSTNetConfig": "odflow.forecast",
    "varied_worlds": "odflow.forecast.worlds",
    "reweight": "odflow.sim2real",
    "ReweightConfig": "odflow.sim2real",
    "Reweighted": "odflow.sim2real",
    "choose": "odflow.estimate",
    "reconcile": "odflow.estimate",
    "noise_level": "odflow.estimate",
    "whatif": "odflow.estimate",
    "WhatIf": "odflow.estimate",
    "Failure": "odflow.network.failures",
    "load": "odflow.estimate",
    "OdflowError": "odflow.errors",
}
_MODULES = {
    "data": "odflow.traffic.datasets",
    "errors": "odflow.errors",
    "evaluate": "odflow.evaluate",
    "forecast": "odflow.forecast",
    "sim2real": "odflow.sim2real",
    "simulate": "odflow.simulate",
    "testing": "odflow.testing",
}

__all__ = ["__version__", *sorted(_HOMES), *sorted(_MODULES)]

if TYPE_CHECKING:
    from odflow import errors as errors
    from odflow import evaluate as evaluate
    from odflow import forecast as forecast
    from odflow import sim2real as sim2real
    from odflow import simulate as simulate
    from odflow import testing as testing
    from odflow.errors import OdflowError as OdflowError
    from odflow.estimate import DDPMTME as DDPMTME
    from odflow.estimate import VAETME as VAETME
    from odflow.estimate import WGANTME as WGANTME
    from odflow.estimate import DenoisingConfig as DenoisingConfig
    from odflow.estimate import DiffusionPosterior as DiffusionPosterior
    from odflow.estimate import GaussianPosterior as GaussianPosterior
    from odflow.estimate import Gravity as Gravity
    from odflow.estimate import InversionConfig as InversionConfig
    from odflow.estimate import KLProjection as KLProjection
    from odflow.estimate import LoadsAndHistory as LoadsAndHistory
    from odflow.estimate import Measurement as Measurement
    from odflow.estimate import MomentModel as MomentModel
    from odflow.estimate import MomentPosterior as MomentPosterior
    from odflow.estimate import Plan as Plan
    from odflow.estimate import SimulatedPrior as SimulatedPrior
    from odflow.estimate import StackConfig as StackConfig
    from odflow.estimate import StackedEstimator as StackedEstimator
    from odflow.estimate import StudentTPosterior as StudentTPosterior
    from odflow.estimate import Tomogravity as Tomogravity
    from odflow.estimate import WhatIf as WhatIf
    from odflow.estimate import choose as choose
    from odflow.estimate import load as load
    from odflow.estimate import noise_level as noise_level
    from odflow.estimate import plan as plan
    from odflow.estimate import reconcile as reconcile
    from odflow.estimate import whatif as whatif
    from odflow.forecast import MSTNetConfig as MSTNetConfig
    from odflow.forecast import SimMSTNet as SimMSTNet
    from odflow.forecast.worlds import varied_worlds as varied_worlds
    from odflow.generate import DiffusionConfig as DiffusionConfig
    from odflow.generate import TrafficDiffusion as TrafficDiffusion
    from odflow.generate import TrafficVAE as TrafficVAE
    from odflow.generate import TrafficWGANGP as TrafficWGANGP
    from odflow.generate import VAEConfig as VAEConfig
    from odflow.generate import WGANConfig as WGANConfig
    from odflow.labels import demands as demands
    from odflow.labels import loads as loads
    from odflow.network.epochs import RoutingEpochs as RoutingEpochs
    from odflow.network.failures import Failure as Failure
    from odflow.network.model import Link as Link
    from odflow.network.model import Network as Network
    from odflow.network.model import Node as Node
    from odflow.network.routing import Routing as Routing
    from odflow.sim2real import CalibrationConfig as CalibrationConfig
    from odflow.sim2real import ReweightConfig as ReweightConfig
    from odflow.sim2real import Reweighted as Reweighted
    from odflow.sim2real import calibrate as calibrate
    from odflow.sim2real import reweight as reweight
    from odflow.simulate import BackboneConfig as BackboneConfig
    from odflow.simulate import BackboneRandomization as BackboneRandomization
    from odflow.simulate import BackboneSimulator as BackboneSimulator
    from odflow.simulate import CellService as CellService
    from odflow.simulate import CellularConfig as CellularConfig
    from odflow.simulate import CellularRandomization as CellularRandomization
    from odflow.simulate import CellularSimulator as CellularSimulator
    from odflow.simulate import CounterSampler as CounterSampler
    from odflow.simulate import Service as Service
    from odflow.simulate import randomize as randomize
    from odflow.simulate import write_worlds as write_worlds
    from odflow.traffic import datasets as data  # noqa: F401
    from odflow.traffic.cells import read_cells as read_cells
    from odflow.traffic.cells import write_cells as write_cells
    from odflow.traffic.counters import counters_to_loads as counters_to_loads
    from odflow.traffic.counters import read_interfaces as read_interfaces
    from odflow.traffic.counters import read_polls as read_polls
    from odflow.traffic.files import read_demands as read_demands
    from odflow.traffic.files import read_loads as read_loads
    from odflow.traffic.files import write as write
    from odflow.traffic.telecom_italia import read_telecom_italia as read_telecom_italia


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'odflow' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
