"""``odflow whatif``: link loads after failures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter, validators

import odflow.cli.options as opt
from odflow.cli.console import Console, percent, rate
from odflow.cli.inputs import Missing, aligned, check_output, holds_loads, open_network
from odflow.cli.methods import Method, check_sources, prepared
from odflow.cli.simulated import Plot, check_plot
from odflow.cli.summary import when
from odflow.cli.tables import write_rows
from odflow.errors import UsageError

if TYPE_CHECKING:
    from odflow.estimate.failure_loads import WhatIf
    from odflow.network.failures import Failure
    from odflow.network.routing import Routing

TABLES = (".csv", ".parquet")
Each = Literal["link", "node"]
_OLD_DAYS = 2.0  # until then intervals that hold in back-tests are worth more than what the loads add


def whatif(
    traffic: str,
    /,
    *,
    network: Annotated[
        str, Parameter(name=["--network", "-n"], metavar="NET", help="Topology file, or `topohub:GROUP/NAME`.")
    ],
    metric: opt.Metric = "metric",
    fail: opt.Words = (),
    fail_node: opt.Words = (),
    fail_each: tuple[Each, ...] = (),
    history: str | None = None,
    model: Path | None = None,
    method: Method | None = None,
    noise: float | None = None,
    missing: Missing = "raise",
    quantiles: opt.Floats = (0.05, 0.5, 0.95),
    samples: Annotated[int, Parameter(validator=validators.Number(gte=2))] = 100,
    seed: opt.Seed = 0,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Also write every link after every failure: CSV, Parquet.")
    ] = None,
    plot: Plot = None,
    unit: opt.Unit = None,
    history_unit: str | None = None,
    top: int = 10,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Tell how loaded links become when links or nodes fail, and how sure that is.

    Traffic takes the shortest paths that are left. Of every link the highest load of the whole span is shown. From
    link loads, loads after a failure come with intervals; with a history of traffic matrices back-tests inside it make
    these hold what they say. Rerouted loads are far better known than single demands.

    For example:

        odflow whatif tm.nc --network net.xml --fail-each link
        odflow whatif loads.nc -n net.xml --history h.nc --fail-each link --plot failures.png
        odflow whatif loads.nc -n net.xml --history h.nc --fail "r1->r2,r2->r1" --fail-node r7 -o after.csv

    Parameters
    ----------
    traffic : str
        Traffic matrices, or link loads to estimate them from.
    fail : tuple of str
        Links that are down together.
    fail_node : tuple of str
        Nodes that are down, together with what `--fail` names.
    fail_each : tuple of str
        `link`: every link on its own, in both directions; `node`: every node on its own. May be repeated.
    history : str
        Past traffic matrices that were really measured: file, folder or glob.
    model : Path
        What `odflow fit` or `--save-model` wrote, instead of `--history` and `--method`.
    method : str
        As in `odflow estimate`; by default the best of those with intervals on the history, without one
        `simulated-prior`.
    noise : float
        Relative error of the loads; without it, what their contradictions say.
    missing : str
        What to do if a link of the network has no loads: `raise`, or treat it as not measured (`nan`).
    quantiles : tuple of float
        Levels, such as `.05,.5,.95`.
    samples : int
        Traffic matrices to draw for each time.
    top : int
        Failures to list, the worst first.
    """
    from odflow.estimate import MomentPosterior, Posterior
    from odflow.estimate.failure_loads import whatif as look
    from odflow.network.routing import Routing
    from odflow.traffic.files import read_demands, read_loads

    console = Console(quiet or json)
    if not fail and not fail_node and not fail_each:
        raise UsageError("nothing fails; give --fail-each link or node, --fail LINK,.. or --fail-node NODE,..")
    check_sources(method, history, model)
    if output is not None:
        check_output(output, TABLES, [traffic, network, history, model])
    check_plot(plot, [traffic, network, history, model, output])
    routing = Routing.shortest_path(open_network(network), metric=metric)
    failures = _failures(routing, fail, fail_node, fail_each)
    past, estimator = None, None
    if holds_loads(traffic):
        given = aligned(read_loads(traffic, unit=unit), routing.links, missing)
        past = None if history is None else read_demands(history, unit=history_unit, progress=console.progress)
        estimator, _ = prepared(model, method, noise, given, past, routing, console, intervals=True, old_days=_OLD_DAYS)
    elif history is not None or model is not None or method is not None:
        raise UsageError(f"{traffic} holds traffic matrices already; leave --history, --method and --model out")
    else:
        given = read_demands(traffic, unit=unit, progress=console.progress)
    with console.bar("drawing") as progress:
        found = look(
            given,
            routing,
            failures,
            estimator,
            levels=quantiles,
            history=past,
            samples=samples,
            seed=seed,
            progress=None if progress is None else lambda done, total: progress(done, total, {}),
        )
    if output is not None:
        write_rows(found.rows(), output)
    if plot is not None:
        _draw(found, plot)
    if json:
        Console().json({"calibrated": found.calibrated, "worst": found.worst()})
        return
    certain, simulated = not isinstance(estimator, Posterior), isinstance(estimator, MomentPosterior)
    _tell(console, found, top, certain=certain, simulated=simulated)


def _failures(
    routing: Routing, links: tuple[str, ...], nodes: tuple[str, ...], each: tuple[Each, ...]
) -> tuple[Failure, ...]:
    from odflow.network.failures import Failure, each_link, each_node

    assert routing.network is not None
    found: tuple[Failure, ...] = (Failure(links, nodes),) if links or nodes else ()
    if "link" in each:
        found += each_link(routing.network)
    if "node" in each:
        found += each_node(routing.network.node_ids)
    return found


def _draw(found: WhatIf, plot: Path) -> None:
    from odflow.evaluate.failure_figures import failure_figure
    from odflow.evaluate.html import png, write_bytes

    write_bytes(plot, png(failure_figure(found), dpi=110))


def _tell(console: Console, found: WhatIf, top: int, *, certain: bool, simulated: bool) -> None:
    worst = found.worst()
    full = not np.isnan(worst[0]["capacity"]) if worst else False
    levels = found.columns
    middle = levels[len(levels) // 2]

    def shown(row: dict[str, Any], name: str) -> str:
        return percent(row[name] / row["capacity"]) if full else rate(row[name])

    head = ["fails", "worst link", ">before", ">after"]
    if not certain:
        head.append(f">{levels[0]} to {levels[-1]}")
    rows = []
    for row in worst[: max(top, 0)]:
        cells = [row["failure"], row["link"], shown(row, "before"), shown(row, middle)]
        if not certain:
            cells.append(f"{shown(row, levels[0])} to {shown(row, levels[-1])}")
        rows.append([*cells, when(row["time"])[5:], percent(row["lost"]) if row["lost"] else "-"])
    console.table([*head, "at", ">cut off"], rows)
    if not certain:
        how = "of single demands put right by simulated networks" if simulated else "not calibrated"
        how = "by back-tests inside the history" if found.calibrated else how
        console.say(f"  Intervals: {how}.")
    if not full:
        console.say("  The network states no capacities: the worst link is the one that gains most.")
