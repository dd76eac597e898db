"""What can fail."""

from __future__ import annotations

import pytest

import odflow as of
from odflow.errors import UsageError
from odflow.network.failures import each_link, each_node
from odflow.network.model import Link, Network, Node


def test_both_directions_fail_together(diamond: Network) -> None:
    found = each_link(diamond)
    assert [one.links for one in found] == [("ab1", "ba1"), ("ab2", "ba2"), ("ac", "ca"), ("bd", "db"), ("cd", "dc")]
    assert [one.name for one in found][:2] == ["ab1 both ways", "ab2 both ways"]
    assert all(one.nodes == () for one in found)


def test_a_link_without_its_opposite_fails_alone() -> None:
    net = Network([Node("a"), Node("b")], [Link("x", "a", "b"), Link("y", "a", "b"), Link("z", "b", "a")])
    assert [(one.links, one.name) for one in each_link(net)] == [(("x", "z"), "x both ways"), (("y",), "y")]


def test_nodes_and_names(diamond: Network) -> None:
    assert [(one.links, one.nodes, one.name) for one in each_node(diamond.node_ids)][1] == ((), ("b",), "b")
    assert of.Failure(links=["ac", "ca"], nodes=["d"]).name == "ac+ca+d"
    assert of.Failure(links=["ac"], name="cut in the north").name == "cut in the north"
    with pytest.raises(UsageError, match="needs a link or a node"):
        of.Failure()
    with pytest.raises(UsageError, match="links is the text 'ac'"):
        of.Failure(links="ac")  # type: ignore[arg-type]
