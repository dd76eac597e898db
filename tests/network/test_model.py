from __future__ import annotations

import pytest

from odflow.errors import NetworkError, UsageError
from odflow.network.model import Link, Network, Node


def test_repr_tells_what_is_in_it(diamond: Network) -> None:
    assert repr(diamond) == (
        "<Network 'diamond': 4 nodes (4 with coordinates), 10 directed links (2 parallel), capacity all, metric all>"
    )
    bare = Network((Node("a"), Node("b")), (Link("ab", "a", "b", metric=1.0), Link("ba", "b", "a")))
    assert "2 nodes (0 with coordinates), 2 directed links (0 parallel), capacity 0/2, metric 1/2" in repr(bare)


def test_lists_become_tuples_and_ids_are_indexed() -> None:
    network = Network([Node("x"), Node("y")], [Link("xy", "x", "y")])
    assert isinstance(network.nodes, tuple)
    assert isinstance(network.links, tuple)
    assert network.node_ids == ("x", "y")
    assert network.link_ids == ("xy",)
    assert network.node_index == {"x": 0, "y": 1}


def test_other_things_are_no_nodes() -> None:
    with pytest.raises(NetworkError, match="'a' is not a Node; make it with"):
        Network(("a",), ())
    with pytest.raises(NetworkError, match="is not a Link"):
        Network((Node("a"),), (Node("a"),))


def test_without_links_and_nodes(diamond: Network) -> None:
    less = diamond.without(links=["ab1"])
    assert less.link_ids == ("ab2", "ac", "bd", "cd", "ba1", "ba2", "ca", "db", "dc")
    assert less.node_ids == diamond.node_ids
    assert less.name == "diamond"
    assert diamond.without(nodes=["b"]).link_ids == ("ac", "cd", "ca", "dc")
    assert diamond.without(nodes=["b"]).node_ids == ("a", "c", "d")
    assert diamond.without() == diamond


def test_without_names_what_is_unknown(diamond: Network) -> None:
    with pytest.raises(NetworkError, match=r"network 'diamond' has no link 'xx', 'yy'$"):
        diamond.without(links=["yy", "xx", "ab1"])
    with pytest.raises(NetworkError, match="has no node 'z'"):
        diamond.without(nodes=["z"])
    with pytest.raises(NetworkError, match=r"has no link 'in:a'; an access link fails with its node: without\(nodes="):
        diamond.without(links=["in:a"])
    with pytest.raises(UsageError, match="links is the text 'ab1'"):
        diamond.without(links="ab1")
