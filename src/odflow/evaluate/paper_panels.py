"""What is drawn inside the figures of :mod:`odflow.evaluate.paper_figures`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from odflow.evaluate.maps import INK
from odflow.evaluate.panels import COLORS, PALE, shade_weekends, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.datetime64]

WIDTH = 10.5
REAL = "#4d5359"
WEEKEND = "#e9ecef"  # dark enough to stay apart from white in files of 256 colours
_LINES = (*COLORS, INK, PALE)
_DASHES: tuple[tuple[float, ...], ...] = ((1, 0), (4, 1.6), (1.2, 1.2))


def styles(names: Iterable[str]) -> dict[str, tuple[str, tuple[float, tuple[float, ...]]]]:
    """Colour and dashes for each name, the same in all figures of the same names."""
    count = len(_LINES)
    return {name: (_LINES[i % count], (0.0, _DASHES[i // count % len(_DASHES)])) for i, name in enumerate(names)}


def clouds(sets: list[Floats], names: list[str], words: tuple[str, str], frame: tuple[Floats, Floats]) -> Figure:
    """The first set of points in every panel, each other one in its own, all on the same axes.

    Parameters
    ----------
    sets : list of ndarray (n, 2)
        One more than there are names.
    names : list of str
    words : (str, str)
        What the axes are.
    frame : (ndarray (2,), ndarray (2,))
        Least and largest coordinates that must be seen; panels say how many points are not.
    """
    columns = len(names) if len(names) <= 3 else 2 if len(names) == 4 else 3
    rows = -(-len(names) // columns)
    side = WIDTH / 3
    figure = Figure(figsize=(max(side * columns, 1.6 * side), side * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    low, high = (end + sign * 0.1 * (frame[1] - frame[0]) for end, sign in zip(frame, (-1, 1), strict=True))
    style = styles(names)
    for axes, name, points in zip(grid.flat, names, sets[1:], strict=False):
        color = style[name][0]
        axes.scatter(*sets[0].T, s=7, color=REAL, alpha=0.35, linewidths=0)
        axes.scatter(*points.T, s=7, color=color, alpha=0.45, linewidths=0)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        axes.set_title(name, loc="left", fontsize=10, fontweight="bold", color=color)
        outside = ((points < low) | (points > high)).any(axis=1).mean()
        if outside:
            axes.set_title(f"{outside:.1%} outside", loc="right", fontsize=8.5, color=INK)
        tidy(axes)
    every = list(grid.flat)
    for axes in every[len(names) :]:
        axes.set_axis_off()
    for axes in every[max(len(names) - columns, 0) : len(names)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel(words[0], fontsize=9)
    figure.supylabel(words[1], fontsize=9)
    keys = [_dot(REAL, "real"), _dot(style[names[0]][0], "synthetic, in the colour of the name")]
    figure.legend(handles=keys, loc="outside upper right", ncols=2, frameon=False, fontsize=9, handletextpad=0.1)
    return figure


def _dot(color: str, label: str) -> Line2D:
    return Line2D([], [], linestyle="none", marker="o", markersize=5, color=color, label=label)


def weekends(axes: Axes, time: Times) -> None:
    """Grey Saturdays and Sundays (UTC)."""
    shade_weekends(axes, time)
    for patch in axes.patches:
        patch.set_facecolor(WEEKEND)


def traffic_axis(axes: Axes, carried: Floats) -> None:
    """Say above the flows, sorted, which part of the traffic they carry up to there."""
    upper = axes.twiny()
    upper.set_xlim(axes.get_xlim())
    shares = [share for share in (0.5, 0.8, 0.95, 0.99) if share <= carried[-1]]
    places = [int(np.searchsorted(carried, share)) + 1 for share in shares]
    upper.set_xticks(places, [f"{share:.0%}" for share in shares], fontsize=8.5, color=INK)
    upper.set_xlabel("share of the traffic in the flows to the left", fontsize=9)
    for side in ("top", "right", "left", "bottom"):
        upper.spines[side].set_visible(False)
    upper.tick_params(axis="x", color=PALE)
    for place in places:
        axes.axvline(place, color="#e4e4e4", linewidth=0.7, zorder=0)


def running_median(values: Floats, width: int) -> Floats:
    """Median of the values around each one, fewer of them at the ends."""
    half = width // 2
    return np.array([np.median(values[max(i - half, 0) : i + half + 1]) for i in range(len(values))])
