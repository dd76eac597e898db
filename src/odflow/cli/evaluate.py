"""``odflow evaluate``: score an estimate against the truth."""

from __future__ import annotations

from pathlib import Path

import odflow.cli.options as opt
from odflow.cli.console import Console
from odflow.cli.inputs import open_routing
from odflow.errors import UsageError


def evaluate(
    truth: Path,
    estimate: Path,
    /,
    *,
    loads: Path | None = None,
    network: opt.NetworkFile = None,
    routing: opt.RoutingFile = None,
    metric: opt.Metric = "metric",
    unit: str | None = None,
    estimate_unit: str | None = None,
    loads_unit: str | None = None,
    allow_missing: bool = False,
    json: opt.Json = False,
) -> None:
    """Score an estimate against the true traffic matrices, with and without the diagonal.

    TRE is the relative error of each interval, SRE that of each flow, NMAE that of everything; RMSE is in bit/s.

    For example:

        odflow evaluate truth.nc tm.nc
        odflow evaluate truth.nc tm.nc --loads loads.nc --routing routing.csv --json

    Parameters
    ----------
    truth : Path
        True traffic matrices.
    estimate : Path
        Estimated traffic matrices, for the same nodes and times.
    loads : Path
        Link loads that the estimate was made from, to report how far its own loads are from them.
    unit : str
        Unit of the truth, if its file states none (CSV: bit/s), such as `Mbit/s`.
    estimate_unit : str
        The same for the estimate.
    loads_unit : str
        The same for the loads.
    allow_missing : bool
        Leave out (and count) demands that the estimate does not have.
    """
    from rich.markup import escape

    from odflow.evaluate.scores import score
    from odflow.traffic.files import read_demands, read_loads

    given = network is not None or routing is not None
    if (loads is not None) != given:
        raise UsageError("the link residual needs --loads and one of --network and --routing; give both or neither")
    result = score(
        read_demands(truth, unit=unit),
        read_demands(estimate, unit=estimate_unit),
        loads=read_loads(loads, unit=loads_unit) if loads is not None else None,
        routing=open_routing(network, routing, metric) if given else None,
        allow_missing=allow_missing,
    )
    console = Console()
    if json:
        console.json(result.to_dict())
    else:
        console.show(result.table(escape(f"{estimate} against {truth}")))
