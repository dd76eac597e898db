"""``odflow plan``: what to measure next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

import odflow.cli.options as opt
from odflow.cli.console import Console, percent, rate
from odflow.cli.inputs import Missing, aligned, check_output, open_routing
from odflow.cli.methods import settled_noise
from odflow.cli.simulated import Plot, check_plot
from odflow.cli.tables import write_rows
from odflow.named import PlanUnit

if TYPE_CHECKING:
    import xarray as xr

    from odflow.estimate import Plan

TABLES = (".csv", ".parquet")
_WHAT = {
    "flow": "demand",
    "ingress": "all that enters at",
    "router": "all that enters or leaves at",
}


def plan(
    loads: Path,
    /,
    *,
    network: opt.NetworkFile = None,
    routing: opt.RoutingFile = None,
    metric: opt.Metric = "metric",
    budget: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 10,
    unit: PlanUnit = "flow",
    known: Path | None = None,
    history: Path | None = None,
    noise: float | None = None,
    missing: Missing = "raise",
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Also write the plan as a table: CSV, Parquet.")
    ] = None,
    plot: Plot = None,
    loads_unit: str | None = None,
    history_unit: str | None = None,
    interval: str | None = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Tell which demands or routers to measure next, to know the traffic matrix better.

    From link loads alone some demands are nearly known and others cannot be told apart. A few flows measured directly
    (NetFlow, LSP counters) tell much about the others that share links with them. The list is in the order to measure;
    beside each is the error of the whole estimate that is to be expected once it and all above it are measured. Give
    what is then measured to `odflow estimate` as `--known`.

    For example:

        odflow plan loads.nc --network topology.graphml --budget 10
        odflow plan loads.nc -n net.xml --budget 4 --unit router --plot plan.png
        odflow plan loads.nc -n net.xml --known measured.nc --budget 20 -o plan.csv

    Parameters
    ----------
    loads : Path
        Link loads (`.nc`, `.zarr`, `.parquet`, `.csv`), as `odflow counters` writes them.
    budget : int
        How many measurements to plan.
    unit : str
        What one measurement tells: `flow`, the demand of one origin and destination; `ingress`, all demands that enter
        the network at a router; `router`, all that enter or leave there.
    known : Path
        Traffic matrices with what is measured already at the same times, NaN elsewhere.
    history : Path
        Past traffic matrices that were really measured: file, folder or glob.
    noise : float
        Relative error of the loads; without it, what their contradictions say.
    missing : str
        What to do if a link of the routing has no loads: `raise`, or treat it as not measured (`nan`).
    loads_unit : str
        Unit of the loads if their file states none (CSV: bit/s).
    history_unit : str
        Unit of the history and of the known demands, if they do not state one.
    interval : str
        Length of an interval if the loads hold a single time, such as `5min`.
    """
    import odflow as of
    from odflow.traffic.files import read_demands, read_loads

    console = Console(quiet or json)
    inputs = [loads, network, routing, known, history]
    if output is not None:
        check_output(output, TABLES, inputs)
    check_plot(plot, [*inputs, output])
    path = open_routing(network, routing, metric)
    measured = aligned(read_loads(loads, unit=loads_unit, interval=interval), path.links, missing)
    extra = None if known is None else read_demands(known, unit=history_unit, progress=console.progress)
    past = None if history is None else read_demands(history, unit=history_unit, progress=console.progress)
    with console.steps() as step:
        step("learning from the loads" if past is None else "learning from the history")
        estimator = _estimator(past, settled_noise(noise, None, measured, path) or 0.0)
        found = of.plan(measured, path, estimator, budget=budget, unit=unit, known=extra)
    if output is not None:
        write_rows(found.rows(), output)
    if plot is not None:
        _draw(found, plot)
    if json:
        Console().json({"unit": found.unit, "error": found.error, "steps": found.rows()})
        return
    _tell(console, found)


def _estimator(history: xr.DataArray | None, noise: float) -> Any:
    import odflow as of

    return of.SimulatedPrior(noise=noise) if history is None else of.StudentTPosterior(noise=noise).fit(history)


def _draw(found: Plan, plot: Path) -> None:
    from odflow.evaluate.html import png, write_bytes
    from odflow.evaluate.plan_figures import plan_figure

    write_bytes(plot, png(plan_figure(found), dpi=110))


def _tell(console: Console, found: Plan) -> None:
    console.say(f"Expected error of the estimate, as it is: {percent(found.error)} of the traffic")
    rows = []
    for row in found.rows():
        more = () if found.unit == "flow" else (str(row["demands"]),)
        rows.append((str(row["rank"]), row["measure"], *more, rate(row["traffic"]), percent(row["error"])))
    head = () if found.unit == "flow" else (">demands",)
    console.table((">", _WHAT[found.unit], *head, ">carries", ">error then"), rows, "  What to measure next")
    if found.steps and found.steps[-1].error <= 0:
        console.say("  After these everything is known.")
