"""REPETITA and CSV."""

from __future__ import annotations

import pytest

from odflow.errors import FormatError, NetworkError
from odflow.network.formats import read_network, write_network
from odflow.network.model import Link, Network, Node

GRAPH = """NODES 3
label x y
0_Lima -77.0 -12.05
1_Quito -78.5 -0.2
2_Sea 0.0 0.0

EDGES 3
label src dest weight bw delay
edge_0 0 1 1320 9953280 6600
edge_1 1 0 1320 64.5 6600
edge_2 1 2 0 0 100
"""
CSV = """id,source,target,capacity,metric
ab,A,B,1e9,10
ba, B , A ,,
"b,c",B,"C ""3"" x",2500000000.5,0.25

"""


@pytest.fixture
def read(tmp_path):
    def read_text(text, suffix):
        (tmp_path / f"t{suffix}").write_text(text, encoding="utf-8")
        return read_network(tmp_path / f"t{suffix}")

    return read_text


def test_repetita_known_answer(read):
    nodes = (Node("0_Lima", -12.05, -77.0), Node("1_Quito", -0.2, -78.5), Node("2_Sea"))
    links = (
        Link("edge_0", "0_Lima", "1_Quito", 9953280000.0, 1320.0),
        Link("edge_1", "1_Quito", "0_Lima", 64500.0, 1320.0),
        Link("edge_2", "1_Quito", "2_Sea"),
    )
    assert read(GRAPH, ".graph") == Network(nodes, links, name="t")


def test_repetita_drawing_has_no_places(read):
    assert all(node.latitude is None for node in read(GRAPH.replace("-78.5", "300"), ".graph").nodes)


def test_repetita_is_written_as_its_own_parser_wants_it(tmp_path):
    """Whole numbers without a point, one blank between cells, one empty line between the parts."""
    network = Network((Node("a", 1.5, 2.0), Node("b")), (Link("k", "a", "b", 1e10, 7.0),))
    write_network(network, tmp_path / "n.graph")
    expected = "NODES 2\nlabel x y\na 2 1.5\nb 0 0\n\nEDGES 1\nlabel src dest weight bw delay\nk 0 1 7 10000000 0\n"
    assert (tmp_path / "n.graph").read_text() == expected


def test_repetita_refuses_ids_with_blanks(tmp_path):
    with pytest.raises(NetworkError, match=r"node id 'a b' has a character this format does not allow \(blank\)"):
        write_network(Network((Node("a b"),), ()), tmp_path / "n.graph")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("NODES 3", "NODES", r"t.graph:1: expected 'NODES <count>', found 'NODES'"),
        ("NODES 3", "NODES three", r"t.graph:1: NODES count is 'three'"),
        ("NODES 3", "NODES 4", r"t.graph:7: NODES announces 4 rows 'label x y'; at row 4 found 'EDGES 3'"),
        ("NODES 3", "NODES 2", r"t.graph:5: expected 'EDGES <count>', found '2_Sea 0.0 0.0'"),
        ("label x y", "label y x", r"t.graph:2: expected the header 'label x y'"),
        ("-12.05", "south", r"t.graph:3: coordinate of node '0_Lima' is 'south'"),
        ("1_Quito", "0_Lima", r"t.graph:4: node label '0_Lima' is used twice"),
        ("edge_1 1 0", "edge_1 1 3", r"t.graph:10: edge end '3' is not a node number from 0 to 2"),
        ("edge_1 1 0", "edge_1 -1 0", r"t.graph:10: edge end '-1' is not a node number"),
        ("64.5", "wide", r"t.graph:10: bandwidth of edge 'edge_1' is 'wide'"),
        ("edge_1 1 0 1320", "edge_1 1 0 inf", r"t.graph:10: weight of edge 'edge_1' is 'inf'"),
        ("EDGES 3", "EDGES 4", r"t.graph:11: EDGES announces 4 rows .* at row 4 the file ends"),
        ("EDGES 3", "EDGES 2", r"t.graph:11: expected the end of the file, found 'edge_2 1 2 0 0 100'"),
    ],
)
def test_bad_repetita_names_the_line(read, old, new, message):
    assert old in GRAPH
    with pytest.raises(FormatError, match=message):
        read(GRAPH.replace(old, new), ".graph")


def test_csv_known_answer(read):
    links = (
        Link("ab", "A", "B", 1e9, 10.0),
        Link("ba", "B", "A"),
        Link("b,c", "B", 'C "3" x', 2500000000.5, 0.25),
    )
    assert read(CSV, ".csv") == Network((Node("A"), Node("B"), Node('C "3" x')), links, name="t")


def test_csv_columns_may_move_or_be_absent(read):
    assert read("target,metric,source,id\nB,4,A,x\n", ".csv").links == (Link("x", "A", "B", None, 4.0),)


def test_csv_round_trip_loses_only_what_has_no_column(tmp_path):
    links = (Link("k 1", "B", "A", 0.1, None), Link('k"2,', "A", "B", None, 1e300))
    nodes = (Node("A", 1.0, 2.0, "name"), Node("B"), Node("alone"))
    write_network(Network(nodes, links), tmp_path / "n.csv")
    assert read_network(tmp_path / "n.csv") == Network((Node("B"), Node("A")), links, name="n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;b\n", r"t.csv:1: columns are 'a;b', expected id,source,target,capacity,metric"),
        ("id,source,target,capacity_mbps\n", r"t.csv:1: columns are 'id,source,target,capacity_mbps'"),
        ("id,source,target,id\n", r"t.csv:1: columns are"),
        ("\n\n", r"t.csv:1: columns are '', expected"),
        (CSV + "x,A,B,1\n", r"t.csv:6: 4 cells, expected 5"),
        (CSV + "x,A,B,1,2,3\n", r"t.csv:6: 6 cells, expected 5"),
        (CSV + "x,A,,1,2\n", r"t.csv:6: id, source and target must not be empty"),
        (CSV + "x,A,B,10 Gbps,2\n", r"t.csv:6: capacity of link 'x' is '10 Gbps', expected a finite number"),
        (CSV + "x,A,B,1,nan\n", r"t.csv:6: metric of link 'x' is 'nan'"),
        (CSV + "ab,A,B,1,2\n", r"t.csv:6: link id 'ab' is used twice"),
        (CSV + '"x,A,B,1,2\n', r"t.csv:6: not a valid CSV row"),
    ],
)
def test_bad_csv_names_the_line(read, text, message):
    with pytest.raises(FormatError, match=message):
        read(text, ".csv")
