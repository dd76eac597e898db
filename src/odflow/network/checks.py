"""Consistency checks of a network: one small function per check."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Literal

import numpy as np

from odflow.errors import listed
from odflow.labels import IN, OUT

if TYPE_CHECKING:
    from odflow.network.model import Network


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a network.

    Parameters
    ----------
    check : str
        Name of the check that found it.
    severity : {"error", "warning"}
        An error makes routing impossible or ambiguous; a warning does not.
    message : str
        What is wrong, naming nodes and links.
    """

    check: str
    severity: Literal["error", "warning"]
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.message} [{self.check}]"


Check = Callable[["Network"], Iterator[Problem]]


def find_problems(network: Network) -> list[Problem]:
    """Run every check; errors come first."""
    problems = [problem for check in CHECKS for problem in check(network)]
    return sorted(problems, key=lambda problem: problem.severity)


def duplicate_ids(network: Network) -> Iterator[Problem]:
    """Node ids and link ids are unique."""
    for kind, ids in (("node", network.node_ids), ("link", network.link_ids)):
        twice = [label for label, count in Counter(ids).items() if count > 1]
        if twice:
            yield Problem("duplicate-id", "error", f"{kind} id {listed(twice)} used more than once")


def empty(network: Network) -> Iterator[Problem]:
    """There is at least one node."""
    if not network.nodes:
        yield Problem("empty", "error", "there are no nodes")


def odd_ids(network: Network) -> Iterator[Problem]:
    """Ids are text and not empty."""
    for kind, ids in (("node", network.node_ids), ("link", network.link_ids)):
        odd = [repr(label) for label in ids if not (isinstance(label, str) and label.strip())]
        if odd:
            yield Problem("id", "error", f"{kind} id {listed(odd)} is empty or not text; give each a name")


def reserved_ids(network: Network) -> Iterator[Problem]:
    """No link is named like an access link."""
    wrong = [link for link in network.link_ids if isinstance(link, str) and link.startswith((IN, OUT))]
    if wrong:
        yield Problem("reserved-id", "error", f"link id {listed(wrong)} looks like an access link; rename it")


def unknown_nodes(network: Network) -> Iterator[Problem]:
    """Every link ends at known nodes."""
    known = set(network.node_ids)
    for link in network.links:
        missing = [node for node in (link.source, link.target) if node not in known]
        if missing:
            yield Problem("unknown-node", "error", f"link '{link.id}' ends at unknown node {listed(missing)}")


def self_loops(network: Network) -> Iterator[Problem]:
    """No link starts where it ends."""
    loops = [link.id for link in network.links if link.source == link.target]
    if loops:
        yield Problem("self-loop", "error", f"link {listed(loops)} starts and ends at the same node")


def capacities(network: Network) -> Iterator[Problem]:
    """Capacities are positive numbers, and known for all links."""
    wrong = [k.id for k in network.links if k.capacity is not None and not positive(k.capacity)]
    if wrong:
        yield Problem("capacity", "error", f"link {listed(wrong)} has a capacity that is not positive")
    missing = [link.id for link in network.links if link.capacity is None]
    if missing:
        yield Problem("capacity", "warning", f"link {listed(missing)} has no capacity")


def metrics(network: Network) -> Iterator[Problem]:
    """Metrics are positive numbers, and known for all links."""
    wrong = [link.id for link in network.links if link.metric is not None and not positive(link.metric)]
    if wrong:
        yield Problem("metric", "error", f"link {listed(wrong)} has a metric that is not positive")
    missing = [link.id for link in network.links if link.metric is None]
    if missing:
        yield Problem("metric", "warning", f"link {listed(missing)} has no metric")


def unreachable_pairs(network: Network) -> Iterator[Problem]:
    """Every node reaches every other along directed links."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    index, n = network.node_index, len(network.nodes)
    ends = [(index[k.source], index[k.target]) for k in network.links if k.source in index and k.target in index]
    if n < 2:
        return
    source, target = np.array(ends, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(source)), (source, target)), shape=(n, n))
    count, label = connected_components(graph, directed=True, connection="strong")
    if count > 1:
        main = np.bincount(label).argmax()
        cut = [network.node_ids[i] for i in np.flatnonzero(label != main)]
        yield Problem("unreachable", "warning", f"node {listed(cut)} cannot both reach and be reached by the rest")


def coordinates(network: Network) -> Iterator[Problem]:
    """Coordinates are degrees."""
    wrong = [node.id for node in network.nodes if not (_within(node.latitude, 90) and _within(node.longitude, 360))]
    if wrong:
        yield Problem("coordinates", "warning", f"node {listed(wrong)} has coordinates that are not degrees")


def positive(value: object) -> bool:
    """Whether this is a finite number above 0."""
    return isinstance(value, Real) and math.isfinite(value) and float(value) > 0


def _within(value: object, limit: float) -> bool:
    return value is None or (isinstance(value, Real) and abs(float(value)) <= limit)


CHECKS: tuple[Check, ...] = (
    empty,
    odd_ids,
    duplicate_ids,
    reserved_ids,
    unknown_nodes,
    self_loops,
    capacities,
    metrics,
    unreachable_pairs,
    coordinates,
)
