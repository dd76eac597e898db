"""A small forecasting problem of which it is known what the simulator does wrong: for tests, benchmarks and docs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Samples = tuple[NDArray[np.float32], NDArray[np.float32]]

BUSY_HOURS = (20.0, 9.0)  # of the two services in reality
INPUTS, OUTPUTS = 6, 6
_SWING, _LEVEL = (1.0, 0.7), 0.6
_TIMES_H = (-1.0, 0.0, 4.0, 8.0, 12.0)
_MEMORY, _NOISE = 0.7, 0.2


@dataclass(frozen=True, eq=False)
class HalfWrong:
    """Simulated samples, half of them of worlds unlike the real one, and real ones.

    Parameters
    ----------
    simulated, real, test : pairs of float32 arrays, shapes (n, 6) and (n, 6)
        Inputs and targets as :func:`windows` makes them.
    right : array of bool, shape (n,)
        Which simulated samples follow reality.
    """

    simulated: Samples
    real: Samples
    test: Samples
    right: NDArray[np.bool_]


def windows(busy_hours: Floats, rng: np.random.Generator) -> Samples:
    """Short windows of two services' traffic, and what it is four, eight and twelve hours later.

    The logarithm of a service's traffic is a level of the window, a daily cosine with its peak at the busy hour, and a
    fluctuation with memory.

    Parameters
    ----------
    busy_hours : array, shape (n, 2)
        Of the two services, for each window.
    rng : Generator

    Returns
    -------
    float32 array (n, 6), float32 array (n, 6)
        Both services an hour ago and now, cosine and sine of the time of day; both services at each lead time.
    """
    n = len(busy_hours)
    hour = rng.uniform(0, 24, n)
    level = _LEVEL * rng.standard_normal((n, 2))
    clock = np.stack([np.cos(hour * np.pi / 12), np.sin(hour * np.pi / 12)], axis=1)
    change, series, since = _NOISE * rng.standard_normal((n, 2)), [], _TIMES_H[0]
    for time in _TIMES_H:
        keep = _MEMORY ** (time - since)
        change = keep * change + np.sqrt(1 - keep**2) * _NOISE * rng.standard_normal((n, 2))
        series.append(level + np.array(_SWING) * np.cos((hour[:, None] + time - busy_hours) * np.pi / 12) + change)
        since = time
    inputs, targets = np.concatenate([*series[:2], clock], axis=1), np.concatenate(series[2:], axis=1)
    return inputs.astype(np.float32), targets.astype(np.float32)


def half_wrong(simulated: int = 3200, real: int = 300, test: int = 2000, seed: int = 0) -> HalfWrong:
    """Simulated samples of which every other one is wrong.

    In turn, wrong ones have their busy hours ten hours late, the services swapped, or the targets of other samples.

    Parameters
    ----------
    simulated, real, test : int
        Numbers of samples.
    seed : int
    """
    rng = np.random.default_rng(seed)
    hours = np.tile(BUSY_HOURS, (simulated, 1))
    kind = np.where(np.arange(simulated) % 2, 0, 1 + np.arange(simulated) // 2 % 3)
    hours[kind == 1] += 10.0
    hours[kind == 2] = BUSY_HOURS[::-1]
    inputs, targets = windows(hours, rng)
    noise = np.flatnonzero(kind == 3)
    targets[noise] = targets[rng.permutation(noise)]
    measured, tested = (windows(np.tile(BUSY_HOURS, (count, 1)), rng) for count in (real, test))
    return HalfWrong((inputs, targets), measured, tested, kind == 0)
