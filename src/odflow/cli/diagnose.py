"""``odflow diagnose``: what link loads can tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import odflow.cli.options as opt
from odflow.cli.console import Console, rate
from odflow.cli.inputs import TOPOHUB, Missing, aligned, looks_like_routing, open_routing
from odflow.errors import LabelError, UsageError

if TYPE_CHECKING:
    import xarray as xr


def diagnose(
    net: str,
    /,
    *,
    loads: Path | None = None,
    bounds: bool = False,
    time: str | None = None,
    missing: Missing = "raise",
    metric: opt.Metric = "metric",
    unit: opt.Unit = None,
    top: int = 10,
    json: opt.Json = False,
) -> None:
    """Tell what the link loads of a network determine, and what they leave open.

    Rank and null space of the routing matrix, flows that the loads give exactly, counters that repeat what
    others say, counters whose loss would hurt most.

    For example:

        odflow diagnose topology.graphml
        odflow diagnose routing.csv --loads loads.nc --bounds
        odflow diagnose net.xml --loads loads.nc --bounds --time 2026-01-19T12:00

    Parameters
    ----------
    net : str
        Topology file, `topohub:GROUP/NAME`, or a routing matrix as written by `odflow route`.
    loads : Path
        Link loads: tells which counters are missing, and weighs the others by real traffic.
    bounds : bool
        Smallest and largest value of every demand that fits the loads of one interval.
    time : str
        Interval to look at, UTC, such as `2026-01-19T12:00`; without it the mean over time, and for `--bounds`
        the first interval.
    missing : str
        What to do if a link of the routing has no loads: `raise`, or treat it as not measured (`nan`).
    top : int
        Largest bounded flows to list.
    """
    from odflow.network.diagnose import diagnose as look
    from odflow.traffic.files import read_loads

    if loads is None and (bounds or time):
        raise UsageError(f"{'--bounds' if bounds else '--time'} needs the loads; give --loads FILE")
    console = Console(quiet=json)
    is_routing = not net.startswith(TOPOHUB) and looks_like_routing(Path(net))
    routing = open_routing(None if is_routing else net, Path(net) if is_routing else None, metric)
    measured = None
    if loads is not None:
        measured = _chosen(aligned(read_loads(loads, unit=unit), routing.links, missing), time, single=bounds)
    found = look(routing, measured, bounds=bounds, progress=bounds and console.progress)
    if json:
        Console().json(found.to_dict())
        return
    console.say(str(found))
    if found.bounds is not None and top > 0:
        console.table(("origin", "destination", ">at least", ">at most"), _largest(found.bounds, top))


def _chosen(loads: xr.DataArray, time: str | None, *, single: bool) -> xr.DataArray:
    import numpy as np

    from odflow.labels import as_times

    if time is None:
        return loads.isel(time=[0]) if single else loads
    try:
        wanted = as_times([time])[0]
    except LabelError as error:
        raise UsageError(f"--time is '{time}', expected a time in UTC such as 2026-01-19T12:00 (no zone)") from error
    at = np.flatnonzero(loads["time"].values == wanted)
    if not at.size:
        first, last = (str(loads["time"].values[i].astype("datetime64[s]")) for i in (0, -1))
        raise UsageError(f"the loads have no interval that starts at {time}; they reach from {first} to {last}")
    return loads.isel(time=at)


def _largest(bounds: xr.DataArray, count: int) -> list[tuple[str, str, str, str]]:
    import numpy as np

    lower, upper = bounds.values
    nodes = [str(node) for node in bounds["origin"].values]
    rows = []
    for k in np.argsort(-np.nan_to_num(lower), axis=None, kind="stable")[:count]:
        i, j = divmod(int(k), len(nodes))
        rows.append((nodes[i], nodes[j], rate(float(lower[i, j])), rate(float(upper[i, j]))))
    return rows
