"""``odflow route``: from a topology to its routing matrix."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

import odflow.cli.options as opt
from odflow.cli.console import Console
from odflow.cli.inputs import ROUTINGS, check_output, open_network
from odflow.errors import listed


def route(
    net: str,
    /,
    *,
    output: opt.Output,
    fail: Annotated[tuple[str, ...], Parameter(name="--fail", show_default=False, metavar="LINK")] = (),
    fail_node: Annotated[tuple[str, ...], Parameter(name="--fail-node", show_default=False, metavar="NODE")] = (),
    metric: opt.Metric = "metric",
    edge_nodes: opt.Words = (),
    quiet: opt.Quiet = False,
) -> None:
    """Compute the routing matrix: which link carries which share of which demand.

    Shortest paths by metric, split evenly over equal-cost next links (ECMP). The access links `in:NODE` and
    `out:NODE` carry what enters and leaves the network at each node. The CSV has a row
    `link,origin,destination,fraction` for every entry; `.nc` is smaller and faster for large networks.

    For example:

        odflow route topology.graphml -o routing.csv
        odflow route topology.csv --metric hops -o routing.csv
        odflow route topohub:sndlib/germany50 --fail "Berlin->Hamburg" -o after.nc

    Parameters
    ----------
    net : str
        Topology file or `topohub:GROUP/NAME`.
    fail : tuple of str
        Link that is down; may be repeated. It keeps its (empty) row, so that loads before and after compare.
    fail_node : tuple of str
        Node that is down; may be repeated.
    edge_nodes : tuple of str
        Nodes that send and receive traffic, all by default.
    """
    from odflow.network.routing import Routing

    check_output(output, ROUTINGS, [net])
    network = open_network(net)
    routing = Routing.shortest_path(network, metric=metric, edge_nodes=edge_nodes or None)
    if fail or fail_node:
        routing = routing.without(links=fail, nodes=fail_node, metric=metric)
    routing.write(output)
    console = Console(quiet)
    console.say(f"{output}: {repr(routing).strip('<>')}")
    if fail or fail_node:
        cut = [f"{origin}->{destination}" for origin, destination in routing.unreachable]
        which = f": {listed(cut)}" if cut else ""
        console.say(f"  down: {listed((*fail, *fail_node))}; {len(cut)} pairs cut off{which}")
