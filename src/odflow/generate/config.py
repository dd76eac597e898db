"""Configuration that all generators have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from odflow.errors import UsageError
from odflow.training import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(TrainingConfig):
    """What all generators have in common.

    Parameters
    ----------
    epochs : int
        Passes over the history; above 0 it takes the place of `steps`.
    holdout : float
        Share of the history, its end, that is kept from the training to validate on.
    scale_power : float
        Exponent of the mean in the scale of each flow, see :class:`~odflow.generate.scaling.FlowScaling`.
    """

    epochs: int = 0
    holdout: float = 0.0
    scale_power: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.holdout < 1:
            raise UsageError(f"holdout is {self.holdout}, expected a share of 0 or more and below 1")
        if self.patience and not self.holdout:
            raise UsageError("patience needs data to validate on: set holdout, for instance to 0.1")
        if not -2 <= self.scale_power <= 2:
            raise UsageError(f"scale_power is {self.scale_power}, expected a number between -2 and 2")
        at_least(0, epochs=self.epochs)

    def for_rows(self, rows: int) -> Self:
        """The same with `epochs` turned into steps for a history of this many TMs."""
        return replace(self, steps=self.epochs * max(1, rows // self.batch), epochs=0) if self.epochs else self


def at_least(least: int, **counts: int) -> None:
    """Raise :class:`UsageError` unless every value is a whole number of at least `least`."""
    for name, value in counts.items():
        if int(value) != value or value < least:
            raise UsageError(f"{name} is {value}, expected a whole number of at least {least}")
