from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.sparse import csr_array

from odflow import labels
from odflow.errors import LabelError, NetworkError, OdflowError, RoutingError, UnreachableWarning, UsageError
from odflow.network.model import Link, Network, Node
from odflow.network.routing import Routing
from odflow.testing import check_operator


def share(routing: Routing, origin: str, destination: str) -> dict[str, float]:
    """Fractions of one flow by internal link."""
    n = len(routing.nodes)
    column = routing.matrix.toarray()[:, routing.nodes.index(origin) * n + routing.nodes.index(destination)]
    return {k: v for k, v in zip(routing.links, column, strict=True) if v and not k.startswith(("in:", "out:"))}


def tm(routing: Routing, seed: int = 0, times: int = 3) -> xr.DataArray:
    n = len(routing.nodes)
    x = np.random.default_rng(seed).lognormal(10, 1.5, (times, n, n))
    days = np.datetime64("2024-01-01", "ns") + np.arange(times) * np.timedelta64(1, "D")
    return labels.demands(x, days, routing.nodes, 86400.0)


def network(*links: Link, nodes: str = "abc") -> Network:
    return Network(tuple(Node(v) for v in nodes), links)


def test_the_diamond_by_hand(diamond_routing: Routing) -> None:
    third, two_thirds = pytest.approx(1 / 3), pytest.approx(2 / 3)
    assert share(diamond_routing, "a", "b") == {"ab1": 0.5, "ab2": 0.5}
    assert share(diamond_routing, "a", "d") == {"ab1": third, "ab2": third, "ac": third, "bd": two_thirds, "cd": third}
    assert share(diamond_routing, "d", "a") == {"db": 0.5, "dc": 0.5, "ba1": 0.25, "ba2": 0.25, "ca": 0.5}
    assert share(diamond_routing, "b", "c") == {"ba1": third, "ba2": third, "bd": third, "ac": two_thirds, "dc": third}
    assert share(diamond_routing, "c", "b") == {"ca": 0.5, "cd": 0.5, "ab1": 0.25, "ab2": 0.25, "db": 0.5}
    assert share(diamond_routing, "a", "a") == {}
    check_operator(diamond_routing)


def test_rows_and_access_links(diamond: Network, diamond_routing: Routing) -> None:
    access = ("in:a", "out:a", "in:b", "out:b", "in:c", "out:c", "in:d", "out:d")
    assert diamond_routing.links == diamond.link_ids + access
    assert diamond_routing.access == (False,) * 10 + (True,) * 8
    x = tm(diamond_routing)
    loads = diamond_routing.loads(x)
    np.testing.assert_allclose(loads.sel(link="in:b"), x.sel(origin="b").sum("destination"), rtol=1e-12)
    np.testing.assert_allclose(loads.sel(link="out:b"), x.sel(destination="b").sum("origin"), rtol=1e-12)
    assert Routing.shortest_path(diamond, access=False).links == diamond.link_ids
    assert repr(diamond_routing) == (
        "<Routing: 10 links + 8 access links x 16 OD pairs of 4 nodes, 62 entries, 0 unreachable pairs>"
    )


def test_edge_nodes(diamond: Network, diamond_routing: Routing) -> None:
    some = Routing.shortest_path(diamond, edge_nodes=["d", "a"])
    assert some.nodes == ("d", "a")
    assert some.links[10:] == ("in:d", "out:d", "in:a", "out:a")
    assert share(some, "a", "d") == share(diamond_routing, "a", "d")
    check_operator(some)


def test_other_metrics() -> None:
    ends = [("ab", "a", "b"), ("bc", "b", "c"), ("ac", "a", "c")]
    wide = network(*(Link(k, s, t, capacity=1e9 if k == "ac" else 1e10, metric=1.0) for k, s, t in ends))
    with pytest.warns(UnreachableWarning):
        assert share(Routing.shortest_path(wide, metric="hops"), "a", "c") == {"ac": 1.0}
    with pytest.warns(UnreachableWarning):
        routing = Routing.shortest_path(wide, metric="inverse-capacity")
    assert share(routing, "a", "c") == {"ab": 1.0, "bc": 1.0}
    # a failure is routed by the same costs as before it
    assert share(routing.without(links=["bc"]), "a", "c") == {"ac": 1.0}
    assert routing.without(links=["bc"]).metric == "inverse-capacity"
    bare = network(Link("ab", "a", "b"), Link("ba", "b", "a"), nodes="ab")
    assert share(Routing.shortest_path(bare, metric="hops").without(links=["ba"]), "a", "b") == {"ab": 1.0}


def test_only_the_costs_in_use_must_make_sense() -> None:
    odd = network(Link("ab", "a", "b", capacity=0.0, metric=2.0), Link("ba", "b", "a", 0.0, 2.0), nodes="ab")
    assert share(Routing.shortest_path(odd), "a", "b") == {"ab": 1.0}
    with pytest.raises(NetworkError, match="link 'ab', 'ba' has a capacity that is not positive"):
        Routing.shortest_path(odd, metric="inverse-capacity")


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ([Link("ab", "a", "b", metric=0)], "link 'ab' has a metric that is not positive"),
        ([Link("ab", "a", "b", metric=-1.0)], "link 'ab' has a metric that is not positive"),
        ([Link("ab", "a", "b", metric=np.nan)], "link 'ab' has a metric that is not positive"),
        ([Link("ab", "a", "b", metric=np.inf)], "link 'ab' has a metric that is not positive"),
        ([Link("ab", "a", "b", metric="1")], "link 'ab' has a metric that is not positive"),
        ([Link("ab", "a", "b")], "link 'ab' has no metric; give one, or route by metric='hops'"),
        ([Link("aa", "a", "a", metric=1.0)], "link 'aa' starts and ends at the same node"),
        ([Link("ax", "a", "x", metric=1.0)], "link 'ax' ends at unknown node 'x'"),
        ([Link("in:a", "a", "b", metric=1.0)], "link id 'in:a' looks like an access link"),
        ([Link("ab", "a", "b", metric=1.0)] * 2, "link id 'ab' used more than once"),
    ],
)
def test_networks_that_cannot_be_routed(links: list[Link], message: str) -> None:
    with pytest.raises(NetworkError, match=f"network 'network': {message}"):
        Routing.shortest_path(network(*links))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metric": "speed"}, RoutingError, "unknown metric 'speed'; use"),
        ({"edge_nodes": ["a", "x", "y"]}, RoutingError, "edge node 'x', 'y' is not in network 'diamond'"),
        ({"edge_nodes": ["a", "b", "a"]}, RoutingError, "edge node 'a' is named more than once"),
        ({"edge_nodes": []}, RoutingError, "no edge nodes left"),
        ({"edge_nodes": "ab"}, UsageError, r"give a list of labels: edge_nodes=\['ab'\]"),
    ],
)
def test_options_that_make_no_sense(
    diamond: Network, options: dict[str, Any], error: type[OdflowError], message: str
) -> None:
    with pytest.raises(error, match=message):
        Routing.shortest_path(diamond, **options)


def test_no_links_and_one_node() -> None:
    with pytest.warns(UnreachableWarning, match="2 OD pairs have no path: 'a->b', 'b->a'"):
        apart = Routing.shortest_path(network(nodes="ab"))
    assert apart.unreachable == (("a", "b"), ("b", "a"))
    check_operator(apart)
    alone = Routing.shortest_path(network(nodes="a"))
    assert alone.matrix.toarray().tolist() == [[1.0], [1.0]]
    check_operator(alone)
    with pytest.raises(NetworkError, match="there are no nodes"):
        Routing.shortest_path(network(nodes=""))


def test_unreachable_pairs_are_reported(diamond: Network) -> None:
    with pytest.warns(UnreachableWarning, match="3 OD pairs have no path: 'd->a', 'd->b', 'd->c'; their traffic"):
        routing = Routing.shortest_path(diamond.without(links=["db", "dc"]))
    assert routing.unreachable == (("d", "a"), ("d", "b"), ("d", "c"))
    x = tm(routing)
    with pytest.warns(UnreachableWarning, match="3 OD pairs have no path"):
        loads = routing.loads(x)
    # what cannot be carried does not enter; what stays at d does
    np.testing.assert_allclose(loads.sel(link="in:d"), x.sel(origin="d", destination="d"), rtol=1e-12)
    x.loc[{"origin": "d", "destination": ["a", "b", "c"]}] = 0.0
    routing.loads(x)  # nothing is lost: no warning
    check_operator(routing)


def test_failed_links_and_nodes_keep_their_labels(diamond_routing: Routing) -> None:
    failed = diamond_routing.without(links=["ab1", "ac"])
    assert failed.links == diamond_routing.links
    assert share(failed, "a", "d") == {"ab2": 1.0, "bd": 1.0}
    assert failed.network is diamond_routing.network
    node = diamond_routing.without(nodes=["b"])
    assert (node.links, node.nodes) == (diamond_routing.links, diamond_routing.nodes)
    assert share(node, "a", "d") == {"ac": 1.0, "cd": 1.0}
    assert set(node.unreachable) == {(u, v) for u, v in labels.od_pairs("abcd") if u != v and "b" in (u, v)}
    assert node.matrix[[node.links.index("in:b")]].nnz == 0
    for routing in (failed, node):
        check_operator(routing)
    # failures do not pile up: each starts from the network as it was
    assert share(failed.without(links=["bd"]), "a", "b") == {"ab1": 0.5, "ab2": 0.5}


def test_failures_that_make_no_sense(diamond_routing: Routing) -> None:
    with pytest.raises(NetworkError, match="has no link 'in:a'; an access link fails with its node"):
        diamond_routing.without(links=["in:a"])
    with pytest.raises(UsageError, match="nodes is the text 'b'"):
        diamond_routing.without(nodes="b")
    with pytest.raises(RoutingError, match="no edge nodes left"):
        Routing.shortest_path(diamond_routing.network, edge_nodes=["a"]).without(nodes=["a"])
    given = Routing(diamond_routing.matrix, diamond_routing.links, diamond_routing.nodes)
    with pytest.raises(RoutingError, match="has no network to route again"):
        given.without(links=["ab1"])


def test_relabelled(diamond_routing: Routing) -> None:
    links, nodes = (*diamond_routing.links[::-1], "extra"), ("new", *diamond_routing.nodes[::-1])
    larger = diamond_routing.relabelled(links, nodes)
    x = tm(larger)
    inner = x.sel(origin=list("abcd"), destination=list("abcd"))
    with pytest.warns(UnreachableWarning, match="8 OD pairs"):
        loads = larger.loads(x)
    np.testing.assert_allclose(loads.sel(link=list(diamond_routing.links)), diamond_routing.loads(inner), rtol=1e-12)
    assert (loads.sel(link="extra") == 0).all()
    with pytest.raises(RoutingError, match="relabelling would lose 'ab1', 'a'"):
        diamond_routing.relabelled(diamond_routing.links[1:], diamond_routing.nodes[1:])
    with pytest.raises(RoutingError, match="link 'ab1' is named more than once"):
        diamond_routing.relabelled((*diamond_routing.links, "ab1"), diamond_routing.nodes)


def test_loads_and_adjoint_at_the_door(diamond_routing: Routing) -> None:
    x = tm(diamond_routing)
    with pytest.raises(LabelError, match="lack node 'd'"):
        diamond_routing.loads(x[:, :3, :3])
    with pytest.raises(LabelError, match="lack link 'ab1'"):
        diamond_routing.adjoint(diamond_routing.loads(x)[:, 1:])
    assert diamond_routing.loads(x).attrs == {"units": "bit/s", "interval_s": 86400.0}


@pytest.mark.parametrize(
    ("matrix", "links", "nodes", "message"),
    [
        (np.ones((2, 4)), ["x"], ["a", "b"], r"shape \(2, 4\) does not fit 1 links and 2 nodes"),
        (np.ones((1, 3)), ["x"], ["a", "b"], r"\(4 OD pairs\)"),
        (np.ones((2, 1)), ["x", "x"], ["a"], "link 'x' is named more than once"),
        (np.ones((1, 4)), ["x"], ["a", "a"], "node 'a' is named more than once"),
        ([[0, 0, np.nan, 0]], ["x"], ["a", "b"], r"fraction nan on link 'x' for \('b', 'a'\) is not in \[0, 1\]"),
        ([[0, -0.5, 0, 0]], ["x"], ["a", "b"], r"fraction -0.5 on link 'x' for \('a', 'b'\)"),
        ([[0, 2, 0, 0]], ["x"], ["a", "b"], "fraction 2 on link"),
        ([[0, 1j, 0, 0]], ["x"], ["a", "b"], "not a matrix of numbers"),
        ([["x", "y", "z", "w"]], ["x"], ["a", "b"], "not a matrix of numbers"),
        (None, ["x"], ["a", "b"], "not a matrix of numbers"),
        (np.ones((1, 2, 2)), ["x"], ["a", "b"], "not a matrix of numbers"),
    ],
)
def test_matrices_that_are_no_routing(matrix: Any, links: list[str], nodes: list[str], message: str) -> None:
    with pytest.raises(RoutingError, match=message):
        Routing(matrix, links, nodes)


def test_a_given_matrix_is_copied_and_cleaned() -> None:
    given = csr_array(np.array([[0.0, 1.0, 0.5, 0.0]]))
    given.data[1] = 0.0  # a stored zero
    routing = Routing(given, ["x"], ["a", "b"])
    assert routing.matrix.nnz == 1
    assert given.nnz == 2
    given.data[0] = 0.25
    assert routing.matrix.toarray().tolist() == [[0.0, 1.0, 0.0, 0.0]]
    assert Routing([[0, 1 + 1e-12, 0, 0]], ["x"], ["a", "b"]).matrix.data.tolist() == [1.0]


@pytest.mark.parametrize("seed", range(20))
def test_random_networks_give_operators(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 12))
    ends = [rng.choice(n, 2, replace=False) for _ in range(3 * n)]
    links = tuple(Link(f"l{k}", f"v{a}", f"v{b}", metric=float(rng.integers(1, 4))) for k, (a, b) in enumerate(ends))
    made = Network(tuple(Node(f"v{i}") for i in range(n)), links)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreachableWarning)
        routing = Routing.shortest_path(made)
    check_operator(routing, seed=seed)
    check_operator(routing.without(links=["l0", "l1"], nodes=["v0"]), seed=seed)
