"""``odflow simulate-cells``: traffic of the cells of a city without any history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

import odflow.cli.options as opt
from odflow.cli.console import Console, duration
from odflow.cli.inputs import check_output
from odflow.cli.simulated import Plot, Workers, Worlds, check_plot, draw, names_of_services, of_services, write_drawn
from odflow.errors import UsageError
from odflow.simulate.cellular_config import CELL_SERVICES, CellService, CellularConfig
from odflow.traffic.cells import SUFFIXES


@dataclass(frozen=True, kw_only=True)
class _City(CellularConfig):
    services: Annotated[
        tuple[CellService, ...],
        of_services(
            names_of_services, "Of `sms,call,internet` or those of `--like`, separated by commas; all if not given."
        ),
    ] = ()

    def _check(self, name: str, good: bool, expected: str) -> None:
        if name != "services" or self.services:
            super()._check(name, good, expected)


City = Annotated[_City, Parameter(name="*", group=Group("City and traffic", sort_key=9))]


def simulate_cells(
    *,
    output: opt.Output,
    city: City = _City(),
    like: Annotated[Literal["milan", "c2tm", "lte"] | None, Parameter(name="--like")] = None,
    sites: Annotated[Path | None, Parameter(name="--sites", metavar="FILE")] = None,
    seed: opt.Seed = 0,
    worlds: Worlds = 0,
    workers: Workers = 0,
    plot: Plot = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Simulate messages, calls and data of every cell of a made-up city.

    People live and move between areas of different use, base stations serve what path loss and shadowing give them,
    sessions come at random. Every effect is an option in field units.

    For example:

        odflow simulate-cells -o cells.nc --weeks 4 --stations 200 --plot cells.png
        odflow simulate-cells -o cells.csv --like milan --interval 10min --services internet
        odflow simulate-cells -o cells.nc --sites stations.csv
        odflow simulate-cells -o worlds.zarr --worlds 100 --workers 2

    Parameters
    ----------
    like : str
        Start from a configuration that was calibrated on real cells: squares in the centre of Milano, nodes of a city
        (C2TM), a base station (LTE).
    sites : Path
        Base stations of your own: CSV with the columns `x_m` and `y_m`, or `latitude` and `longitude`, and `name` if
        they have names. The city is then as large as they need, half a kilometre around them.
    """
    from odflow.cli.summary import when
    from odflow.simulate.cellular import CellularSimulator
    from odflow.simulate.randomise_cells import CellularRandomization
    from odflow.simulate.sites import around
    from odflow.traffic.cells import write_cells

    console = Console(quiet or json)
    check_output(output, (".nc", ".zarr") if worlds else SUFFIXES, [sites])
    check_plot(plot, [output, sites])
    city = replace(city, services=_services(city, like))
    simulator = CellularSimulator(city) if sites is None else around(sites, city)
    if worlds:
        if plot is not None or json:
            raise UsageError("--worlds goes without --plot and --json")
        write_drawn(console, simulator, CellularRandomization(), output, worlds, seed, workers)
        return
    traffic = simulator.run(seed)
    write_cells(traffic, output)
    if plot is not None:
        draw(traffic, plot)
    cells, steps = traffic.sizes["cell"], traffic.sizes["time"]
    mean = traffic.mean("time").sum("cell")
    if json:
        Console().json(
            {
                "cells": cells,
                "intervals": steps,
                "interval_s": city.interval_s,
                "seed": seed,
                "mean": {str(name): float(mean.sel(service=name)) for name in traffic["service"].values},
            }
        )
    console.say(
        f"{output}: {cells} cells, {steps:,} x {duration(city.interval_s)} from {when(traffic['time'].values[0])}"
    )
    units = traffic["unit"].values.tolist()
    rows = [
        (str(name), f"mean {float(mean.sel(service=name)):,.0f} {unit} per interval, all cells together")
        for name, unit in zip(traffic["service"].values, units, strict=True)
    ]
    console.fields(rows)


def _services(city: CellularConfig, like: str | None) -> tuple[CellService, ...]:
    """Those named, with the habits of the configuration that was asked for; all if none are named."""
    from odflow.simulate import presets

    offered = presets.LIKE["simulate-cells"][like]().services if like else CELL_SERVICES
    known: dict[str, CellService] = {service.name: service for service in offered}
    for service in city.services:
        if service.name not in known:
            raise UsageError(f"unknown service '{service.name}'; there are {', '.join(known)}")
    return tuple(known[service.name] for service in city.services) or tuple(offered)
