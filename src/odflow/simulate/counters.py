"""CounterSampler: link loads to the octet counters that polling them would have shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from odflow.traffic.polling import Simulation, simulate_polls

if TYPE_CHECKING:
    import xarray as xr

    from odflow.network.model import Network


@dataclass(frozen=True, kw_only=True)
class CounterSampler:
    """How counters are polled, and what goes wrong.

    Parameters
    ----------
    period_s : float
        Seconds between polls,
    jitter_s : float
        and how far each can be from its time.
    loss : float
        Share of answers that are lost,
    duplicates, conflicts, late : float
        repeated, repeated with other octets, and written late.
    bits : {32, 64}
        Width of the counters.
    wraps : float
        Share of the counters made to wrap (32-bit counters also wrap without).
    resets : int
        Restarts of random nodes.
    """

    period_s: float = 300.0
    jitter_s: float = 2.0
    loss: float = 0.002
    duplicates: float = 0.0
    conflicts: float = 0.0
    late: float = 0.0
    bits: Literal[32, 64] = 64
    wraps: float = 0.0
    resets: int = 0

    def sample(self, loads: xr.DataArray, network: Network | None = None, *, seed: int = 0) -> Simulation:
        """Poll counters that count these loads, which are taken as constant in each interval.

        Parameters
        ----------
        loads : DataArray (time, link)
            bit/s.
        network : Network, optional
            Ends and capacity of the links; without it their labels must read ``SOURCE->TARGET``.
        seed : int

        Returns
        -------
        Simulation
            ``polls`` and ``interfaces`` as :func:`odflow.counters_to_loads` takes them, and ``truth``.

        Raises
        ------
        DataError, UsageError
            As :func:`odflow.traffic.polling.simulate_polls`.
        """
        return simulate_polls(loads, network=network, seed=seed, **asdict(self))
