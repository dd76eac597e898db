"""The generated networks of the speed benchmark."""

from __future__ import annotations

import pytest

from odflow.errors import UsageError
from odflow.evaluate.synthetic import random_network
from odflow.network.routing import Routing


@pytest.mark.parametrize(("n", "links"), [(12, 48), (50, 200), (500, 2000)])
def test_size(n, links):
    network = random_network(n, seed=0)
    assert (len(network.nodes), len(network.links)) == (n, links)


@pytest.mark.parametrize("seed", range(5))
def test_connected_both_ways_with_integer_metrics(seed):
    network = random_network(30, seed=seed)
    assert Routing.shortest_path(network).unreachable == ()
    assert not network.consistency_check(strict=True) or all(
        problem.severity == "warning" for problem in network.consistency_check()
    )
    ends = {(link.source, link.target): link.metric for link in network.links}
    assert len(ends) == len(network.links)
    assert all(ends[target, source] == metric for (source, target), metric in ends.items())
    assert all(metric == int(metric) and 1 <= metric <= 20 for metric in ends.values())


def test_a_tree_when_few_links_are_asked_for():
    network = random_network(30, seed=0, degree=0)
    assert len(network.links) == 2 * 29
    assert Routing.shortest_path(network).unreachable == ()


def test_same_seed_same_network():
    assert random_network(20, seed=1) == random_network(20, seed=1)
    assert random_network(20, seed=1) != random_network(20, seed=2)


def test_too_small():
    with pytest.raises(UsageError, match="at least 4"):
        random_network(3, seed=0)
