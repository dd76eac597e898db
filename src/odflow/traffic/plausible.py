"""A small generator of plausible traffic, for the demo and for trying things out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter

from odflow import labels
from odflow.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from odflow.network.model import Network
    from odflow.network.routing import Routing

__all__ = ["PlausibleTraffic", "plausible_traffic", "provisioned"]

DAY = 86400.0
# capacities that interfaces come in, bit/s; beyond the last, bundles of it
SIZES = np.array([1e9, 2.5e9, 10e9, 40e9, 100e9, 400e9])


@dataclass(frozen=True)
class PlausibleTraffic:
    """What the traffic looks like.

    Parameters
    ----------
    weeks : int
        Length.
    interval : str
        Length of one interval, such as ``"15min"``.
    start : str
        UTC start; a Monday makes weeks begin with working days.
    total : float
        Mean total traffic, bit/s.
    mass_spread : float
        Standard deviation of the log of the nodes' sizes.
    residual_spread : float
        Standard deviation of the log of what gravity misses in each flow's mean.
    self_share : float
        Traffic that stays at its node, relative to what gravity says.
    noise : float
        Relative standard deviation, within an hour or two, of a flow of average size.
    noise_spread : float
        Standard deviation of the log of each flow's own factor on `noise`: some flows are steady, some burst.
    power : float
        Variance of a flow grows like its mean to this power; below 2, small flows are relatively noisier.
    memory : float
        Seconds after which fluctuations have decayed to 1/e.
    drift : float
        Standard deviation of the log of a flow's slow wandering.
    drift_memory : float
        Seconds after which the wandering has decayed to 1/e.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    weeks: int = 3
    interval: str = "15min"
    start: str = "2026-01-05"
    total: float = 1e12
    mass_spread: float = 0.7
    residual_spread: float = 0.6
    self_share: float = 0.1
    noise: float = 0.15
    noise_spread: float = 0.8
    power: float = 1.5
    memory: float = 5400.0
    drift: float = 0.25
    drift_memory: float = 7 * DAY

    def __post_init__(self) -> None:
        for name in ("weeks", "total", "memory", "drift_memory"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name}={getattr(self, name)!r} must be positive")
        for name in ("mass_spread", "residual_spread", "self_share", "noise", "noise_spread", "drift"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name}={getattr(self, name)!r} must not be negative")
        if not 0 < self.interval_s <= DAY:
            raise UsageError(f"interval='{self.interval}' must be at most a day, such as '15min'")

    @property
    def interval_s(self) -> float:
        """Interval in seconds."""
        return labels.duration_s(self.interval, "interval")


def plausible_traffic(network: Network, config: PlausibleTraffic | None = None, *, seed: int = 0) -> xr.DataArray:
    """Make up traffic matrices that look like those of a backbone.

    Each flow's mean is gravity between node sizes times a lognormal residual. It follows the working
    day and evening of its two ends (local time by longitude; UTC where unknown), fluctuates with temporal
    correlation, partly together with the other flows of its ends, with variance = c * mean**power, and
    drifts slowly, so that old traffic matrices go stale.

    Parameters
    ----------
    network : Network
        Its nodes and their longitudes; links play no part.
    config : PlausibleTraffic, optional
    seed : int
        Same seed, same traffic.

    Returns
    -------
    DataArray (time, origin, destination)
        bit/s.

    Raises
    ------
    UsageError
        If the network has no nodes.
    """
    config = config or PlausibleTraffic()
    n = len(network.nodes)
    if n == 0:
        raise UsageError(f"network '{network.name}' has no nodes to send traffic")
    rng = np.random.default_rng(seed)
    steps = round(config.weeks * 7 * DAY / config.interval_s)
    time = np.datetime64(config.start, "ns") + np.arange(steps) * np.timedelta64(round(config.interval_s * 1e9), "ns")
    mean = _mean_matrix(n, config, rng)
    activity = np.sqrt(_activity(network, time, rng))
    x = mean * activity[:, :, None] * activity[:, None, :]
    x *= np.exp(_fluctuation(mean, steps, config, rng))
    x *= np.exp(config.drift * _wander((steps, n, n), config.interval_s / config.drift_memory, rng))
    x *= config.total / x.sum(axis=(1, 2)).mean()
    return labels.demands(x, time, network.node_ids, config.interval_s)


def _mean_matrix(n: int, config: PlausibleTraffic, rng: np.random.Generator) -> NDArray[np.float64]:
    """Relative mean demands: gravity times residual."""
    size = rng.normal(0, config.mass_spread, n)
    sends, receives = (np.exp(size + rng.normal(0, 0.3 * config.mass_spread, n)) for _ in range(2))
    mean = np.outer(sends, receives) * np.exp(rng.normal(0, config.residual_spread, (n, n)))
    mean[np.diag_indices(n)] *= config.self_share
    return np.asarray(mean / mean.mean())


def _activity(network: Network, time: NDArray[np.datetime64], rng: np.random.Generator) -> NDArray[np.float64]:
    """How busy each node is, (time, node): a mix of working hours and evenings, in local time."""
    longitude = np.array([node.longitude or 0.0 for node in network.nodes])
    seconds = (time - np.datetime64("1970-01-05", "ns")) / np.timedelta64(1, "s")  # since a Monday
    local = seconds[:, None] + longitude / 15 * 3600
    turn = 2 * math.pi / DAY
    work = np.exp(0.7 * np.cos(turn * (local - 14 * 3600)))
    evening = np.exp(0.5 * np.cos(turn * (local - 19.5 * 3600)) + 0.2 * np.cos(2 * turn * (local - 20.5 * 3600)))
    weekend = local % (7 * DAY) >= 5 * DAY
    share = rng.uniform(0.2, 0.6, len(longitude))
    busy = share * work * np.where(weekend, 0.6, 1.0) / work.mean() + (1 - share) * evening / evening.mean()
    return np.asarray(busy / busy.mean(axis=0))


def _fluctuation(
    mean: NDArray[np.float64], steps: int, config: PlausibleTraffic, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Log of the correlated fluctuations, (time, origin, destination), for flows of these relative means."""
    n, rate = len(mean), config.interval_s / config.memory
    own = _wander((steps, n, n), rate, rng)
    of_origin, of_destination = (_wander((steps, n), rate, rng) for _ in range(2))
    mixed = math.sqrt(0.6) * own
    mixed += math.sqrt(0.2) * of_origin[:, :, None]
    mixed += math.sqrt(0.2) * of_destination[:, None, :]
    factor = np.exp(rng.normal(0, config.noise_spread, (n, n)))
    relative = config.noise * factor * mean ** (config.power / 2 - 1)
    deviation = np.sqrt(np.log1p(np.minimum(relative, 1.0) ** 2))
    return np.asarray(deviation * mixed - deviation**2 / 2)


def _wander(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Stationary unit-variance AR(1) series along axis 0 with correlation ``exp(-rate)`` per step."""
    keep = math.exp(-rate)
    shocks = rng.normal(size=shape)
    shocks[1:] *= math.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], shocks, axis=0))


def provisioned(network: Network, routing: Routing, demands: xr.DataArray, *, peak: float = 0.6) -> Network:
    """Give links the smallest usual capacity at which this traffic fills at most `peak` of it.

    Both directions between two nodes get the same capacity.

    Parameters
    ----------
    network : Network
    routing : Routing
        Of this network, with the same links.
    demands : DataArray (time, origin, destination)
    peak : float
        Highest utilisation, in (0, 1].

    Raises
    ------
    UsageError
        If `peak` is not in (0, 1].
    """
    if not 0 < peak <= 1:
        raise UsageError(f"peak={peak!r} must lie in (0, 1]")
    busiest = routing.loads(demands).max("time")
    needed: dict[frozenset[str], float] = {}
    for link in network.links:
        ends = frozenset((link.source, link.target))
        needed[ends] = max(needed.get(ends, 0.0), float(busiest.sel(link=link.id)) / peak)
    links = (replace(link, capacity=_size(needed[frozenset((link.source, link.target))])) for link in network.links)
    return replace(network, links=tuple(links))


def _size(needed: float) -> float:
    fits = SIZES[needed <= SIZES]
    return float(fits[0]) if len(fits) else float(SIZES[-1] * math.ceil(needed / SIZES[-1]))
