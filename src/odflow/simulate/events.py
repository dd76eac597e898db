"""What happens now and then: level shifts, bursts, flash crowds, failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.simulate.config import BackboneConfig

    Floats = NDArray[np.float64]

YEAR_DAYS = 365.25
_BURST_SPREAD = 0.8  # of burst sizes
_FORGOTTEN = 6.0  # decay times after which an event is over


def level_shifts(log_level: Floats, config: BackboneConfig, rng: np.random.Generator) -> None:
    """Add lasting changes at random times to the columns of (T, flows), in place."""
    steps, flows = log_level.shape
    years = steps * config.interval_s / 86400 / YEAR_DAYS
    count = rng.poisson(config.shifts_per_year * years * flows)
    where = rng.integers(flows, size=count)
    when = rng.integers(steps, size=count)
    change = config.shift_spread * rng.standard_normal(count)
    for flow, begin, size in zip(where.tolist(), when.tolist(), change.tolist(), strict=True):
        log_level[begin:, flow] += size


def bursts(x: Floats, mean: Floats, config: BackboneConfig, rng: np.random.Generator) -> None:
    """Add bursts that start at random times and die away, to (T, flows) in place, as multiples of the flows' means."""
    steps, flows = x.shape
    count = rng.poisson(config.bursts_per_week * config.weeks * flows)
    where, when = rng.integers(flows, size=count), rng.integers(steps, size=count)
    height = config.burst_size * np.exp(_BURST_SPREAD * rng.standard_normal(count)) * mean[where]
    shape = _decay(config.burst_minutes * 60 / config.interval_s)
    for flow, begin, size in zip(where.tolist(), when.tolist(), height.tolist(), strict=True):
        part = x[begin : begin + len(shape), flow]
        part += size * shape[: len(part)]


def flash_crowds(steps: int, nodes: int, config: BackboneConfig, rng: np.random.Generator) -> Floats:
    """Factor on all that each node sends, shape (T, n)."""
    factor = np.ones((steps, nodes))
    count = rng.poisson(config.flash_crowds_per_week * config.weeks)
    shape = _decay(config.flash_hours * 3600 / config.interval_s)
    for node, begin in zip(rng.integers(nodes, size=count), rng.integers(steps, size=count), strict=True):
        part = factor[begin : begin + len(shape), node]
        part *= 1 + (config.flash_factor - 1) * shape[: len(part)]
    return factor


def _decay(steps: float) -> Floats:
    """Exponential decay from 1, sampled at intervals, averaged over each."""
    count = max(1, int(np.ceil(_FORGOTTEN * steps)))
    ends = np.exp(-np.arange(count + 1) / steps)
    return np.asarray(steps * (ends[:-1] - ends[1:]))
