"""Which base station serves whom: path loss and shadowing of 3GPP TR 38.901, urban macro cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LIGHT = 299_792_458.0
STATION_M, USER_M, CLUTTER_M = 25.0, 1.5, 1.0  # heights: antenna, user, effective environment
NEAREST_M = 10.0
SHADOW_DB = {True: 4.0, False: 6.0}  # with and without line of sight
CORRELATION_M = 50.0  # of shadowing without line of sight
_NARROW, _REACH = 0.1, 3.0  # of smoothing: pixels below which there is none; standard deviations of the kernel
_BLOCK = 1 << 22


def line_of_sight(distance_m: Floats) -> Floats:
    """Probability of a line of sight at a horizontal distance (TR 38.901, table 7.4.2-1, UMa, users below 13 m)."""
    d = np.maximum(distance_m, 18.0)
    return np.asarray(18 / d + np.exp(-d / 63) * (1 - 18 / d))


def path_loss(distance_m: Floats, frequency_ghz: float, sight: NDArray[np.bool_]) -> Floats:
    """Path loss in dB at a horizontal distance (TR 38.901, table 7.4.1-1, UMa)."""
    flat = np.maximum(distance_m, NEAREST_M)
    height = STATION_M - USER_M
    d = np.hypot(flat, height)
    turn = 4 * (STATION_M - CLUTTER_M) * (USER_M - CLUTTER_M) * frequency_ghz * 1e9 / LIGHT
    tone = 20 * np.log10(frequency_ghz)
    near = 28.0 + 22 * np.log10(d) + tone
    far = 28.0 + 40 * np.log10(d) + tone - 9 * np.log10(turn**2 + height**2)
    clear = np.where(flat <= turn, near, far)
    hidden = 13.54 + 39.08 * np.log10(d) + tone - 0.6 * (USER_M - 1.5)
    return np.asarray(np.where(sight, clear, np.maximum(clear, hidden)))


def serving_station(
    pixels: Floats,
    shape: tuple[int, int],
    pixel_m: float,
    stations: Floats,
    frequency_ghz: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Station with the strongest signal at every pixel.

    Parameters
    ----------
    pixels : array, shape (P, 2)
        Centres of the pixels of a grid of this shape, row by row, m.
    shape : (rows, columns)
    pixel_m : float
        Side of a pixel.
    stations : array, shape (S, 2)
        m.
    frequency_ghz : float
    rng : Generator
        Line of sight by its probability; shadowing lognormal, and correlated over `CORRELATION_M` around each station.

    Returns
    -------
    ints, shape (P,)
    """
    best = np.full(len(pixels), -np.inf)
    server = np.zeros(len(pixels), dtype=np.int64)
    width = CORRELATION_M / pixel_m / np.sqrt(2)
    for k, station in enumerate(stations):
        distance = np.hypot(*(pixels - station).T)
        sight = rng.random(len(pixels)) < line_of_sight(distance)
        shadow = smooth_normal(shape, width, rng).ravel() * np.where(sight, SHADOW_DB[True], SHADOW_DB[False])
        power = shadow - path_loss(distance, frequency_ghz, sight)
        stronger = power > best
        best[stronger], server[stronger] = power[stronger], k
    return server


def smooth_normal(shape: tuple[int, int], width: float, rng: np.random.Generator) -> Floats:
    """Normal field of unit variance whose correlation is Gaussian, of standard deviation ``width * sqrt(2)`` pixels."""
    if width < _NARROW:
        return rng.standard_normal(shape)
    margin = int(np.ceil(_REACH * width))
    wide = gaussian_filter(rng.standard_normal((shape[0] + 2 * margin, shape[1] + 2 * margin)), width, truncate=_REACH)
    kernel = gaussian_filter1d(np.eye(1, 2 * margin + 1, margin)[0], width, truncate=_REACH)
    return np.asarray(wide[margin : margin + shape[0], margin : margin + shape[1]] / (kernel**2).sum())
