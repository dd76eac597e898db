"""Figures of link loads after failures."""

from __future__ import annotations

import numpy as np
import pytest

import odflow as of
from odflow import labels
from odflow.network.failures import each_link
from odflow.network.model import Link, Network
from odflow.network.routing import Routing

pytest.importorskip("matplotlib")


def test_points_are_the_loads(diamond_routing: Routing) -> None:
    from odflow.evaluate.failure_figures import failure_figure

    x = np.random.default_rng(0).uniform(1e7, 9e7, (3, 4, 4))
    tm = labels.demands(x, ["2026-01-05", "2026-01-06", "2026-01-07"], "abcd", 86400)
    found = of.whatif(tm, diamond_routing, each_link(diamond_routing.network))
    worst = found.worst()
    (axes,) = failure_figure(found, count=3).axes
    before, after = (line.get_xdata() for line in axes.lines[:2])
    np.testing.assert_allclose(after, [row["q0.5"] / 1e9 for row in worst[:3][::-1]])
    np.testing.assert_allclose(before, [row["before"] / 1e9 for row in worst[:3][::-1]])
    assert [label.get_text() for label in axes.get_yticklabels()] == [row["failure"] for row in worst[:3][::-1]]
    assert axes.get_xlabel() == "highest utilisation of any link (no intervals)"


def test_loads_where_capacities_are_not_known(diamond: Network) -> None:
    from odflow.evaluate.failure_figures import failure_figure

    links = [Link(link.id, link.source, link.target, None, 1.0) for link in diamond.links]
    routing = Routing.shortest_path(Network(diamond.nodes, links))
    tm = labels.demands(np.full((2, 4, 4), 3e7), ["2026-01-05", "2026-01-06"], "abcd", 86400)
    found = of.whatif(tm, routing, each_link(routing.network))
    (axes,) = failure_figure(found).axes
    assert axes.get_xlabel() == "Mbit/s, of the link that gains most (no intervals)"
    gained = found.worst()[0]
    assert axes.lines[1].get_xdata()[-1] == pytest.approx(gained["q0.5"] / 1e6)
