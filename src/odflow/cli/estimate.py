"""``odflow estimate``: from link loads to traffic matrices."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import odflow.cli.options as opt
from odflow.cli.console import Console
from odflow.cli.inputs import ARRAYS, Missing, aligned, check_output, open_routing
from odflow.errors import OdflowWarning, UsageError

if TYPE_CHECKING:
    import xarray as xr

    from odflow.estimate.base import Estimator

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
    noise: float | None = None,
    known: Path | None = None,
    known_error: float = 0.0,
    missing: Missing = "raise",
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
        odflow estimate loads.nc -n net.xml --history "tm/*.xml" --noise 0.01 -o tm.nc
        odflow estimate loads.csv --unit Mbit/s --routing routing.csv -o tm.csv
        odflow estimate loads.nc -r routing.nc --history h.nc --quantiles .05,.95 -o tm.nc

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
        Relative error of the loads; 0.05 is 5 %, and 0.01 a good start for polled counters. With 0, the default, the
        estimate reproduces the loads exactly, after they have been made consistent.
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
    from odflow.evaluate.scores import link_residuals
    from odflow.traffic.files import read_demands, read_loads, write

    console = Console(quiet or json)
    beside = output.with_suffix(f".quantiles{output.suffix}") if quantiles else None
    _check_options(method, history, model, quantiles)
    _check_outputs(output, beside, save_model, [loads, network, routing, history, model, known])
    path = open_routing(network, routing, metric)
    measured = aligned(read_loads(loads, unit=unit, interval=interval), path.links, missing)
    past = None if history is None else read_demands(history, unit=history_unit, progress=console.progress)
    extra = None if known is None else read_demands(known, unit=history_unit, progress=console.progress)
    with _heard() as warned:
        estimator = _fitted(model, method, noise, past, path)
        matrices = estimator.estimate(measured, path, known=extra, known_error=known_error)
        residual = link_residuals(matrices, measured, path)[0]
        summary.warn_of_age(matrices)
        summary.warn_of_misfit(residual, estimator)
        levels = _quantiles(estimator, measured, path, quantiles, extra, known_error)
    write(matrices, output)
    if levels is not None and beside is not None:
        write(levels, beside)
    if save_model is not None:
        estimator.save(save_model)
    report = summary.summarise(matrices, measured, estimator, residual, warned=warned, top=top)
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
        raise UsageError(f"a {type(estimator).__name__} gives no quantiles; leave --quantiles out")
    return estimator.quantiles(loads, routing, levels, known=known, known_error=known_error)


def _check_outputs(output: Path, beside: Path | None, save_model: Path | None, inputs: list[Any]) -> None:
    check_output(output, ARRAYS, inputs)
    if beside is not None:
        check_output(beside, ARRAYS, inputs)
    if save_model is not None:
        check_output(save_model, (".safetensors",), [*inputs, output, beside])


def _check_options(method: str | None, history: Path | None, model: Path | None, quantiles: tuple[float, ...]) -> None:
    if model is not None and (history is not None or method is not None):
        raise UsageError("--model is fitted already; leave --history and --method out")
    if method == "gaussian" and history is None:
        raise UsageError("--method gaussian learns from past traffic matrices; give --history, or use --method kl")
    if method in ("gravity", "tomogravity") and history is not None:
        raise UsageError(f"--method {method} uses no history; leave --history out, or use --method kl or gaussian")
    if quantiles and model is None and (method or ("gaussian" if history else "kl")) != "gaussian":
        raise UsageError("only --method gaussian gives quantiles; it needs --history")
    if quantiles:
        from odflow.estimate.checks import check_probabilities

        check_probabilities(quantiles)


def _fitted(model: Path | None, method: str | None, noise: float | None, history: Any, routing: Any) -> Estimator:
    import odflow as of

    if model is not None:
        estimator = of.load(model)
        if noise is not None:
            estimator.noise = noise
        return estimator
    name = method or ("kl" if history is None else "gaussian")
    makers: dict[str, type[Estimator]] = {
        "gravity": of.Gravity,
        "tomogravity": of.Tomogravity,
        "kl": of.KLProjection,
        "gaussian": of.GaussianPosterior,
    }
    return makers[name](noise=noise or 0.0).fit(history, routing)
