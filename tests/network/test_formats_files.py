"""The two doors: recognition, files, round trips of arbitrary networks, damaged files of every format."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odflow.errors import FormatError, NetworkError, OdflowError, UsageError
from odflow.network.formats import read_network, write_network
from odflow.network.formats.common import number, written
from odflow.network.model import Link, Network, Node

SUFFIX = {
    "sndlib-xml": ".xml",
    "sndlib-native": ".txt",
    "totem": ".xml",
    "graphml": ".graphml",
    "gml": ".gml",
    "repetita": ".graph",
    "csv": ".csv",
}
NETWORK = Network(
    (Node("Ab", 48.5, -2.25, "Abtown"), Node("Cd"), Node("E-f", 1.0, 2.0)),
    (Link("k1", "Ab", "Cd", 1e10, 5.0), Link("k2", "Cd", "Ab"), Link("k3", "Cd", "E-f", 2.5e9, 1.5)),
    name="sample",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("formats")


@pytest.mark.parametrize("format", SUFFIX)
@pytest.mark.parametrize("suffix", ["own", ".dat"])
def test_content_tells_the_format_whatever_the_suffix(tmp_path, format, suffix):
    path = tmp_path / f"n{SUFFIX[format] if suffix == 'own' else suffix}"
    write_network(NETWORK, path, format=format)
    assert read_network(path) == read_network(path, format=format)
    assert [(k.source, k.target) for k in read_network(path).links] == [(k.source, k.target) for k in NETWORK.links]


def test_methods_of_network_are_the_same_doors(tmp_path):
    NETWORK.write(tmp_path / "n.graphml")
    assert Network.read(tmp_path / "n.graphml") == NETWORK
    NETWORK.write(tmp_path / "n.xml", format="totem")
    assert Network.read(tmp_path / "n.xml", format="totem") == NETWORK


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("n.xml", b"<TrafficMatrixFile/>", r"root element is <TrafficMatrixFile>; topologies have <network>"),
        ("n.xml", b"<network", r"n.xml:1: not well-formed XML"),
        ("n.txt", b"hello\nworld\n", r"n.txt:1: is no topology format that odflow knows; if it is one of sndlib-xml"),
        ("n.dat", b"\x89PNG\x00\x01", r"n.dat: is not a text file"),
        ("n.csv", b"", r"n.csv: is empty"),
        ("gone.csv", None, r"gone.csv: no such file"),
    ],
)
def test_what_cannot_be_recognised_is_said(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(OdflowError, match=message):
        read_network(tmp_path / name)


def test_unknown_formats_and_suffixes(tmp_path):
    (tmp_path / "n.csv").write_text("id,source,target\n")
    with pytest.raises(UsageError, match="unknown network format 'dot'; use one of sndlib-xml, sndlib-native, totem"):
        read_network(tmp_path / "n.csv", format="dot")
    with pytest.raises(UsageError, match="unknown network format 'dot'"):
        write_network(NETWORK, tmp_path / "m.csv", format="dot")
    with pytest.raises(UsageError, match=r"no network format has the suffix '.dot' \(m.dot\); use .xml, .txt"):
        write_network(NETWORK, tmp_path / "m.dot")
    assert [path.name for path in tmp_path.iterdir()] == ["n.csv"]


A, B = Node("a"), Node("b")


@pytest.mark.parametrize("format", SUFFIX)
@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Network((A, A), ()), "node id 'a' is used more than once"),
        (Network((A, B), (Link("k", "a", "b"), Link("k", "b", "a"))), "link id 'k' is used more than once"),
        (Network((A,), (Link("k", "a", "b"),)), "link 'k' ends at a node that is not there"),
        (Network((A, B), (Link("k", "a", "b", float("inf")),)), "link 'k' has a capacity or metric that is no finite"),
        (Network((Node("a", 1.0, float("inf")),), ()), "node 'a' has coordinates that are no finite numbers"),
        (Network((Node("a\nb"),), ()), "is empty or has line breaks, tabs, extra blanks"),
        (Network((Node(" a"),), ()), "is empty or has line breaks, tabs, extra blanks"),
        (Network((Node(""),), ()), "is empty or has line breaks, tabs, extra blanks"),
    ],
)
def test_networks_that_would_not_come_back_are_refused_and_nothing_is_written(tmp_path, format, network, message):
    with pytest.raises(NetworkError, match=message):
        write_network(network, tmp_path / "n.x", format=format)
    assert list(tmp_path.iterdir()) == []


TEXT = st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" "), max_size=8).map(str.strip)
IDS = TEXT.filter(bool)
VALUES = st.none() | st.floats(min_value=0, max_value=1e300, exclude_min=True, allow_subnormal=False)
DEGREES = st.none() | st.floats(min_value=-90, max_value=90)


@st.composite
def networks(draw, ids=IDS):
    names = draw(st.lists(ids, min_size=1, max_size=5, unique=True))
    nodes = [Node(name, draw(DEGREES), draw(DEGREES), " ".join(draw(TEXT).split())) for name in names]
    links = [
        Link(name, draw(st.sampled_from(names)), draw(st.sampled_from(names)), draw(VALUES), draw(VALUES))
        for name in draw(st.lists(ids, max_size=6, unique=True))
    ]
    return Network(tuple(nodes), tuple(links), name=" ".join(draw(TEXT).split()) or "n")


SINGLE = TEXT.map(lambda text: " ".join(text.split())).filter(bool)
TOKENS = st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="()#"), min_size=1, max_size=8)


def unplaced(node):
    return replace(node, latitude=None, longitude=None)


def placed(network, *, zero_is_unknown):
    """Both coordinates or none, as most formats hold them."""
    return tuple(
        unplaced(node)
        if node.latitude is None
        or node.longitude is None
        or (zero_is_unknown and not node.latitude and not node.longitude)
        else node
        for node in network.nodes
    )


def plain(nodes):
    return tuple(replace(node, name="") for node in nodes)


def back(network, folder, format):
    path = folder / f"n{SUFFIX[format]}"
    write_network(network, path, format=format)
    return read_network(path, format=format)


@pytest.mark.parametrize("format", ["graphml", "gml"])
@settings(max_examples=60, deadline=None)
@given(network=networks(SINGLE))
def test_graphs_come_back_whole(folder, format, network):
    assert back(network, folder, format) == network


@settings(max_examples=60, deadline=None)
@given(network=networks(SINGLE))
def test_totem_comes_back(folder, network):
    assert back(network, folder, "totem") == replace(network, nodes=placed(network, zero_is_unknown=True))


@pytest.mark.parametrize(("format", "ids"), [("sndlib-xml", SINGLE), ("sndlib-native", TOKENS)])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_sndlib_comes_back_without_metrics_and_names(folder, format, ids, data):
    network = data.draw(networks(ids))
    nodes = plain(placed(network, zero_is_unknown=format == "sndlib-native"))
    links = tuple(replace(link, metric=None) for link in network.links)
    assert back(network, folder, format) == Network(nodes, links, name="n")


@settings(max_examples=60, deadline=None)
@given(network=networks(TOKENS))
def test_repetita_comes_back_without_names(folder, network):
    nodes = plain(placed(network, zero_is_unknown=True))
    assert back(network, folder, "repetita") == Network(nodes, network.links, name="n")


@settings(max_examples=60, deadline=None)
@given(network=networks(SINGLE))
def test_csv_comes_back_with_the_nodes_that_have_links(folder, network):
    ends = dict.fromkeys(end for link in network.links for end in (link.source, link.target))
    assert back(network, folder, "csv") == Network(tuple(map(Node, ends)), network.links, name="n")


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300), st.sampled_from([0, 3, 6]))
def test_scaled_numbers_survive_exactly(value, power):
    assert number("f", written(value, power), "x", power=power) == value


def test_numbers_are_scaled_with_one_rounding():
    assert number("f", "64.1", "x", power=3) == 64100.0
    assert number("f", "0.3", "x", power=6) == 300000.0
    for text in ("1_0", "", "ten", "nan", "-inf", "1e999", "0x10"):
        with pytest.raises(FormatError, match=r"f: x is '.*', expected a finite number"):
            number("f", text, "x")


@pytest.fixture(scope="module")
def samples(folder):
    found = {}
    for format, suffix in SUFFIX.items():
        write_network(NETWORK, folder / f"sample{suffix}", format=format)
        found[format] = (folder / f"sample{suffix}").read_bytes()
    return found


PIECES = [b"<", b">", b'"', b"[", b"]", b"(", b")", b"\n", b",", b"#", b"\x00", b"\xff", b"nan", b"-1", b"&#0;", b"]]>"]


@st.composite
def damages(draw):
    """A list of (kind, where in [0, 1], length, piece)."""
    one = st.tuples(
        st.sampled_from(["cut", "drop", "put", "twice"]),
        st.floats(0, 1),
        st.integers(1, 30),
        st.sampled_from(PIECES) | st.binary(max_size=4),
    )
    return draw(st.lists(one, min_size=1, max_size=4))


def damaged(data, damage):
    for kind, where, length, piece in damage:
        at = int(where * len(data))
        match kind:
            case "cut":
                data = data[:at]
            case "drop":
                data = data[:at] + data[at + length :]
            case "put":
                data = data[:at] + piece + data[at:]
            case "twice":
                data = data[:at] + data[at : at + length] + data[at:]
    return data


def read_or_refuse(path, format=None):
    """Only errors of odflow may escape, each on one line that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            problem = str(read_network(path, format=format).consistency_check()[:0])
        except OdflowError as error:
            problem = str(error)
    assert problem == "[]" or (problem.startswith(str(path)) and problem.isprintable())


@pytest.mark.parametrize("format", SUFFIX)
@settings(max_examples=120, deadline=None)
@given(damage=damages())
def test_damaged_files_give_nothing_but_our_errors(folder, samples, format, damage):
    path = folder / f"damaged{SUFFIX[format]}"
    path.write_bytes(damaged(samples[format], damage))
    read_or_refuse(path, format)
    read_or_refuse(path)


@pytest.mark.parametrize("format", [None, *SUFFIX])
@settings(max_examples=25, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_random_content_gives_nothing_but_our_errors(folder, format, content):
    path = folder / "random.dat"
    path.write_bytes(content)
    read_or_refuse(path, format)


@pytest.mark.parametrize("format", ["gml", "sndlib-native", "graphml"])
def test_deep_nesting_is_survived(folder, format):
    deep = {"gml": "graph [ " * 100_000, "sndlib-native": "NODES ( " + "( " * 100_000, "graphml": "<a>" * 100_000}
    path = folder / "deep.dat"
    path.write_text(deep[format])
    with pytest.raises(FormatError):
        read_network(path, format=format)
