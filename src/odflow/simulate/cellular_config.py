"""What the simulated traffic of a cellular network looks like, in field units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from odflow.errors import UsageError
from odflow.simulate.span import Span

LAND_USES = ("residential", "business", "leisure", "transit")


@dataclass(frozen=True, kw_only=True)
class CellService:
    """A service of a cellular network.

    Parameters
    ----------
    name, unit : str
    sessions_per_day : float
        Of one person: messages sent and received, calls, or data sessions.
    size : float
        Mean size of a session, in `unit`.
    size_spread : float
        Standard deviation of the log of sizes; 0 = all of the mean size.
    busy_hour : float
        Hour of the day at which people use it most.
    swing : float
        Use at that hour over use twelve hours from it.
    weekend : float
        Use on Saturdays and Sundays relative to working days.
    affinity : tuple of four floats
        Use in residential, business, leisure and transit areas, relative to each other.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    name: str
    unit: str = "sessions"
    sessions_per_day: float = 3.0
    size: float = 1.0
    size_spread: float = 0.0
    busy_hour: float = 16.0
    swing: float = 10.0
    weekend: float = 0.8
    affinity: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("a service needs a name")
        for name in ("sessions_per_day", "size", "weekend"):
            self._check(name, 0 < getattr(self, name) < float("inf"), "a positive number")
        self._check("size_spread", 0 <= self.size_spread < float("inf"), "0 or more")
        self._check("swing", 1 <= self.swing < float("inf"), "1 or more")
        self._check("busy_hour", 0 <= self.busy_hour <= 24, "an hour from 0 to 24")
        good = len(self.affinity) == len(LAND_USES) and min(self.affinity) >= 0 < max(self.affinity) < float("inf")
        self._check("affinity", good, "four numbers of 0 or more, not all 0")

    def _check(self, name: str, good: bool, expected: str) -> None:
        if not good:
            raise UsageError(f"service '{self.name}': {name} is {getattr(self, name)}, expected {expected}")


# orders of magnitude of 2013, as in the data of the Telecom Italia Big Data Challenge (Barlacchi et al. 2015)
CELL_SERVICES = (
    CellService(name="sms", unit="messages", sessions_per_day=4.0, busy_hour=17.0, affinity=(1.0, 1.2, 1.1, 1.0)),
    CellService(
        name="call",
        unit="calls",
        sessions_per_day=4.0,
        busy_hour=14.0,
        swing=20.0,
        weekend=0.65,
        affinity=(0.8, 1.5, 0.8, 1.0),
    ),
    CellService(
        name="internet",
        unit="MB",
        sessions_per_day=60.0,
        size=0.5,
        size_spread=2.0,
        busy_hour=17.5,
        swing=4.0,
        weekend=0.9,
        affinity=(1.0, 1.0, 1.2, 1.2),
    ),
)


@dataclass(frozen=True, kw_only=True)
class CellularConfig(Span):
    """Parameters of ``CellularSimulator``; *spread* is the standard deviation of a natural logarithm.

    Parameters
    ----------
    weeks : float
        Length.
    interval : str
        Length of an interval, such as ``"10min"`` or ``"1h"``.
    start : str
        Local start; a Monday makes weeks begin with working days.
    services : tuple of CellService
    layout : {"sites", "grid"}
        What a cell is: a base station, or a square of a regular grid that gets its part of the traffic of the stations
        which serve it, as in the Telecom Italia data.
    width_km, height_km : float
        Size of the city.
    stations : int
        Base stations, placed where people are; not used if coordinates are given.
    squares : int
        Columns of the grid, for ``layout="grid"``.
    pixel_m : float
        Side of the squares in which people, land use and coverage are computed.
    frequency_ghz : float
        Carrier, for the path loss (3GPP TR 38.901).
    population : float
        Customers in the area.
    centre_km : float
        Density of people falls with the distance from the centre by 1/e over this.
    patch_m : float
        Size of neighbourhoods of one character.
    density_spread : float
        Of the density of people between neighbourhoods.
    land_contrast : float
        How pure neighbourhoods are: 0 = the same mix everywhere.
    station_spread : float
        Of the stations' traffic beyond that of the people they serve: their capacity, and choice of other operators.
    mobility : float
        Share of people who follow the day from place to place; the others stay at home.
    variation : float
        Coefficient of variation of a cell around its rhythm, beyond the chance of single sessions,
    white : float
        share of its variance from one interval to the next, without memory,
    tail : float
        with sizes of this spread: 0 = normal, larger = quiet spells and jumps;
    memory_h : float
        hours after which the rest is forgotten,
    alone : float
        share of that which each service of a cell has for itself,
    shared : float
        and share of what the services have in common that the whole city has in common.
    drift : float
        Standard deviation of the logarithm of slow changes of a cell,
    drift_days : float
        and the days after which they are forgotten.
    crowds_per_week : float
        Gatherings somewhere in the city (matches, concerts, fairs),
    crowd_people : float
        people there (median, spread 1),
    crowd_hours : float
        and how long they stay.
    failures_per_year : float
        Of a station,
    repair_h : float
        and median hours to repair it; meanwhile its cell measures 0.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    weeks: float = 4.0
    interval: str = "1h"
    start: str = "2026-01-05"
    services: tuple[CellService, ...] = CELL_SERVICES
    layout: Literal["sites", "grid"] = "sites"
    width_km: float = 10.0
    height_km: float = 10.0
    stations: int = 100
    squares: int = 40
    pixel_m: float = 100.0
    frequency_ghz: float = 1.8
    population: float = 300_000.0
    centre_km: float = 3.0
    patch_m: float = 500.0
    density_spread: float = 0.7
    land_contrast: float = 1.5
    station_spread: float = 0.3
    mobility: float = 0.6
    variation: float = 0.15
    white: float = 0.3
    tail: float = 0.5
    memory_h: float = 2.0
    alone: float = 0.5
    shared: float = 0.2
    drift: float = 0.15
    drift_days: float = 10.0
    crowds_per_week: float = 1.0
    crowd_people: float = 5000.0
    crowd_hours: float = 3.0
    failures_per_year: float = 2.0
    repair_h: float = 4.0

    usual: ClassVar[str] = "10min"

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            self._check(name, 0 < getattr(self, name) < float("inf"), "a positive number")
        for name in _NOT_NEGATIVE:
            self._check(name, 0 <= getattr(self, name) < float("inf"), "0 or more")
        for name in ("mobility", "white", "alone", "shared"):
            self._check(name, 0 <= getattr(self, name) <= 1, "a share between 0 and 1")
        for name in ("stations", "squares"):
            self._check(name, int(getattr(self, name)) == getattr(self, name), "a whole number")
        self._check("layout", self.layout in ("sites", "grid"), "'sites' or 'grid'")
        self._check("services", bool(self.services), "at least one")
        names = [service.name for service in self.services]
        self._check("services", len(set(names)) == len(names), "different names")
        self._check_span()
        if min(self.shape) < 1 or self.shape[0] * self.shape[1] > MOST_PIXELS:
            raise UsageError(
                f"{self.width_km:g} km x {self.height_km:g} km in pixels of {self.pixel_m:g} m are "
                f"{self.shape[0]} x {self.shape[1]}, expected at least one and at most {MOST_PIXELS:,} in all"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of pixels."""
        return round(self.height_km * 1000 / self.pixel_m), round(self.width_km * 1000 / self.pixel_m)


MOST_PIXELS = 4_000_000
_POSITIVE = (
    *("weeks", "width_km", "height_km", "stations", "squares", "pixel_m", "frequency_ghz", "population", "centre_km"),
    *("patch_m", "memory_h", "drift_days", "crowd_people", "crowd_hours", "repair_h"),
)
_NOT_NEGATIVE = (
    "density_spread",
    "land_contrast",
    "variation",
    "tail",
    "drift",
    "crowds_per_week",
    "failures_per_year",
)
