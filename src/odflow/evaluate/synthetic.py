"""Made-up networks of any size for measuring speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import Delaunay

from odflow.errors import UsageError
from odflow.network.model import Link, Network, Node

if TYPE_CHECKING:
    from numpy.typing import NDArray


def random_network(n: int, *, seed: int, degree: float = 4.0) -> Network:
    """A connected planar network with about ``n * degree`` directed links.

    Nodes are uniform in a square; links are the Euclidean spanning tree and then the shortest edges of
    the Delaunay triangulation, both directions each, with integer metrics from 1 to 20 that grow with
    the length (so that there are equal-cost paths, as in real networks).

    Parameters
    ----------
    n : int
        Nodes, at least 4.
    seed : int
    degree : float
        Links out of a node, in the mean; below 2 only the tree is left, above about 6 the triangulation ends.

    Raises
    ------
    UsageError
        If `n` is too small.
    """
    if n < 4:
        raise UsageError(f"a random network of {n} nodes is too small; take at least 4")
    place = np.random.default_rng([seed, n]).uniform(0, 40, (n, 2))
    ends = _delaunay_edges(place)
    length = np.linalg.norm(place[ends[:, 0]] - place[ends[:, 1]], axis=1)
    kept = _tree_then_shortest(n, ends, length, round(n * degree / 2))
    metric = np.ceil(20 * length[kept] / length[kept].max())
    links = [
        Link(f"{a}-{b}", f"{a}", f"{b}", metric=float(cost))
        for (s, t), cost in zip(ends[kept], metric, strict=True)
        for a, b in ((s, t), (t, s))
    ]
    nodes = tuple(Node(str(i), latitude=float(y), longitude=float(x)) for i, (x, y) in enumerate(place))
    return Network(nodes, tuple(links), name=f"random-{n}")


def _delaunay_edges(place: NDArray[np.float64]) -> NDArray[np.int64]:
    corners = Delaunay(place).simplices
    sides = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    return np.unique(np.sort(sides, axis=1), axis=0).astype(np.int64)


def _tree_then_shortest(n: int, ends: NDArray[np.int64], length: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    tree = minimum_spanning_tree(coo_array((length, (ends[:, 0], ends[:, 1])), shape=(n, n)).tocsr()).tocoo()
    key = ends[:, 0] * n + ends[:, 1]
    in_tree = np.isin(key, np.minimum(tree.row, tree.col).astype(np.int64) * n + np.maximum(tree.row, tree.col))
    order = np.lexsort((length, ~in_tree))
    return np.sort(order[: max(count, n - 1)])
