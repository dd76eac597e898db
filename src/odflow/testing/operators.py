"""The check of routing operators."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr
from scipy.sparse import coo_array, csr_array

from odflow import labels
from odflow.errors import UnreachableWarning
from odflow.labels import IN, OUT
from odflow.network.epochs import RoutingEpochs
from odflow.network.routing import Routing
from odflow.testing.common import HOUR, START, like, near, require, same


def check_operator(routing: Routing | RoutingEpochs, *, seed: int = 0) -> None:
    """Check that a routing is a linear operator that keeps labels and loses no traffic.

    ``loads`` and ``adjoint`` are adjoint to each other (to 1e-10), linear, indifferent to the order
    of labels and strict about NaN; ``loads`` is the product with ``matrix``; fractions lie in
    [0, 1]; access links carry their node's traffic in full; where the network is known, every flow
    leaves its origin, arrives at its destination and is conserved in between.

    Parameters
    ----------
    routing : Routing or RoutingEpochs
        Every epoch is checked.
    seed : int
        Of the random demands and loads.

    Raises
    ------
    AssertionError
        Naming the property that does not hold.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreachableWarning)
        _check(routing, np.random.default_rng(seed))


def _check(routing: Routing | RoutingEpochs, rng: np.random.Generator) -> None:
    times = routing.starts if isinstance(routing, RoutingEpochs) else START + np.arange(2) * HOUR
    shape = (len(times), len(routing.nodes), len(routing.nodes))
    x, other = (labels.demands(rng.lognormal(10, 2, shape), times, routing.nodes, 3600.0) for _ in range(2))
    y = labels.loads(rng.lognormal(10, 2, (len(times), len(routing.links))), times, routing.links, 3600.0)
    forward, back = routing.loads(x), routing.adjoint(y)
    require(tuple(forward["link"].values) == tuple(routing.links), "loads() returns other links than .links")
    require(tuple(back["origin"].values) == tuple(routing.nodes), "adjoint() returns other nodes than .nodes")

    left, right = float((forward * y).sum()), float((x * back).sum())
    require(abs(left - right) <= 1e-10 * abs(left), f"not adjoint: <A x, y> = {left!r}, <x, A' y> = {right!r}")
    same(routing.loads(like(x, 2 * x + 3 * other)), 2 * forward + 3 * routing.loads(other), "loads() is not linear")
    same(routing.adjoint(like(y, 5 * y)), 5 * back, "adjoint() is not linear")
    mixed = x[:, rng.permutation(shape[1])][:, :, rng.permutation(shape[2])]
    same(routing.loads(mixed), forward, "loads() depends on the order of nodes")
    same(routing.adjoint(y[:, rng.permutation(len(y["link"]))]), back, "adjoint() depends on the order of links")

    one_by_one = routing.routings if isinstance(routing, RoutingEpochs) else (routing,)
    for k, single in enumerate(one_by_one):
        product = np.asarray(single.matrix @ x.values[k].ravel())
        require(near(forward.values[k], product, 1e-10), f"loads() is not the product with matrix at {times[k]}")
        _check_fractions(single)
        _check_access(single)
        _check_conservation(single)
    _check_not_measured(routing, x, y, rng)


def _check_fractions(routing: Routing) -> None:
    data = routing.matrix.data
    if data.size:
        require(data.min() >= 0 and data.max() <= 1, f"fractions lie in [{data.min()}, {data.max()}], not in [0, 1]")


def _check_access(routing: Routing) -> None:
    """An access link carries all of what its node sends or receives."""
    n, matrix = len(routing.nodes), routing.matrix
    carried = (np.bincount(matrix.indices, minlength=n * n) > 0).reshape(n, n)
    column = np.arange(n * n).reshape(n, n)
    row = {link: i for i, link in enumerate(routing.links)}
    for i, node in enumerate(routing.nodes):
        for link, mine in ((f"{IN}{node}", (i, slice(None))), (f"{OUT}{node}", (slice(None), i))):
            if link in row:
                entries = matrix[[row[link]]].tocoo()
                whole = np.array_equal(np.sort(entries.col), column[mine][carried[mine]]) and (entries.data == 1).all()
                require(whole, f"access link '{link}' does not carry exactly its node's traffic")


def _check_conservation(routing: Routing) -> None:
    """Each flow leaves its origin once, reaches its destination once, and is conserved elsewhere."""
    network, n = routing.network, len(routing.nodes)
    row = {link: i for i, link in enumerate(routing.links)}
    if network is None or not all(link.id in row for link in network.links):
        return
    index, count = network.node_index, len(network.nodes)
    rows = np.array([row[link.id] for link in network.links], dtype=np.int64)
    ends = np.array([(index[link.source], index[link.target]) for link in network.links], dtype=np.int64).reshape(-1, 2)
    which, sign = np.arange(len(rows)), np.ones(len(rows))
    leaves = coo_array((sign, (ends[:, 0], which)), shape=(count, len(rows)))
    enters = coo_array((sign, (ends[:, 1], which)), shape=(count, len(rows)))
    flow = csr_array(leaves - enters) @ routing.matrix[rows]
    carried = np.bincount(routing.matrix.indices, minlength=n * n) > 0
    origin, destination = np.divmod(np.arange(n * n), n)
    pair = np.flatnonzero(carried & (origin != destination))
    at = np.array([index[node] for node in routing.nodes], dtype=np.int64)
    one = np.ones(len(pair))
    start = coo_array((one, (at[origin[pair]], pair)), shape=(count, n * n))
    end = coo_array((one, (at[destination[pair]], pair)), shape=(count, n * n))
    wrong = coo_array(flow - csr_array(start - end))
    if wrong.nnz and np.abs(wrong.data).max() > 1e-9:
        k = int(np.abs(wrong.data).argmax())
        o, d = np.divmod(wrong.col[k], n)
        raise AssertionError(
            f"traffic {routing.nodes[o]}->{routing.nodes[d]} is not conserved at node "
            f"'{network.node_ids[wrong.row[k]]}': {wrong.data[k]:+.3g} of it"
        )


def _check_not_measured(
    routing: Routing | RoutingEpochs, x: xr.DataArray, y: xr.DataArray, rng: np.random.Generator
) -> None:
    """NaN goes exactly where the unmeasured flow or link goes."""
    first = routing.segments(x["time"].values)[0][1].matrix
    flow, link = int(rng.integers(first.shape[1])), int(rng.integers(first.shape[0]))
    x, y = x.copy(), y.copy()
    x.values[0].flat[flow] = np.nan
    y.values[0, link] = np.nan
    require(
        np.array_equal(np.isnan(routing.loads(x).values[0]), first[:, [flow]].toarray().ravel() > 0),
        "an unmeasured demand does not make exactly the loads of its links unmeasured",
    )
    require(
        np.array_equal(np.isnan(routing.adjoint(y).values[0].ravel()), first[[link]].toarray().ravel() > 0),
        "an unmeasured load does not make exactly the flows on its link unmeasured",
    )
