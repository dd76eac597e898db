"""Ranges of a simulator's parameters, and points in the box that they span."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from odflow.errors import UsageError
from odflow.simulate.span import Span

Range = tuple[float, float]
Config = TypeVar("Config", bound=Span)

DRAW = 20  # stream of random numbers
_LOG_FROM = 3.0  # ranges that span this factor are drawn on a logarithmic scale


@dataclass(frozen=True, kw_only=True)
class Randomization(Generic[Config]):
    """Ranges of parameters of a configuration, drawn independently.

    Uniformly, or uniformly in the logarithm where the upper end is at least three times the lower one and both are
    above 0. Both ends equal keep a parameter fixed. Parameters without a range are those of the simulator.

    Raises
    ------
    UsageError
        If a range is empty, or an end of one makes no sense as a parameter.
    """

    usual: ClassVar[Any]  # a configuration to try the ends of the ranges on

    def __post_init__(self) -> None:
        for name, (low, high) in self.ranges.items():
            if not low <= high:
                raise UsageError(f"range of {name} is {low} to {high}, expected the lower end first")
            for end in (low, high):
                self._changed(self.usual, {name: end})

    @property
    def ranges(self) -> dict[str, Range]:
        """All of them, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def at(self, base: Config, shares: Mapping[str, float]) -> Config:
        """The configuration at a point of the box, 0 = lower end, 1 = upper end; what is not named is as in `base`."""
        ranges = self.ranges
        return self._changed(base, {name: _between(*ranges[name], share) for name, share in shares.items()})

    def draw(self, base: Config, seed: int) -> Config:
        """A configuration at random; what has no range is as in `base`."""
        rng = np.random.default_rng((seed, DRAW))
        return self.at(base, {name: rng.random() for name in self.ranges})

    def shares(self, config: Config) -> dict[str, float]:
        """Where a configuration is in the box; beyond an end counts as that end."""
        return {name: _share(*ends, self._value(config, name)) for name, ends in self.ranges.items()}

    def _value(self, config: Config, name: str) -> float:
        return float(getattr(config, name))

    def _changed(self, base: Config, values: dict[str, float]) -> Config:
        return replace(base, **values)  # type: ignore[arg-type]


def _between(low: float, high: float, share: float) -> float:
    if low > 0 and high >= _LOG_FROM * low:
        return float(low * (high / low) ** share)
    return low + (high - low) * share


def _share(low: float, high: float, value: float) -> float:
    if low == high:
        return 0.0
    if low > 0 and high >= _LOG_FROM * low:
        share = np.log(max(value, low) / low) / np.log(high / low)
    else:
        share = (value - low) / (high - low)
    return float(np.clip(share, 0.0, 1.0))
