from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from odflow import labels
from odflow.errors import LabelError, RoutingError
from odflow.network.epochs import RoutingEpochs
from odflow.network.model import Network
from odflow.network.routing import Routing
from odflow.testing import check_operator

DAYS = np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[ns]")


@pytest.fixture
def epochs(diamond_routing: Routing) -> RoutingEpochs:
    return RoutingEpochs(DAYS, (diamond_routing, diamond_routing.without(links=["ac"])))


def ones(times: np.ndarray) -> xr.DataArray:
    return labels.demands(np.ones((len(times), 4, 4)), times, list("abcd"), 3600.0)


def test_segments_by_start_of_interval(epochs: RoutingEpochs) -> None:
    times = labels.as_times(["2024-01-01", "2024-01-01T23:59", "2024-01-02", "2024-02-01"])
    (first, a), (second, b) = epochs.segments(times)
    assert (first, second) == (slice(0, 2), slice(2, 4))
    assert (a, b) == epochs.routings
    assert epochs.segments(times[:0]) == []
    assert len(epochs.segments(times[[0, 2, 1, 3]])) == 4


def test_loads_follow_the_routing_of_each_time(epochs: RoutingEpochs) -> None:
    x = ones(DAYS)
    loads = epochs.loads(x)
    first, second = epochs.routings
    xr.testing.assert_identical(loads[:1], first.loads(x[:1]))
    xr.testing.assert_identical(loads[1:], second.loads(x[1:]))
    assert loads.sel(link="ac").values.tolist() == [pytest.approx(1 + 1 / 3 + 2 / 3), 0.0]
    assert loads.attrs == {"units": "bit/s", "interval_s": 3600.0}
    back = epochs.adjoint(loads)
    xr.testing.assert_identical(back[1:], second.adjoint(loads[1:]))
    assert back.attrs == loads.attrs


def test_epochs_are_an_operator(epochs: RoutingEpochs) -> None:
    check_operator(epochs)
    turned = epochs.routings[1].relabelled(epochs.links[::-1], epochs.nodes[::-1])
    check_operator(RoutingEpochs(DAYS, (epochs.routings[0], turned)))


def test_links_are_brought_to_their_union(diamond: Network, diamond_routing: Routing) -> None:
    fewer = Routing.shortest_path(diamond.without(links=["ac"]))
    assert "ac" not in fewer.links
    epochs = RoutingEpochs(DAYS, (fewer, diamond_routing))
    assert set(epochs.links) == set(diamond_routing.links)
    assert epochs.links[-1] == "ac"
    assert epochs.routings[0].links == epochs.routings[1].links
    assert epochs.loads(ones(DAYS)).sel(link="ac").values[0] == 0.0


def test_at(epochs: RoutingEpochs) -> None:
    assert epochs.at("2024-01-01T12:00") is epochs.routings[0]
    assert epochs.at(DAYS[1]) is epochs.routings[1]
    with pytest.raises(RoutingError, match="time 2023-12-31T00:00:00 lies before the first routing epoch, 2024-01-01"):
        epochs.at("2023-12-31")
    with pytest.raises(LabelError, match="cannot be read as dates"):
        epochs.at("noon")
    with pytest.raises(LabelError, match="time zone"):
        epochs.at("2024-01-01T00:00Z")


def test_times_before_the_first_epoch_are_refused(epochs: RoutingEpochs) -> None:
    with pytest.raises(RoutingError, match="lies before the first routing epoch"):
        epochs.loads(ones(DAYS - np.timedelta64(1, "D")))


def test_events(diamond_routing: Routing) -> None:
    epochs = RoutingEpochs.from_events(diamond_routing, [("2024-01-02", ["ac"]), (np.datetime64("2024-01-03"), [])])
    assert epochs.at("1999-01-01") is diamond_routing
    assert epochs.at("2024-01-02").loads(ones(DAYS[:1])).sel(link="ac").item() == 0.0
    assert epochs.at("2024-01-03T05:00") is diamond_routing
    with pytest.raises(RoutingError, match="increasing"):
        RoutingEpochs.from_events(diamond_routing, [("2024-01-02", ["ac"]), ("2024-01-01", [])])


def test_repr(epochs: RoutingEpochs) -> None:
    assert repr(epochs) == "<RoutingEpochs: 2 from 2024-01-01T00:00:00, 18 links, 4 nodes>"


def test_bad_epochs(diamond: Network, diamond_routing: Routing) -> None:
    two = (diamond_routing, diamond_routing)
    some = Routing.shortest_path(diamond, edge_nodes=["a", "b"])
    cases = [
        (DAYS[::-1], two, "increasing times"),
        (DAYS[[0, 0]], two, "increasing times"),
        (np.array(["NaT", "2024-01-01"], dtype="datetime64[ns]"), two, "increasing times"),
        (DAYS[:1], two, "1 starts for 2 routings"),
        (DAYS[:0], (), "0 starts for 0 routings"),
        (DAYS, (diamond_routing, some), "differ in nodes 'c', 'd'; use Routing.relabelled"),
        (DAYS, (diamond_routing, diamond), "made of Routing, not Network"),
    ]
    for starts, routings, message in cases:
        with pytest.raises(RoutingError, match=message):
            RoutingEpochs(starts, routings)
    with pytest.raises(LabelError, match="plain numbers"):
        RoutingEpochs([0, 1], two)
