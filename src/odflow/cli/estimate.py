"""``odflow estimate``: from link loads to traffic matrices."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import odflow.cli.options as opt
from odflow.cli.console import Console
from odflow.cli.inputs import ARRAYS, Missing, aligned, check_output, open_routing
from odflow.cli.methods import AUTO, FROM_LOADS, LEARNED, POSTERIORS, Method, check_sources, prepared
from odflow.cli.search import Options, Search
from odflow.errors import DataError, OdflowWarning, UsageError

if TYPE_CHECKING:
    import xarray as xr

    from odflow.estimate import GaussianPosterior
    from odflow.estimate.base import Estimator
    from odflow.estimate.sureness import Sureness


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
    own: bool = False,
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
    search: Options = Search(),  # noqa: B008  (frozen)
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Estimate traffic matrices from link loads.

    With a history of measured traffic matrices several methods are tried on its last weeks, and the best one is
    taken, together with what the loads say on their own, which counts for more the less the history fits any more.
    Without a history the traffic is learnt from how the loads vary together (`simulated-prior`); give a day of them
    or more. A recent history is worth more than any method.

    For example:

        odflow estimate loads.nc --network topology.graphml -o tm.nc
        odflow estimate loads.nc -n net.xml --history "tm/*.xml" -o tm.nc
        odflow estimate loads.csv --unit Mbit/s --routing routing.csv -o tm.csv
        odflow estimate loads.nc -r routing.nc --history h.nc --quantiles .05,.95 -o tm.nc
        odflow estimate loads.nc -n net.xml --model ddpm.safetensors -o tm.nc

    Parameters
    ----------
    loads : Path
        Link loads (`.nc`, `.zarr`, `.parquet`, `.csv`), as `odflow counters` writes them.
    history : Path
        Past traffic matrices that were really measured (NetFlow, LSP counters): file, folder or glob.
    model : Path
        What `odflow fit` or `--save-model` wrote, instead of `--history` and `--method`; with a generator the method
        is the one that inverts it.
    method : str
        `auto`, the default with a history: `loads-and-history` with half a day of loads or more, up to 60 nodes; else
        `stacked-pretrained` (with torch, up to 60 nodes), `student-t`, `gaussian` or `kl`, whichever was best there, as
        long before as the history is old. `gravity`: proportional to what enters and leaves. `tomogravity`: gravity,
        then weighted least squares. `simulated-prior`, the default without a history (up to 120 nodes, else `kl`): the
        mean of every flow from how the loads vary together over hours to weeks, by networks that have learnt on
        simulated networks what to make of it; also yields quantiles. `moments`: the same without these networks. `kl`:
        minimum relative entropy to the mean of the history, or to gravity. `gaussian`: mean and covariance of the
        history given the loads; also yields quantiles. `student-t`: the same with heavy tails, each flow may spike;
        more accurate, and slower by a few milliseconds for each interval. `loads-and-history`: the mean of what is best
        on the history and of `simulated-prior`, weighed by back-tests and by how far they are apart; a history that is
        old or does not fit any more weighs less. `stacked-pretrained`: the mean of small networks that have learnt on
        simulated networks which of these and other estimates to trust; more accurate again (seconds, needs torch).
        `stacked`: these learn on from back-tests inside the history; the most accurate one (minutes, three weeks of
        history). `diffusion-pretrained`, `diffusion-posterior`: draws that meet the loads, by a diffusion that has
        learnt from the same; slower. `ddpm-tme`, `vae-tme`, `wgan-tme`: what a generator of traffic matrices, trained
        on the history, would draw to explain the loads (minutes to hours, needs torch).
    own : bool
        Write what the generator says, as it is, instead of bringing it to the loads.
    noise : float
        Relative error of the loads; 0.05 is 5 %. Without it, what their contradictions say. With 0 the estimate
        reproduces the loads exactly, after they have been made consistent.
    known : Path
        Traffic matrices with some demands measured at the same times, NaN elsewhere.
    known_error : float
        Relative error of the known demands.
    missing : str
        What to do if a link of the routing has no loads: `raise`, or treat it as not measured (`nan`).
    quantiles : tuple of float
        Levels to estimate as well, such as `.05,.5,.95`; `-o tm.nc` then comes with `tm.quantiles.nc`. Back-tests
        inside the history make them hold what they say.
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
    from odflow.estimate import GaussianPosterior
    from odflow.evaluate.scores import link_residuals
    from odflow.traffic.files import read_demands, read_loads, write

    console = Console(quiet or json)
    beside = output.with_suffix(f".quantiles{output.suffix}") if quantiles else None
    _check_options(method, history, model, quantiles, own, save_model)
    search.check()
    _check_outputs(output, beside, save_model, [loads, network, routing, history, model, known])
    path = open_routing(network, routing, metric)
    measured = aligned(read_loads(loads, unit=unit, interval=interval), path.links, missing)
    past = None if history is None else read_demands(history, unit=history_unit, progress=console.progress)
    extra = None if known is None else read_demands(known, unit=history_unit, progress=console.progress)
    with _heard() as warned:
        estimator, tried = prepared(
            model,
            method,
            noise,
            measured,
            past,
            path,
            console,
            intervals=bool(quantiles),
            lasting=save_model is not None,
            known=extra,
            known_error=known_error,
        )
        estimator = search.of(estimator)
        _check_abilities(estimator, quantiles, own)
        if quantiles and past is not None and isinstance(estimator, GaussianPosterior):
            _calibrate(estimator, past, path, console)
        matrices, change = _estimated(estimator, measured, path, extra, known_error, own, console)
        residual = link_residuals(matrices, measured, path)[0]
        summary.warn_of_age(matrices)
        if not own:
            summary.warn_of_misfit(residual, estimator)
        sure = None if quiet and not json else _sureness(estimator, measured, path, extra, known_error)
        levels = _quantiles(estimator, measured, path, quantiles, extra, known_error)
    write(matrices, output)
    if levels is not None and beside is not None:
        write(levels, beside)
    if save_model is not None:
        estimator.save(save_model)
    report = summary.summarise(
        matrices, measured, estimator, residual, change=change, sure=sure, tried=tried, warned=warned, top=top
    )
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


def _calibrate(estimator: GaussianPosterior, history: xr.DataArray, routing: Any, console: Console) -> None:
    """By back-tests inside the history, if it is long enough."""
    try:
        estimator.calibrate(history, routing)
    except DataError as error:
        console.say(f"quantiles are those of the model, not calibrated: {error}")


def _sureness(
    estimator: Any, loads: xr.DataArray, routing: Any, known: xr.DataArray | None, known_error: float
) -> Sureness | None:
    """What an estimate without a history is sure of; None where there is no traffic."""
    from odflow.estimate import MomentPosterior
    from odflow.estimate.sureness import sureness

    if not isinstance(estimator, MomentPosterior) or not (loads > 0).any():
        return None
    return sureness(estimator, loads, routing, known=known, known_error=known_error)


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
    return estimator.quantiles(loads, routing, levels, known=known, known_error=known_error)


def _check_outputs(output: Path, beside: Path | None, save_model: Path | None, inputs: list[Any]) -> None:
    check_output(output, ARRAYS, inputs)
    if beside is not None:
        check_output(beside, ARRAYS, inputs)
    if save_model is not None:
        check_output(save_model, (".safetensors",), [*inputs, output, beside])


def _check_options(
    method: str | None,
    history: Path | None,
    model: Path | None,
    quantiles: tuple[float, ...],
    own: bool,
    save_model: Path | None,
) -> None:
    check_sources(method, history, model)
    if save_model is not None and method == "loads-and-history":
        raise UsageError("--method loads-and-history learns from the loads it estimates; leave --save-model out")
    if own and model is None and method not in LEARNED:
        raise UsageError(f"--own is for estimates of generators; use --method {', '.join(LEARNED)} or --model")
    able = (None, AUTO, *FROM_LOADS, *POSTERIORS)
    if quantiles and model is None and method not in able:
        raise UsageError(f"only --method {', '.join((*FROM_LOADS, *POSTERIORS))} give quantiles; leave --quantiles out")
    if quantiles:
        from odflow.estimate.checks import check_probabilities

        check_probabilities(quantiles)


def _check_abilities(estimator: Estimator, quantiles: tuple[float, ...], own: bool) -> None:
    from odflow.estimate import Posterior

    if quantiles and not isinstance(estimator, Posterior):
        raise UsageError(f"a {type(estimator).__name__} gives no quantiles; leave --quantiles out")
    if own and not hasattr(estimator, "stages"):
        raise UsageError(f"a {type(estimator).__name__} holds no generator; leave --own out")


def _estimated(
    estimator: Any,
    loads: xr.DataArray,
    routing: Any,
    known: xr.DataArray | None,
    known_error: float,
    own: bool,
    console: Console,
) -> tuple[xr.DataArray, float | None]:
    """The estimate and, if it is a generator's, how far its own one is from that brought to the loads."""
    if not hasattr(estimator, "stages"):
        return estimator.estimate(loads, routing, known=known, known_error=known_error), None
    with console.bar("estimating") as progress:
        stages = estimator.stages(loads, routing, known=known, known_error=known_error, progress=progress)
    before, after = stages.sel(stage="own", drop=True), stages.sel(stage="projected", drop=True)
    change = float(abs(after - before).sum()) / (float(after.sum()) or 1.0)
    chosen = "own" if own else "projected"
    return stages.sel(stage=chosen, drop=True).assign_attrs(stage=chosen), change
