"""Estimators: link loads (and history) to traffic matrices.

Those that need torch are imported on first use.
"""

from typing import TYPE_CHECKING, Any

from odflow.estimate.base import Estimator, Posterior
from odflow.estimate.choice import Choice, choose
from odflow.estimate.consistency import Reconciliation, noise_level, reconcile
from odflow.estimate.failure_loads import WhatIf, whatif
from odflow.estimate.gaussian import GaussianPosterior
from odflow.estimate.gravity import Gravity, Tomogravity
from odflow.estimate.kl import KLProjection
from odflow.estimate.loads_and_history import LoadsAndHistory
from odflow.estimate.measurement_plan import Measurement, Plan, plan
from odflow.estimate.moment_fit import MomentModel
from odflow.estimate.moments import MomentPosterior
from odflow.estimate.simulated_prior import SimulatedPrior
from odflow.estimate.store import load
from odflow.estimate.student_t import StudentTPosterior
from odflow.lazy import from_torch

if TYPE_CHECKING:
    from odflow.estimate.denoiser import DenoisingConfig
    from odflow.estimate.diffusion import DiffusionPosterior
    from odflow.estimate.generative import DDPMTME, VAETME, WGANTME
    from odflow.estimate.inversion import InversionConfig
    from odflow.estimate.stack_network import StackConfig
    from odflow.estimate.stacked import StackedEstimator

_NEED_TORCH = {
    "DDPMTME": "odflow.estimate.generative",
    "DenoisingConfig": "odflow.estimate.denoiser",
    "DiffusionPosterior": "odflow.estimate.diffusion",
    "InversionConfig": "odflow.estimate.inversion",
    "StackConfig": "odflow.estimate.stack_network",
    "StackedEstimator": "odflow.estimate.stacked",
    "VAETME": "odflow.estimate.generative",
    "WGANTME": "odflow.estimate.generative",
}

__all__ = [
    "DDPMTME",
    "VAETME",
    "WGANTME",
    "Choice",
    "DenoisingConfig",
    "DiffusionPosterior",
    "Estimator",
    "GaussianPosterior",
    "Gravity",
    "InversionConfig",
    "KLProjection",
    "LoadsAndHistory",
    "Measurement",
    "MomentModel",
    "MomentPosterior",
    "Plan",
    "Posterior",
    "Reconciliation",
    "SimulatedPrior",
    "StackConfig",
    "StackedEstimator",
    "StudentTPosterior",
    "Tomogravity",
    "WhatIf",
    "choose",
    "load",
    "noise_level",
    "plan",
    "reconcile",
    "whatif",
]


def __getattr__(name: str) -> Any:
    if name not in _NEED_TORCH:
        raise AttributeError(f"module 'odflow.estimate' has no attribute '{name}'")
    return from_torch(_NEED_TORCH[name], name)
