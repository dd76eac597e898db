"""Figures of how real and simulated traffic compare; each function returns a ``matplotlib`` figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

import numpy as np

from odflow.errors import MissingDependencyError
from odflow.evaluate.realism_cells import beyond_cycle
from odflow.evaluate.realism_compare import HOURS
from odflow.evaluate.realism_result import HIGH, LOW, Compared
from odflow.evaluate.realism_series import HOUR_S, autocorrelation, increments, variance_within
from odflow.simulate.span import DAY_S, week_seconds

try:
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, PercentFormatter

    from odflow.evaluate.panels import PALE, dates, palette, scale_of, shade_weekends, tidy
except ImportError as error:
    raise MissingDependencyError("figures need matplotlib; install it with: pip install 'odflow[eval]'") from error

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Traffic = Mapping[str, xr.DataArray]

WIDTH = 10.5
_LAGS = 40


def realism_figure(traffic: Traffic) -> Figure:
    """Six views of traffic, such as real and simulated, in one colour each.

    Flow sizes by rank, the mean week, autocorrelation, variance against mean, principal axes, and increments (of
    cells whose places are known: correlation against distance).

    Parameters
    ----------
    traffic : mapping of str to DataArray
        TMs (time, origin, destination) or cells (time, cell, service), a week or more at a constant interval.
    """
    figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    colors = palette(list(traffic))
    placed = all({"x_m", "y_m"} <= set(array.coords) for array in traffic.values())
    views: list[Callable[[Axes, xr.DataArray, str, str], None]] = [_ranks, _week, _memory, _power, _axes]
    views.append(_distance if placed else _increments)
    for view, panel in zip(views, axes, strict=True):
        for name, array in traffic.items():
            view(panel, array, name, colors[name])
        tidy(panel)
    for panel in (axes[0], axes[3]):
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_minor_formatter(NullFormatter())
    axes[0].legend(frameon=False, fontsize=8.5)
    return figure


def worlds_figure(compared: Compared) -> Figure:
    """Where real traffic is among randomised worlds: the share of worlds with a lower value, by statistic."""
    rows = [row for row in compared.rows if row.worlds]
    figure = Figure(figsize=(WIDTH / 2, 0.25 * len(rows) + 1.0), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(rows))[::-1]
    axes.axvspan(LOW, HIGH, color="#eef3f7", zorder=0)
    for row, y in zip(rows, place, strict=True):
        worlds = np.array(row.worlds)
        real_like = np.array([row.real, row.simulated])
        if row.name in HOURS:  # the day begins where fewest worlds are
            low, high = row.range
            begin = low - (low - high) % 24 / 2
            worlds, real_like = (worlds - begin) % 24, (real_like - begin) % 24
        worlds = worlds[np.isfinite(worlds)]
        real, like = ((worlds < value).mean() + (worlds <= value).mean() for value in real_like)
        axes.plot([real / 2, like / 2], [y, y], color=PALE, linewidth=0.8, zorder=1)
        axes.plot(like / 2, y, marker="o", markerfacecolor="white", color="#E69F00", zorder=2)
        axes.plot(real / 2, y, marker="o", color="#0072B2", zorder=3)
    axes.plot([], [], "o", color="#0072B2", label="real")
    axes.plot([], [], "o", color="#E69F00", markerfacecolor="white", label="calibrated simulator")
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2)
    axes.set_yticks(place, [row.name.replace("_", " ") for row in rows])
    axes.set_xlim(-0.02, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("randomised worlds with a lower value", fontsize=9)
    tidy(axes)
    return figure


def week_figure(traffic: xr.DataArray) -> Figure:
    """A quick look: traffic over time in all and of the largest flows, and the mean by flow or cell.

    Parameters
    ----------
    traffic : DataArray
        TMs, with or without services, or cells.
    """
    if "cell" in traffic.dims:
        return _cells_figure(traffic)
    figure = Figure(figsize=(WIDTH, 6.0), layout="constrained")
    left, right = cast("list[SubFigure]", figure.subfigures(1, 2, width_ratios=(1.7, 1)))
    upper, lower = left.subplots(2, 1, sharex=True)
    time = traffic["time"].values
    services = traffic["service"].values.tolist() if "service" in traffic.dims else []
    whole = traffic.sum("service") if services else traffic
    size, unit = scale_of(float(whole.sum(("origin", "destination")).mean()))
    if services:
        parts = [traffic.sel(service=name).sum(("origin", "destination")).values / size for name in services]
        upper.stackplot(time, parts, labels=services, colors=list(palette(services).values()), alpha=0.85)
        upper.legend(frameon=False, fontsize=8, ncols=len(services), loc="lower left", bbox_to_anchor=(0, 1))
    else:
        upper.plot(time, whole.sum(("origin", "destination")).values / size, color="#0072B2", linewidth=0.8)
    upper.set_ylabel(f"all traffic, {unit}", fontsize=9)
    upper.set_ylim(bottom=0)
    flows = whole.stack(flow=("origin", "destination"))
    order = np.argsort(-flows.mean("time").values)[:5]
    size, unit = scale_of(float(flows[:, order[0]].mean()))
    for k, color in zip(order, palette([str(k) for k in order]).values(), strict=True):
        origin, destination = flows["flow"].values[k]
        lower.plot(time, flows[:, k].values / size, linewidth=0.7, color=color, label=f"{origin} → {destination}")
    lower.set_ylabel(f"largest flows, {unit}", fontsize=9)
    lower.set_yscale("log")
    lower.legend(frameon=False, fontsize=7.5, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    for panel in (upper, lower):
        tidy(panel, "y")
        shade_weekends(panel, time)
    dates(lower, time)
    panel = right.subplots()
    mean = whole.mean("time").values
    size, unit = scale_of(float(mean.mean()))
    image = panel.imshow(np.where(mean > 0, mean, np.nan) / size, cmap="cividis", norm=LogNorm())
    right.colorbar(image, ax=panel, shrink=0.6).set_label(f"mean demand, {unit}", fontsize=9)
    _few_ticks(panel, traffic["origin"].values.tolist())
    panel.set_xlabel("destination", fontsize=9)
    panel.set_ylabel("origin", fontsize=9)
    return figure


def _few_ticks(panel: Axes, names: list[str]) -> None:
    every = max(1, -(-len(names) // 25))
    at = range(0, len(names), every)
    panel.set_xticks(at, [names[k] for k in at], rotation=90, fontsize=6.5)
    panel.set_yticks(at, [names[k] for k in at], fontsize=6.5)


def _cells_figure(traffic: xr.DataArray) -> Figure:
    services = traffic["service"].values.tolist()
    figure = Figure(figsize=(WIDTH, 2.6 * len(services)), layout="constrained")
    panels = figure.subplots(len(services), 2, width_ratios=(2, 1), squeeze=False)
    time = traffic["time"].values
    units = traffic["unit"].values.tolist() if "unit" in traffic.coords else [""] * len(services)
    for (left, right), name, unit, color in zip(panels, services, units, palette(services).values(), strict=True):
        one = traffic.sel(service=name)
        left.plot(time, one.sum("cell").values, color=color, linewidth=0.8)
        left.set_ylabel(f"{name}, {unit}" if unit else name, fontsize=9)
        left.set_ylim(bottom=0)
        tidy(left, "y")
        shade_weekends(left, time)
        dates(left, time)
        mean = one.mean("time").values
        if {"x_m", "y_m"} <= set(traffic.coords):
            dots = right.scatter(
                traffic["x_m"] / 1000,
                traffic["y_m"] / 1000,
                c=np.log10(mean + 1e-3 * mean.mean()),
                cmap="cividis",
                s=14,
            )
            right.set_aspect("equal")
            right.set_xlabel("km", fontsize=8)
            figure.colorbar(dots, ax=right).set_label("mean of a cell", fontsize=8)
        else:
            right.plot(np.sort(mean)[::-1], color=color)
        tidy(right)
    return figure


def _series(array: xr.DataArray) -> tuple[Floats, float]:
    x = np.asarray(array.transpose("time", ...).values, dtype=float)
    if "service" in array.dims:
        x = x / x.mean(axis=tuple(range(x.ndim - 1)))
    return x.reshape(len(x), -1), float(array.attrs["interval_s"])


def _ranks(panel: Axes, array: xr.DataArray, name: str, color: str) -> None:
    mean = np.sort(_series(array)[0].mean(axis=0))[::-1]
    panel.semilogy(np.arange(len(mean)) / len(mean), np.maximum(mean / mean.mean(), 1e-5), color=color, label=name)
    panel.set_xlabel("rank of a series", fontsize=9)
    panel.set_ylabel("mean / mean of all", fontsize=9)


def _week(panel: Axes, array: xr.DataArray, name: str, color: str) -> None:
    total = _series(array)[0].sum(axis=1)
    hour = (week_seconds(array["time"].values) // HOUR_S).astype(int) % 168
    count = np.bincount(hour, minlength=168)
    mean = np.bincount(hour, total, 168) / np.where(count, count, np.nan)
    panel.plot(np.arange(168) / 24, mean / np.nanmean(mean), color=color, linewidth=1)
    panel.set_xticks(np.arange(7) + 0.5, ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"])
    panel.set_ylabel("all traffic / its mean", fontsize=9)


def _memory(panel: Axes, array: xr.DataArray, name: str, color: str) -> None:
    x, interval_s = _series(array)
    longest = min(7 * DAY_S / interval_s, len(x) // 2)
    lags = np.unique(np.geomspace(1, longest, _LAGS).round().astype(int))
    found = [autocorrelation(x, int(lag)) for lag in lags]
    panel.semilogx(lags * interval_s / HOUR_S, found, color=color)
    panel.set_xlabel("lag, hours", fontsize=9)
    panel.set_ylabel("autocorrelation", fontsize=9)


def _power(panel: Axes, array: xr.DataArray, name: str, color: str) -> None:
    x, interval_s = _series(array)
    mean = x.mean(axis=0)
    within = variance_within(x, max(2, round(HOUR_S / interval_s)))
    used = (mean > 0) & (within > 0)
    panel.loglog(mean[used] / mean.mean(), within[used] / mean.mean() ** 2, ".", color=color, markersize=3, alpha=0.7)
    panel.set_xlabel("mean / mean of all", fontsize=9)
    panel.set_ylabel("variance within hours", fontsize=9)


def _axes(panel: Axes, array: xr.DataArray, name: str, color: str) -> None:
    x = _series(array)[0]
    deviation = x.std(axis=0)
    z = (x - x.mean(axis=0))[:, deviation > 0] / deviation[deviation > 0]
    value = np.linalg.eigvalsh(z.T @ z)[::-1]
    share = np.cumsum(value) / value.sum()
    panel.plot(np.arange(1, len(share) + 1)[:20], share[:20], ".-", color=color, markersize=4)
    panel.set_ylim(0, 1)
    panel.set_xlabel("principal axes", fontsize=9)
    panel.set_ylabel("share of the variance", fontsize=9)


def _increments(panel: Axes, array: xr.DataArray, name: str, color: str) -> None:
    change = np.sort(np.abs(increments(_series(array)[0])).ravel())
    at = np.linspace(0, len(change) - 1, 400).astype(int)
    panel.loglog(np.maximum(change[at], 1e-4), 1 - at / len(change), color=color)
    panel.set_xlim(1e-3, 10)
    panel.set_ylim(1e-3, 1.1)
    panel.set_xlabel("change of the logarithm in an interval", fontsize=9)
    panel.set_ylabel("share of larger ones", fontsize=9)


def _distance(panel: Axes, array: xr.DataArray, name: str, color: str) -> None:
    traffic = array.transpose("time", "cell", "service")
    time = (traffic["time"].values - np.datetime64(0, "s")) / np.timedelta64(1, "s")
    residual = beyond_cycle(traffic.values.astype(float), time, float(traffic.attrs["interval_s"]))
    together = np.einsum("tcs,tds->cd", residual, residual) / (len(residual) * residual.shape[2])
    places = np.column_stack([traffic["x_m"].values, traffic["y_m"].values])
    one, other = np.triu_indices(len(places), 1)
    away = np.hypot(*(places[one] - places[other]).T)
    panel.plot(away, together[one, other], ".", color=color, markersize=3, alpha=0.6)
    panel.set_xlabel("distance, m", fontsize=9)
    panel.set_ylabel("correlation beyond the daily cycle", fontsize=9)
