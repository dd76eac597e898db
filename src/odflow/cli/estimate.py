"""``odflow estimate``: from link loads to traffic matrices."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import odflow.cli.options as opt
from odflow.cli.console import Console
from odflow.cli.inputs import ARRAYS, check_output, open_routing
from odflow.errors import OdflowWarning, UsageError

if TYPE_CHECKING:
    import xarray as xr

Method = Literal["gravity", "tomogravity", "kl", "gaussian"]


def estimate(
    loads: Path,
    /,
    *,
    output: opt.Output,
    network: opt.NetworkFile = None,
    routing: opt.RoutingFile = None,
    metric: opt.Metric = "metric",
    history: Path | None = None,
    model: Path | None = None,
    method: Method | None = None,
    noise: float = 0.0,
    known: Path | None = None,
    known_error: float = 0.0,
    missing: Literal["raise", "nan"] = "raise",
    quantiles: opt.Floats = (),
    save_model: Path | None = None,
    unit: opt.Unit = None,
    history_unit: str | None = None,
    interval: str | None = None,
    top: int = 10,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Estimate traffic matrices from link loads.

    With a history of measured traffic matrices the method is `gaussian`, without it `kl` from a gravity prior:
    the most accurate ones that need no training. A recent history is worth more than any method.

    For example:

        odflow estimate loads.nc --network topology.graphml -o tm.nc
        odflow estimate loads.csv --unit Mbit/s --routing routing.csv --history last-week.nc --noise 0.02 -o tm.nc
        odflow estimate loads.nc -n topo.xml --history h.nc --quantiles .05,.5,.95 -o tm.nc

    Parameters
    ----------
    loads : Path
        Link loads (`.nc`, `.zarr`, `.parquet`, `.csv`), as `odflow counters` writes them.
    history : Path
        Past traffic matrices that were really measured (NetFlow, LSP counters): file, folder or glob.
    model : Path
        Fitted estimator, as written by `--save-model`, instead of `--history` and `--method`.
    method : str
        `gravity`: proportional to what enters and leaves. `tomogravity`: gravity, then weighted least squares.
        `kl`: minimum relative entropy to the mean of the history, or to gravity. `gaussian`: mean and covariance of
        the history given the loads; also yields quantiles.
    noise : float
        Relative error of the loads; 0.05 is 5 %. With 0 the estimate reproduces the loads exactly.
    known : Path
        Traffic matrices with some demands measured at the same times, NaN elsewhere.
    known_error : float
        Relative error of the known demands.
    missing : str
        What to do if a link of the routing has no loads: `raise`, or treat it as not measured (`nan`).
    quantiles : tuple of float
        Levels to estimate as well, such as `.05,.5,.95`; `-o tm.nc` then comes with `tm.quantiles.nc`.
    save_model : Path
        Also write the fitted estimator (`.safetensors`).
    history_unit : str
        Unit of the history and of the known demands, if they do not state one.
    interval : str
        Length of an interval if the loads hold a single time, such as `5min`.
    top : int
        Largest flows to list.
    """
    from odflow.cli import summary
    from odflow.traffic.files import read_demands, read_loads, write

    console = Console(quiet or json)
    beside = output.with_suffix(f".quantiles{output.suffix}") if quantiles else None
    _check_outputs(output, beside, save_model, [loads, network, routing, history, model, known])
    if model is not None and (history is not None or method is not None):
        raise UsageError("--model is already fitted; leave --history and --method out")
    path = open_routing(network, routing, metric)
    measured = _aligned(read_loads(loads, unit=unit, interval=interval), path.links, missing)
    past = None if history is None else read_demands(history, unit=history_unit, progress=console.progress)
    extra = None if known is None else read_demands(known, unit=history_unit, progress=console.progress)
    with _heard() as warned:
        estimator, name = _estimator(model, method, past, noise)
        if past is not None:
            summary.warn_of_age(past, measured)
        if model is None:
            estimator.fit(past, path)
        matrices = estimator.estimate(measured, path, known=extra, known_error=known_error)
        levels = _quantiles(estimator, measured, path, quantiles, extra, known_error)
    write(matrices, output)
    if levels is not None and beside is not None:
        write(levels, beside)
    if save_model is not None:
        estimator.save(save_model)
    report = summary.summarise(matrices, measured, path, method=name, history=past, warned=warned, top=top)
    if json:
        Console().json(report.to_dict())
    report.show(console, output, beside)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect the texts of odflow's warnings, and let them pass on afterwards."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OdflowWarning)
        yield texts
    for warning in caught:
        if issubclass(warning.category, OdflowWarning):
            texts.append(str(warning.message))
        warnings.warn(warning.message, stacklevel=3)


def _quantiles(
    estimator: Any,
    loads: xr.DataArray,
    routing: Any,
    levels: tuple[float, ...],
    known: xr.DataArray | None,
    known_error: float,
) -> xr.DataArray | None:
    if not levels:
        return None
    from odflow.estimate import Posterior

    if not isinstance(estimator, Posterior):
        raise UsageError("only --method gaussian gives quantiles; leave --quantiles out, or give --history")
    return estimator.quantiles(loads, routing, levels, known=known, known_error=known_error)


def _check_outputs(output: Path, beside: Path | None, save_model: Path | None, inputs: list[Any]) -> None:
    check_output(output, ARRAYS, inputs)
    if beside is not None:
        check_output(beside, ARRAYS, inputs)
    if save_model is not None:
        check_output(save_model, (".safetensors",), [*inputs, output, beside])


def _aligned(loads: xr.DataArray, links: tuple[str, ...], missing: str) -> xr.DataArray:
    """Loads of exactly the routing's links; absent ones become NaN if that was asked for."""
    from odflow.labels import align_links, check_loads

    checked = check_loads(loads)
    if missing == "nan":
        known = [link for link in links if link in set(checked["link"].values.tolist())]
        if not known:
            raise UsageError("no link of the loads is in the routing; are they of the same network?")
        checked = checked.sel(link=known).reindex(link=list(links))
    return align_links(checked, links)


def _estimator(model: Path | None, method: str | None, history: Any, noise: float) -> tuple[Any, str]:
    import odflow as of

    if model is not None:
        estimator = of.load(model)
        return estimator, type(estimator).__name__
    name = method or ("kl" if history is None else "gaussian")
    if name == "gaussian" and history is None:
        raise UsageError("--method gaussian learns from past traffic matrices; give --history, or use --method kl")
    return make_estimator(name, noise), name


def make_estimator(method: str, noise: float = 0.0) -> Any:
    """An estimator by its name on the command line."""
    import odflow as of

    if method == "gravity":
        return of.Gravity(noise=noise)
    if method == "tomogravity":
        return of.Tomogravity(noise=noise)
    if method == "kl":
        return of.KLProjection(noise=noise)
    return of.GaussianPosterior(noise=noise)
