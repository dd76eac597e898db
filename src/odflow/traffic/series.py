"""Traffic as series to forecast: (time, node, service) on a time axis without gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import DataError, LabelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odflow.network.model import Network
    from odflow.network.routing import Routing

__all__ = ["DIMS", "SeriesSet", "from_cells", "from_tms", "regular", "series_array"]

DIMS = ("time", "node", "service")
_LONGEST = 100  # times as many intervals as there are data; beyond, a time is wrong


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """Series of several services at several nodes, and how they are split in time.

    Parameters
    ----------
    name : str
    traffic : DataArray (time, node, service)
        As :func:`from_tms` and :func:`from_cells` make it: all intervals from the first to the last, NaN where nothing
        was measured; the coordinate ``unit`` along service; ``x_m`` and ``y_m``, or ``latitude`` and ``longitude``, of
        the nodes where known.
    validation_from, test_from : datetime64
        Before the first is training, from the second on testing.
    sha256 : str
        Of the file it was read from.
    source : str
        Whose measurements these are, and what was decided in reading them.
    """

    name: str
    traffic: xr.DataArray
    validation_from: np.datetime64
    test_from: np.datetime64
    sha256: str
    source: str

    @property
    def train(self) -> xr.DataArray:
        """What models are fitted on."""
        return self.traffic[self.traffic["time"].values < self.validation_from]

    @property
    def validation(self) -> xr.DataArray:
        """What models are chosen on."""
        time = self.traffic["time"].values
        return self.traffic[(time >= self.validation_from) & (time < self.test_from)]

    @property
    def test(self) -> xr.DataArray:
        """What models are scored on."""
        return self.traffic[self.traffic["time"].values >= self.test_from]

    def __repr__(self) -> str:
        x = self.traffic
        parts = ", ".join(f"{getattr(self, part).sizes['time']} {part}" for part in ("train", "validation", "test"))
        first, last = x["time"].values[[0, -1]].astype("datetime64[m]")
        return (
            f"<SeriesSet '{self.name}': {x.sizes['node']} nodes x {', '.join(x['service'].values.tolist())}, "
            f"{x.sizes['time']} intervals of {x.attrs['interval_s']:g} s, {first} to {last} ({parts}), "
            f"{np.isnan(x.values).mean():.1%} not measured>"
        )


def from_tms(
    demands: xr.DataArray, routing: Routing | None = None, *, network: Network | None = None, flows: bool = False
) -> xr.DataArray:
    """Series of traffic matrices: what enters and leaves at each node, or link loads, or the demands themselves.

    Parameters
    ----------
    demands : DataArray (time, origin, destination)
        bit/s. TMs whose coordinate ``valid`` is false count as not measured.
    routing : Routing, optional
        If given, link loads ``A @ x``: a node for each link of the routing, access links included, with the service
        ``load``.
    network : Network, optional
        Where it has coordinates of all nodes, they become ``latitude`` and ``longitude`` (not of links and demands).
    flows : bool
        If true, a node ``origin->destination`` for each demand, row-major by origin, with the service ``demand``.

    Returns
    -------
    DataArray (time, node, service)
        bit/s; by default services ``ingress`` and ``egress``, each the sum over all demands of a node, its own
        included; NaN if one of these is. Intervals that are missing between two times are there, with NaN.

    Raises
    ------
    UsageError
        For a routing and flows at once.
    LabelError
        If a time is not a whole number of intervals after the first, or a node is missing in the network.
    DataError, UnitError
        If it is no such array.
    """
    if routing is not None and flows:
        raise UsageError("link loads or flows: give routing= or flows=True, not both")
    tms = labels.check_demands(demands)
    time, nodes = tms["time"].values, tms["origin"].values.astype(str).tolist()
    if routing is not None:
        names, services, values = list(routing.links), ["load"], routing.loads(tms).values[:, :, None]
    elif flows:
        names = [f"{origin}->{destination}" for origin, destination in labels.od_pairs(nodes)]
        services, values = ["demand"], tms.values.reshape(len(time), -1, 1)
    else:
        names, services = nodes, ["ingress", "egress"]
        values = np.stack([tms.values.sum(axis=2), tms.values.sum(axis=1)], axis=2)
    if "valid" in tms.coords:
        values = np.where(tms["valid"].values.astype(bool)[:, None, None], values, np.nan)
    places = _degrees(network, nodes) if network is not None and routing is None and not flows else {}
    units = [labels.UNITS] * len(services)
    array = series_array(values, time, names, services, units, float(tms.attrs["interval_s"]), places)
    return regular(array.assign_attrs(units=labels.UNITS))


def from_cells(cells: xr.DataArray) -> xr.DataArray:
    """Series of traffic of cells: the cells become nodes, and intervals that are missing are there, with NaN.

    Parameters
    ----------
    cells : DataArray (time, cell, service)
        As of :func:`~odflow.read_cells` or a :class:`~odflow.CellularSimulator`.

    Returns
    -------
    DataArray (time, node, service)
        With the coordinates and attributes of `cells`.

    Raises
    ------
    DataError
        If it is no such array.
    LabelError
        If a time is not a whole number of intervals after the first.
    """
    dims = {"time", "cell", "service"}
    if not isinstance(cells, xr.DataArray) or set(cells.dims) != dims or "interval_s" not in cells.attrs:
        given = f", got {', '.join(map(str, cells.dims))}" if isinstance(cells, xr.DataArray) else ""
        raise DataError(f"expected traffic of cells (time, cell, service) with the attribute interval_s{given}")
    array = cells.rename(cell="node").transpose(*DIMS).astype(float)
    if "node" not in array.coords:
        array = array.assign_coords(node=[str(k) for k in range(array.sizes["node"])])
    return regular(array.rename("traffic"))


def series_array(
    values: Any,
    time: Any,
    nodes: Sequence[str],
    services: Sequence[str],
    units: Sequence[str],
    interval_s: float,
    places: dict[str, Any] | None = None,
) -> xr.DataArray:
    """Label values of shape (time, node, service); `places` are coordinates of the nodes."""
    coords: dict[str, Any] = {
        "time": labels.as_times(time),
        "node": list(nodes),
        "service": list(services),
        "unit": ("service", list(units)),
    }
    coords |= {name: ("node", np.asarray(place, dtype=float)) for name, place in (places or {}).items()}
    return xr.DataArray(np.asarray(values, dtype=float), coords, DIMS, "traffic", {"interval_s": float(interval_s)})


def regular(traffic: xr.DataArray) -> xr.DataArray:
    """Insert the intervals that are missing between two times, with NaN.

    Parameters
    ----------
    traffic : DataArray (time, ...)
        With the attribute ``interval_s``.

    Raises
    ------
    LabelError
        If times do not rise, one is not a whole number of intervals after the first, or they are so far apart that
        one must be wrong.
    """
    time = traffic["time"].values
    step = np.timedelta64(round(float(traffic.attrs["interval_s"]) * 1e9), "ns")
    if not len(time) or (np.diff(time) <= np.timedelta64(0, "ns")).any():
        raise LabelError("times are none, or do not rise; sort by time and drop duplicates")
    away = np.flatnonzero((time - time[0]) % step)
    if len(away):
        at = time[away[0]].astype("datetime64[s]")
        raise LabelError(f"{at} is no whole number of intervals of {traffic.attrs['interval_s']:g} s after the first")
    count = int((time[-1] - time[0]) // step) + 1
    if count == len(time):
        return traffic
    if count > _LONGEST * len(time):
        first, last = time[[0, -1]].astype("datetime64[s]")
        raise LabelError(f"{len(time)} of {count} intervals from {first} to {last} are there; is a time wrong?")
    return traffic.reindex(time=time[0] + np.arange(count) * step)


def _degrees(network: Network, nodes: Sequence[str]) -> dict[str, list[float]]:
    known = {node.id: node for node in network.nodes}
    missing = [node for node in nodes if node not in known]
    if missing:
        raise LabelError(f"the network has no node '{missing[0]}'")
    latitude, longitude = [known[node].latitude for node in nodes], [known[node].longitude for node in nodes]
    if None in latitude or None in longitude:
        return {}
    return {
        "latitude": [float(x) for x in latitude if x is not None],
        "longitude": [float(x) for x in longitude if x is not None],
    }
