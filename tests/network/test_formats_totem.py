from __future__ import annotations

import pytest

from odflow.errors import FormatError, OdflowWarning
from odflow.network.formats import read_network, write_network
from odflow.network.model import Link, Network, Node

XML = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<domain ASID="7">
  <info>
    <title>Two
      towns</title>
    <units><unit type="delay" value="ms"/><unit type="bandwidth" value="kbps"/></units>
  </info>
  <topology>
    <nodes>
      <node id="x"><description>Xanten</description><location latitude="51.66" longitude="6.45"/></node>
      <node id="y"><location latitude="0" longitude="0.0"/></node>
      <node id="z"/>
    </nodes>
    <links>
      <link id="xy"><from if="1" node="x"/><to if="2" node="y"/><bw>9920000</bw></link>
      <link id="yx"><from if="2" node="y"/><to if="1" node="x"/><bw>64.25</bw></link>
      <link id="zx"><status>UP</status><from if="0" node="z"/><to if="3" node="x"/></link>
    </links>
  </topology>
  <mpls><links><link id="xy"><te><temetric>99</temetric></te></link></links></mpls>
  <igp>
    <links>
      <link id="xy"><static><metric>10</metric></static></link>
      <link id="yx"><static></static></link>
    </links>
  </igp>
</domain>
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        (tmp_path / "two.xml").write_text(text, encoding="utf-8")
        return read_network(tmp_path / "two.xml")

    return read_text


def test_known_answer(read):
    network = read(XML)
    assert network.name == "Two towns"
    assert network.nodes == (Node("x", 51.66, 6.45, "Xanten"), Node("y"), Node("z"))
    assert network.links == (
        Link("xy", "x", "y", 9.92e9, 10.0),
        Link("yx", "y", "x", 64250.0, None),
        Link("zx", "z", "x", None, None),
    )


@pytest.mark.parametrize(("unit", "factor"), [("bps", 1), ("Mbps", 1e6), ("gbps", 1e9)])
def test_the_stated_unit_counts(read, unit, factor):
    assert read(XML.replace('"kbps"', f'"{unit}"')).links[0].capacity == 9920000 * factor


@pytest.mark.parametrize("unit", ['<unit type="bandwidth" value="furlongs"/>', ""])
def test_an_unknown_unit_leaves_capacities_unknown_and_says_so(read, unit):
    with pytest.warns(OdflowWarning, match="capacities are left unknown; state one of bps, kbps"):
        network = read(XML.replace('<unit type="bandwidth" value="kbps"/>', unit))
    assert [(link.capacity, link.metric) for link in network.links] == [(None, 10.0), (None, None), (None, None)]


def test_a_link_that_is_down_is_left_out_with_a_warning(read):
    with pytest.warns(OdflowWarning, match="link 'zx' is down"):
        network = read(XML.replace("UP", "down"))
    assert network.link_ids == ("xy", "yx")


def test_an_untitled_domain_is_named_by_its_file(read):
    assert read(XML.replace("Two\n      towns", "")).name == "two"


def test_round_trip_keeps_all_but_half_known_places(tmp_path):
    nodes = (Node("x 1", 51.66, 6.45, "Xanten & more"), Node("y", 0.0, 0.0), Node("z", 1.0, None))
    links = (Link("a", "x 1", "y", 0.1, 2.5), Link("b", "y", "x 1", 123456789.0), Link("c", "x 1", "y", None, 1.0))
    write_network(Network(nodes, links, name="Two <towns>"), tmp_path / "n.xml", format="totem")
    expected = Network((nodes[0], Node("y"), Node("z")), links, name="Two <towns>")
    assert read_network(tmp_path / "n.xml") == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("9920000", "fast", r"bandwidth of link 'xy' is 'fast'"),
        ("<metric>10<", "<metric>1_0<", r"metric of link 'xy' is '1_0'"),
        ('link id="yx"><static>', 'link id="xy"><static><metric>3</metric>', r"link 'xy' has two metrics"),
        ('<from if="1" node="x"/>', "", r"link 'xy' has no <from>"),
        ('<to if="2" node="y"/>', "<to/>", r"<to> of link 'xy' has no node"),
        ('latitude="51.66"', "", r"<location> of node 'x' has no latitude"),
        ('longitude="6.45"', 'longitude="east"', r"longitude of node 'x' is 'east'"),
        ('<node id="z"/>', "<node/>", r"a node has no id"),
        ("topology>", "topo>", r"has no <topology>"),
    ],
)
def test_bad_content_names_the_place(read, old, new, message):
    assert old in XML
    with pytest.raises(FormatError, match=message):
        read(XML.replace(old, new))
