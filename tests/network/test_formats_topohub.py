from __future__ import annotations

import pytest

from odflow.errors import NetworkError, UsageError
from odflow.network.model import Link, Network, Node


def test_links_go_both_ways_with_the_length_as_metric():
    network = Network.from_topohub("sndlib/germany50")
    assert network.name == "sndlib/germany50"
    assert (len(network.nodes), len(network.links)) == (50, 176)
    assert network.nodes[0] == Node("Aachen", 50.76, 6.04)
    assert network.links[:2] == (
        Link("Aachen->Koeln", "Aachen", "Koeln", None, 61.63),
        Link("Koeln->Aachen", "Koeln", "Aachen", None, 61.63),
    )
    assert [p.check for p in network.consistency_check()] == ["capacity"]


def test_hops_and_capacity():
    network = Network.from_topohub("topozoo/Abilene", metric="hops", capacity=1e10)
    assert {(link.capacity, link.metric) for link in network.links} == {(1e10, 1.0)}


def test_edges_of_length_zero_get_the_smallest_length():
    metrics = [link.metric for link in Network.from_topohub("topozoo/Marnet").links]
    assert min(metrics) == 0.01
    assert metrics.count(0.01) == 44


def test_planar_positions_are_not_degrees():
    network = Network.from_topohub("gabriel/25/0")
    assert all(node.latitude is None and node.longitude is None for node in network.nodes)


def test_nodes_without_a_name_of_their_own_have_their_number():
    network = Network.from_topohub("backbone/africa")
    assert len(set(network.node_ids)) == len(network.nodes) == 403
    assert "6272" in network.node_ids
    assert "Mtunzini" in network.node_ids


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("germany50", "similar: 'sndlib/germany50'"),
        ("sndlib/Germany50", "similar: 'sndlib/germany50'"),
        ("topozoo/Abilen", "similar: 'topozoo/Abilene'"),
        ("qqqq", "its groups are 'backbone', 'caida', 'gabriel', 'sndlib', 'topozoo'"),
        ("../data/sndlib/germany50", "sndlib/germany50"),
    ],
)
def test_an_unknown_key_names_similar_ones(key, hint):
    with pytest.raises(NetworkError) as caught:
        Network.from_topohub(key)
    assert f"topohub has no '{key}'" in str(caught.value)
    assert hint in str(caught.value)


def test_bad_parameters():
    with pytest.raises(UsageError, match="metric 'delay' for a topohub network; use 'distance' or 'hops'"):
        Network.from_topohub("sndlib/germany50", metric="delay")
    for capacity in (0.0, float("inf"), "10G"):
        with pytest.raises(UsageError, match="give a positive number of bit/s"):
            Network.from_topohub("sndlib/germany50", capacity=capacity)
