"""Domain randomisation of cellular networks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from odflow.simulate.cellular_config import CellService, CellularConfig
from odflow.simulate.ranges import DRAW, Randomization, Range

_SERVICE = "service_"
# what the services' ranges change, and the value of each that changes nothing
_NEUTRAL = {"sessions": 1.0, "size": 1.0, "size_spread": 1.0, "busy_hour": 0.0, "swing": 1.0, "weekend": 1.0}


@dataclass(frozen=True, kw_only=True)
class CellularRandomization(Randomization[CellularConfig]):
    """Ranges of parameters of :class:`CellularConfig`, drawn as :class:`BackboneRandomization` says.

    Those that begin with ``service_`` change every service, each by its own draw: factors on its sessions, size,
    spread of sizes and weekend, hours added to its busy hour, and an exponent of its swing.

    The ranges hold, with a wide margin, what was calibrated on real cells (:mod:`odflow.simulate.presets`); their real
    statistics are within nine of ten worlds.

    Raises
    ------
    UsageError
        If a range is empty, or an end of one makes no sense as a parameter.
    """

    population: Range = (5_000.0, 1_000_000.0)
    centre_km: Range = (1.0, 10.0)
    patch_m: Range = (200.0, 1500.0)
    density_spread: Range = (0.2, 2.0)
    land_contrast: Range = (0.3, 3.0)
    station_spread: Range = (0.0, 1.6)
    mobility: Range = (0.1, 0.95)
    frequency_ghz: Range = (0.7, 3.6)
    variation: Range = (0.05, 2.0)
    white: Range = (0.05, 0.95)
    tail: Range = (0.0, 2.0)
    memory_h: Range = (0.5, 8.0)
    alone: Range = (0.0, 0.9)
    shared: Range = (0.0, 0.6)
    drift: Range = (0.03, 0.8)
    drift_days: Range = (3.0, 30.0)
    crowds_per_week: Range = (0.0, 5.0)
    crowd_people: Range = (500.0, 20_000.0)
    crowd_hours: Range = (1.0, 8.0)
    failures_per_year: Range = (0.0, 50.0)
    repair_h: Range = (1.0, 12.0)
    service_sessions: Range = (0.1, 3.0)
    service_size: Range = (0.5, 2.0)
    service_size_spread: Range = (0.7, 1.3)
    service_busy_hour: Range = (-3.0, 3.0)
    service_swing: Range = (0.3, 3.5)
    service_weekend: Range = (0.7, 1.4)

    usual: ClassVar[Any] = CellularConfig()

    def draw(self, base: CellularConfig, seed: int) -> CellularConfig:
        """A configuration at random; what has no range is as in `base`, and so are the services' affinities."""
        rng = np.random.default_rng((seed, DRAW))
        mine = [name for name in self.ranges if not name.startswith(_SERVICE)]
        config = self.at(base, {name: rng.random() for name in mine})
        services: list[CellService] = []
        for service in base.services:
            shares = {name: rng.random() for name in self.ranges if name.startswith(_SERVICE)}
            services += self.at(replace(base, services=(service,)), shares).services
        return replace(config, services=tuple(services))

    def _value(self, config: CellularConfig, name: str) -> float:
        if name.startswith(_SERVICE):
            return _NEUTRAL[name.removeprefix(_SERVICE)]
        return super()._value(config, name)

    def _changed(self, base: CellularConfig, values: dict[str, float]) -> CellularConfig:
        own = {name: value for name, value in values.items() if not name.startswith(_SERVICE)}
        change = {name.removeprefix(_SERVICE): value for name, value in values.items() if name.startswith(_SERVICE)}
        services = tuple(_changed(service, _NEUTRAL | change) for service in base.services) if change else base.services
        return replace(base, services=services, **own)  # type: ignore[arg-type]


def _changed(service: CellService, change: dict[str, float]) -> CellService:
    return replace(
        service,
        sessions_per_day=service.sessions_per_day * change["sessions"],
        size=service.size * change["size"],
        size_spread=service.size_spread * change["size_spread"],
        busy_hour=(service.busy_hour + change["busy_hour"]) % 24,
        swing=service.swing ** change["swing"],
        weekend=service.weekend * change["weekend"],
    )
