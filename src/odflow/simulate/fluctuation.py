"""Random changes with memory, and how large they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.simulate.config import BackboneConfig

    Floats = NDArray[np.float64]

LARGEST_CV = 1.5  # of a flow, whatever the power law says of small ones
LARGEST_SHOCK = 5.0  # standard deviations; it is exponentiated


def wander(shape: tuple[int, ...], steps: float, rng: np.random.Generator) -> Floats:
    """Stationary AR(1) series of unit variance along axis 0, correlation ``exp(-k / steps)`` at lag k."""
    keep = math.exp(-1 / steps)
    shocks = rng.standard_normal(shape)
    shocks[1:] *= math.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], shocks, axis=0))


def with_memory(shape: tuple[int, ...], config: BackboneConfig, rng: np.random.Generator) -> Floats:
    """Two time scales together, unit variance."""
    short = wander(shape, config.memory_min * 60 / config.interval_s, rng)
    if not config.long_share:
        return short
    long = wander(shape, config.long_memory_h * 3600 / config.interval_s, rng)
    return math.sqrt(1 - config.long_share) * short + math.sqrt(config.long_share) * long


def heavy_shocks(shape: tuple[int, ...], tail: float, rng: np.random.Generator) -> Floats:
    """Independent shocks of unit variance: normal ones times a lognormal size of this spread, not too large ones."""
    shocks = rng.standard_normal(shape)
    if tail:
        shocks *= np.exp(tail * rng.standard_normal(shape) - tail**2)
    return np.asarray(np.clip(shocks, -LARGEST_SHOCK, LARGEST_SHOCK))


def deviations(mean: Floats, config: BackboneConfig, factor: float, rng: np.random.Generator) -> Floats:
    """Standard deviation of the logarithm of each flow around its cycle, by the mean-variance power law.

    The coefficient of variation is ``variation * own factor * (mean / average) ** (power / 2 - 1)``, and the standard
    deviation of the logarithm of a lognormal variable with a coefficient c is ``sqrt(log(1 + c^2))``.
    """
    own = config.variation_spread * rng.standard_normal(mean.shape)
    relative = np.where(mean > 0, mean, 1.0) ** (config.power / 2 - 1)
    cv = np.minimum(config.variation * factor * np.exp(own) * relative, LARGEST_CV)
    return np.asarray(np.sqrt(np.log1p(cv**2)))
