"""What the simulated traffic of a backbone looks like, in field units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from odflow.errors import UsageError
from odflow.simulate.services import Service
from odflow.simulate.span import Span


@dataclass(frozen=True, kw_only=True)
class BackboneConfig(Span):
    """Parameters of ``BackboneSimulator``; *spread* is the standard deviation of a natural logarithm.

    The defaults lie between what was calibrated on Abilene and on GÉANT (:mod:`odflow.simulate.presets`), rounded, with
    the larger daily swing of networks of today.

    Parameters
    ----------
    weeks : float
        Length.
    interval : str
        Length of an interval, such as ``"5min"``.
    start : str
        UTC start; a Monday makes weeks begin with working days.
    total : float
        Mean traffic of the first week, bit/s, all services together.
    services : tuple of Service
        Kinds of traffic; none gives TMs without services.
    mass_spread : float
        Of node sizes (gravity, Zhang et al. 2003; a lognormal spread of sizes, Nucci et al. 2005).
    direction_spread : float
        Of the ratio of what a node sends to what it receives.
    friction : float
        Demand falls with the distance d of the ends as ``(1 + d / 500 km) ** -friction``; 0 = not at all, and where a
        node has no coordinates.
    residual_spread : float
        Of a flow's mean around gravity and friction; flow means of backbones are about lognormal (Nucci et al. 2005).
    reciprocity : float
        Correlation of the residuals of both directions of a pair, 0 to 1.
    silent : float
        Share of pairs of different nodes that exchange nothing.
    self_share : float
        Share of the mean traffic that enters and leaves at one node, below 1.
    daily_swing : float
        Busiest over quietest hour of the mean day, 1 or more.
    busy_hour : float
        Local time (by longitude; UTC where unknown) of the busiest hour.
    busy_hour_spread : float
        Standard deviation of that from node to node, hours.
    second_peak : float
        Strength of the 12-hour harmonic relative to the 24-hour one.
    swing_spread : float
        Spread of the logarithm of the swing from flow to flow.
    weekend : float
        Level on Saturdays and Sundays relative to working days.
    weekend_spread : float
        Of that from node to node.
    variation : float
        Coefficient of variation, at one interval, of a flow of average size around its daily cycle.
    variation_spread : float
        Of a flow's own factor on that: some are steady, some burst.
    power : float
        The variance of a flow grows as its mean to this power (Cao et al. 2000: about 2 on one router;
        Medina et al. 2002 and Gunnar et al. 2004: 1.5 to 1.6 in backbones).
    white : float
        Share of that variance from one interval to the next, without memory.
    memory_min : float
        Minutes after which the rest is forgotten (correlation 1/e),
    long_share : float
        but for this share of it,
    long_memory_h : float
        which lasts these hours: two time scales in place of the long-range dependence of Leland et al. 1994.
    tail : float
        Spread of the size of changes from interval to interval; 0 = normal, larger = quiet spells and jumps.
    shared : float
        Share of the variance with memory that all flows from, and all flows to, a node have in common.
    drift : float
        Standard deviation of the logarithm of a flow's slow wandering,
    drift_days : float
        and days after which it is forgotten. It makes a history stale.
    shifts_per_year : float
        Sudden lasting changes of a flow's level (peering, BGP), per flow,
    shift_spread : float
        and the spread of their factors.
    growth : float
        Traffic after a year relative to its start.
    bursts_per_week : float
        Per flow,
    burst_size : float
        median peak of a burst relative to the flow's mean,
    burst_minutes : float
        and mean length.
    flash_crowds_per_week : float
        In the whole network: all that one node sends grows,
    flash_factor : float
        at its height by this factor,
    flash_hours : float
        and dies away in these hours.
    sampling : float
        TMs as NetFlow measures them that looks at one of so many packets of 700 bytes; up to 1 = true traffic. It
        makes small flows noisy and often zero.
    failures_per_year : float
        Of each pair of opposite links together (Markopoulou et al. 2008),
    repair_minutes : float
        and median time to repair; its spread is 1.5.
    metric_changes_per_year : float
        Of each link: its metric is halved or doubled, for good.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    weeks: float = 1.0
    interval: str = "5min"
    start: str = "2026-01-05"
    total: float = 1e12
    services: tuple[Service, ...] = ()
    mass_spread: float = 1.0
    direction_spread: float = 0.2
    friction: float = 0.8
    residual_spread: float = 0.8
    reciprocity: float = 0.6
    silent: float = 0.0
    self_share: float = 0.1
    daily_swing: float = 2.0
    busy_hour: float = 16.0
    busy_hour_spread: float = 1.5
    second_peak: float = 0.25
    swing_spread: float = 0.4
    weekend: float = 0.75
    weekend_spread: float = 0.1
    variation: float = 0.3
    variation_spread: float = 1.0
    power: float = 1.4
    white: float = 0.3
    memory_min: float = 60.0
    long_share: float = 0.5
    long_memory_h: float = 12.0
    tail: float = 1.2
    shared: float = 0.3
    drift: float = 0.2
    drift_days: float = 14.0
    shifts_per_year: float = 4.0
    shift_spread: float = 0.7
    growth: float = 1.3
    bursts_per_week: float = 0.2
    burst_size: float = 2.0
    burst_minutes: float = 15.0
    flash_crowds_per_week: float = 0.5
    flash_factor: float = 2.0
    flash_hours: float = 2.0
    sampling: float = 0.0
    failures_per_year: float = 5.0
    repair_minutes: float = 10.0
    metric_changes_per_year: float = 0.2

    usual: ClassVar[str] = "15min"

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            self._check(name, getattr(self, name) > 0, "a positive number")
        for name in _NOT_NEGATIVE:
            self._check(name, getattr(self, name) >= 0, "0 or more")
        for name in _SHARES:
            self._check(name, 0 <= getattr(self, name) <= 1, "a share between 0 and 1")
        self._check("self_share", self.self_share < 1, "a share below 1")
        self._check("daily_swing", self.daily_swing >= 1, "1 or more")
        self._check("busy_hour", 0 <= self.busy_hour <= 24, "an hour from 0 to 24")
        self._check("power", 0 <= self.power <= 4, "an exponent between 0 and 4")
        self._check_span()
        names = [service.name for service in self.services]
        if len(set(names)) < len(names):
            raise UsageError(f"services {', '.join(names)}: name each only once")


_POSITIVE = (
    *("weeks", "total", "weekend", "memory_min", "long_memory_h", "drift_days", "growth", "burst_size"),
    *("burst_minutes", "flash_factor", "flash_hours", "repair_minutes"),
)
_NOT_NEGATIVE = (
    *("mass_spread", "direction_spread", "friction", "residual_spread", "busy_hour_spread"),
    *(
        "second_peak",
        "swing_spread",
        "weekend_spread",
        "variation",
        "variation_spread",
        "tail",
        "drift",
        "shifts_per_year",
    ),
    *("shift_spread", "bursts_per_week", "flash_crowds_per_week", "sampling", "failures_per_year"),
    "metric_changes_per_year",
)
_SHARES = ("reciprocity", "silent", "self_share", "white", "long_share", "shared")
