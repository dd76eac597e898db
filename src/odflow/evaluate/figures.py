"""Figures of networks, loads and estimates, for reports; each function returns a ``matplotlib`` figure.

Nothing touches ``pyplot``, so no window opens and no global state changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from odflow import labels
from odflow.errors import DataError, MissingDependencyError
from odflow.evaluate.metrics import sre, tre

try:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import PercentFormatter

    from odflow.evaluate import panels
    from odflow.evaluate.maps import INK, UTILISATION, draw_map
    from odflow.evaluate.panels import palette
except ImportError as error:
    raise MissingDependencyError("figures need matplotlib; install it with: pip install 'odflow[eval]'") from error

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from numpy.typing import NDArray

    from odflow.network.model import Network

    Floats = NDArray[np.float64]
    Usage = Mapping[str, tuple[float, float]]

__all__ = [
    "error_figure",
    "flows_figure",
    "overview_figure",
    "palette",
    "quality_figure",
    "scatter_figure",
    "utilisation_figure",
]

WIDTH = 10.5


def utilisation_figure(network: Network, loads: xr.DataArray, *, count: int = 15) -> Figure:
    """Map of the links coloured by utilisation, and bars of the busiest.

    Parameters
    ----------
    network : Network
        With capacities; nodes without coordinates are left out of the map, and there is none without any.
    loads : DataArray (time, link)
        bit/s; NaN = not measured.
    count : int
        Bars to draw.

    Raises
    ------
    DataError
        If no link has both a capacity and a measured load.
    """
    usage = _utilisation(network, loads)
    if all(node.latitude is None or node.longitude is None for node in network.nodes):
        figure = Figure(figsize=(WIDTH / 2, 5.4), layout="constrained")
        panels.draw_bars(figure.subplots(), usage, count, _top(usage))
        return figure
    figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.45, 1))
    panels.draw_bars(right, usage, count, _top(usage))
    _draw_usage(figure, left, network, usage)
    return figure


def scatter_figure(
    truth: xr.DataArray, estimates: Mapping[str, xr.DataArray], *, colors: Mapping[str, str] | None = None
) -> Figure:
    """True against estimated flows, one panel per estimate, mean over time of every flow.

    Parameters
    ----------
    truth : DataArray (time, origin, destination)
    estimates : mapping of name to DataArray
        Estimates at the same times for the same nodes.
    colors : mapping of name to str, optional
        To give estimates the same colour in several figures.

    Raises
    ------
    LabelError, DataError, UnitError
        If the arrays do not fit.
    """
    colors = colors or palette(list(estimates))
    figure = Figure(figsize=(WIDTH, WIDTH / max(len(estimates), 2) * 1.02), layout="constrained")
    row = figure.subplots(1, len(estimates), sharex=True, sharey=True, squeeze=False)[0]
    means = {name: _mean_flows(truth, x) for name, x in estimates.items()}
    _scatter_panels(list(row), truth, estimates, means, colors)
    return figure


def error_figure(
    truth: xr.DataArray, estimates: Mapping[str, xr.DataArray], *, colors: Mapping[str, str] | None = None
) -> Figure:
    """Relative error (TRE) of every estimate over time, hourly means, weekends shaded.

    Parameters and errors as for :func:`scatter_figure`.
    """
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    errors = {name: tre(truth, estimate).values for name, estimate in estimates.items()}
    time = labels.as_times(truth["time"].values)
    panels.draw_errors(figure.subplots(), time, errors, colors or palette(list(estimates)))
    return figure


def flows_figure(
    truth: xr.DataArray, estimate: xr.DataArray, quantiles: xr.DataArray | None = None, *, count: int = 6
) -> Figure:
    """The largest flows over time: true, estimated, and the band between the outer quantiles.

    Parameters
    ----------
    truth, estimate : DataArray (time, origin, destination)
    quantiles : DataArray (quantile, time, origin, destination), optional
        Lowest and highest give the band.
    count : int
        Flows to draw.

    Raises
    ------
    LabelError, DataError, UnitError
        If the arrays do not fit.
    """
    rows = -(-count // 3)
    figure = Figure(figsize=(WIDTH, 2.15 * rows + 0.35), layout="constrained")
    grid = figure.subplots(rows, 3, sharex=True, squeeze=False)
    _flow_panels(list(grid.ravel()[:count]), list(grid[:, 0]), truth, estimate, quantiles)
    for axes in grid.ravel()[count:]:
        axes.set_axis_off()
    figure.legend(handles=_flow_keys(quantiles), loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    return figure


def quality_figure(loads: xr.DataArray, *, count: int = 40) -> Figure:
    """Quality flag of every load over time, for the links that have any trouble.

    Parameters
    ----------
    loads : DataArray (time, link)
        With the ``quality`` coordinate that :func:`odflow.counters_to_loads` gives.
    count : int
        Most links to draw, worst first.

    Raises
    ------
    DataError
        If the loads carry no quality.
    """
    if "quality" not in loads.coords:
        raise DataError("loads have no 'quality' coordinate; only loads made from counters do")
    flags = loads["quality"].transpose("link", "time").values
    names = str(loads["quality"].attrs["flag_meanings"]).split()
    trouble = (flags > names.index("split")).sum(axis=1)
    rows = np.argsort(-trouble, kind="stable")[: min(count, max(int((trouble > 0).sum()), 1))]
    time = labels.as_times(loads["time"].values)
    edges = np.append(time, time[-1] + np.timedelta64(round(loads.attrs["interval_s"] * 1e9), "ns"))
    figure = Figure(figsize=(WIDTH, 0.19 * len(rows) + 1.2), layout="constrained")
    links = [str(loads["link"].values[i]) for i in rows]
    panels.draw_quality(figure.subplots(), edges, flags[rows], names, links)
    keys = [
        _square(panels.QUALITY.get(name, "#000000"), f"{name} {_share((flags == k).mean())}")
        for k, name in enumerate(names)
        if (flags == k).any()
    ]
    figure.legend(handles=keys, loc="outside upper left", ncols=8, frameon=False, fontsize=8.5, handletextpad=0.2)
    return figure


def overview_figure(
    network: Network,
    loads: xr.DataArray,
    truth: xr.DataArray,
    estimates: Mapping[str, xr.DataArray],
    quantiles: xr.DataArray | None = None,
) -> Figure:
    """Everything at a glance: utilisation map, true against estimated flows, the two largest flows.

    Parameters
    ----------
    network, loads
        As for :func:`utilisation_figure`.
    truth : DataArray (time, origin, destination)
    estimates : mapping of name to DataArray
        The first two are drawn against the truth, the second one over time.
    quantiles : DataArray (quantile, time, origin, destination), optional
        Of the second estimate.

    Raises
    ------
    DataError, LabelError, UnitError
        As the other figures.
    """
    figure = Figure(figsize=(12, 6.2), layout="constrained")
    left, right = cast("Sequence[SubFigure]", figure.subfigures(1, 2, width_ratios=(1, 1.1), wspace=0.02))
    upper, lower = cast("Sequence[SubFigure]", right.subfigures(2, 1, height_ratios=(1.35, 1)))
    two = dict(list(estimates.items())[:2])
    means = {name: _mean_flows(truth, x) for name, x in two.items()}
    _scatter_panels(list(upper.subplots(1, 2, sharey=True)), truth, two, means, palette(list(two)))
    row = list(lower.subplots(1, 2, sharex=True))
    _flow_panels(row, row[:1], truth, list(two.values())[-1], quantiles)
    lower.legend(handles=_flow_keys(quantiles), loc="outside upper right", ncols=3, frameon=False, fontsize=8.5)
    axes = left.subplots()
    axes.set_title("Link utilisation", loc="left", fontsize=10, fontweight="bold")
    _draw_usage(left, axes, network, _utilisation(network, loads))
    return figure


def _utilisation(network: Network, loads: xr.DataArray) -> Usage:
    """Highest and 95th percentile of load / capacity of each link where both are known."""
    values, place = loads.values, {str(name): i for i, name in enumerate(loads["link"].values)}
    usage = {}
    for link in network.links:
        column = values[:, place[link.id]] if link.id in place else np.full(1, np.nan)
        if link.capacity and not np.isnan(column).all():
            peak, typical = np.nanmax(column) / link.capacity, np.nanquantile(column, 0.95) / link.capacity
            usage[link.id] = (float(peak), float(typical))
    if not usage:
        raise DataError("no link has both a capacity and a measured load; nothing to draw")
    return usage


def _top(usage: Usage) -> float:
    return max(float(np.ceil(max(peak for peak, _ in usage.values()) * 10) / 10), 0.1)


def _draw_usage(figure: Figure | SubFigure, axes: Axes, network: Network, usage: Usage) -> None:
    scale = ScalarMappable(Normalize(0, _top(usage)), UTILISATION)
    bar = figure.colorbar(scale, ax=axes, location="bottom", shrink=0.6, pad=0.01, aspect=40)
    bar.set_label("95th percentile of utilisation; wider links have more capacity", fontsize=9)
    bar.ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    bar.ax.tick_params(labelsize=8.5)
    bar.outline.set_visible(False)
    draw_map(axes, network, {link: typical for link, (_, typical) in usage.items()}, _top(usage))


def _mean_flows(truth: xr.DataArray, estimate: xr.DataArray) -> tuple[Floats, Floats]:
    """Mean over time of every flow, true and estimated, in the same order."""
    nodes = tuple(str(node) for node in truth["origin"].values)
    true, guess = (labels.flat(labels.check_demands(x), nodes).mean(axis=0) for x in (truth, estimate))
    return true, guess


def _scatter_panels(
    row: list[Axes],
    truth: xr.DataArray,
    estimates: Mapping[str, xr.DataArray],
    means: Mapping[str, tuple[Floats, Floats]],
    colors: Mapping[str, str],
) -> None:
    true = next(iter(means.values()))[0]
    scale, unit = panels.scale_of(float(np.nanmax(true)) / 30)
    span = panels.log_span([true / scale, *(guess / scale for _, guess in means.values())])
    for axes, (name, (_, guess)) in zip(row, means.items(), strict=True):
        near = panels.draw_scatter(axes, true / scale, guess / scale, span, colors[name])
        flow, step = float(sre(truth, estimates[name]).median()), float(tre(truth, estimates[name]).mean())
        text = f"TRE {step:.3f}\nmedian SRE {flow:.3f}\nwithin factor 2: {int(100 * near)}%"
        axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=9, linespacing=1.4)
        axes.set_title(name, loc="left", fontsize=10, fontweight="bold")
        axes.set_xlabel(f"true mean, {unit}", fontsize=9)
    row[0].set_ylabel(f"estimated mean, {unit}", fontsize=9)


def _flow_panels(
    grid: list[Axes], firsts: list[Axes], truth: xr.DataArray, estimate: xr.DataArray, quantiles: xr.DataArray | None
) -> None:
    """The largest flows, one per panel; the first of each row gets the unit."""
    nodes = tuple(str(node) for node in truth["origin"].values)
    time = labels.as_times(truth["time"].values)
    true, guess = (labels.flat(labels.check_demands(x), nodes) for x in (truth, estimate))
    largest = np.argsort(-np.nan_to_num(true.mean(axis=0)), kind="stable")[: len(grid)]
    scale, unit = panels.scale_of(float(np.nanmax(true[:, largest])) / 3)
    ends = None
    if quantiles is not None:
        ends = [labels.flat(quantiles.isel(quantile=i).drop_vars("quantile"), nodes) / scale for i in (0, -1)]
    pairs = labels.od_pairs(nodes)
    for axes, k in zip(grid, largest, strict=False):
        band = None if ends is None else (ends[0][:, k], ends[1][:, k])
        panels.draw_flow(axes, time, true[:, k] / scale, guess[:, k] / scale, band)
        panels.weekdays(axes)
        axes.set_title(" → ".join(pairs[k]), loc="left", fontsize=9.5)
    for axes in firsts:
        axes.set_ylabel(unit, fontsize=9)


def _flow_keys(quantiles: xr.DataArray | None) -> list[Line2D]:
    keys = [Line2D([], [], color=INK, label="true"), Line2D([], [], color=panels.COLORS[0], label="estimated")]
    if quantiles is not None:
        share = float(quantiles["quantile"].values[-1] - quantiles["quantile"].values[0])
        keys.append(Line2D([], [], color=panels.COLORS[0], alpha=0.25, linewidth=8, label=f"{share:.0%} interval"))
    return keys


def _square(color: str, label: str) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="none",
        marker="s",
        markersize=8,
        color=color,
        markeredgecolor=panels.PALE,
        markeredgewidth=0.4,
        label=label,
    )


def _share(fraction: float) -> str:
    return f"{fraction:.1%}" if fraction >= 0.001 else "<0.1%"
