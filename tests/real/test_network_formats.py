"""Real topology files, and the routing matrix that one of them must reproduce."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from odflow.errors import UnreachableWarning
from odflow.network.formats import read_network
from odflow.network.model import Network
from odflow.network.routing import Routing

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def abilene(real_data):
    with np.load(real_data / "abilene.npz") as data:
        return {name: data[name] for name in ("A", "nodes", "link_labels", "link_capacity_mbps", "link_ospf_metric")}


@pytest.fixture(scope="module")
def topology(real_data):
    return read_network(real_data / "formats" / "totem-abilene" / "topology.xml")


def renamed(links):
    """Links by the names of the data set, ``X->Y``."""
    return {f"{link.source}->{link.target}": link for link in links}


def test_totem_abilene_routes_as_the_published_matrix_does(topology, abilene):
    routing = Routing.shortest_path(topology)
    names = {link.id: label for label, link in renamed(topology.links).items()}
    row = {names.get(label, label): i for i, label in enumerate(routing.links)}
    nodes = [str(node) for node in abilene["nodes"]]
    assert set(nodes) == set(routing.nodes)
    place = [routing.nodes.index(node) for node in nodes]
    columns = [i * len(nodes) + j for i in place for j in place]
    labels = [str(label) for label in abilene["link_labels"]]
    assert len(labels) == len(row) == 54
    found = routing.matrix.toarray()[[row[label] for label in labels]][:, columns]
    assert np.array_equal(found, abilene["A"])


def test_totem_abilene_has_the_published_capacities_and_metrics(topology, abilene):
    links = renamed(topology.links)
    internal = abilene["link_labels"][: len(links)]
    for label, mbps, metric in zip(internal, abilene["link_capacity_mbps"], abilene["link_ospf_metric"], strict=True):
        assert links[str(label)].capacity == float(mbps) * 1e6
        assert links[str(label)].metric == float(metric)


def test_totem_geant_has_neither_places_nor_capacities_nor_metrics(real_data):
    network = read_network(real_data / "formats" / "totem-geant" / "topology.xml")
    assert (len(network.nodes), len(network.links)) == (23, 74)
    assert {node.latitude for node in network.nodes} == {None}
    assert {(link.capacity, link.metric) for link in network.links} == {(None, None)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnreachableWarning)
        assert Routing.shortest_path(network, metric="hops").unreachable == ()


def test_sndlib_abilene(real_data, topology):
    network = read_network(real_data / "formats" / "sndlib" / "sndlib_abilene.xml")
    assert (len(network.nodes), len(network.links)) == (12, 30)
    assert network.node_index["ATLAM5"] == 0
    assert (network.nodes[0].latitude, network.nodes[0].longitude) == (33.75, -84.3833)
    assert sorted({link.capacity for link in network.links}) == [2.48e9, 9.92e9]
    # the same links and capacities as TOTEM has, but for one router's spelling
    spelt = {label.replace("ATLA-M5", "ATLAM5"): link.capacity for label, link in renamed(topology.links).items()}
    assert {label: link.capacity for label, link in renamed(network.links).items()} == spelt


def test_sndlib_geant_has_only_what_could_be_bought(real_data):
    network = read_network(real_data / "formats" / "sndlib" / "sndlib_geant.xml")
    assert (len(network.nodes), len(network.links)) == (22, 72)
    assert {link.capacity for link in network.links} == {None}


@pytest.mark.parametrize("name", ["n.graphml", "n.gml", "n.csv", "n.graph", "n.xml", "n.txt"])
def test_abilene_survives_every_format(topology, tmp_path, name):
    topology.write(tmp_path / name, format="totem" if name == "n.xml" else None)
    found = Network.read(tmp_path / name)
    assert set(found.node_ids) == set(topology.node_ids)
    if name == "n.txt":  # SNDlib has no metrics
        assert [(k.id, k.capacity) for k in found.links] == [(k.id, k.capacity) for k in topology.links]
    else:
        assert found.links == topology.links
