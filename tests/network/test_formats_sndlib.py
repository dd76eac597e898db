from __future__ import annotations

import pytest

from odflow.errors import FormatError, NetworkError, OdflowWarning
from odflow.network.formats import read_network, write_network
from odflow.network.model import Link, Network, Node

XML = """<?xml version="1.0" encoding="ISO-8859-1"?>
<network xmlns="http://sndlib.zib.de/network" version="1.0">
 <meta><unit>{unit}</unit></meta>
 <networkStructure>
  <nodes coordinatesType="{kind}">
   <node id="Oslo"><coordinates><x>10.75</x><y>59.9</y></coordinates></node>
   <node id="Rome"><coordinates><x>12.5</x><y>41.9</y></coordinates></node>
   <node id="Bern"/>
  </nodes>
  <links>
   <link id="L1">
    <source>Oslo</source><target>Rome</target>
    <preInstalledModule><capacity> 9920.5 </capacity><cost>0.0</cost></preInstalledModule>
    <additionalModules><addModule><capacity>40000.0</capacity><cost>7</cost></addModule></additionalModules>
   </link>
   <link id="L2">
    <source>Rome</source><target>Bern</target>
    <additionalModules><addModule><capacity>40000.0</capacity><cost>7</cost></addModule></additionalModules>
   </link>
   <link id="L3">
    <source>Rome</source><target>Oslo</target>
    <preInstalledModule><capacity>0.0</capacity><cost>0.0</cost></preInstalledModule>
   </link>
  </links>
 </networkStructure>
</network>
"""

NATIVE = """?SNDlib native format; type: network; version: 1.0
# a comment with ( parentheses

META (
  unit = {unit}
  origin = someone (somewhere, :-)
)

NODES (
  Oslo ( 10.75 59.90 )
  Rome ( 12.50 41.90 ) () ()   # two empty lists
  Bern ( 0 0 )
)

LINKS (
  L1 ( Oslo Rome ) 9920.5 0.00 3.00 0.00 ( 40000.00 7.00 80000.00 9.00 )
  L2 (Rome Bern) 0.00 0.00 0.00 0.00 ( 40000.00 7.00 )
  L3 ( Rome Oslo ) 0 0 0 0 ( )
)

DEMANDS (
  D1 ( Oslo Rome ) 1 5.00 UNLIMITED
)

ADMISSIBLE_PATHS (
  D1 (
    P_0 ( L1 )
  )
)
"""

LINKS = (
    Link("Oslo->Rome", "Oslo", "Rome", 9.9205e9),
    Link("Rome->Oslo", "Rome", "Oslo", 9.9205e9),
    Link("Rome->Bern", "Rome", "Bern"),
    Link("Bern->Rome", "Bern", "Rome"),
    Link("Rome->Oslo#2", "Rome", "Oslo"),
    Link("Oslo->Rome#2", "Oslo", "Rome"),
)
NODES = (Node("Oslo", 59.9, 10.75), Node("Rome", 41.9, 12.5), Node("Bern"))


@pytest.fixture
def save(tmp_path):
    def write(text, name):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_xml_links_go_both_ways_with_the_installed_capacity_in_bits(save):
    network = read_network(save(XML.format(unit="MBITPERSEC", kind="geographical"), "small.xml"))
    assert network == Network(NODES, LINKS, name="small")


def test_native_reads_the_same_as_xml(save):
    network = read_network(save(NATIVE.format(unit="MBITPERSEC"), "small.txt"))
    assert network == Network(NODES, LINKS, name="small")


@pytest.mark.parametrize(("unit", "capacity"), [("KBITPERSEC", 9920500.0), ("gbitpersec", 9.9205e12)])
@pytest.mark.parametrize(("text", "name"), [(XML, "n.xml"), (NATIVE, "n.txt")])
def test_the_stated_unit_counts(save, text, name, unit, capacity):
    network = read_network(save(text.format(unit=unit, kind="geographical"), name))
    assert network.links[0].capacity == capacity


@pytest.mark.parametrize(("text", "name"), [(XML, "n.xml"), (NATIVE, "n.txt")])
@pytest.mark.parametrize(("unit", "reason"), [("STM1", "the unit 'STM1' is not known"), ("", "no unit is stated")])
def test_without_a_known_unit_capacities_are_unknown_and_that_is_said(save, text, name, unit, reason):
    with pytest.warns(OdflowWarning, match=reason):
        network = read_network(save(text.format(unit=unit, kind="geographical"), name))
    assert [link.capacity for link in network.links] == [None] * 6


def test_pixel_coordinates_are_left_out(save):
    network = read_network(save(XML.format(unit="MBITPERSEC", kind="pixel"), "n.xml"))
    assert network.nodes == (Node("Oslo"), Node("Rome"), Node("Bern"))


def test_native_coordinates_beyond_degrees_are_a_drawing(save):
    text = NATIVE.format(unit="MBITPERSEC").replace("Bern ( 0 0 )", "Bern ( 512.0 40.0 )")
    assert read_network(save(text, "n.txt")).nodes == (Node("Oslo"), Node("Rome"), Node("Bern"))


@pytest.mark.parametrize("name", ["back.xml", "back.txt"])
def test_directed_links_survive_with_their_ids(tmp_path, name):
    links = (Link("up", "A", "B", 1234567890.5), Link("up2", "A", "B"), Link("down", "B", "A", 0.1))
    network = Network((Node("A", -33.9, 151.2), Node("B")), links, name="back")
    write_network(network, tmp_path / name)
    assert read_network(tmp_path / name) == network


@pytest.mark.parametrize("node", ["a b", "a(b", "a#b"])
def test_native_refuses_ids_that_would_not_come_back(tmp_path, node):
    network = Network((Node(node),), ())
    with pytest.raises(NetworkError, match="a character this format does not allow"):
        write_network(network, tmp_path / "n.txt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("9920.5", "lots", r"capacity of link 'L1' is 'lots', expected a finite number"),
        ("<y>59.9</y>", "<y>nan</y>", r"<y> of node 'Oslo' is 'nan'"),
        ("<source>Oslo</source>", "", r"link 'L1' has no <source>"),
        ('id="L2"', "", r"a link has no id"),
        ('node id="Bern"', "node", r"a node has no id"),
        ("<links>", '<links linkModel="SIDEWAYS">', r"linkModel is 'SIDEWAYS', expected DIRECTED"),
        ("networkStructure", "structure", r"has no <networkStructure>"),
        ("</network>", "", r"bad.xml:\d+: not well-formed XML"),
        ("<network ", '<!DOCTYPE x [<!ENTITY e "e">]><network ', r"declares XML entities"),
        ("<network ", "<graph ", r"not well-formed XML"),
    ],
)
def test_bad_xml_names_the_place(save, old, new, message):
    text = XML.format(unit="MBITPERSEC", kind="geographical")
    assert old in text
    with pytest.raises(FormatError, match=message):
        read_network(save(text.replace(old, new), "bad.xml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("9920.5", "lots", r"bad.txt:16: capacity of link 'L1' is 'lots'"),
        ("( 10.75 59.90 )", "( 10.75 )", r"bad.txt:10: expected 'id \( x y \)', found 'Oslo \( 10.75 \)'"),
        ("(Rome Bern)", "Rome Bern", r"bad.txt:17: expected 'id \( source target \) capacity"),
        ("LINKS (", "LINKS", r"bad.txt:15: expected a section such as 'NODES \('"),
        ("LINKS (", "NODES (", r"bad.txt:15: section NODES comes twice"),
        ("LINKS (", "EDGES (", r"bad.txt: has no section LINKS"),
        ("  )\n)\n", "  )\n", r"bad.txt: section ADMISSIBLE_PATHS is not closed"),
        ("P_0 ( L1 )", "P_0 ( L1 ))))", r"bad.txt:27: a parenthesis too many"),
        ("  unit =", "  linkModel = UP\n  unit =", r"linkModel is 'UP'"),
    ],
)
def test_bad_native_names_the_line(save, old, new, message):
    text = NATIVE.format(unit="MBITPERSEC")
    assert old in text
    with pytest.raises(FormatError, match=message):
        read_network(save(text.replace(old, new), "bad.txt"), format="sndlib-native")
