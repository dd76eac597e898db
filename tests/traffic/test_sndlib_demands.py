"""SNDlib demand matrices, XML and native: known answers, conventions, errors that name the place."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odflow.errors import OdflowError
from odflow.network.model import Link, Network, Node
from odflow.network.routing import Routing
from odflow.traffic.files import read_demands

fuzz = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])

XML = """<?xml version="1.0"?>
<network xmlns="http://sndlib.zib.de/network" version="1.0">
 <meta>
  <granularity>5min</granularity><time>20240101-0005</time><unit>MBITPERSEC</unit><origin>us</origin>
 </meta>
 <networkStructure>
  <nodes><node id="A"/><node id="B"/><node id="C"/></nodes><links/>
 </networkStructure>
 <demands>
  <demand id="A_B"><source>A</source><target>B</target><demandValue> 1.5 </demandValue></demand>
  <demand id="C_A"><source>C</source><target>A</target><demandValue>2</demandValue></demand>
 </demands>
</network>
"""
NATIVE = """?SNDlib native format; type: network; version: 1.0
# network t

META (
  granularity = 5min
  time = 20240101-0005
  unit = MBITPERSEC
  origin = us
)
NODES (
  A ( 1.0 2.0 )
  B ( 3.00 -4.00 ) ( ) ( )
  C
)
LINKS (
  L1 ( A B ) 0.00 0.00 0.00 0.00 ( 40.00 1.00 )
)
DEMANDS (
  A_B ( A B ) 1 1.5 UNLIMITED
  C_A ( C A ) 1 2 UNLIMITED
)
ADMISSIBLE_PATHS ()
"""


@pytest.fixture
def read(tmp_path):
    def reader(text, **options):
        path = tmp_path / ("d.xml" if text.lstrip().startswith("<") else "d.txt")
        path.write_text(text)
        return read_demands(path, **options)

    return reader


@pytest.mark.parametrize("text", [XML, NATIVE], ids=["xml", "native"])
def test_known_answer(read, text):
    tm = read(text)
    assert tm["origin"].values.tolist() == ["A", "B", "C"]
    np.testing.assert_array_equal(tm.values, [[[0, 1.5e6, 0], [0, 0, 0], [2e6, 0, 0]]])
    assert tm["time"].values.tolist() == np.array(["2024-01-01T00:05"], "M8[ns]").tolist()
    assert tm.attrs == {"units": "bit/s", "interval_s": 300.0, "source": "us"}


@pytest.mark.parametrize("text", [XML, NATIVE], ids=["xml", "native"])
def test_several_demands_of_a_pair_and_routing_units_add_up(read, text):
    more = text.replace(
        "<demand id=\"C_A\">", '<demand id="2"><source>A</source><target>B</target><demandValue>0.25</demandValue>'
        "<routingUnit>2</routingUnit></demand><demand id=\"C_A\">",
    ).replace("  C_A (", "  x ( A B ) 2 0.25 3\n  C_A (")  # fmt: skip
    assert read(more).sel(origin="A", destination="B").item() == 2e6


@pytest.mark.parametrize("text", [XML, NATIVE], ids=["xml", "native"])
def test_planning_instances_need_start_unit_and_interval(read, text):
    for old, new in (("20240101-0005", "2005"), ("MBITPERSEC", ""), ("5min", "4month")):
        text = text.replace(old, new)
    for missing, message in (
        ({"start", "unit", "interval"}, "states no unit; pass one"),
        ({"start", "interval"}, "states no time; pass start="),
        ({"interval"}, "states no interval; pass interval="),
    ):
        given = {"start": "2024-01-01T00:05Z", "unit": "Gbit/s", "interval": "1h"}
        with pytest.raises(OdflowError, match=message):
            read(text, **{name: value for name, value in given.items() if name not in missing})
    tm = read(text, start="2024-01-01T02:05+02:00", unit="Gbit/s", interval="1h")
    assert tm.max() == 2e9
    assert tm.attrs["interval_s"] == 3600
    assert tm["time"].values[0] == np.datetime64("2024-01-01T00:05")


BAD = [
    (XML, "B</target>", "D</target>", "demand from 'A' to 'D': no node 'D' in the file"),
    (XML, " 1.5 ", "-1", "demand 'A_B': -1 cannot be traffic"),
    (XML, " 1.5 ", "many", "demand 'A_B' is 'many', expected a number"),
    (XML, " 1.5 ", "1e999", "demand 'A_B': inf cannot be traffic"),
    (XML, "<source>A</source>", "", "demand 'A_B' has no <source>"),
    (XML, '<node id="C"/>', '<node id="B"/>', "node 'B' occurs twice"),
    (XML, '<node id="C"/>', "<node/>", "node number 3 has no id"),
    (XML, '<node id="A"/><node id="B"/><node id="C"/>', "", "lists no nodes"),
    (XML, "20240101-0005", "20241301-0005", "time is '20241301-0005'"),
    (XML, "20240101-0005", "yesterday", "time is 'yesterday'"),
    (XML, "5min", "-5min", "granularity is '-5min'"),
    (XML, "5min", "5", "granularity is '5'"),
    (XML, "MBITPERSEC", "PIGEONS", "unknown unit 'PIGEONS'"),
    (XML, "</demands>", "", "d.xml:13: not well-formed XML"),
    (XML, "demands>", "demand_s>", "has no <demands>"),
    (XML, '<?xml version="1.0"?>', '<!DOCTYPE x [<!ENTITY a "b">]>', "declares XML entities"),
    (NATIVE, "A_B ( A B )", "A_B ( A D )", "d.txt:19: demand from 'A' to 'D': no node 'D'"),
    (NATIVE, "1 1.5", "1 -1.5", "d.txt:19: demand 'A_B': -1.5 cannot be traffic"),
    (NATIVE, "1 1.5", "1 x", "d.txt:19: demand 'A_B' is 'x', expected a number"),
    (NATIVE, "1 1.5 UNLIMITED", "", "d.txt:19: expected 'id ( source target ) routing_unit value'"),
    (NATIVE, "  C\n", "  C (\n", "d.txt:13: expected 'node ( x y )'"),
    (NATIVE, "  C\n", "  B\n", "d.txt:13: node 'B' occurs twice"),
    (NATIVE, "UNLIMITED\n)", "UNLIMITED\n", "d.txt:22: expected 'id ( source target ) routing_unit value'"),
    (NATIVE, "ADMISSIBLE_PATHS ()", "ADMISSIBLE_PATHS (", "ends inside ADMISSIBLE_PATHS"),
    (NATIVE, "DEMANDS (", "WISHES (", "has no section DEMANDS"),
    (NATIVE, "META (", "META", "d.txt:4: expected a section such as 'NODES ('"),
]


@pytest.mark.parametrize(("text", "old", "new", "message"), BAD, ids=[case[3] for case in BAD])
def test_bad_files_name_the_place(read, text, old, new, message):
    assert old in text
    with pytest.raises(OdflowError) as caught:
        read(text.replace(old, new, -1 if old == "demands>" else 1))
    assert message in str(caught.value)


def test_contradictions_are_refused(read):
    with pytest.raises(OdflowError, match="says it is in MBITPERSEC, not kbit/s"):
        read(XML, unit="kbit/s")
    with pytest.raises(OdflowError, match="states its time; leave out start="):
        read(XML, start="2024-01-01")
    with pytest.raises(OdflowError, match="has intervals of 300 s, not 600 s"):
        read(XML, interval="10min")
    with pytest.raises(OdflowError, match="column=2 is for Zhang's files"):
        read(XML, column=2)
    assert read(XML, unit="Mbit/s", interval=300).max() == 2e6
    assert read(XML.replace("MBITPERSEC", "Mb in a second"), unit="Mbit/s").max() == 2e6


def test_a_name_that_differs_is_asked_for_and_never_guessed(read):
    names = ["A-M5", "B", "C"]
    with pytest.raises(OdflowError, match=r"has node 'A' where 'A-M5' is asked for.*rename=\{'A': 'A-M5'\}"):
        read(XML, nodes=names)
    with pytest.raises(OdflowError, match="has node 'A', 'B', not among the nodes"):
        read(XML, nodes=["A-M5", "B-M5", "C"])
    assert read(XML, nodes=names, rename={"A": "A-M5"}).sel(origin="C", destination="A-M5").item() == 2e6
    ring = tuple(Link(f"{a}{b}", a, b, 1e9, 1.0) for a in names for b in names if a != b)
    routing = Routing.shortest_path(Network(tuple(Node(n) for n in names), ring))
    with pytest.raises(OdflowError, match=r"read_demands\(\.\.\., rename=\{'A': 'A-M5'\}\)"):
        routing.loads(read(XML))


PIECE = st.sampled_from(
    ["A", "B", "(", ")", "( A B )", "1", "-1", "nan", "\n", "#", "META (", "NODES (", "DEMANDS (", "time = ", "unit = "]
) | st.text(max_size=3)


@fuzz
@given(pieces=st.lists(PIECE, max_size=30), cut=st.integers(0, len(NATIVE)))
def test_only_odflow_errors_escape_native(tmp_path, pieces, cut):
    path = tmp_path / "f.txt"
    path.write_text(NATIVE[:cut] + " ".join(pieces) + NATIVE[cut:], encoding="utf-8", errors="replace")
    try:
        tm = read_demands(path, format="sndlib-native", start=None)
    except OdflowError:
        return
    assert (tm.values >= 0).all()


@fuzz
@given(junk=st.text(max_size=12), cut=st.integers(0, len(XML)), skip=st.integers(0, 40))
def test_only_odflow_errors_escape_xml(tmp_path, junk, cut, skip):
    path = tmp_path / "f.xml"
    path.write_text(XML[:cut] + junk + XML[cut + skip :], encoding="utf-8", errors="replace")
    try:
        tm = read_demands(path, format="sndlib-xml")
    except OdflowError:
        return
    assert (tm.values >= 0).all()
