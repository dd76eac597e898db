"""Services that share a network's traffic."""

from __future__ import annotations

from dataclasses import dataclass

from odflow.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Service:
    """One kind of traffic, relative to the network's traffic as a whole.

    Parameters
    ----------
    name : str
    share : float
        Part of the total; shares of all services are scaled to a sum of 1.
    busy_hour : float
        Hours by which its busy hour is later.
    swing : float
        Factor on the logarithm of the daily swing; 0 = the same all day.
    weekend : float
        Factor on the weekend's level.
    variation : float
        Factor on the coefficient of variation.
    mix_spread : float
        Standard deviation of the log of its share from flow to flow.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    name: str
    share: float
    busy_hour: float = 0.0
    swing: float = 1.0
    weekend: float = 1.0
    variation: float = 1.0
    mix_spread: float = 0.5

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("a service needs a name")
        for name in ("share", "weekend"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(f"service '{self.name}': {name} is {getattr(self, name)}, expected a positive number")
        for name in ("swing", "variation", "mix_spread"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"service '{self.name}': {name} is {getattr(self, name)}, expected 0 or more")
        if not -24 <= self.busy_hour <= 24:
            raise UsageError(f"service '{self.name}': busy_hour is {self.busy_hour}, expected hours from -24 to 24")


# Orders of magnitude after Sandvine, "Global Internet Phenomena Report", 2023 (video about two thirds of the volume,
# strongest in the evening); the rest is a choice.
SERVICES = (
    Service(name="video", share=0.6, busy_hour=3.0, swing=1.2, weekend=1.15),
    Service(name="web", share=0.25, busy_hour=0.0, swing=1.0, weekend=0.9),
    Service(name="bulk", share=0.15, busy_hour=8.0, swing=0.4, weekend=0.8, variation=2.0, mix_spread=1.0),
)
