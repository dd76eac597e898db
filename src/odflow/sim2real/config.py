"""How to weigh simulated samples; can be used without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from odflow.errors import UsageError
from odflow.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class ReweightConfig(TrainingConfig):
    """Parameters of ``reweight``, which finds weights first and then trains two networks, with them and without.

    `steps` are those of the search for weights, each one on `batch` simulated samples; `learning_rate` is that of
    Adam for the networks. All rates decay alike.

    Parameters
    ----------
    solver : {"cutting-plane", "unrolled"}
        How the upper level is solved.
    inner_steps : int
        K, gradient steps of the lower level for one of the upper level.
    inner_rate : float
        eta, their learning rate.
    reach : float
        How far a logit could go in the whole search, were its gradient always as large as the typical ones at their
        largest. More makes weights more decided, and more at the mercy of noise.
    real_batch : int
        Real samples in a batch.
    held_out : float
        Share of the real samples that the weights are not chosen on, for the comparison with equal weights.
    least_effective : float
        Effective sample size, as a share of the samples or worlds, below which weights are not allowed to
        concentrate.
    network_steps : int
        To train each of the two networks for.
    cuts : int
        Cutting planes kept at most.
    gap : float
        epsilon: squared distance of the network from what the lower level makes of the weights, per parameter, that
        is tolerated (cutting planes only).
    dual_rate : float
        Step of the multipliers, as the share of the way back to what the lower level makes of the weights that a new
        cut asks for (cutting planes only).

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    steps: int = 2000
    batch: int = 512
    learning_rate: float = 3e-3
    final_learning_rate: float = 3e-4
    ema: float = 0.0
    solver: Literal["cutting-plane", "unrolled"] = "cutting-plane"
    inner_steps: int = 1
    inner_rate: float = 0.1
    reach: float = 200.0
    real_batch: int = 256
    held_out: float = 0.25
    least_effective: float = 0.3
    network_steps: int = 2000
    cuts: int = 2
    gap: float = 1e-8
    dual_rate: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("inner_steps", "real_batch", "cuts", "network_steps"):
            self._whole(name, 1)
        for name in ("inner_rate", "reach", "gap", "dual_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)}, expected a positive number")
        for name in ("held_out", "least_effective"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}, expected a share of 0 or more and below 1")
        if self.solver not in ("cutting-plane", "unrolled"):
            raise UsageError(f"solver is '{self.solver}', expected 'cutting-plane' or 'unrolled'")
