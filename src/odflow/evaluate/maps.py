"""Maps of networks for figures: curved links, and node names that keep out of each other's way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patheffects import withStroke

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from odflow.network.model import Network

    Floats = NDArray[np.float64]

INK = "#222222"
UTILISATION = LinearSegmentedColormap.from_list("utilisation", ("#b3cfe3", "#5c9ac4", "#2f5f8f", "#7b2d6f", "#c1121f"))
FONT = 7.5
MOST_NAMES = 60


def draw_map(axes: Axes, network: Network, values: Mapping[str, float], top: float) -> LineCollection:
    """Draw the links coloured by `values`, wider ones for more capacity, and name the nodes.

    Parameters
    ----------
    axes : Axes
    network : Network
        Nodes without coordinates are left out.
    values : mapping of link id to float
        Links that are not in it are left out.
    top : float
        Value of the last colour; the first is 0.

    Returns
    -------
    LineCollection
        For a colour bar.
    """
    placed = {
        node.id: np.array([node.longitude, node.latitude])
        for node in network.nodes
        if node.longitude is not None and node.latitude is not None
    }
    links = [k for k in network.links if k.id in values and k.source in placed and k.target in placed]
    links.sort(key=lambda link: values[link.id])
    curves = [_curve(placed[link.source], placed[link.target]) for link in links]
    widths = _widths([link.capacity for link in links])
    lines = LineCollection(curves, cmap=UTILISATION, linewidths=widths, capstyle="round")
    lines.set_array(np.array([values[link.id] for link in links]))
    lines.set_clim(0, top)
    axes.add_collection(lines)
    axes.set_axis_off()
    if placed:
        longitude, latitude = np.array(list(placed.values())).T
        axes.scatter(longitude, latitude, s=24, color=INK, zorder=3, linewidths=0)
        axes.set_aspect(1 / max(float(np.cos(np.deg2rad(latitude.mean()))), 0.2))
        axes.margins(0.07)
        _name_nodes(axes, placed, curves)
    return lines


def _curve(start: Floats, end: Floats, bend: float = 0.06) -> Floats:
    """A shallow arc to the right of the way, so that both directions show."""
    step = end - start
    middle = (start + end) / 2 + bend * np.array([step[1], -step[0]])
    t = np.linspace(0, 1, 17)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end)


def _widths(capacities: Sequence[float | None]) -> Floats:
    known = np.array([np.nan if value is None else value for value in capacities])
    if not len(known) or np.isnan(known).any() or known.min() == known.max():
        return np.full(len(known), 2.2)
    logs = np.log(known)
    return np.asarray(1.3 + 2.2 * (logs - logs.min()) / (logs.max() - logs.min()))


def _name_nodes(axes: Axes, placed: Mapping[str, Floats], curves: Sequence[Floats]) -> None:
    """Put each name where it hides the fewest names, nodes and links."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    per_point = figure.dpi / 72

    def points(at: Floats) -> Floats:
        return np.asarray(axes.transData.transform(at)) / per_point

    nodes = points(np.array(list(placed.values())))
    obstacles = np.concatenate([points(curve[1:-1]) for curve in curves]) if curves else np.zeros((0, 2))
    boxes: list[Floats] = []
    for (name, where), centre in list(zip(placed.items(), nodes, strict=True))[:MOST_NAMES]:
        size = np.array([0.58 * FONT * len(name), 1.15 * FONT])
        options = [(side, _box(centre, side, size)) for side in product((1, 0, -1), (1, 0, -1)) if side != (0, 0)]
        side, box = min(options, key=lambda option: _hidden(option[1], boxes, nodes, obstacles))
        boxes.append(box)
        text = axes.annotate(
            name,
            (float(where[0]), float(where[1])),
            xytext=_offset(side),
            textcoords="offset points",
            ha=("right", "center", "left")[side[0] + 1],
            va=("top", "center", "bottom")[side[1] + 1],
            fontsize=FONT,
            color=INK,
            path_effects=[withStroke(linewidth=2.2, foreground="white")],
            zorder=4,
        )
        text.set_in_layout(False)


def _offset(side: tuple[int, int]) -> tuple[float, float]:
    reach = 5.0 if 0 in side else 3.0
    return reach * side[0], reach * side[1]


def _box(centre: Floats, side: tuple[int, int], size: Floats) -> Floats:
    """Corners (low, high) of a text of this size beside a node."""
    low = centre + np.array(_offset(side)) + (np.array(side) - 1) / 2 * size
    return np.array([low, low + size])


def _hidden(box: Floats, boxes: Sequence[Floats], nodes: Floats, obstacles: Floats) -> float:
    """How much a text would hide; names weigh most."""
    low, high = box
    overlap = sum(float(np.prod(np.clip(np.minimum(high, b[1]) - np.maximum(low, b[0]), 0, None))) for b in boxes)
    covered = ((nodes > low - 2) & (nodes < high + 2)).all(axis=1).sum()
    crossed = ((obstacles > low) & (obstacles < high)).all(axis=1).sum()
    return float(overlap + 30 * covered + 4 * crossed)
