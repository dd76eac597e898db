"""``odflow forecast``: what comes next, of traffic matrices or cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter, validators

import odflow.cli.options as opt
from odflow.cli.console import Console, duration
from odflow.cli.inputs import ARRAYS, check_output
from odflow.cli.simulated import Plot, check_plot
from odflow.errors import DataError, OdflowError, UsageError

if TYPE_CHECKING:
    import xarray as xr

    from odflow.evaluate.forecast_choice import Choice
    from odflow.forecast.base import Forecaster

_SHOWN = 4  # leads in the table


def forecast(
    history: str,
    /,
    *,
    output: opt.Output,
    lead: Annotated[int, Parameter(name="--lead", validator=validators.Number(gte=1))] = 12,
    method: str = "auto",
    model: Path | None = None,
    quantiles: Annotated[tuple[float, ...], Parameter(converter=opt.floats, accepts_keys=False, n_tokens=1)] = (),
    plot: Plot = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Forecast traffic matrices, or the cells of a cellular network, from their past.

    Every method is tried out on the last days of the history; the best one there makes the forecast, and its errors
    there say how sure it is. One of them, `sim-mstnet`, is a neural network that has learnt from simulated networks
    (needs torch; at most 24 intervals). `odflow fit mstnet` teaches it more about one's own.

    For example:

        odflow forecast tm.nc --lead 12 -o next.nc
        odflow forecast tm.nc --lead 288 --quantiles 0.05,0.5,0.95 -o next.nc --plot next.png
        odflow forecast cells.csv --lead 24 --method seasonal-ewma -o next.csv
        odflow forecast tm.nc --lead 12 --model model.safetensors -o next.nc

    Parameters
    ----------
    history : str
        File of traffic matrices (any format), or of cells as `odflow simulate-cells` writes them.
    lead : int
        Intervals to forecast.
    method : str
        `auto`, or one of last, day-before, week-before, average, ewma, seasonal-ewma, ridge, ridge-per-series, trees,
        sim-mstnet, blend.
    model : Path
        Forecast by what `odflow fit mstnet` wrote; its errors are those on the last days of the history.
    quantiles : tuple
        Levels to write instead of the middle, separated by commas, such as `0.05,0.5,0.95`.
    """
    from odflow.evaluate.forecast_choice import METHODS, choose, tried, with_quantiles

    console = Console(quiet or json)
    if method != "auto" and method not in METHODS:
        raise UsageError(f"unknown method '{method}'; methods are auto, {', '.join(METHODS)}")
    if model is not None and method != "auto":
        raise UsageError("--model or --method, not both")
    past, cells = read_past(history)
    check_output(output, (".nc", ".zarr", ".csv") if cells else ARRAYS, [history])
    check_plot(plot, [history, output])
    series = series_of(past, cells)
    with console.steps() as step:
        if model is not None:
            fitted = _loaded(model)
            choice = tried(series, lead, {model.name: fitted})
        else:
            choice = choose(series, lead, tuple(METHODS) if method == "auto" else (method,), progress=step)
            fitted = METHODS[choice.method](lead).fit(series)
        step(f"forecasting by {choice.method}")
        found, bands = with_quantiles(fitted, series, lead, choice, quantiles or (0.05, 0.95))
    result = _back(bands if quantiles else found, past, cells)
    _write(result, output, cells)
    if plot is not None:
        _draw(series, found, bands, plot)
    if json:
        Console().json({"method": choice.method, "lead": lead, "targets": choice.targets, "wape": choice.wape})
    interval = duration(float(series.attrs["interval_s"]))
    console.say(f"{output}: {lead} x {interval} of {series.sizes['node']} series, by {choice.method}")
    _tell(console, choice)


def read_past(name: str) -> tuple[xr.DataArray, bool]:
    """The history, and whether it is of cells."""
    from odflow.traffic.cells import read_cells
    from odflow.traffic.files import read_demands

    try:
        return read_demands(name), False
    except OdflowError as error:
        if not Path(name).exists():
            raise
        try:
            return read_cells(name), True
        except OdflowError:
            raise error from None


def series_of(past: xr.DataArray, cells: bool) -> xr.DataArray:
    """Series of cells, or of all demands."""
    from odflow.traffic.series import from_cells, from_tms

    if not cells and set(past.dims) != {"time", "origin", "destination"}:
        raise DataError(
            f"history has the dimensions {', '.join(map(str, past.dims))}, expected time, origin, destination"
        )
    return from_cells(past) if cells else from_tms(past, flows=True)


def _loaded(model: Path) -> Forecaster:
    from odflow.estimate.store import load
    from odflow.forecast.base import Forecaster

    found = load(model)
    if not isinstance(found, Forecaster):
        raise UsageError(f"{model} holds a {type(found).__name__}, which does not forecast; use odflow fit mstnet")
    return found


def _back(found: xr.DataArray, past: xr.DataArray, cells: bool) -> xr.DataArray:
    """Forecasts with the dimensions of the history."""
    import xarray as xr

    if cells:
        return found.rename(node="cell").transpose(
            *[dim for dim in ("quantile", *past.dims) if dim in (*found.dims, "cell")]
        )
    nodes = past["origin"].values
    lead_dims = [dim for dim in ("quantile", "time") if dim in found.dims]
    shape = [found.sizes[dim] for dim in lead_dims] + [len(nodes), len(nodes)]
    values = found.transpose(*lead_dims, "node", "service").values.reshape(shape)
    coords = {dim: found[dim].values for dim in lead_dims} | {
        "origin": nodes,
        "destination": past["destination"].values,
    }
    attrs = {"units": past.attrs.get("units", "bit/s"), "interval_s": found.attrs["interval_s"]}
    return xr.DataArray(values, dims=(*lead_dims, "origin", "destination"), coords=coords, attrs=attrs, name="demand")


def _write(result: xr.DataArray, output: Path, cells: bool) -> None:
    from odflow.traffic.cells import write_cells
    from odflow.traffic.files import write

    if cells:
        write_cells(result, output)
    else:
        write(result, output)


def _draw(series: xr.DataArray, found: xr.DataArray, bands: xr.DataArray, plot: Path) -> None:
    from odflow.evaluate.forecast_figures import forecast_figure
    from odflow.evaluate.html import png, write_bytes

    write_bytes(plot, png(forecast_figure(series, found, bands), dpi=110))


def _tell(console: Console, choice: Choice) -> None:
    """How every method did."""
    leads = choice.leads if len(choice.leads) <= _SHOWN else tuple(choice.leads[k] for k in (0, 2, -2, -1))
    order = sorted(choice.wape, key=lambda name: float(np.mean(list(choice.wape[name].values()))))
    head = ", ".join(f"{lead}" for lead in leads)
    rows = [(f"tried on the last {choice.targets} intervals", f"error (WAPE) at lead {head}")]
    rows += [(f"  {name}", "  ".join(f"{choice.wape[name][lead]:.1%}" for lead in leads)) for name in order]
    console.fields(rows)
