"""Shortest-path routing with equal-cost multi-path (ECMP) splitting, without enumerating paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from odflow.errors import RoutingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_TIE = 1e-9  # relative: metrics such as lengths in km add up with rounding
_TOO_WIDE = "metrics span too wide a range for sums in floating point; rescale or round them"
_EXACT = 2.0**53  # sums of integers below this have no rounding at all


def distances_to(destinations: Ints, n: int, source: Ints, target: Ints, metric: Floats) -> Floats:
    """Least metric from every node to each destination, shape (n, destinations); inf if none."""
    order = np.lexsort((metric, source, target))
    keep = order[np.concatenate(([True], np.diff(source[order] * n + target[order]) != 0))] if len(order) else order
    # keep one link per node pair: duplicates in a sparse matrix would be summed
    reverse = csr_array((metric[keep], (target[keep], source[keep])), shape=(n, n))
    return np.asarray(dijkstra(reverse, indices=destinations)).T


def tie_tolerance(metric: Floats, n: int) -> float:
    """Relative difference up to which two costs are equal: none where integers add up exactly."""
    whole = bool((metric == np.floor(metric)).all()) and metric.max(initial=0.0) * n < _EXACT
    return 0.0 if whole else _TIE


def ecmp_fractions(
    n: int,
    source: Ints,
    target: Ints,
    metric: Floats,
    edge: Ints,
) -> tuple[csr_array, NDArray[np.bool_]]:
    """Share of every OD demand on every link under ECMP.

    At each node the traffic to a destination is split evenly over all outgoing links that lie on a
    shortest path, parallel links counted one by one (RFC 2991 hash splitting in the mean).

    Parameters
    ----------
    n : int
        Number of nodes.
    source, target : int array, shape (links,)
    metric : float array, shape (links,)
        Positive costs. Costs of two paths are equal if they are the same, for integer metrics; to a
        relative 1e-9 otherwise.
    edge : int array, shape (e,)
        Nodes that originate and receive traffic.

    Returns
    -------
    fractions : csr_array, shape (links, e*e)
        Columns row-major by origin.
    reachable : bool array, shape (e, e)
        Whether the destination can be reached from the origin.

    Raises
    ------
    RoutingError
        If the metrics span so wide a range that their sums lose the small ones.
    """
    e, links = len(edge), len(source)
    if metric.max(initial=0.0) > np.finfo(float).max / (2 * n):
        raise RoutingError(_TOO_WIDE)
    distance = distances_to(edge, n, source, target, metric)
    next_links = _next_links(_on_shortest_path(distance, source, target, metric), source, n)
    if (np.isfinite(distance) & (distance > 0) & (next_links.counts() == 0)).any():
        raise RoutingError(_TOO_WIDE)

    origin, destination = np.divmod(np.arange(e * e), e)
    reachable = np.isfinite(distance[edge]).reshape(e, e)
    moving = (origin != destination) & reachable.ravel()
    pair, node, share = np.flatnonzero(moving), edge[origin[moving]], np.ones(moving.sum())
    used: list[tuple[Ints, Ints, Floats]] = []
    while pair.size:
        link, repeat = next_links.expand(node, pair % e)
        pair, share = pair[repeat], share[repeat] / next_links.count(node, pair % e)[repeat]
        used.append((link, pair, share))
        node = target[link]
        arrived = node == edge[pair % e]
        pair, node, share = _merge(pair[~arrived], node[~arrived], share[~arrived], n)

    if used:
        rows, columns, values = (np.concatenate(parts) for parts in zip(*used, strict=True))
    else:
        rows = columns = np.empty(0, dtype=np.int64)
        values = np.empty(0)
    return csr_array(coo_array((values, (rows, columns)), shape=(links, e * e))), reachable


def _on_shortest_path(distance: Floats, source: Ints, target: Ints, metric: Floats) -> NDArray[np.bool_]:
    """Whether each link is a next hop towards each destination, shape (links, e)."""
    onward = metric[:, None] + distance[target]
    with np.errstate(invalid="ignore"):
        shortest = np.abs(distance[source] - onward) <= tie_tolerance(metric, len(distance)) * onward
    # nearer the destination at every hop, so that near-ties cannot form a loop
    return np.isfinite(onward) & shortest & (distance[target] < distance[source])


class _NextLinks:
    """Lists of next-hop links by (node, destination), in compressed form."""

    def __init__(self, start: Ints, links: Ints, destinations: int) -> None:
        self._start, self._links, self._destinations = start, links, destinations

    def counts(self) -> Ints:
        """Number of next links, shape (nodes, destinations)."""
        return np.diff(self._start).reshape(-1, self._destinations)

    def count(self, node: Ints, destination: Ints) -> Ints:
        key = node * self._destinations + destination
        return self._start[key + 1] - self._start[key]

    def expand(self, node: Ints, destination: Ints) -> tuple[Ints, Ints]:
        """All next links of each (node, destination), and which entry each belongs to."""
        count = self.count(node, destination)
        repeat = np.repeat(np.arange(len(node)), count)
        first = self._start[node * self._destinations + destination]
        offset = np.arange(len(repeat)) - np.repeat(np.cumsum(count) - count, count)
        return self._links[first[repeat] + offset], repeat


def _next_links(on_path: NDArray[np.bool_], source: Ints, n: int) -> _NextLinks:
    link, destination = np.nonzero(on_path)
    destinations = on_path.shape[1]
    key = source[link] * destinations + destination
    order = np.argsort(key, kind="stable")
    start = np.concatenate(([0], np.cumsum(np.bincount(key, minlength=n * destinations))))
    return _NextLinks(start, link[order], destinations)


def _merge(pair: Ints, node: Ints, share: Floats, n: int) -> tuple[Ints, Ints, Floats]:
    """Join what arrives at one node for one pair over several links, so that work stays polynomial."""
    key, inverse = np.unique(pair * n + node, return_inverse=True)
    if len(key) == len(pair):
        return pair, node, share
    return key // n, key % n, np.bincount(inverse, weights=share).astype(float)
