"""TOTEM TrafficMatrix XML, folders and globs of per-interval files."""

import io
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odflow.errors import OdflowError
from odflow.traffic.files import read_demands, read_loads

fuzz = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])

DATED = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<TrafficMatrixFile>
  <info>
    <date>2024-01-01T00:30:00</date><duration>900</duration>
    <units><unit type="delay" value="ms"/><unit type="bandwidth" value="mbps"/></units>
  </info>
  <IntraTM ASID="1">
    <src id="10"><dst id="2">1.5</dst><dst id="10">4</dst></src>
    <src id="2"><dst id="10">2</dst></src>
  </IntraTM>
</TrafficMatrixFile>
"""
BARE = '<TrafficMatrixFile><IntraTM ASID="1">{}</IntraTM></TrafficMatrixFile>'


def bare(*pairs):
    return BARE.format("".join(f'<src id="{o}"><dst id="{d}">{v}</dst></src>' for o, d, v in pairs))


def test_known_answer(tmp_path):
    path = tmp_path / "tm.xml"
    path.write_text(DATED)
    tm = read_demands(path)
    assert tm["origin"].values.tolist() == ["2", "10"]  # by number, not by letter
    np.testing.assert_array_equal(tm.values, [[[0, 2e6], [1.5e6, 4e6]]])
    assert tm["time"].values[0] == np.datetime64("2024-01-01T00:30")
    assert tm.attrs == {"units": "bit/s", "interval_s": 900.0}


@pytest.mark.parametrize("name", ["TM-2024-01-01-0015.xml", "IntraTM-2024-01-01-00-15.xml", "x_2024-01-01T00-15_y.xml"])
def test_time_from_the_file_name_and_kbit_by_default(tmp_path, name):
    (tmp_path / name).write_text(bare(("a", "b", 3)))
    tm = read_demands(tmp_path / name, interval="5min")
    assert tm["time"].values[0] == np.datetime64("2024-01-01T00:15")
    assert tm.max() == 3e3
    assert read_demands(tmp_path / name, interval="5min", unit="bit/s").max() == 3


def test_a_folder_is_one_array_over_the_union_of_nodes(tmp_path):
    for minute, pairs in ((10, [("c", "a", 3)]), (0, [("a", "b", 1)]), (5, [("b", "a", 2)])):
        (tmp_path / f"TM-2024-01-01-00{minute:02d}.xml").write_text(bare(*pairs))
    tm = read_demands(tmp_path)
    assert tm["origin"].values.tolist() == ["a", "b", "c"]
    expected = np.zeros((3, 3, 3))
    expected[0, 0, 1], expected[1, 1, 0], expected[2, 2, 0] = 1e3, 2e3, 3e3
    np.testing.assert_array_equal(tm.values, expected)
    assert tm.attrs["interval_s"] == 300
    assert read_demands(str(tmp_path / "TM-*0[05].xml")).sizes == {"time": 2, "origin": 2, "destination": 2}
    wide = read_demands(tmp_path, nodes=["d", "c", "b", "a"])
    assert wide["origin"].values.tolist() == ["d", "c", "b", "a"]
    assert wide.sel(origin="d").sum() == 0
    assert wide.sel(origin="a", destination="b").values.tolist() == [1e3, 0, 0]


def test_files_are_sorted_by_time_whatever_their_names(tmp_path):
    for name, minute in (("a.xml", 30), ("b.xml", 0), ("c.xml", 15)):
        (tmp_path / name).write_text(DATED.replace("00:30:00", f"00:{minute:02d}:00").replace("1.5", str(minute)))
    tm = read_demands(str(tmp_path / "*.xml"))
    assert tm.sel(origin="10", destination="2").values.tolist() == [0, 15e6, 30e6]


def test_two_files_of_one_time_are_both_named(tmp_path):
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_text(DATED)
    with pytest.raises(OdflowError, match=r"a\.xml and .*b\.xml both hold the time 2024-01-01T00:30:00"):
        read_demands(tmp_path)


def test_files_of_different_intervals_are_named(tmp_path):
    (tmp_path / "a.xml").write_text(DATED)
    (tmp_path / "b.xml").write_text(DATED.replace("00:30:00", "00:45:00").replace("900", "300"))
    with pytest.raises(OdflowError, match=r"b\.xml: has intervals of 300 s, .*a\.xml has 900 s"):
        read_demands(tmp_path)


def test_csv_files_join_as_well(tmp_path):
    for k in (1, 0):
        (tmp_path / f"{k}.csv").write_text(f"time,origin,destination,demand\n{300 * k},a,b,{k}\n{300 * k},b,a,\n")
    tm = read_demands(tmp_path, interval=300)
    assert tm.sel(origin="a", destination="b").values.tolist() == [0, 1]
    (tmp_path / "2.csv").write_text("time,origin,destination,demand\n300,b,a,5\n")
    with pytest.raises(OdflowError, match=r"1\.csv and .*2\.csv both hold the time 1970-01-01T00:05:00"):
        read_demands(tmp_path, interval=300)
    (tmp_path / "2.csv").write_text("time,origin,destination,demand\n600,b,c,5\n")
    with pytest.raises(OdflowError, match=r"0\.csv and .*2\.csv differ in origin"):
        read_demands(tmp_path, interval=300)


BAD = [
    (">1.5<", ">-1<", "demand from '10' to '2': -1 cannot be traffic"),
    (">1.5<", ">1,5<", "demand from '10' to '2' is '1,5', expected a number"),
    (">1.5<", "><", "demand from '10' to '2' is empty"),
    (">1.5<", ">inf<", "demand from '10' to '2': inf cannot be traffic"),
    ('<dst id="10">4', '<dst id="2">4', "demand from '10' to '2' occurs twice"),
    ('<src id="2">', "<src>", "a <src> has no id"),
    ('<dst id="2">', "<dst>", "a <dst> of <src id='10'> has no id"),
    ("mbps", "cars", "unknown unit 'cars'"),
    ("900", "0", "<duration> is 0, expected seconds"),
    ("900", "soon", "<duration> is 'soon'"),
    ("2024-01-01T00:30:00", "2024-01-41T00:30:00", "<date> is '2024-01-41T00:30:00'"),
    ("IntraTM", "InterTM", "has 0 <IntraTM>, expected one"),
    ("</IntraTM>", "</IntraTM><IntraTM/>", "has 2 <IntraTM>, expected one"),
    ("src", "from", "has no <src> with a <dst>"),
    ("TrafficMatrixFile", "domain", "is a TOTEM topology, not a traffic matrix"),
    ("TrafficMatrixFile", "graphml", "is XML with <graphml>, not a traffic matrix"),
    ("</IntraTM>", "", "tm.xml:11: not well-formed XML"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD, ids=[case[2] for case in BAD])
def test_bad_files_name_the_place(tmp_path, old, new, message):
    assert old in DATED
    path = tmp_path / "tm.xml"
    path.write_text(DATED.replace(old, new, -1 if old.isalpha() else 1))
    with pytest.raises(OdflowError) as caught:
        read_demands(path)
    assert message in str(caught.value)
    assert "tm.xml" in str(caught.value)


def test_entity_bomb(tmp_path):
    path = tmp_path / "tm.xml"
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    path.write_text(DATED.replace("<TrafficMatrixFile>", f"{bomb}<TrafficMatrixFile>&b;", 1))
    with pytest.raises(OdflowError, match="declares XML entities"):
        read_demands(path)


def test_name_and_date_must_agree(tmp_path):
    path = tmp_path / "IntraTM-2024-01-01-00-45.xml"
    path.write_text(DATED)
    with pytest.raises(OdflowError, match="<date> is 2024-01-01T00:30:00 but the file name says 2024-01-01T00:45"):
        read_demands(path)
    path.write_text(DATED.replace("2024-01-01T00:30:00", "2007-03-19"))  # a day alone: when the file was made
    assert read_demands(path)["time"].values[0] == np.datetime64("2024-01-01T00:45")


def test_places_that_hold_nothing(tmp_path):
    with pytest.raises(OdflowError, match="no such file or folder"):
        read_demands(tmp_path / "nothing.xml")
    with pytest.raises(OdflowError, match="an empty folder"):
        read_demands(tmp_path)
    with pytest.raises(OdflowError, match="matches no file"):
        read_demands(str(tmp_path / "*.xml"))
    with pytest.raises(OdflowError, match="no such file"):
        read_demands("a\0b")
    (tmp_path / "tm.xml").write_text(DATED)
    (tmp_path / "more").mkdir()
    with pytest.raises(OdflowError, match="is a folder inside the folder"):
        read_demands(tmp_path)
    (tmp_path / "more").rmdir()
    (tmp_path / "t.csv").write_text("time,origin,destination,demand\n")
    with pytest.raises(OdflowError, match=r"csv but .* is totem; choose the files"):
        read_demands(tmp_path)
    with pytest.raises(OdflowError, match="totem holds demands, not loads"):
        read_loads(tmp_path / "tm.xml")
    with pytest.raises(OdflowError, match="unknown format 'xml'; use one of netcdf"):
        read_demands(tmp_path / "tm.xml", format="xml")


def test_progress_only_on_a_terminal(tmp_path, monkeypatch):
    for minute in (0, 5):
        (tmp_path / f"TM-2024-01-01-00{minute:02d}.xml").write_text(bare(("a", "b", 1)))

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    for stream, shown in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert read_demands(tmp_path, progress=True).sizes["time"] == 2
        assert ("reading" in stream.getvalue()) is shown


@fuzz
@given(junk=st.text(max_size=12), cut=st.integers(0, len(DATED)), skip=st.integers(0, 40))
def test_only_odflow_errors_escape(tmp_path, junk, cut, skip):
    path = tmp_path / "f.xml"
    path.write_text(DATED[:cut] + junk + DATED[cut + skip :], encoding="utf-8", errors="replace")
    try:
        tm = read_demands(path, format="totem")
    except OdflowError:
        return
    assert (tm.values >= 0).all()
