"""How to weigh simulated samples; can be used without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from odflow.errors import UsageError
from odflow.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class ReweightConfig(TrainingConfig):
    """Parameters of ``reweight``. A step is one of the upper level; `batch` counts simulated samples.

    Parameters
    ----------
    solver : {"unrolled", "cutting-plane"}
        How the upper level is solved.
    inner_steps : int
        K, gradient steps of the lower level for one of the upper level.
    inner_rate : float
        eta, their learning rate.
    weight_rate : float
        Largest change of a logit when its sample is seen (falls as the learning rate does).
    real_batch : int
        Real samples in a batch.
    held_out : float
        Share of the real samples that the weights are not chosen on, for the comparison with equal weights.
    least_effective : float
        Effective sample size, as a share of the samples or worlds, below which weights are not allowed to
        concentrate.
    cuts : int
        Cutting planes kept at most.
    gap : float
        epsilon: squared distance of the network from what the lower level makes of it, per parameter, that is
        tolerated.
    dual_rate : float
        Step of the multipliers of the cuts.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    steps: int = 1000
    batch: int = 256
    final_learning_rate: float = 1e-4
    ema: float = 0.0
    solver: Literal["unrolled", "cutting-plane"] = "unrolled"
    inner_steps: int = 5
    inner_rate: float = 0.05
    weight_rate: float = 0.1
    real_batch: int = 128
    held_out: float = 0.25
    least_effective: float = 0.3
    cuts: int = 8
    gap: float = 1e-8
    dual_rate: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("inner_steps", "real_batch", "cuts"):
            self._whole(name, 1)
        for name in ("inner_rate", "weight_rate", "gap", "dual_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}, expected a positive number")
        for name in ("held_out", "least_effective"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}, expected a share of 0 or more and below 1")
        if self.solver not in ("unrolled", "cutting-plane"):
            raise UsageError(f"solver is '{self.solver}', expected 'unrolled' or 'cutting-plane'")
