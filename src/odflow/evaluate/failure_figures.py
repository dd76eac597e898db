"""Figures of link loads after failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import MissingDependencyError

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    from odflow.evaluate.maps import INK
    from odflow.evaluate.panels import PALE, arrow, scale_of, tidy
except ImportError as error:
    raise MissingDependencyError("figures need matplotlib; install it with: pip install 'odflow[eval]'") from error

if TYPE_CHECKING:
    from odflow.estimate.failure_loads import WhatIf

COLOR, FULL = "#0072B2", "#D55E00"
_WIDTH, _ROW, _FRAME = 10.5, 0.27, 1.5


def failure_figure(found: WhatIf, *, count: int = 25) -> Figure:
    """The worst link after each failure: its load before, after, and the outer quantiles as a bar.

    Parameters
    ----------
    found : WhatIf
    count : int
        Failures to draw, the worst ones.
    """
    worst = found.worst()[:count][::-1]
    levels = found.columns
    low, middle, high, before, capacity = (
        np.array([row[name] for row in worst], dtype=float)
        for name in (levels[0], levels[len(levels) // 2], levels[-1], "before", "capacity")
    )
    full = bool(np.isfinite(capacity).any())
    scale, unit = (1.0, "utilisation") if full else scale_of(float(np.nanmax(high, initial=1.0)))
    size = capacity if full else np.full(len(worst), scale)
    place = np.arange(len(worst))
    figure = Figure(figsize=(_WIDTH, _FRAME + _ROW * len(worst)), layout="constrained")
    axes = figure.subplots()
    axes.hlines(place, before / size, middle / size, color="#d5dade", linewidth=1.2, zorder=1)
    axes.hlines(place, low / size, high / size, color=COLOR, linewidth=6, alpha=0.35, zorder=2)
    axes.plot(before / size, place, "o", color="white", markeredgecolor=PALE, markersize=5.5, label="before", zorder=3)
    axes.plot(middle / size, place, "o", color=COLOR, markersize=5.5, label="after", zorder=4)
    axes.set_xlim(left=0)
    if full:
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        if np.nanmax(high / size) > 0.8:
            axes.axvline(1.0, color=FULL, linewidth=1, zorder=0)
    axes.set_yticks(place, [arrow(row["failure"]) for row in worst])
    for k, row in enumerate(worst):
        axes.annotate(
            arrow(row["link"]),
            (np.nanmax([high[k], before[k]]) / size[k], k),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    axes.margins(x=0.16)
    axes.set_xlim(left=0)
    axes.set_ylim(-0.7, len(worst) - 0.3)
    text = f"{levels[0][1:]} to {levels[-1][1:]} quantiles" if (low != high).any() else "no intervals"
    what = "highest utilisation of any link" if full else f"{unit}, of the link that gains most"
    axes.set_xlabel(f"{what} ({text})", fontsize=9)
    axes.set_title("After each failure", loc="left", fontsize=10, fontweight="bold")
    axes.legend(loc="lower right", fontsize=8.5, frameon=False)
    tidy(axes, grid="x")
    axes.tick_params(axis="y", length=0, labelsize=8)
    return figure
