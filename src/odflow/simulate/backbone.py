"""BackboneSimulator: a network to traffic matrices, without any history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import UsageError
from odflow.simulate.config import BackboneConfig
from odflow.simulate.events import YEAR_DAYS, bursts, flash_crowds, level_shifts
from odflow.simulate.fluctuation import deviations, heavy_shocks, wander, with_memory
from odflow.simulate.outages import routing_epochs
from odflow.simulate.rhythm import node_rhythm
from odflow.simulate.space import mean_matrix, service_means
from odflow.simulate.span import DAY_S, random_stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.epochs import RoutingEpochs
    from odflow.network.model import Network
    from odflow.simulate.services import Service

    Floats = NDArray[np.float64]

PACKET_BITS = 700 * 8.0
_MANY = 1e4  # sampled packets, from which on their number is as good as normal
_PART = 1 << 18  # demands sampled at once
# streams of random numbers: each effect has its own, so that changing one leaves the others as they are
_SPACE, _MIX, _RHYTHM, _NODES, _FLASH, _FLOWS, _SAMPLING, _LINKS = range(8)


@dataclass(frozen=True)
class BackboneSimulator:
    """Traffic of a backbone from its topology and a few parameters in field units.

    A flow is its mean (gravity, friction, residual), times the daily and weekly rhythm of its ends, times growth, slow
    drift and level shifts, times fluctuations with a mean-variance power law and two memories, partly common to the
    flows of a node; plus bursts. Flash crowds lift all that a node sends.

    Parameters
    ----------
    network : Network
        Coordinates matter for distances and local time; links only for routing.
    config : BackboneConfig

    Raises
    ------
    UsageError
        If the network has no nodes.
    """

    network: Network
    config: BackboneConfig = field(default_factory=BackboneConfig)

    def __post_init__(self) -> None:
        if not self.network.nodes:
            raise UsageError(f"network '{self.network.name}' has no nodes to send traffic")

    @property
    def times(self) -> NDArray[np.datetime64]:
        """UTC starts of the intervals."""
        return self.config.times

    def run(self, seed: int = 0) -> xr.DataArray:
        """Simulate.

        Parameters
        ----------
        seed : int
            Same seed, same bytes.

        Returns
        -------
        DataArray (time, origin, destination), or (service, time, origin, destination) with services
            bit/s.
        """
        config, time = self.config, self.times
        n = len(self.network.nodes)
        mean = mean_matrix(self.network, config, random_stream(seed, _SPACE))
        means = service_means(mean, config, random_stream(seed, _MIX))
        x = np.empty((len(means), config.steps, n, n))
        for k, service in enumerate(config.services or (None,)):
            self._service(x[k], means[k], service, time, seed, k)
        week = max(1, round(7 * DAY_S / config.interval_s))
        x *= config.total / (x[:, :week].sum(axis=(0, 2, 3)).mean() or 1.0)
        if config.sampling > 1:
            _sample_packets(x, config, random_stream(seed, _SAMPLING))
        return self._labelled(x, time, seed)

    def epochs(self, seed: int = 0, *, metric: str = "metric") -> RoutingEpochs:
        """Routing over the same time: shortest paths, around failed links and with changed metrics.

        Parameters
        ----------
        seed : int
            Independent of the traffic of :meth:`run` with the same seed.
        metric : {"metric", "hops", "inverse-capacity"}
            As :meth:`odflow.Routing.shortest_path`.

        Raises
        ------
        NetworkError, RoutingError
            As there.
        """
        return routing_epochs(self.network, self.config, self.times, random_stream(seed, _LINKS), metric)

    def _service(
        self, x: Floats, mean: Floats, service: Service | None, time: NDArray[np.datetime64], seed: int, place: int
    ) -> None:
        """Fill x (T, n, n) with one service's traffic, relative to the average demand."""
        config, n = self.config, len(mean)
        daily, weekly = node_rhythm(self.network, config, service, time, random_stream(seed, _RHYTHM))
        # what the flows of a node have in common is the same for all services
        nodes = random_stream(seed, _NODES)
        sends, receives = (with_memory((config.steps, n), config, nodes) for _ in range(2))
        flash = flash_crowds(config.steps, n, config, random_stream(seed, _FLASH))
        years = np.arange(config.steps) * config.interval_s / DAY_S / YEAR_DAYS
        common = flash * (config.growth**years)[:, None]
        factor = 1.0 if service is None else service.variation
        remembered, shared = np.sqrt(1 - config.white), np.sqrt(config.shared / 2)
        for o in range(n):
            rng = random_stream(seed, _FLOWS, place, o)
            swing = np.exp(config.swing_spread * rng.standard_normal(n))
            log_level = swing * (daily[:, [o]] + daily) / 2 + (weekly[:, [o]] + weekly) / 2
            if config.drift:
                log_level += config.drift * wander(x[:, o].shape, config.drift_days * DAY_S / config.interval_s, rng)
            level_shifts(log_level, config, rng)
            deviation = deviations(mean[o], config, factor, rng)
            change = np.sqrt(1 - config.shared) * with_memory(log_level.shape, config, rng)
            change += shared * (sends[:, [o]] + receives)
            change *= remembered
            change += np.sqrt(config.white) * heavy_shocks(log_level.shape, config.tail, rng)
            log_level += deviation * change - deviation**2 / 2
            x[:, o] = mean[o] * np.exp(log_level) * common[:, [o]]
            bursts(x[:, o], mean[o], config, rng)

    def _labelled(self, x: Floats, time: NDArray[np.datetime64], seed: int) -> xr.DataArray:
        config, nodes = self.config, list(self.network.node_ids)
        services = [service.name for service in config.services]
        array = xr.DataArray(
            x if services else x[0],
            dims=("service",) * bool(services) + ("time", "origin", "destination"),
            coords={"time": time, "origin": nodes, "destination": nodes} | ({"service": services} if services else {}),
            name="demand",
            attrs={"units": labels.UNITS, "interval_s": config.interval_s, "simulator_seed": seed},
        )
        return labels.check_demands(array, extra=("service",) * bool(services))


def _sample_packets(x: Floats, config: BackboneConfig, rng: np.random.Generator) -> None:
    """Replace true traffic by what NetFlow makes of the packets that it looks at, in place."""
    unit = config.sampling * PACKET_BITS / config.interval_s
    values = x.reshape(-1)
    for begin in range(0, len(values), _PART):
        part = values[begin : begin + _PART]
        packets = part / unit
        few = packets < _MANY
        part[few] = rng.poisson(packets[few]) * unit
        many = packets[~few]
        part[~few] = np.rint(many + np.sqrt(many) * rng.standard_normal(len(many))) * unit
