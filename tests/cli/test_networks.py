"""network, route and diagnose."""

from __future__ import annotations

import json

import numpy as np
import pytest

from odflow.network.epochs import RoutingEpochs
from odflow.network.model import Network
from odflow.network.routing import Routing


def test_show_names_what_is_there(odflow, files):
    ran = odflow("network", "show", files / "net.graphml", "--links")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Network 'diamond': 4 nodes (4 with coordinates), 10 directed links (2 parallel)")
    assert "nodes       a, b, c, d" in ran.out
    assert "1.00 Gbit/s" in ran.out
    assert "consistent" in ran.out
    assert all(line == line.rstrip() for line in ran.out.splitlines())


def test_show_as_json(odflow, files, diamond):
    ran = odflow("network", "show", files / "net.graphml", "--json")
    facts = json.loads(ran.out)
    assert [link["id"] for link in facts["links"]] == list(diamond.link_ids)
    assert facts["nodes"][1] == {"id": "b", "latitude": 1.0, "longitude": 1.0, "name": ""}
    assert facts["problems"] == []


def test_show_lists_problems_of_a_faulty_network(odflow, tmp_path):
    (tmp_path / "net.csv").write_text("id,source,target,capacity,metric\nx,a,a,1e9,1\ny,a,b,1e9,\n")
    ran = odflow("network", "show", tmp_path / "net.csv")
    assert ran.code == 0
    assert "error: link 'x' starts and ends at the same node [self-loop]" in ran.out
    assert "warning: link 'y' has no metric [metric]" in ran.out


def test_show_does_not_read_labels_as_markup(odflow, tmp_path):
    (tmp_path / "net.csv").write_text("id,source,target,capacity,metric\n[red]x[/red],[b],c,1e9,1\n")
    ran = odflow("network", "show", tmp_path / "net.csv", "--links")
    assert "[red]x[/red]" in ran.out
    assert "nodes       [b], c" in ran.out


@pytest.mark.parametrize("suffix", [".xml", ".gml", ".graph", ".csv", ".graphml", ".txt"])
def test_convert_keeps_the_links(odflow, files, diamond, suffix):
    out = files / f"copy{suffix}"
    ran = odflow("network", "convert", files / "net.graphml", out)
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    again = Network.read(out)
    assert [(k.source, k.target) for k in again.links] == [(k.source, k.target) for k in diamond.links]


def test_convert_from_topohub(odflow, tmp_path):
    assert odflow("network", "convert", "topohub:sndlib/polska", tmp_path / "net.csv").code == 0
    assert len(Network.read(tmp_path / "net.csv").links) == 36


def test_route_writes_what_shortest_path_computes(odflow, files, diamond_routing):
    ran = odflow("route", files / "net.graphml", "-o", files / "r.nc")
    assert ran.code == 0
    assert ran.out.startswith(f"{files}/r.nc: Routing: 10 links + 8 access links x 16 OD pairs of 4 nodes")
    routing = Routing.read(files / "r.nc")
    assert routing.links == diamond_routing.links
    assert (routing.matrix != diamond_routing.matrix).nnz == 0


def test_route_with_failures(odflow, files, diamond_routing):
    ran = odflow(
        "route", files / "net.graphml", "--fail", "ab1", "--fail", "ab2", "--fail-node", "c", "-o", files / "r.csv"
    )
    assert ran.code == 0
    assert "down: 'ab1', 'ab2', 'c'; " in ran.out
    routing = Routing.read(files / "r.csv")
    expected = diamond_routing.without(links=["ab1", "ab2"], nodes=["c"])
    assert (routing.relabelled(expected.links, expected.nodes).matrix != expected.matrix).nnz == 0
    assert ("a", "b") in routing.unreachable


def test_route_between_some_nodes_only(odflow, files):
    assert odflow("route", files / "net.graphml", "--edge-nodes", "a,d", "-o", files / "r.csv", "-q").out == ""
    routing = Routing.read(files / "r.csv")
    assert routing.nodes == ("a", "d")
    assert np.isclose(routing.matrix[routing.links.index("cd")].sum(), 1 / 3)


def test_route_by_hops_where_metrics_are_missing(odflow, tmp_path):
    (tmp_path / "net.csv").write_text("id,source,target,capacity,metric\nx,a,b,,\ny,b,a,,\n")
    ran = odflow("route", tmp_path / "net.csv", "-o", tmp_path / "r.csv")
    assert ran.code == 2
    assert "link 'x', 'y' has no metric" in ran.err
    assert "--metric hops" in ran.err
    assert not (tmp_path / "r.csv").exists()
    assert odflow("route", tmp_path / "net.csv", "--metric", "hops", "-o", tmp_path / "r.csv").code == 0


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("r.txt", "the suffix must be one of '.csv', '.nc'"),
        ("none/r.csv", "no such folder"),
        ("net.csv", "is also an input"),
        ("sub/../net.csv", "is also an input"),
        ("link.csv", "is also an input"),
        ("folder.csv", "it is a folder"),
        ("file/r.csv", "not a folder"),
    ],
)
def test_outputs_that_cannot_be(odflow, files, output, message):
    odflow("network", "convert", files / "net.graphml", files / "net.csv")
    text = (files / "net.csv").read_bytes()
    (files / "sub").mkdir()
    (files / "folder.csv").mkdir()
    (files / "file").write_text("")
    (files / "link.csv").symlink_to("net.csv")
    ran = odflow("route", files / "net.csv", "-o", f"{files}/{output}")
    assert ran.code == 2
    assert message in ran.err
    assert (files / "net.csv").read_bytes() == text


def test_diagnose_a_network(odflow, files):
    ran = odflow("diagnose", files / "net.graphml")
    assert (ran.code, ran.err) == (0, "")
    assert "18 counters measured, 0 missing; 16 flows of 4 nodes" in ran.out


def test_diagnose_a_routing_with_bounds(odflow, files, traffic):
    ran = odflow("diagnose", files / "routing.csv", "--loads", files / "loads.nc", "--bounds", "--top", 3)
    assert ran.code == 0
    assert "16 flows bounded" in ran.out
    table = ran.out[ran.out.index("at least") :].splitlines()
    assert len([line for line in table if "bit/s" in line]) == 3
    facts = json.loads(
        odflow("diagnose", files / "routing.csv", "--loads", files / "loads.nc", "--bounds", "--json").out
    )
    truth = traffic[84]
    for row in facts["bounds"]:
        true = float(truth.sel(origin=row["origin"], destination=row["destination"]))
        assert row["lower"] <= true * (1 + 1e-6)
        assert true <= row["upper"] * (1 + 1e-6)


def test_diagnose_at_a_time(odflow, files, traffic):
    time = str(traffic["time"].values[90].astype("datetime64[s]"))
    ran = odflow("diagnose", files / "net.graphml", "--loads", files / "loads.nc", "--time", time)
    assert ran.code == 0
    ran = odflow("diagnose", files / "net.graphml", "--loads", files / "loads.nc", "--time", "2020-01-01")
    assert ran.code == 2
    assert "no interval that starts at 2020-01-01" in ran.err
    ran = odflow("diagnose", files / "net.graphml", "--bounds")
    assert (ran.code, ran.err) == (2, "odflow: error: --bounds needs the loads; give --loads FILE\n")


@pytest.mark.parametrize("suffix", [".csv", ".nc"])
def test_routings_with_epochs_are_recognised(odflow, files, diamond_routing, traffic, suffix):
    middle = traffic["time"].values[90]
    epochs = RoutingEpochs.from_events(diamond_routing, [(middle, ["ab1", "ab2"])])
    epochs.write(files / f"epochs{suffix}")
    truth = traffic[84:96]
    from odflow.traffic.files import write

    write(epochs.loads(truth), files / "loads2.nc")
    ran = odflow(
        "estimate", files / "loads2.nc", "--routing", files / f"epochs{suffix}", "-o", files / "x.nc", "--json"
    )
    assert ran.code == 0
    assert json.loads(ran.out)["link_residual"] < 1e-2
