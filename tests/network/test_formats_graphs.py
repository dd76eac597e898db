"""GraphML, GML and networkx: one set of rules, three doors."""

from __future__ import annotations

import networkx as nx
import pytest

from odflow.errors import FormatError, NetworkError, UsageError
from odflow.network.formats import read_network, write_network
from odflow.network.model import Link, Network, Node

# in the habits of the Topology Zoo: numbered nodes, labels that repeat, a missing place, parallel edges
GRAPHML = """<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="Latitude" attr.type="double" for="node" id="d29" />
  <key attr.name="Longitude" attr.type="double" for="node" id="d32" />
  <key attr.name="label" attr.type="string" for="node" id="d33" />
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="d34" />
  <key attr.name="LinkLabel" attr.type="string" for="edge" id="d35"><default>fibre</default></key>
  <key attr.name="Network" attr.type="string" for="graph" id="d36" />
  <key id="d99" for="node" yfiles.type="nodegraphics"/>
  <graph edgedefault="undirected">
    <data key="d36">Toy Net</data>
    <node id="0"><data key="d29">52.5</data><data key="d32">13.4</data><data key="d33">Berlin</data></node>
    <node id="1"><data key="d33">Köln</data><data key="d99"><shape/></data></node>
    <node id="2"><data key="d33">None</data></node>
    <node id="3"><data key="d33">None</data></node>
    <edge source="0" target="1" id="e1"><data key="d34">10000000000.0</data></edge>
    <edge source="1" target="0" id="e7"><data key="d34">2500000000.0</data></edge>
    <edge source="1" target="2"/>
    <edge source="3" target="0" directed="true"><data key="d35">1 Gbit/s</data></edge>
  </graph>
</graphml>
"""
GML = """Creator "somebody"
Version 1
graph [
  directed 0
  Network "Toy Net"
  # a comment [ with a bracket
  node [
    id 0
    label "Berlin"
    Longitude 13.4
    Latitude 52.5
    graphics [ x 5.0 y 7.0 ]
  ]
  node [ id 1 label "K&#246;ln" ]
  node [ id 2 label "None" ]
  node [ id 3 label "None" ]
  edge [ source 0 target 1 LinkSpeedRaw 10000000000.0 LinkSpeed "10" LinkNote "a &amp; b ]" ]
  edge [ source 1 target 0 LinkSpeedRaw 2.5E9 ]
  edge [ source 1 target 2 ]
]
"""
NODES = (Node("Berlin", 52.5, 13.4), Node("Köln"), Node("2", name="None"), Node("3", name="None"))
LINKS = (
    Link("Berlin->Köln", "Berlin", "Köln", 1e10),
    Link("Köln->Berlin", "Köln", "Berlin", 1e10),
    Link("Köln->Berlin#2", "Köln", "Berlin", 2.5e9),
    Link("Berlin->Köln#2", "Berlin", "Köln", 2.5e9),
    Link("Köln->2", "Köln", "2"),
    Link("2->Köln", "2", "Köln"),
)


@pytest.fixture
def read(tmp_path):
    def read_text(text, suffix):
        (tmp_path / f"toy{suffix}").write_text(text, encoding="utf-8")
        return read_network(tmp_path / f"toy{suffix}")

    return read_text


def test_graphml_known_answer(read):
    network = read(GRAPHML, ".graphml")
    assert network.nodes == NODES
    assert network.links == (*LINKS, Link("3->Berlin", "3", "Berlin"))
    assert network.name == "Toy Net"


def test_gml_known_answer(read):
    assert read(GML, ".gml") == Network(NODES, LINKS, name="Toy Net")


def test_gml_that_networkx_refuses_is_read(read, tmp_path):
    read(GML, ".gml")
    with pytest.raises(nx.NetworkXError, match="duplicated"):
        nx.read_gml(tmp_path / "toy.gml", label="id")


def test_labels_that_equal_other_ids_leave_all_ids_as_in_the_file(read):
    text = 'graph [ node [ id 0 label "1" ] node [ id 1 label "x" ] node [ id 2 label "x" ] ]'
    assert read(text, ".gml").nodes == (Node("0", name="1"), Node("1", name="x"), Node("2", name="x"))


def test_own_ids_of_directed_edges_are_kept_only_if_all_differ(read):
    edges = 'edge [ id "p" source 0 target 1 ] edge [ id "{}" source 1 target 0 ]'
    text = f"graph [ directed 1 node [ id 0 ] node [ id 1 ] {edges} ]"
    assert read(text.format("q"), ".gml").link_ids == ("p", "q")
    assert read(text.format("p"), ".gml").link_ids == ("0->1", "1->0")


def test_generated_ids_stay_unique_whatever_the_node_names(read):
    text = "graph [ directed 1 node [ id A ] node [ id B ] node [ id B#2 ] {} ]"
    edges = "edge [ source A target B#2 ] edge [ source A target B ] edge [ source A target B ]"
    with pytest.raises(FormatError):  # '#' starts a comment in GML
        read(text.format(edges), ".gml")
    quoted = text.replace("id B#2", 'id "B#2"').format(edges.replace("target B#2", 'target "B#2"'))
    assert read(quoted, ".gml").link_ids == ("A->B#2", "A->B", "A->B#3")


def test_defaults_of_graphml_keys_count(read):
    text = GRAPHML.replace(
        '"LinkSpeedRaw" attr.type="double" for="edge" id="d34" />', '"capacity" id="d34"><default>5</default></key>'
    )
    assert [link.capacity for link in read(text, ".graphml").links][-3:] == [5.0, 5.0, 5.0]


def test_an_undirected_loop_is_one_link(read):
    assert read("graph [ node [ id 0 ] edge [ source 0 target 0 ] ]", ".gml").links == (Link("0->0", "0", "0"),)


FULL = Network(
    (Node("A b", 1.5, -2.25, 'Å "quoted" & <tagged>'), Node("B", 0.0, 0.0), Node("c", latitude=3.0)),
    (
        Link("A->B", "A b", "B", 1e10, 1.0),
        Link("second", "A b", "B", 123456789.123, None),
        Link("für", "B", "c", None, 1e-12),
        Link("x", "c", "A b", 3e300, 0.1),
    ),
    name="all & everything",
)


@pytest.mark.parametrize("suffix", [".graphml", ".gml"])
def test_round_trip_keeps_everything(tmp_path, suffix):
    write_network(FULL, tmp_path / f"n{suffix}")
    assert read_network(tmp_path / f"n{suffix}") == FULL


def test_networkx_reads_what_is_written(tmp_path):
    """An independent reader finds the same numbers."""
    write_network(FULL, tmp_path / "n.graphml")
    write_network(FULL, tmp_path / "n.gml")
    for graph in (nx.read_graphml(tmp_path / "n.graphml", edge_key_type=str), nx.read_gml(tmp_path / "n.gml")):
        assert isinstance(graph, nx.MultiDiGraph)
        assert list(graph.nodes) == ["A b", "B", "c"]
        assert graph.nodes["A b"] == {"latitude": 1.5, "longitude": -2.25, "name": 'Å "quoted" & <tagged>'}
        found = sorted((a, b, data.get("capacity"), data.get("metric")) for a, b, data in graph.edges(data=True))
        expected = sorted((k.source, k.target, k.capacity, k.metric) for k in FULL.links)
        assert found == expected


def test_reading_what_networkx_writes(tmp_path):
    graph = nx.Graph(name="made")
    graph.add_node("s", Latitude=4.0, Longitude=float("nan"))
    graph.add_edge("s", "t", metric=3, capacity=2.5e9)
    nx.write_gml(graph, tmp_path / "n.gml")
    nx.write_graphml(graph, tmp_path / "n.graphml")
    nodes = (Node("s", 4.0), Node("t"))
    links = (Link("s->t", "s", "t", 2.5e9, 3.0), Link("t->s", "t", "s", 2.5e9, 3.0))
    assert read_network(tmp_path / "n.gml") == Network(nodes, links, name="made")
    assert read_network(tmp_path / "n.graphml") == Network(nodes, links, name="made")


def test_networkx_round_trip_is_exact_but_for_the_order_of_links():
    back = Network.from_networkx(FULL.to_networkx())
    assert back.nodes == FULL.nodes
    assert back.name == FULL.name
    assert sorted(back.links, key=lambda k: k.id) == sorted(FULL.links, key=lambda k: k.id)
    assert set(FULL.to_networkx().edges(keys=True)) == {(k.source, k.target, k.id) for k in FULL.links}


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        (nx.Graph, ["1->2", "2->1"]),
        (nx.DiGraph, ["1->2", "2->1"]),
        (nx.MultiGraph, ["1->2", "2->1", "1->2#2", "2->1#2"]),
        (nx.MultiDiGraph, ["1->2", "1->2#2", "2->1"]),
    ],
)
def test_all_graph_classes_of_networkx(kind, ids):
    graph = kind()
    graph.add_edge(1, 2, metric=5)
    graph.add_edge(1, 2) if graph.is_multigraph() else None
    graph.add_edge(2, 1) if graph.is_directed() else None
    network = Network.from_networkx(graph)
    assert list(network.link_ids) == ids
    assert network.links[0].metric == 5.0
    assert network.node_ids == ("1", "2")


def test_odd_networkx_graphs_are_refused():
    graph = nx.Graph()
    graph.add_nodes_from([1, "1"])
    with pytest.raises(FormatError, match="node id '1' is used twice"):
        Network.from_networkx(graph)
    with pytest.raises(FormatError, match="metric of edge a--b is 'far', expected a finite number"):
        Network.from_networkx(nx.Graph([("a", "b", {"metric": "far"})]))
    with pytest.raises(UsageError, match="expected a networkx graph, not list"):
        Network.from_networkx([])
    with pytest.raises(NetworkError, match="link id 'k' is used more than once"):
        Network((Node("a"), Node("b")), (Link("k", "a", "b"), Link("k", "b", "a"))).to_networkx()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GML.replace("id 2", "id 1"), r"toy.gml:15: node id '1' is used twice"),
        (GML.replace("id 2", "idd 2"), r"toy.gml:15: this node has no id"),
        (GML.replace("target 2", ""), r"toy.gml:19: this edge has no target"),
        (GML.replace("target 2", "target 9"), r"toy.gml:19: an edge ends at node '9', which is not in the file"),
        (GML.replace("2.5E9", "fast"), r"toy.gml:18: linkspeedraw of edge Köln--Berlin is 'fast'"),
        (GML.replace("52.5", '"north"'), r"toy.gml:7: latitude of node 'Berlin' is 'north'"),
        (GML + "]", r"toy.gml:21: '\]': closes a list that was not opened"),
        (GML.rstrip()[:-1], r"toy.gml:3: a list opened here is not closed"),
        (GML.replace('label "Berlin"', 'label "Berlin'), r"toy.gml:15: '\[' without a key before it"),
        (GML.replace('"a &amp; b ]"', '"a'), r"toy.gml:17: a text in quotes is not closed"),
        (GML.replace("graph [", "graph [ ["), r"toy.gml:3: '\[' without a key"),
        (GML.replace("directed 0", 'directed "0" "again"'), r"toy.gml:4: expected a key, found '\"again\"'"),
        (GML.replace("target 2 ]", "target ]"), r"toy.gml:19: '\]': 'target' has no value"),
        ("Creator me", r"toy.gml: has 0 'graph \[...\]', expected one"),
        ("graph", r"toy.gml:1: 'graph' has no value"),
    ],
)
def test_bad_gml_names_the_line(read, text, message):
    with pytest.raises(FormatError, match=message):
        read(text, ".gml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('<node id="3">', '<node id="2">', r"node id '2' is used twice"),
        ('<node id="3">', "<node>", r"a <node> has no id"),
        (' target="2"', "", r"an <edge> has no target"),
        ('target="2"', 'target="nowhere"', r"an edge ends at node 'nowhere'"),
        ("2500000000.0", "2.5G", r"linkspeedraw of edge Köln--Berlin is '2.5G'"),
        ("</graph>", "</graph><graph/>", r"expected <graphml> with one <graph>, found <graphml> with 2"),
        ("<shape/></data>", "<shape/></data><graph/>", r"has nested graphs"),
        ("</graph>", "<hyperedge/></graph>", r"has hyperedges"),
        ("<graphml", '<!DOCTYPE g [<!ENTITY a "b">]>\n<graphml', r"declares XML entities"),
        ("</graphml>", "", r"toy.graphml:\d+: not well-formed XML"),
    ],
)
def test_bad_graphml_names_the_place(read, old, new, message):
    assert old in GRAPHML
    with pytest.raises(FormatError, match=message):
        read(GRAPHML.replace(old, new), ".graphml")
