"""Input that looks odd and is right: taken as it is, without a word too many."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from odflow.network.routing import Routing
from odflow.traffic.files import read_demands, read_loads, write

METHODS = ("gravity", "tomogravity", "kl", "gaussian", "moments", "simulated-prior")


@pytest.fixture
def estimated(workplace, odflow):
    """Run ``odflow estimate`` without a word on stderr, and return the TMs."""

    def run(command: str):
        ran = odflow("estimate", *shlex.split(command), "-o", "x.nc")
        assert (ran.code, ran.err) == (0, "")
        return read_demands("x.nc")

    return run


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("noise", ["0", "0.05"])
def test_no_traffic_at_all_is_an_estimate_of_zero(estimated, workplace, method, noise):
    loads = read_loads("loads.nc")
    write(loads.copy(data=np.zeros_like(loads)), "loads.nc")
    history = " --history history.nc" if method == "gaussian" else ""
    matrices = estimated(f"loads.nc -n net.csv --method {method} --noise {noise}{history}")
    assert matrices.shape == (12, 4, 4)
    assert (matrices == 0).all()


def test_no_traffic_from_counters_either(workplace, odflow):
    rows = [f"2026-01-12T{hour:02}:00Z,{node},{name},7,7" for node, name in NAMED for hour in range(3)]
    (workplace / "polls.csv").write_text("time,node,interface,in_octets,out_octets\n" + "\n".join(rows))
    ran = odflow("counters", "polls.csv", "-i", "map.csv", "--interval", "1h", "-o", "x.nc")
    assert (ran.code, ran.err) == (0, "")
    assert read_loads("x.nc").sel(link=["ac", "in:a"]).values.tolist() == [[0, 0], [0, 0]]


NAMED = (("a", "to-b:ab1"), ("a", "to-b:ab2"), ("a", "to-c"), ("a", "host"), ("b", "to-a:ba1"), ("b", "to-a:ba2"))
NAMED += (("b", "to-d"), ("b", "host"), ("c", "to-a"), ("c", "to-d"), ("c", "host"), ("d", "to-b"), ("d", "to-c"))
NAMED += (("d", "host"),)


@pytest.mark.parametrize("suffix", ["csv", "nc"])
def test_epochs_where_one_routing_would_do(estimated, workplace, diamond_routing, suffix):
    loads = read_loads("loads.nc")[:6]
    write(loads, "loads.nc")  # before the failure of the second epoch
    plain = estimated("loads.nc --routing routing.csv")
    np.testing.assert_allclose(estimated(f"loads.nc --routing epochs.{suffix}"), plain, rtol=1e-9)


def test_shuffled_links_and_nodes(estimated, workplace):
    plain = estimated("loads.nc -n net.csv --history history.nc")
    write(read_loads("loads.nc")[:, ::-1], "loads.nc")
    write(read_demands("history.nc")[:, [3, 0, 2, 1], [2, 3, 1, 0]], "history.nc")
    shuffled = estimated("loads.nc -n net.csv --history history.nc")
    np.testing.assert_allclose(shuffled.sel(origin=plain["origin"], destination=plain["destination"]), plain, rtol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[:1] + rows[:0:-1],
        lambda rows: [row.replace("T00:00:00Z", "T02:00:00+02:00") for row in rows],
        lambda rows: [row.replace(",", ";") for row in rows],
        lambda rows: [row + "\r" for row in rows],
        lambda rows: ["\ufeff" + rows[0], *rows[1:]],
        lambda rows: ["", *rows[:50], "", *rows[50:], ""],
        lambda rows: [",".join(f'" {cell}"' for cell in row.split(",")) for row in rows],
    ],
    ids=["backwards", "zones", "semicolons", "Windows", "byte-order mark", "empty lines", "quotes and blanks"],
)
def test_csv_as_other_programs_write_it(estimated, workplace, change):
    path = workplace / "loads.csv"
    plain = read_loads(path)
    path.write_text("\n".join(change(path.read_text().splitlines())), encoding="utf-8")
    read = read_loads(path)
    np.testing.assert_array_equal(read.sel(link=plain["link"]), plain)
    assert (read["time"] == plain["time"]).all()
    assert not estimated("loads.csv -n net.csv").isnull().any()


def test_a_network_in_two_parts(workplace, odflow):
    text = "id,source,target,capacity,metric\nl,a,b,1,1\nm,b,a,1,1\nn,c,d,1,1\no,d,c,1,1\n"
    (workplace / "n.csv").write_text(text)
    ran = odflow("route", "n.csv", "-o", "x.csv")
    assert ran.code == 0
    assert ran.err.startswith("odflow: warning: 8 OD pairs have no path: 'a->c', 'a->d', ")
    assert ran.err.count("\n") == 1
    assert len(Routing.read("x.csv").unreachable) == 8


def test_a_network_of_one_node(workplace, odflow):
    (workplace / "n.graphml").write_text('<graphml><graph edgedefault="directed"><node id="a"/></graph></graphml>')
    ran = odflow("route", "n.graphml", "-o", "x.csv")
    assert (ran.code, ran.err) == (0, "")
    assert Routing.read("x.csv").links == ("in:a", "out:a")


def test_a_network_without_links(workplace, odflow):
    nodes = '<node id="a"/><node id="b"/>'
    (workplace / "n.graphml").write_text(f'<graphml><graph edgedefault="directed">{nodes}</graph></graphml>')
    ran = odflow("route", "n.graphml", "-o", "x.csv")
    assert ran.code == 0
    assert ran.err == "odflow: warning: 2 OD pairs have no path: 'a->b', 'b->a'; their traffic is not carried\n"


def test_a_wrong_metric_shows(workplace, odflow):
    """Loads that the routing cannot have made are said to be missed."""
    text = (workplace / "net.csv").read_text()
    (workplace / "net.csv").write_text(text.replace("a,b,1000000000,1", "a,b,1000000000,3"))
    ran = odflow("estimate", "loads.nc", "-n", "net.csv", "-o", "x.nc")
    assert ran.code == 0
    assert "odflow: warning: the estimate misses the loads by" in ran.err
    assert "most on link 'ab1': do routing, history and known demands belong to these loads?" in ran.err
