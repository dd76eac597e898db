"""Routing: the sparse matrix A of ``load = A @ demand``, with labels."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.sparse import csr_array, eye_array, kron, vstack

from odflow import labels
from odflow.errors import NetworkError, RoutingError, UnreachableWarning, listed
from odflow.labels import IN, OUT
from odflow.network.checks import positive
from odflow.network.ecmp import ecmp_fractions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.diagnose import Diagnosis
    from odflow.network.model import Network


_ROUNDING = 1e-9  # of fractions that add up to 1


@dataclass(frozen=True, eq=False)
class Routing:
    """The routing matrix A (links x OD pairs), ``load = A @ demand``.

    Parameters
    ----------
    matrix : sparse or dense, shape (links, n*n)
        Fractions in [0, 1]; columns are OD pairs, row-major by origin.
    links : sequence of str
        Row labels: internal links, and ``in:NODE`` / ``out:NODE`` for access links.
    nodes : sequence of n str
        Nodes that originate and receive traffic.
    network : Network, optional
        Where the routing was computed from; needed by :meth:`without`.
    metric : {"metric", "hops", "inverse-capacity"}
        The link cost it was computed with, likewise.

    Raises
    ------
    RoutingError
        If shape, labels or values are not those of a routing matrix.
    """

    matrix: csr_array
    links: tuple[str, ...]
    nodes: tuple[str, ...]
    network: Network | None = field(default=None, repr=False)
    metric: str = field(default="metric", repr=False)

    def __post_init__(self) -> None:
        matrix = _sparse(self.matrix)
        for name, value in (
            ("matrix", matrix),
            ("links", labels.label_list(self.links, "links")),
            ("nodes", labels.label_list(self.nodes, "nodes")),
        ):
            object.__setattr__(self, name, value)
        _check_routing(self)

    @classmethod
    def shortest_path(
        cls,
        network: Network,
        *,
        metric: str = "metric",
        edge_nodes: Sequence[str] | None = None,
        access: bool = True,
    ) -> Routing:
        """Shortest paths by metric, split evenly over equal-cost next links (ECMP).

        Parameters
        ----------
        network : Network
        metric : {"metric", "hops", "inverse-capacity"}
            Link cost: the IGP metric, 1 per link, or the inverse of the capacity.
        edge_nodes : sequence of str, optional
            Nodes that send and receive traffic; all by default.
        access : bool
            Add the access links ``in:NODE`` and ``out:NODE`` of every edge node.

        Raises
        ------
        NetworkError, RoutingError
            If the network contradicts itself or lacks the costs asked for.

        Notes
        -----
        Pairs without a path keep a zero column, are listed in :attr:`unreachable`, and are warned of.
        """
        _check_structure(network)
        costs = _costs(network, metric)
        nodes = _edge_nodes(network, edge_nodes)
        index = network.node_index
        source = np.array([index[link.source] for link in network.links], dtype=np.int64)
        target = np.array([index[link.target] for link in network.links], dtype=np.int64)
        edge = np.array([index[node] for node in nodes], dtype=np.int64)
        fractions, reachable = ecmp_fractions(len(index), source, target, costs, edge)
        names = network.link_ids
        if access:
            names += tuple(f"{side}{node}" for node in nodes for side in (IN, OUT))
            fractions = csr_array(vstack([fractions, _access_rows(len(nodes), reachable)]))
        routing = cls(fractions, names, nodes, network, metric)
        if routing.unreachable:
            warnings.warn(routing._unreachable_message(), UnreachableWarning, stacklevel=2)
        return routing

    def __repr__(self) -> str:
        rows, columns = self.matrix.shape
        access = sum(link.startswith((IN, OUT)) for link in self.links)
        return (
            f"<Routing: {rows - access} links + {access} access links x {columns} OD pairs of "
            f"{len(self.nodes)} nodes, {self.matrix.nnz} entries, {len(self.unreachable)} unreachable pairs>"
        )

    @cached_property
    def unreachable(self) -> tuple[tuple[str, str], ...]:
        """Pairs of different nodes whose traffic appears on no link."""
        n = len(self.nodes)
        empty = np.flatnonzero(np.bincount(self.matrix.indices, minlength=n * n) == 0)
        return tuple((self.nodes[k // n], self.nodes[k % n]) for k in empty if k // n != k % n)

    @property
    def access(self) -> tuple[bool, ...]:
        """Which rows are access links."""
        return tuple(link.startswith((IN, OUT)) for link in self.links)

    def _unreachable_message(self) -> str:
        pairs = listed(f"{origin}->{destination}" for origin, destination in self.unreachable)
        return f"{len(self.unreachable)} OD pairs have no path: {pairs}; their traffic is not carried"

    def loads(self, demands: xr.DataArray) -> xr.DataArray:
        """Link loads ``A @ x`` of a TM.

        Parameters
        ----------
        demands : DataArray (time, origin, destination)
            bit/s; NaN makes the loads of the links it uses NaN.

        Returns
        -------
        DataArray (time, link)

        Raises
        ------
        LabelError, DataError, UnitError
            If the TM does not fit.
        """
        checked = labels.check_demands(demands)
        x = labels.flat(checked, self.nodes)
        lost = np.bincount(self.matrix.indices, minlength=x.shape[1]) == 0
        lost[:: len(self.nodes) + 1] = False
        if lost.any() and np.nansum(x[:, lost]) > 0:
            warnings.warn(self._unreachable_message(), UnreachableWarning, stacklevel=2)
        interval = checked.attrs["interval_s"]
        return labels.loads((self.matrix @ x.T).T, checked["time"].values, self.links, interval)

    def adjoint(self, loads: xr.DataArray) -> xr.DataArray:
        """Back-projection ``A.T @ y``, an array shaped like a TM (NaN loads count as NaN).

        Raises
        ------
        LabelError, DataError, UnitError
            If the loads do not fit.
        """
        checked = labels.align_links(labels.check_loads(loads), self.links)
        x = (self.matrix.T @ checked.values.T).T
        return labels.demands(x, checked["time"].values, self.nodes, checked.attrs["interval_s"])

    def without(self, links: Sequence[str] = (), nodes: Sequence[str] = (), *, metric: str | None = None) -> Routing:
        """Routing after these links or nodes fail.

        Labels stay the same, so that loads before and after can be compared: a failed link keeps a
        zero row, a failed node's pairs become unreachable.

        Parameters
        ----------
        links, nodes : sequence of str
            What fails; a node takes its links with it.
        metric : str, optional
            Link cost to route by; that of this routing by default.

        Raises
        ------
        RoutingError
            If the routing was not computed from a network, or no edge node is left.
        NetworkError
            If a label is not in the network.
        """
        if self.network is None:
            raise RoutingError("this routing has no network to route again; make it with Routing.shortest_path")
        rest = self.network.without(links, nodes)
        kept = [node for node in self.nodes if node not in set(nodes)]
        if not kept:
            raise RoutingError("no edge nodes left; at least one must stay up")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnreachableWarning)
            routed = Routing.shortest_path(rest, metric=metric or self.metric, edge_nodes=kept, access=any(self.access))
            return routed.relabelled(self.links, self.nodes, network=self.network)

    def relabelled(self, links: Sequence[str], nodes: Sequence[str], *, network: Network | None = None) -> Routing:
        """The same routing over a larger or reordered set of links and nodes; new ones get zeros.

        Raises
        ------
        RoutingError
            If a link or node that is used would be lost.
        """
        links, nodes = labels.label_list(links, "links"), labels.label_list(nodes, "nodes")
        row = {link: i for i, link in enumerate(links)}
        place = {node: i for i, node in enumerate(nodes)}
        lost = [link for link in self.links if link not in row] + [k for k in self.nodes if k not in place]
        if lost:
            raise RoutingError(f"relabelling would lose {listed(lost)}")
        matrix = self.matrix.tocoo()
        move = np.array([place[node] for node in self.nodes], dtype=np.int64)
        origin, destination = np.divmod(matrix.col, len(self.nodes))
        rows = np.array([row[link] for link in self.links], dtype=np.int64)[matrix.row]
        columns = move[origin] * len(nodes) + move[destination]
        moved = csr_array((matrix.data, (rows, columns)), shape=(len(links), len(nodes) ** 2))
        return Routing(moved, links, nodes, network or self.network, self.metric)

    def segments(self, times: NDArray[np.datetime64]) -> list[tuple[slice, Routing]]:
        """Runs of times with one routing, as in :class:`~odflow.RoutingEpochs`: here a single one."""
        return [(slice(0, len(times)), self)]

    def diagnose(
        self,
        loads: xr.DataArray | None = None,
        *,
        bounds: bool = False,
        flows: Sequence[tuple[str, str]] | None = None,
        progress: bool = False,
    ) -> Diagnosis:
        """What the link loads determine; see :func:`odflow.network.diagnose.diagnose`."""
        from odflow.network.diagnose import diagnose

        return diagnose(self, loads, bounds=bounds, flows=flows, progress=progress)

    def write(self, path: str | Path) -> None:
        """Write as long CSV (``link,origin,destination,fraction``) or NetCDF (``.nc``)."""
        from odflow.network.routing_files import write_routing

        write_routing(self, path)

    @staticmethod
    def read(path: str | Path) -> Routing:
        """Read what :meth:`write` wrote; for a file with epochs use ``RoutingEpochs.read``."""
        from odflow.network.routing_files import read_routing

        return read_routing(path)


def _sparse(values: Any) -> csr_array:
    """Own copy as CSR, without duplicates, stored zeros, or rounding above 1."""
    try:
        matrix = csr_array(np.atleast_2d(values) if isinstance(values, np.ndarray | list) else values, copy=True)
        if matrix.dtype.kind not in "biuf" or matrix.ndim != 2:
            raise TypeError(f"{matrix.ndim}-dimensional {matrix.dtype}")
    except (TypeError, ValueError) as error:
        raise RoutingError(f"not a matrix of numbers: {error}") from error
    matrix = matrix.astype(float)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    over = (matrix.data > 1) & (matrix.data <= 1 + _ROUNDING)
    matrix.data[over] = 1.0
    return matrix


def _check_structure(network: Network) -> None:
    """Errors that make any routing impossible; costs are judged by :func:`_costs`."""
    for problem in network.consistency_check():
        if problem.severity == "error" and problem.check not in ("capacity", "metric"):
            raise NetworkError(f"network '{network.name}': {problem.message}")


def _edge_nodes(network: Network, given: Sequence[str] | None) -> tuple[str, ...]:
    nodes = network.node_ids if given is None else labels.label_list(given, "edge_nodes")
    unknown = [node for node in nodes if node not in network.node_index]
    if unknown:
        raise RoutingError(f"edge node {listed(unknown)} is not in network '{network.name}'")
    twice = [node for node, count in Counter(nodes).items() if count > 1]
    if twice:
        raise RoutingError(f"edge node {listed(twice)} is named more than once")
    if not nodes:
        raise RoutingError(f"network '{network.name}' has no edge nodes left; at least one must send and receive")
    return nodes


def _check_routing(routing: Routing) -> None:
    rows, columns = routing.matrix.shape
    if rows != len(routing.links) or columns != len(routing.nodes) ** 2:
        raise RoutingError(
            f"matrix of shape {routing.matrix.shape} does not fit {len(routing.links)} links "
            f"and {len(routing.nodes)} nodes ({len(routing.nodes) ** 2} OD pairs)"
        )
    for kind, names in (("link", routing.links), ("node", routing.nodes)):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise RoutingError(f"{kind} {listed(twice)} is named more than once")
    data = routing.matrix.data
    wrong = ~((data >= 0) & (data <= 1))
    if wrong.any():
        at = routing.matrix.tocoo()
        k = int(np.flatnonzero(wrong)[0])
        pair = labels.od_pairs(routing.nodes)[at.col[k]]
        raise RoutingError(f"fraction {data[k]:g} on link '{routing.links[at.row[k]]}' for {pair} is not in [0, 1]")


def _costs(network: Network, metric: str) -> NDArray[np.float64]:
    if metric == "hops":
        return np.ones(len(network.links))
    if metric not in ("metric", "inverse-capacity"):
        raise RoutingError(f"unknown metric '{metric}'; use 'metric', 'hops' or 'inverse-capacity'")
    values = [link.metric if metric == "metric" else link.capacity for link in network.links]
    missing = [link.id for link, value in zip(network.links, values, strict=True) if value is None]
    what = "metric" if metric == "metric" else "capacity"
    if missing:
        raise NetworkError(
            f"network '{network.name}': link {listed(missing)} has no {what}; "
            "give one, or route by metric='hops' (--metric hops)"
        )
    wrong = [link.id for link, value in zip(network.links, values, strict=True) if not positive(value)]
    if wrong:
        raise NetworkError(
            f"network '{network.name}': link {listed(wrong)} has a {what} that is not positive; "
            "correct it, or route by metric='hops' (--metric hops)"
        )
    costs = np.array(values, dtype=float)
    return costs if metric == "metric" else costs.max(initial=1.0) / costs


def _access_rows(n: int, reachable: NDArray[np.bool_]) -> csr_array:
    """Rows ``in:NODE``, ``out:NODE`` of each node in turn, without the pairs that have no path."""
    ones = np.ones((1, n))
    into, out = csr_array(kron(eye_array(n), ones)), csr_array(kron(ones, eye_array(n)))
    rows = csr_array(vstack([into, out]))[np.arange(2 * n).reshape(2, n).T.ravel()]
    return csr_array(rows.multiply(reachable.reshape(1, -1)))
