"""Routing epochs: A changes at given times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import RoutingError, listed
from odflow.network.routing import Routing

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RoutingEpochs:
    """Several routings, each valid from its start until the next one's.

    Everything that takes a :class:`~odflow.Routing` takes this as well.

    Parameters
    ----------
    starts : array-like of datetime64, shape (k,)
        Increasing UTC times; an interval belongs to the epoch in which it starts.
    routings : sequence of k Routing
        Over the same nodes; links are brought to their union, with zero rows where one is absent.

    Raises
    ------
    RoutingError
        If starts are not increasing, or nodes differ.
    """

    starts: NDArray[np.datetime64]
    routings: tuple[Routing, ...]

    def __post_init__(self) -> None:
        starts = labels.as_times(self.starts)
        strange = next((item for item in self.routings if not isinstance(item, Routing)), None)
        if strange is not None:
            raise RoutingError(f"routing epochs are made of Routing, not {type(strange).__name__}")
        if len(starts) != len(self.routings) or not len(starts):
            raise RoutingError(f"{len(starts)} starts for {len(self.routings)} routings; need one each, at least one")
        if np.isnat(starts).any() or (starts[1:] <= starts[:-1]).any():
            raise RoutingError("routing epochs must start at increasing times")
        nodes = self.routings[0].nodes
        for routing in self.routings:
            if set(routing.nodes) != set(nodes):
                odd = sorted(set(routing.nodes) ^ set(nodes))
                raise RoutingError(f"routing epochs differ in nodes {listed(odd)}; use Routing.relabelled")
        links = tuple(dict.fromkeys(link for routing in self.routings for link in routing.links))
        same = tuple(
            routing if (routing.links, routing.nodes) == (links, nodes) else routing.relabelled(links, nodes)
            for routing in self.routings
        )
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "routings", same)

    @property
    def links(self) -> tuple[str, ...]:
        """Row labels of every epoch."""
        return self.routings[0].links

    @property
    def nodes(self) -> tuple[str, ...]:
        """Edge nodes of every epoch."""
        return self.routings[0].nodes

    def __repr__(self) -> str:
        first = self.starts[0].astype("datetime64[s]")
        return f"<RoutingEpochs: {len(self.routings)} from {first}, {len(self.links)} links, {len(self.nodes)} nodes>"

    def segments(self, times: NDArray[np.datetime64]) -> list[tuple[slice, Routing]]:
        """Runs of consecutive times under one routing.

        Raises
        ------
        RoutingError
            If a time lies before the first epoch.
        """
        which = np.searchsorted(self.starts, times, side="right") - 1
        if len(which) and which.min() < 0:
            early = times[which.argmin()].astype("datetime64[s]")
            raise RoutingError(
                f"time {early} lies before the first routing epoch, {self.starts[0].astype('datetime64[s]')}"
            )
        edges = np.concatenate(([0], np.flatnonzero(np.diff(which)) + 1, [len(which)]))
        return [(slice(int(a), int(b)), self.routings[which[a]]) for a, b in pairwise(edges) if b > a]

    def at(self, time: np.datetime64 | str) -> Routing:
        """The routing valid at one time."""
        return self.segments(labels.as_times(np.array([time])))[0][1]

    def loads(self, demands: xr.DataArray) -> xr.DataArray:
        """Link loads under the routing of each time; see :meth:`Routing.loads`."""
        checked = labels.check_demands(demands)
        parts = self.segments(labels.as_times(checked["time"].values))
        return xr.concat([routing.loads(checked[span]) for span, routing in parts], "time")

    def adjoint(self, loads: xr.DataArray) -> xr.DataArray:
        """Back-projection under the routing of each time; see :meth:`Routing.adjoint`."""
        checked = labels.check_loads(loads)
        parts = self.segments(labels.as_times(checked["time"].values))
        return xr.concat([routing.adjoint(checked[span]) for span, routing in parts], "time")

    def write(self, path: str | Path) -> None:
        """Write as long CSV (``start,link,origin,destination,fraction``) or NetCDF (``.nc``)."""
        from odflow.network.routing_files import write_epochs

        write_epochs(self, path)

    @staticmethod
    def read(path: str | Path) -> RoutingEpochs:
        """Read what :meth:`write` wrote."""
        from odflow.network.routing_files import read_epochs

        return read_epochs(path)

    @staticmethod
    def from_events(routing: Routing, events: Sequence[tuple[np.datetime64, Sequence[str]]]) -> RoutingEpochs:
        """Epochs of link failures: at each time exactly the named links are down.

        Parameters
        ----------
        routing : Routing
            The state with everything up, valid from the beginning of time.
        events : sequence of (time, links down from then on)
        """
        starts = [np.datetime64("1678-01-01", "ns"), *(labels.as_times(np.array([time]))[0] for time, _ in events)]
        states = [routing, *(routing.without(links=down) if down else routing for _, down in events)]
        return RoutingEpochs(np.array(starts), tuple(states))
