"""``odflow simulate``: traffic matrices, link loads and routing of a network without any history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

import odflow.cli.options as opt
from odflow.cli.console import Console, duration, rate
from odflow.cli.inputs import ARRAYS, ROUTINGS, check_output, open_network
from odflow.cli.simulated import Plot, Workers, Worlds, check_plot, draw, of_services, shares_of_services, write_drawn
from odflow.errors import UsageError
from odflow.simulate.config import BackboneConfig
from odflow.simulate.services import Service

if TYPE_CHECKING:
    import xarray as xr

    from odflow.network.epochs import RoutingEpochs
    from odflow.network.model import Network

_SUFFIXES = {"loads": ARRAYS, "routing": ROUTINGS, "polls": (".csv",), "interfaces": (".csv",)}


@dataclass(frozen=True, kw_only=True)
class _Traffic(BackboneConfig):
    services: Annotated[
        tuple[Service, ...],
        of_services(
            shares_of_services, "TMs of each service, such as `video=0.6,web=0.3,bulk=0.1`; none if not given."
        ),
    ] = ()


Traffic = Annotated[_Traffic, Parameter(name="*", group=Group("Traffic", sort_key=9))]


def simulate(
    network: str,
    /,
    *,
    output: opt.Output,
    traffic: Traffic = _Traffic(),
    like: Annotated[Literal["abilene", "geant"] | None, Parameter(name="--like")] = None,
    seed: opt.Seed = 0,
    worlds: Worlds = 0,
    workers: Workers = 0,
    plot: Plot = None,
    loads: Path | None = None,
    routing: Path | None = None,
    polls: Path | None = None,
    interfaces: Path | None = None,
    metric: opt.Metric = "metric",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Simulate the traffic of a network, for which nothing but its topology is needed.

    Mean demands by gravity with lognormal residuals, daily and weekly rhythm in local time, fluctuations with memory,
    drift, bursts, flash crowds. Every effect is an option in field units.

    For example:

        odflow simulate topohub:sndlib/germany50 -o tm.nc --weeks 4 --interval 15min
        odflow simulate net.graphml -o tm.nc --loads loads.nc --routing routing.nc --seed 1
        odflow simulate net.graphml -o tm.nc --polls polls.csv --interfaces map.csv
        odflow simulate net.graphml -o tm.nc --like geant --total 200e9 --plot tm.png
        odflow simulate net.graphml -o worlds.zarr --worlds 100 --workers 2

    Parameters
    ----------
    network : str
        Topology file, or `topohub:GROUP/NAME`.
    like : str
        Start from a configuration that was calibrated on real TMs: of Abilene (2004) or GÉANT (2005), as NetFlow saw
        them.
    loads : Path
        Also write the link loads, with links that fail and metrics that change.
    routing : Path
        Also write the routing behind them, epoch by epoch (`.nc` or `.csv`).
    polls : Path
        Also write the octet counters that polling the links every five minutes would have shown (`.csv`), some answers
        lost,
    interfaces : Path
        and which link each counter is of (`.csv`), both for `odflow counters`.
    """
    from odflow.cli.summary import when
    from odflow.labels import end_of
    from odflow.simulate.backbone import BackboneSimulator
    from odflow.simulate.randomise import BackboneRandomization
    from odflow.traffic.files import write

    console = Console(quiet or json)
    check_output(output, (".nc", ".zarr") if worlds else ARRAYS, [network])
    measured = {"loads": loads, "routing": routing, "polls": polls, "interfaces": interfaces}
    taken: list[str | Path | None] = [network, output]
    for name, path in measured.items():
        if path is not None:
            check_output(path, _SUFFIXES[name], taken)
            taken.append(path)
    check_plot(plot, taken)
    if (polls is None) != (interfaces is None):
        raise UsageError("--polls and --interfaces go together: the one are counters, the other says of what")
    simulator = BackboneSimulator(open_network(network), traffic)
    if worlds:
        if any(path is not None for path in (*measured.values(), plot)) or json:
            raise UsageError("--worlds goes without --loads, --routing, --polls, --plot and --json")
        write_drawn(console, simulator, BackboneRandomization(), output, worlds, seed, workers)
        return
    epochs = simulator.epochs(seed, metric=metric) if any(path is not None for path in measured.values()) else None
    demands = simulator.run(seed)
    write(demands, output)
    counted = None if epochs is None else _write_measured(simulator.network, demands, epochs, measured, seed)
    if plot is not None:
        draw(demands, plot)
    total = demands.sum(("service",) * bool(traffic.services) + ("origin", "destination")).values
    nodes, steps = demands.sizes["origin"], demands.sizes["time"]
    first, last = when(demands["time"].values[0]), when(end_of(demands))
    if json:
        Console().json(
            {
                "nodes": nodes,
                "intervals": steps,
                "interval_s": traffic.interval_s,
                "first": first,
                "last": last,
                "seed": seed,
                "total_mean": total.mean(),
                "total_min": total.min(),
                "total_max": total.max(),
                "routing_epochs": None if epochs is None else len(epochs.routings),
            }
        )
    span = f"{steps:,} x {duration(traffic.interval_s)}, {first} to {last} UTC"
    services = f" of {len(traffic.services)} services" if traffic.services else ""
    console.say(f"{output}: {nodes} x {nodes} demands{services}, {span}")
    rows = [("total traffic", f"mean {rate(total.mean())}, from {rate(total.min())} to {rate(total.max())}")]
    if epochs is not None:
        rows.append(("routing", f"{len(epochs.routings)} epochs"))
    if counted:
        rows.append(("polls", f"{counted:,}; next: odflow counters {polls} --interfaces {interfaces} -o loads.nc"))
    console.fields(rows)


def _write_measured(
    network: Network, demands: xr.DataArray, epochs: RoutingEpochs, files: Mapping[str, Path | None], seed: int
) -> int:
    """Write what was asked for of what is measured; number of polls."""
    from odflow.cli.tables import write_table
    from odflow.simulate.counters import CounterSampler
    from odflow.traffic.files import write

    whole = demands.sum("service", keep_attrs=True) if "service" in demands.dims else demands
    loads = epochs.loads(whole)
    if files["loads"] is not None:
        write(loads, files["loads"])
    if files["routing"] is not None:
        epochs.write(files["routing"])
    if files["polls"] is None or files["interfaces"] is None:
        return 0
    polls, interfaces, _ = CounterSampler().sample(loads, network, seed=seed)
    write_table(polls, files["polls"])
    write_table(interfaces, files["interfaces"])
    return len(polls)
