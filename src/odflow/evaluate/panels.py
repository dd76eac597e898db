"""What is drawn inside one pair of axes; :mod:`odflow.evaluate.figures` puts panels together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.dates import DateFormatter, DayLocator
from matplotlib.ticker import PercentFormatter

from odflow.evaluate.maps import INK, UTILISATION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.datetime64]
    Usage = Mapping[str, tuple[float, float]]

PALE = "#8a8a8a"
# Okabe and Ito's colours, which stay apart for colour-blind readers
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
_PALETTE = (*COLORS, "#6B4226", "#999999")
QUALITY = {
    "good": "#f3f5f7",
    "split": "#d8e6ef",
    "wrap": "#56B4E9",
    "partial": "#a8a8a8",
    "gap": "#222222",
    "ambiguous": "#E69F00",
    "implausible": "#CC79A7",
    "reset": "#D55E00",
    "clock": "#009E73",
    "conflict": "#F0E442",
}
_UNITS = ((1e12, "Tbit/s"), (1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"))
_WEEK_STARTS = np.datetime64("1970-01-05", "D")  # a Monday


def scale_of(value: float) -> tuple[float, str]:
    """A factor and unit that make this rate easy to read: ``(1e9, "Gbit/s")``."""
    return next(((size, unit) for size, unit in _UNITS if value >= size), (1.0, "bit/s"))


def palette(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name."""
    return {name: _PALETTE[i % len(_PALETTE)] for i, name in enumerate(names)}


def draw_bars(axes: Axes, usage: Usage, count: int, top: float) -> None:
    """Bars of the links with the highest 95th percentile of utilisation; a tick marks the peak."""
    busiest = sorted(usage, key=lambda link: usage[link][1])[-count:]
    place = np.arange(len(busiest))
    highest, typical = np.array([usage[link] for link in busiest]).T
    axes.barh(place, typical, color=UTILISATION(typical / top), height=0.72)
    axes.plot(highest, place, linestyle="none", marker="|", markersize=9, markeredgewidth=1.8, color=INK)
    axes.set_yticks(place, [arrow(name) for name in busiest])
    axes.set_xlim(0, max(top, float(highest.max())) * 1.04)
    axes.set_ylim(-0.6, len(busiest) - 0.4)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("utilisation: 95th percentile (bar), peak (tick)", fontsize=9)
    axes.set_title("Busiest links", loc="left", fontsize=10, fontweight="bold")
    tidy(axes, grid="x")
    axes.tick_params(axis="y", length=0, labelsize=8)


def draw_scatter(axes: Axes, true: Floats, guess: Floats, span: tuple[float, float], color: str) -> float:
    """True against estimated values on logarithmic axes; returns the share within a factor of two."""
    line = np.array(span)
    axes.fill_between(line, line / 2, line * 2, color="#efefef", zorder=0, linewidth=0)
    axes.plot(line, line, color=PALE, linewidth=1, zorder=1)
    axes.scatter(np.maximum(true, span[0]), np.maximum(guess, span[0]), s=11, alpha=0.5, color=color, linewidths=0)
    axes.set(xscale="log", yscale="log", xlim=span, ylim=span)
    axes.set_aspect("equal")
    tidy(axes)
    some = true > 0
    return float(((guess[some] <= 2 * true[some]) & (guess[some] >= true[some] / 2)).mean())


def log_span(values: Sequence[Floats]) -> tuple[float, float]:
    """Limits for logarithmic axes that show the first values, four decades of them at most."""
    high = float(max(np.nanmax(x) for x in values))
    low = float(values[0][values[0] > 0].min(initial=high))
    return max(low, 1e-4 * high) / 1.6, 1.6 * high


def draw_errors(axes: Axes, time: Times, errors: Mapping[str, Floats], colors: Mapping[str, str]) -> None:
    """Lines of relative error over time, named at their ends, weekends shaded."""
    step = (time[-1] - time[0]) / max(len(time) - 1, 1)
    per_hour = max(1, round(np.timedelta64(1, "h") / step)) if step else 1
    ends = []
    for i, (name, values) in enumerate(errors.items()):
        hourly = binned(values, per_hour)
        # methods that nearly agree stay visible: dashes over lines
        style, order = ("-", 2.0) if i % 2 == 0 else ((0, (3, 2.5)), 2.5)
        axes.plot(time[::per_hour], hourly, color=colors[name], linewidth=1.6, linestyle=style, zorder=order)
        ends.append((float(np.nanmean(hourly[-6:])), name))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("relative error (TRE)", fontsize=9)
    shade_weekends(axes, time)
    dates(axes, time)
    tidy(axes, grid="y")
    for place, name in _apart(ends, 0.06 * axes.get_ylim()[1]):
        axes.annotate(
            name,
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=colors[name],
            fontweight="bold",
            va="center",
            fontsize=9,
            annotation_clip=False,
        )


def draw_flow(axes: Axes, time: Times, true: Floats, guess: Floats, band: tuple[Floats, Floats] | None) -> None:
    """One flow over time: true, estimated, and a band of uncertainty."""
    if band is not None:
        axes.fill_between(time, *band, color=COLORS[0], alpha=0.25, linewidth=0)
    axes.plot(time, true, color=INK, linewidth=0.9)
    axes.plot(time, guess, color=COLORS[0], linewidth=1.2)
    axes.set_ylim(0, 1.2 * float(np.nanmax(true)))
    dates(axes, time)
    tidy(axes, grid="y")


def draw_quality(axes: Axes, edges: Times, flags: NDArray[np.int8], names: Sequence[str], links: Sequence[str]) -> None:
    """Flags of links (rows) over time (columns)."""
    colors = ListedColormap([QUALITY.get(name, "#000000") for name in names])
    norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    axes.pcolormesh(edges, np.arange(len(links) + 1), flags, cmap=colors, norm=norm, rasterized=True)
    axes.set_yticks(np.arange(len(links)) + 0.5, [arrow(link) for link in links])
    axes.invert_yaxis()
    dates(axes, edges[:-1])
    tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=7.5)


def arrow(link: str) -> str:
    """A link id for people."""
    return link.replace("->", " → ")


def binned(values: Floats, width: int) -> Floats:
    """Means of consecutive runs; NaN left out."""
    whole = np.full(-(-len(values) // width) * width, np.nan)
    whole[: len(values)] = values
    rows = whole.reshape(-1, width)
    count = (~np.isnan(rows)).sum(axis=1)
    return np.asarray(np.where(count > 0, np.nansum(rows, axis=1) / np.maximum(count, 1), np.nan))


def _apart(ends: Sequence[tuple[float, str]], gap: float) -> list[tuple[float, str]]:
    """Push labels apart so that none covers another."""
    placed: list[tuple[float, str]] = []
    for value, name in sorted(ends):
        lowest = placed[-1][0] + gap if placed else value
        placed.append((max(value, lowest), name))
    return placed


def shade_weekends(axes: Axes, time: Times) -> None:
    """Grey Saturdays and Sundays (UTC)."""
    days = np.arange(time[0].astype("datetime64[D]"), time[-1].astype("datetime64[D]") + 1)
    for day in days[(days - _WEEK_STARTS).astype(int) % 7 >= 5]:
        axes.axvspan(day, day + 1, color="#f2f2f2", zorder=0, linewidth=0)


def dates(axes: Axes, time: Times) -> None:
    """Days along the time axis."""
    step = (time[-1] - time[0]) / max(len(time) - 1, 1)
    axes.set_xlim(time[0], time[-1] + step)
    days = int((time[-1] + step - time[0]) / np.timedelta64(1, "D"))
    if days >= 2:
        axes.xaxis.set_major_locator(DayLocator(interval=-(-days // 8)))
        axes.xaxis.set_major_formatter(DateFormatter("%a %d"))
    axes.tick_params(axis="x", labelsize=8)


def weekdays(axes: Axes) -> None:
    """Name days without their number, where there is little room."""
    if isinstance(axes.xaxis.get_major_locator(), DayLocator):
        axes.xaxis.set_major_formatter(DateFormatter("%a"))


def tidy(axes: Any, grid: str | None = None) -> None:
    """Fewer lines, smaller labels."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(PALE)
    axes.tick_params(color=PALE, labelcolor=INK, labelsize=8.5)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color="#e4e4e4", linewidth=0.7)
