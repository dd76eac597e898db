"""A made-up city: where people are, what places are for, and where base stations stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.simulate.cellular_config import LAND_USES
from odflow.simulate.propagation import serving_station, smooth_normal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.simulate.cellular_config import CellularConfig

    Floats = NDArray[np.float64]

_CENTRE_PULL = np.array([-0.5, 1.0, 1.0, 0.3])  # of the land uses: offices and bars are in the centre
_BASE = np.array([1.2, 0.0, -0.5, -1.0])  # most of a city is residential


@dataclass(frozen=True, eq=False)
class City:
    """Pixels of a city and what serves them.

    Parameters
    ----------
    pixels : array, shape (P, 2)
        Centres, x and y, m.
    density : array, shape (P,)
        Relative density of activity, sums to 1.
    land : array, shape (P, 4)
        Shares of `LAND_USES`, sum to 1.
    stations : array, shape (S, 2)
        m.
    server : ints, shape (P,)
        Station of each pixel.
    """

    pixels: Floats
    density: Floats
    land: Floats
    stations: Floats
    server: NDArray[np.int64]


def make_city(config: CellularConfig, rng: np.random.Generator, stations: Floats | None = None) -> City:
    """A city by chance; stations where people are, unless they are given (x and y in m, shape (S, 2))."""
    rows, columns = config.shape
    y, x = np.meshgrid(
        (np.arange(rows) + 0.5) * config.pixel_m, (np.arange(columns) + 0.5) * config.pixel_m, indexing="ij"
    )
    pixels = np.column_stack([x.ravel(), y.ravel()])
    centre = np.array([config.width_km, config.height_km]) * 500
    away = np.hypot(*(pixels - centre).T) / (config.centre_km * 1000)
    width = config.patch_m / config.pixel_m / np.sqrt(2)
    fields = np.stack([smooth_normal((rows, columns), width, rng).ravel() for _ in range(len(LAND_USES) + 1)])
    density = np.exp(-away + config.density_spread * fields[0])
    taste = _BASE + _CENTRE_PULL * np.exp(-away)[:, None] + config.land_contrast * fields[1:].T
    land = np.exp(taste - taste.max(axis=1, keepdims=True))
    land /= land.sum(axis=1, keepdims=True)
    density /= density.sum()
    if stations is None:
        stations = _placed(pixels, density, config, rng)
    server = serving_station(pixels, (rows, columns), config.pixel_m, stations, config.frequency_ghz, rng)
    return City(pixels, density, land, stations, server)


def _placed(pixels: Floats, density: Floats, config: CellularConfig, rng: np.random.Generator) -> Floats:
    """Stations at random, denser where people are: by the square root, so that the outskirts have some as well."""
    weight = np.sqrt(density)
    count = min(int(config.stations), len(pixels))
    chosen = rng.choice(len(pixels), count, replace=False, p=weight / weight.sum())
    return np.asarray(pixels[np.sort(chosen)] + config.pixel_m * (rng.random((count, 2)) - 0.5))
