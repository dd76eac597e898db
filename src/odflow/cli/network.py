"""``odflow network``: look at topologies and convert them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter

import odflow.cli.options as opt
from odflow.cli.console import Console, rate
from odflow.cli.inputs import check_output, open_network

if TYPE_CHECKING:
    from odflow.network.model import Network

FORMATS = (".xml", ".txt", ".graphml", ".gml", ".graph", ".csv")


def network(group: Group) -> App:
    """The command group."""
    app = App(name="network", help="Show a topology, or convert it to another format.", help_epilogue="", group=group)
    app.command(show, help_epilogue="")
    app.command(convert, help_epilogue="")
    return app


def show(net: str, /, *, links: bool = False, json: opt.Json = False) -> None:
    """Show what is in a topology and what is wrong with it.

    For example:

        odflow network show topology.graphml
        odflow network show topohub:sndlib/germany50 --links

    Parameters
    ----------
    net : str
        Topology file (SNDlib, TOTEM, GraphML, GML, REPETITA, CSV) or `topohub:GROUP/NAME`.
    links : bool
        List every link.
    """
    found = open_network(net)
    problems = found.consistency_check()
    console = Console(quiet=json)
    if json:
        console.json({**_facts(found), "problems": [{"severity": p.severity, "message": p.message} for p in problems]})
        return
    console.say(repr(found).strip("<>"))
    console.fields(_lines(found))
    if links:
        rows = ((k.id, k.source, k.target, _capacity(k.capacity), _plain(k.metric)) for k in found.links)
        console.table(("link", "source", "target", ">capacity", ">metric"), rows)
    for problem in problems:
        console.say(f"  {problem}", style="red" if problem.severity == "error" else "yellow")
    if not problems:
        console.say("  consistent: nothing to complain about", style="green")


def convert(net: str, out: Annotated[Path, Parameter(help="File to write, format by suffix.")], /) -> None:
    """Convert a topology to the format of the suffix of OUT.

    `.xml` SNDlib XML, `.txt` SNDlib native, `.graphml`, `.gml`, `.graph` REPETITA, `.csv`
    (`id,source,target,capacity,metric`).

    For example:

        odflow network convert abilene.xml abilene.graphml
        odflow network convert topohub:sndlib/geant geant.csv

    Parameters
    ----------
    net : str
        Topology file or `topohub:GROUP/NAME`.
    """
    check_output(out, FORMATS, [net])
    open_network(net).write(out)


def _facts(network: Network) -> dict[str, Any]:
    return {
        "name": network.name,
        "nodes": [dataclasses.asdict(node) for node in network.nodes],
        "links": [dataclasses.asdict(link) for link in network.links],
    }


def _lines(network: Network) -> list[tuple[str, str]]:
    lines = [("nodes", _some(network.node_ids))]
    capacities = sorted({link.capacity for link in network.links if link.capacity is not None})
    if capacities:
        lines.append(("capacities", ", ".join(_capacity(value) for value in capacities[:8])))
    metrics = [link.metric for link in network.links if link.metric is not None]
    if metrics:
        lines.append(("metrics", f"{_plain(min(metrics))} to {_plain(max(metrics))}"))
    return lines


def _some(names: tuple[str, ...], limit: int = 12) -> str:
    text = ", ".join(names[:limit])
    return text if len(names) <= limit else f"{text} and {len(names) - limit} more"


def _capacity(value: float | None) -> str:
    return "-" if value is None else rate(value)


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
