"""From simulation to reality: weights of simulated samples by how well they serve a little real data (needs torch)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odflow.lazy import from_torch
from odflow.sim2real.config import ReweightConfig

if TYPE_CHECKING:
    from odflow.sim2real.reweight import Reweighted as Reweighted
    from odflow.sim2real.reweight import reweight as reweight

_NAMES = ("Reweighted", "reweight")

__all__ = ["ReweightConfig", *_NAMES]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'odflow.sim2real' has no attribute '{name}'")
    # the module of the same name takes the place of the function once it is loaded
    value = from_torch("odflow.sim2real.reweight", name)
    globals()[name] = value
    return value
