"""Figures of forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import MissingDependencyError
from odflow.simulate.span import DAY_S

try:
    from matplotlib.figure import Figure

    from odflow.evaluate.panels import dates, palette, scale_of, tidy
except ImportError as error:
    raise MissingDependencyError("figures need matplotlib; install it with: pip install 'odflow[eval]'") from error

if TYPE_CHECKING:
    import xarray as xr

WIDTH, _MOST, _DAYS = 10.5, 4, 3.0


def forecast_figure(
    history: xr.DataArray, forecast: xr.DataArray, bands: xr.DataArray | None = None, truth: xr.DataArray | None = None
) -> Figure:
    """The last days of the largest series, and what is forecast, with the outer quantiles as a band.

    Parameters
    ----------
    history, forecast : DataArray (time, node, service)
    bands : DataArray (quantile, time, node, service), optional
    truth : DataArray (time, node, service), optional
        What came.
    """
    services = history["service"].values.tolist()
    order = np.argsort(-np.nan_to_num(history.mean("time").sum("service").values))[:_MOST]
    figure = Figure(figsize=(WIDTH, 1.9 * len(order)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(order), 1, sharex=True))
    interval_s = float(history.attrs["interval_s"])
    shown = history[-max(2 * forecast.sizes["time"], round(_DAYS * DAY_S / interval_s)) :]
    colors = palette([str(name) for name in services])
    unit = "bit/s" if history.attrs.get("units") == "bit/s" else ""
    for panel, node in zip(panels, order, strict=True):
        size, rate = scale_of(float(np.nanmean(history.values[:, node]))) if unit else (1.0, "")
        panel.set_ylabel(rate, fontsize=8.5)
        for k, service in enumerate(services):
            color = colors[str(service)]
            panel.plot(
                shown["time"].values, shown.values[:, node, k] / size, color=color, linewidth=0.8, label=str(service)
            )
            panel.plot(
                forecast["time"].values, forecast.values[:, node, k] / size, color=color, linewidth=1.6, linestyle="--"
            )
            if truth is not None:
                panel.plot(truth["time"].values, truth.values[:, node, k] / size, color=color, linewidth=0.8)
            if bands is not None:
                low, high = bands.values[0, :, node, k] / size, bands.values[-1, :, node, k] / size
                panel.fill_between(forecast["time"].values, low, high, color=color, alpha=0.2, linewidth=0)
        panel.axvline(forecast["time"].values[0], color="#8a8a8a", linewidth=0.8)
        panel.set_title(str(history["node"].values[node]).replace("->", " → "), loc="left", fontsize=9)
        panel.set_ylim(bottom=0)
        tidy(panel, "y")
    dates(panels[-1], np.concatenate([shown["time"].values, forecast["time"].values]))
    if len(services) > 1:
        panels[0].legend(frameon=False, fontsize=8, ncols=len(services))
    return figure
