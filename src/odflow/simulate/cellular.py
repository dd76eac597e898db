"""CellularSimulator: traffic of the cells of a city, service by service, without any history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from odflow.errors import DataError
from odflow.simulate.cellular_config import CellService, CellularConfig
from odflow.simulate.city import City, make_city
from odflow.simulate.events import YEAR_DAYS
from odflow.simulate.fluctuation import heavy_shocks, wander
from odflow.simulate.span import DAY_S, is_weekend, random_stream, week_seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_CITY, _NOISE, _CROWDS, _FAILURES, _SESSIONS, _OWN, _SIZES = range(30, 37)  # streams of random numbers
# share of mobile people at each kind of place by hour of a working day and of a weekend day: knots (hour, share)
_WORKDAY = (
    ((0, 0.93), (6, 0.85), (9, 0.35), (16, 0.35), (19, 0.65), (24, 0.93)),
    ((0, 0.02), (6, 0.04), (9, 0.5), (16, 0.48), (19, 0.1), (24, 0.02)),
    ((0, 0.04), (6, 0.02), (12, 0.07), (16, 0.07), (20, 0.16), (24, 0.04)),
    ((0, 0.01), (6, 0.04), (8, 0.14), (12, 0.06), (18, 0.14), (24, 0.01)),
)
_WEEKEND = (
    ((0, 0.88), (8, 0.9), (12, 0.65), (16, 0.55), (20, 0.62), (24, 0.88)),
    ((0, 0.02), (8, 0.03), (12, 0.06), (16, 0.06), (20, 0.03), (24, 0.02)),
    ((0, 0.09), (8, 0.03), (12, 0.2), (16, 0.28), (20, 0.28), (24, 0.09)),
    ((0, 0.01), (8, 0.04), (12, 0.09), (16, 0.11), (20, 0.07), (24, 0.01)),
)


@dataclass(frozen=True, eq=False)
class CellularSimulator:
    """Messages, calls and data of every cell of a city.

    People live and move between residential, business, leisure and transit areas; base stations stand where people are,
    and path loss with shadowing decides which one serves a place. Sessions come at random with the people there and the
    habits of each service, their sizes are lognormal. Weather, fashion and chance make cells vary together and alone.

    Parameters
    ----------
    config : CellularConfig
    stations : array, shape (S, 2), optional
        Coordinates x and y of base stations in m within the city, instead of made-up ones.
    names : tuple of str
        Of these stations; ``s0``, ``s1`` and so on if there are none. See also :func:`odflow.simulate.sites.around`.

    Raises
    ------
    DataError
        If there are no stations, or one is outside the city.
    """

    config: CellularConfig = field(default_factory=CellularConfig)
    stations: NDArray[np.float64] | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.stations is None:
            return
        given = np.asarray(self.stations, dtype=float)
        size = 1000 * np.array([self.config.width_km, self.config.height_km])
        if given.ndim != 2 or given.shape[1] != 2 or not len(given):
            raise DataError(f"stations of shape {given.shape}, expected (S, 2): x and y of each in m")
        outside = np.flatnonzero(~((given >= 0) & (given <= size)).all(axis=1))
        if len(outside):
            x, y = given[outside[0]]
            raise DataError(
                f"station {outside[0]} at ({x:g}, {y:g}) m is outside the city, {size[0]:g} m x {size[1]:g} m"
            )
        if self.names and len(self.names) != len(given):
            raise DataError(f"{len(self.names)} names of {len(given)} stations")
        object.__setattr__(self, "stations", given)

    @property
    def times(self) -> NDArray[np.datetime64]:
        """Starts of the intervals, local time."""
        return self.config.times

    def run(self, seed: int = 0) -> xr.DataArray:
        """Simulate.

        Returns
        -------
        DataArray ``traffic`` (time, cell, service)
            In the unit of each service per interval, see the coordinate ``unit``; ``x_m`` and ``y_m`` of the cells.
            Same seed, same bytes.
        """
        config = self.config
        city = make_city(config, random_stream(seed, _CITY), self.stations)
        people = self._people(city, seed)
        mood, slow = self._moods(len(city.stations), seed)
        works = self._works(len(city.stations), seed)
        out = np.empty((config.steps, len(city.stations), len(config.services)))
        for k, service in enumerate(config.services):
            habit = _habit(service, self.times)
            use = np.einsum("tsl,l->ts", people, np.array(service.affinity) / np.mean(service.affinity))
            rate = service.sessions_per_day * config.interval_s / DAY_S
            change = self._change(mood, slow, random_stream(seed, _OWN, k))
            expected = rate * habit[:, None] * use * change * works
            out[:, :, k] = _volumes(expected, service, random_stream(seed, _SESSIONS, k))
        return self._labelled(out, city, seed)

    def _people(self, city: City, seed: int) -> Floats:
        """People by station and land use, shape (T, S, 4)."""
        config, time = self.config, self.times
        served = csr_array(
            (np.ones(len(city.server)), (city.server, np.arange(len(city.server)))),
            shape=(len(city.stations), len(city.server)),
        )
        weight = city.density[:, None] * city.land
        places = served @ (weight / weight.sum(axis=0))  # where a person is who is at such a place
        home = places[:, 0]
        at = _presence(time)  # (T, 4)
        people = config.population * config.mobility * at[:, None, :] * places
        people[:, :, 0] += config.population * (1 - config.mobility) * home
        size = np.exp(config.station_spread * random_stream(seed, _SIZES).standard_normal(len(home)))
        people *= (size / (size @ home))[:, None]
        self._add_crowds(people, city, seed)
        return np.asarray(people)

    def _add_crowds(self, people: Floats, city: City, seed: int) -> None:
        config, rng = self.config, random_stream(seed, _CROWDS)
        steps = config.steps
        length = max(1, round(config.crowd_hours * 3600 / config.interval_s))
        weight = city.density * city.land[:, 2]
        for _ in range(rng.poisson(config.crowds_per_week * config.weeks)):
            begin = int(rng.integers(steps))
            station = city.server[rng.choice(len(weight), p=weight / weight.sum())]
            size = config.crowd_people * np.exp(rng.standard_normal())
            people[begin : begin + length, station, 2] += size

    def _moods(self, stations: int, seed: int) -> tuple[Floats, Floats]:
        """What changes all services of a station alike, each of shape (T, S): of unit variance with memory; slowly."""
        config, rng = self.config, random_stream(seed, _NOISE)
        own = self._wander(stations, rng)
        common = self._wander(1, rng)
        slow = wander((config.steps, stations), config.drift_days * DAY_S / config.interval_s, rng)
        return np.sqrt(1 - config.shared) * own + np.sqrt(config.shared) * common, config.drift * slow

    def _change(self, mood: Floats, slow: Floats, rng: np.random.Generator) -> Floats:
        """Factor of chance on one service, shape (T, S), 1 on average."""
        config = self.config
        deviation = np.sqrt(np.log1p(config.variation**2))
        change = np.sqrt(1 - config.alone) * mood + np.sqrt(config.alone) * self._wander(mood.shape[1], rng)
        change *= np.sqrt(1 - config.white)
        change += np.sqrt(config.white) * heavy_shocks(mood.shape, config.tail, rng)
        return np.asarray(np.exp(deviation * change + slow - (deviation**2 + config.drift**2) / 2))

    def _wander(self, stations: int, rng: np.random.Generator) -> Floats:
        return wander((self.config.steps, stations), self.config.memory_h * 3600 / self.config.interval_s, rng)

    def _works(self, stations: int, seed: int) -> Floats:
        """1, and 0 where a station is down, shape (T, S)."""
        config, rng = self.config, random_stream(seed, _FAILURES)
        works = np.ones((config.steps, stations))
        years = config.steps * config.interval_s / DAY_S / YEAR_DAYS
        for station in range(stations):
            for begin in rng.integers(config.steps, size=rng.poisson(config.failures_per_year * years)).tolist():
                hours = config.repair_h * np.exp(rng.standard_normal())
                works[begin : begin + max(1, round(hours * 3600 / config.interval_s)), station] = 0.0
        return works

    def _labelled(self, out: Floats, city: City, seed: int) -> xr.DataArray:
        config = self.config
        names, places = list(self.names) or [f"s{k}" for k in range(len(city.stations))], city.stations
        if config.layout == "grid":
            out, names, places = self._on_grid(out, city)
        return xr.DataArray(
            out,
            dims=("time", "cell", "service"),
            coords={
                "time": self.times,
                "cell": names,
                "service": [service.name for service in config.services],
                "unit": ("service", [service.unit for service in config.services]),
                "x_m": ("cell", places[:, 0]),
                "y_m": ("cell", places[:, 1]),
            },
            name="traffic",
            attrs={"interval_s": config.interval_s, "simulator_seed": seed},
        )

    def _on_grid(self, out: Floats, city: City) -> tuple[Floats, list[str], Floats]:
        """Each station's traffic spread evenly over the pixels that it serves, and summed by squares."""
        config = self.config
        side = config.width_km * 1000 / config.squares
        column = np.minimum((city.pixels[:, 0] / side).astype(int), config.squares - 1)
        row = (city.pixels[:, 1] / side).astype(int)
        square = row * config.squares + column
        count = int(square.max()) + 1
        share = 1 / np.bincount(city.server, minlength=len(city.stations))[city.server]
        spread = csr_array((share, (square, city.server)), shape=(count, len(city.stations)))
        steps, _, services = out.shape
        moved = np.stack([(spread @ out[:, :, k].T).T for k in range(services)], axis=2)
        rows, columns = np.divmod(np.arange(count), config.squares)
        places = side * (np.column_stack([columns, rows]) + 0.5)
        return moved.reshape(steps, count, services), [f"g{k}" for k in range(count)], places


def _presence(time: NDArray[np.datetime64]) -> Floats:
    """Share of mobile people at each kind of place, shape (T, 4), sums to 1."""
    seconds = week_seconds(time)
    hour, weekend = seconds % DAY_S / 3600, is_weekend(seconds)
    found = np.empty((len(time), 4))
    for k in range(4):
        work, free = (np.interp(hour, *np.array(knots[k], dtype=float).T) for knots in (_WORKDAY, _WEEKEND))
        found[:, k] = np.where(weekend, free, work)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _habit(service: CellService, time: NDArray[np.datetime64]) -> Floats:
    """How much a person uses a service over the day and the week, mean 1 over working days."""
    seconds = week_seconds(time)
    turn = 2 * np.pi / 24
    amplitude = np.log(service.swing) / 2
    day = np.exp(amplitude * np.cos(turn * (seconds / 3600 - service.busy_hour)))
    whole = np.exp(amplitude * np.cos(turn * np.arange(0, 24, 0.1)))
    return np.asarray(day / whole.mean() * np.where(is_weekend(seconds), service.weekend, 1.0))


def _volumes(expected: Floats, service: CellService, rng: np.random.Generator) -> Floats:
    """Sum of the sizes of a Poisson number of sessions, by a lognormal sum of matching moments (Fenton 1960)."""
    count = rng.poisson(expected).astype(float)
    if not service.size_spread:
        return count * service.size
    relative = np.expm1(service.size_spread**2)  # squared coefficient of variation of one session
    spread = np.sqrt(np.log1p(relative / np.maximum(count, 1.0)))
    return np.asarray(count * service.size * np.exp(spread * rng.standard_normal(count.shape) - spread**2 / 2))
