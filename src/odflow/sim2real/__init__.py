"""From simulation to reality: simulators calibrated on real traffic, simulated samples weighed by a little of it.

``reweight`` needs torch; the rest does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odflow.lazy import from_torch
from odflow.sim2real.calibration import Calibration, CalibrationConfig, calibrate
from odflow.sim2real.config import ReweightConfig
from odflow.sim2real.posterior import Parameter, Posterior, drawn_values, posterior, posterior_figure

if TYPE_CHECKING:
    from odflow.sim2real.reweighting import Reweighted as Reweighted
    from odflow.sim2real.reweighting import reweight as reweight

_LEARNED = ("Reweighted", "reweight")

__all__ = [
    "Calibration",
    "CalibrationConfig",
    "Parameter",
    "Posterior",
    "ReweightConfig",
    "calibrate",
    "drawn_values",
    "posterior",
    "posterior_figure",
    *_LEARNED,
]


def __getattr__(name: str) -> Any:
    if name not in _LEARNED:
        raise AttributeError(f"module 'odflow.sim2real' has no attribute '{name}'")
    return from_torch("odflow.sim2real.reweighting", name)
