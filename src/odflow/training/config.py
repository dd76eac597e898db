"""How to train: one flat, frozen dataclass that the configurations of learned models inherit from."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real

from odflow.errors import UsageError

DEVICES = ("cpu", "cuda", "auto")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Parameters of the training loop.

    Parameters
    ----------
    steps : int
        Batches to train on.
    batch : int
        Rows of the data in a batch.
    learning_rate : float
        Of the first step.
    final_learning_rate : float
        Of the last step; exponential decay in between.
    clip : float
        Largest norm of an optimizer's gradient; 0 = as it comes.
    ema : float
        Decay of the exponential moving average of the weights, which is what the trained modules
        hold in the end; min(ema, (1 + k) / (10 + k)) at step k; 0 = no average.
    validate_every : int
        Steps between two validations.
    patience : int
        Stop after so many validations without a better loss, and return to the best; 0 = never.
    checkpoint_every : int
        Steps between two checkpoints.
    seed : int
        Of everything random in the training.
    device : {"cpu", "cuda", "auto"}
        To train on; "auto" = the GPU if there is one.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    steps: int = 4000
    batch: int = 128
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    clip: float = 1.0
    ema: float = 0.999
    validate_every: int = 500
    patience: int = 0
    checkpoint_every: int = 500
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validate_every", "checkpoint_every"):
            self._whole(name, 1)
        for name in ("patience", "seed"):
            self._whole(name, 0)
        for name in ("learning_rate", "final_learning_rate", "clip", "ema"):
            value = getattr(self, name)
            if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) < float("inf"):
                raise UsageError(f"{name} is {value!r}, expected a number of 0 or more")
        if not 0 < self.final_learning_rate <= self.learning_rate:
            raise UsageError(
                f"learning_rate is {self.learning_rate} and final_learning_rate {self.final_learning_rate}; "
                "expected both above 0, and the final one not above the first"
            )
        if self.ema >= 1:
            raise UsageError(f"ema is {self.ema}, expected a decay below 1")
        if self.device not in DEVICES:
            raise UsageError(f"device is {self.device!r}, expected one of {', '.join(DEVICES)}")

    def _whole(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise UsageError(f"{name} is {value!r}, expected a whole number of at least {least}")

    def decay(self, step: int) -> float:
        """Learning rate at a step (from 0 on), as a share of the first one."""
        share = step / max(self.steps - 1, 1)
        return float((self.final_learning_rate / self.learning_rate) ** share)
