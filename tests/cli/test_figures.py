"""Figures and HTML of reports."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from odflow import labels
from odflow.errors import DataError
from odflow.evaluate import panels
from odflow.evaluate.figures import (
    error_figure,
    flows_figure,
    overview_figure,
    palette,
    quality_figure,
    scatter_figure,
    utilisation_figure,
)
from odflow.evaluate.html import Section, Spark, TableOf, page, png, write_page
from odflow.traffic.counters import counters_to_loads
from odflow.traffic.polling import simulate_polls


@pytest.fixture
def truth(traffic):
    return traffic[84:168]


@pytest.fixture
def loads(truth, diamond_routing):
    return diamond_routing.loads(truth)


def test_scatter_shows_every_flow_at_its_means(truth):
    figure = scatter_figure(truth, {"twice": 2 * truth, "same": truth})
    twice, same = figure.axes
    points = twice.collections[-1].get_offsets()
    np.testing.assert_allclose(points[:, 1], 2 * points[:, 0])
    assert points.shape == (16, 2)
    assert "TRE 1.000" in twice.texts[0].get_text()
    assert "within factor 2: 100%" in same.texts[0].get_text()
    assert twice.get_title(loc="left") == "twice"
    assert re.fullmatch(r"true mean, [kMG]bit/s", twice.get_xlabel())


def test_errors_are_hourly_means(truth):
    figure = error_figure(truth, {"twice": 2 * truth, "half": truth / 2})
    lines = {line.get_color(): line for line in figure.axes[0].lines}
    colors = palette(["twice", "half"])
    np.testing.assert_allclose(lines[colors["twice"]].get_ydata(), 1.0)
    np.testing.assert_allclose(lines[colors["half"]].get_ydata(), 0.5)
    assert {text.get_text() for text in figure.axes[0].texts} == {"twice", "half"}


def test_flows_are_the_largest_ones(truth):
    figure = flows_figure(truth, 2 * truth, count=2)
    mean = truth.mean("time")
    best = mean.where(mean == mean.max(), drop=True)
    pair = f"{best['origin'].item()} → {best['destination'].item()}"
    assert figure.axes[0].get_title(loc="left") == pair
    true, guess = (line.get_ydata() for line in figure.axes[0].lines)
    np.testing.assert_allclose(guess, 2 * true)


def test_utilisation_is_load_by_capacity(diamond, loads):
    figure = utilisation_figure(diamond, loads, count=3)
    bars = next(axes for axes in figure.axes if axes.patches)
    found = {label.get_text(): bar.get_width() for label, bar in zip(bars.get_yticklabels(), bars.patches, strict=True)}
    expected = (loads.quantile(0.95, "time") / 1e9).sel(link=list(diamond.link_ids)).to_series().nlargest(3)
    assert found == pytest.approx(expected.to_dict())


def test_utilisation_needs_capacities(diamond, loads):
    bare = replace(diamond, links=tuple(replace(link, capacity=None) for link in diamond.links))
    with pytest.raises(DataError, match="capacity"):
        utilisation_figure(bare, loads)


def test_without_coordinates_there_are_only_the_bars(diamond, loads):
    lost = replace(diamond, nodes=tuple(replace(node, latitude=None) for node in diamond.nodes))
    (axes,) = utilisation_figure(lost, loads).axes
    assert len(axes.patches) == len(diamond.links)


def test_quality_shows_only_links_in_trouble(diamond, loads):
    polls, interfaces, _ = simulate_polls(loads, network=diamond, period_s=7200)
    times = polls["time"].to_numpy()
    lost = (
        (polls["node"] == "c")
        & (times > times.min() + np.timedelta64(8, "h"))
        & (times < times.min() + np.timedelta64(14, "h"))
    )
    figure = quality_figure(counters_to_loads(polls[~lost], interfaces, "2h"))
    shown = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert shown == {"ca", "cd", "in:c", "out:c"}
    with pytest.raises(DataError, match="quality"):
        quality_figure(loads)


def test_overview_draws(diamond, loads, truth):
    image = Image.open(io.BytesIO(png(overview_figure(diamond, loads, truth, {"a": truth, "b": 2 * truth}), dpi=50)))
    assert image.size == (600, 310)
    assert len(image.getcolors()) > 20


def test_names_on_the_map_do_not_cover_each_other(diamond, loads):
    close = tuple(replace(node, latitude=0.01 * i, longitude=0.02 * i) for i, node in enumerate(diamond.nodes))
    figure = utilisation_figure(replace(diamond, nodes=close), loads)
    figure.draw_without_rendering()
    chart = next(axes for axes in figure.axes if len(axes.texts) == 4)
    boxes = [text.get_window_extent() for text in chart.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_scales_and_bins():
    assert panels.scale_of(2.5e9) == (1e9, "Gbit/s")
    assert panels.scale_of(999.0) == (1.0, "bit/s")
    np.testing.assert_array_equal(panels.binned(np.array([1.0, 3.0, np.nan, 4.0, np.nan]), 2), [2.0, 4.0, np.nan])


class Resources(HTMLParser):
    """Collects every address in a page and checks that tags are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_page_needs_nothing_else_and_escapes_labels(truth, tmp_path):
    table = TableOf(("flow", ">rate", "week"), [["<b>&", "1", Spark([0, 1, np.nan, 2], [1, 1, 1, 1])]], best=0)
    section = Section("<Flows>", "a & b", table=table, figure=error_figure(truth, {"x": truth}), commands="odflow < x")
    write_page(tmp_path / "r.html", "Title <1>", "lead", [("nodes", "<4>")], [section], "foot")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    found = Resources()
    found.feed(text)
    assert found.open == []
    assert len(found.addresses) == 1
    assert found.addresses[0].startswith("data:image/png;base64,")
    for label in ("Title <1>", "<4>", "<Flows>", "a & b", "<b>&", "odflow < x"):
        assert label in found.text
    assert "://" not in text
    assert text == page("Title <1>", "lead", [("nodes", "<4>")], [section], "foot")


def test_sparks_scale_to_their_largest_value():
    text = page("t", "l", [], [Section("s", table=TableOf(("x",), [[Spark([0.0, 4.0], [2.0, 2.0])]]))])
    points = re.findall(r'points="([^"]+)"', text)
    assert points == ["1.0,29.0 219.0,1.0", "1.0,15.0 219.0,15.0"]


def test_arrays_that_do_not_fit_are_refused(truth):
    other = labels.demands(np.ones((84, 4)), truth["time"].values, ["x", "y"], 7200)
    with pytest.raises(labels.LabelError):
        scatter_figure(truth, {"other": other})
