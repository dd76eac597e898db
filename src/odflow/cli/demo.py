"""``odflow demo``: the whole pipeline on a built-in network."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import odflow.cli.options as opt
from odflow.cli.console import Console, percent, rate
from odflow.cli.inputs import check_folder, open_network
from odflow.errors import InconsistentLoadsWarning, MissingDependencyError, UsageError

if TYPE_CHECKING:
    import xarray as xr

    from odflow.cli.demo_data import World
    from odflow.cli.demo_forecast import NextDay
    from odflow.cli.demo_runs import Run

FILES = (
    "topology.graphml",
    "routing.csv",
    "polls.csv",
    "interfaces.csv",
    "loads.nc",
    "history.nc",
    "truth.nc",
    "estimate.nc",
    "services.csv",
    "tomorrow.csv",
    "overview.png",
    "report.html",
)
OWN_NETWORK = """
odflow network show your-topology.graphml
odflow counters your-polls.csv --interfaces your-map.csv --interval 5min -o loads.nc
odflow estimate loads.nc --network your-topology.graphml -o tm.nc
odflow forecast tm.nc --lead 12 -o next.nc
"""


def demo(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], metavar="DIR")] = Path("odflow-demo"),
    network: Annotated[str, Parameter(name=["--network", "-n"], metavar="NET")] = "topohub:sndlib/nobel-eu",
    metric: opt.Metric = "metric",
    seed: opt.Seed = 0,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Run the whole pipeline on a built-in network; print a table and write an HTML report.

    A real topology; three weeks of made-up but plausible traffic, of which two are known; interface counters polled
    during the third, with wraps, gaps and restarts; link loads from the counters; traffic matrices by every method,
    compared with the truth; and the next day of what every node sends, by service. All files are left in DIR, with the
    commands that repeat each step. Needs no network access and about a minute.

    For example:

        odflow demo
        odflow demo -o try --network topohub:sndlib/germany50 --seed 7

    Parameters
    ----------
    output : Path
        Folder for the files; made if it does not exist.
    network : str
        Topology file of up to 100 nodes, or `topohub:GROUP/NAME`.
    """
    console = Console(quiet or json)
    _prepare(output)
    topology = open_network(network)
    from odflow.cli.demo_data import make_world, write_world
    from odflow.cli.demo_forecast import next_day, write_next_day
    from odflow.cli.demo_runs import run_methods

    with console.steps() as step, warnings.catch_warnings():
        # the counters are poor on purpose
        warnings.simplefilter("ignore", InconsistentLoadsWarning)
        step("making three weeks of traffic and polling its counters")
        world = make_world(topology, metric, seed)
        output.mkdir(exist_ok=True)
        write_world(world, output)
        runs, quantiles = run_methods(world, step)
        _write_estimate(runs[-1], output)
        step("forecasting the next day of three services")
        ahead = next_day(world.network, seed)
        write_next_day(ahead, output)
        step("drawing the report")
        again = replay(output, metric, runs[-1].method, ahead.choice.method)
        missing = _report(output, world, runs, quantiles, ahead, again, seed)
    if json:
        Console().json(_facts(world, runs, ahead, None if missing else output / "report.html"))
    _show(console, world, runs, ahead, output, again, missing)


def replay(folder: Path, metric: str, method: str, forecast: str) -> list[str]:
    """The commands that repeat the demo on its files, with the methods of the estimate and of the forecast."""
    at = {name: shlex.quote(str(folder / name)) for name in FILES}
    by = "" if metric == "metric" else f" --metric {metric}"
    return [
        f"odflow counters {at['polls.csv']} --interfaces {at['interfaces.csv']} --interval 15min --tolerance 0.05"
        f" -o {at['loads.nc']}",
        f"odflow route {at['topology.graphml']}{by} -o {at['routing.csv']}",
        f"odflow estimate {at['loads.nc']} --routing {at['routing.csv']} --history {at['history.nc']} --noise 0.01"
        f" --method {method} -o {at['estimate.nc']}",
        f"odflow evaluate {at['truth.nc']} {at['estimate.nc']}",
        f"odflow forecast {at['services.csv']} --lead 24 --method {forecast} -o {at['tomorrow.csv']}",
    ]


def _prepare(folder: Path) -> None:
    """Refuse a folder with other things in it."""
    if not folder.exists():
        check_folder(folder.parent)
        return
    check_folder(folder)
    others = sorted(entry.name for entry in folder.iterdir() if entry.name not in FILES)
    if others:
        raise UsageError(f"'{folder}' holds other files ('{others[0]}'); give an empty or a new folder with -o DIR")


def _write_estimate(run: Run, folder: Path) -> None:
    from odflow.traffic.files import write

    write(run.estimate, folder / "estimate.nc")


def _report(
    folder: Path,
    world: World,
    runs: Sequence[Run],
    quantiles: xr.DataArray,
    ahead: NextDay,
    again: Sequence[str],
    seed: int,
) -> str:
    """Write the report; what is missing for it, if it cannot be written."""
    try:
        from odflow.cli.demo_report import write_report
    except MissingDependencyError as error:
        return str(error)
    write_report(folder, world, runs, quantiles, ahead, "\n".join(again), seed)
    return ""


def _show(
    console: Console,
    world: World,
    runs: Sequence[Run],
    ahead: NextDay,
    folder: Path,
    again: Sequence[str],
    missing: str,
) -> None:
    from odflow.cli.demo_runs import winner
    from odflow.traffic.counters import quality_summary

    total = world.truth.sum(("origin", "destination"))
    shares = quality_summary(world.loads)["share"]
    quality = ", ".join(f"{flag} {percent(float(share))}" for flag, share in shares.items() if share > 0)
    console.say(f"{world.network.name}: {len(world.network.nodes)} nodes, {len(world.network.links)} directed links")
    console.fields(
        [
            (
                "traffic",
                f"three made-up weeks, mean {rate(float(total.mean()))}; two are known, the third is estimated",
            ),
            ("counters", f"{len(world.polls):,} polls; loads: {quality}"),
        ]
    )
    rows = [
        (
            run.label,
            run.needs,
            f"{run.score.all.tre.mean:.3f}",
            f"{run.score.all.sre.median:.3f}",
            f"{run.score.all.nmae:.3f}",
            f"{run.seconds:.1f} s",
        )
        for run in runs
    ]
    console.table(("method", "needs", ">TRE", ">SRE", ">NMAE", ">time"), rows)
    console.say(f"  Best: {winner(runs).label}. TRE: mean relative error of an interval; SRE: median over flows.")
    errors = ", ".join(f"{name} {percent(error)} ({percent(ahead.naive[name])})" for name, error in ahead.error.items())
    console.say(f"  Next day by service, error by {ahead.choice.method} (by the day before): {errors}.")
    console.say()
    console.say(f"Report: {folder / 'report.html'}" if not missing else f"No report: {missing}", style="bold")
    console.say()
    console.say("Repeat each step on the files:")
    for command in again:
        console.say(f"  {command}")
    console.say()
    console.say("With your own network:")
    for command in OWN_NETWORK.split("\n")[1:-1]:
        console.say(f"  {command}")


def _facts(world: World, runs: Sequence[Run], ahead: NextDay, report: Path | None) -> dict[str, object]:
    return {
        "network": world.network.name,
        "nodes": len(world.network.nodes),
        "links": len(world.network.links),
        "polls": len(world.polls),
        "report": None if report is None else str(report),
        "next_day": {"method": ahead.choice.method, "wape": ahead.error, "day_before": ahead.naive},
        "methods": [
            {"method": run.method, "label": run.label, "seconds": run.seconds, **run.score.to_dict()} for run in runs
        ],
    }
