"""A made-up but plausible network operator for ``odflow demo``: topology, traffic, polled counters, files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow.cli.tables import write_table
from odflow.errors import UsageError
from odflow.network.routing import Routing
from odflow.traffic.counters import counters_to_loads
from odflow.traffic.files import write
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic, provisioned
from odflow.traffic.polling import simulate_polls

if TYPE_CHECKING:
    import pandas as pd

    from odflow.network.model import Network

MOST_NODES = 100
INTERVAL = "15min"
TOLERANCE = 0.05
STEP, WEEK = np.timedelta64(15, "m"), np.timedelta64(7, "D")


@dataclass(frozen=True, eq=False)
class World:
    """What the demo starts from.

    Parameters
    ----------
    network : Network
        With capacities.
    routing : Routing
    history, truth : DataArray (time, origin, destination)
        Two measured weeks, and the third, which nobody measured.
    polls, interfaces : DataFrame
        Counters as polled every five minutes during the third week, and what they count.
    loads : DataArray (time, link)
        What the counters tell.
    """

    network: Network
    routing: Routing
    history: xr.DataArray
    truth: xr.DataArray
    polls: pd.DataFrame
    interfaces: pd.DataFrame
    loads: xr.DataArray


def make_world(network: Network, metric: str, seed: int) -> World:
    """Make three weeks of traffic on a network and poll its counters during the last one.

    Raises
    ------
    UsageError
        If the network is too small or too large to be a demonstration.
    """
    if not 2 <= len(network.nodes) <= MOST_NODES:
        raise UsageError(f"the demo needs a network of 2 to {MOST_NODES} nodes; this one has {len(network.nodes)}")
    demands = plausible_traffic(network, PlausibleTraffic(weeks=3, interval=INTERVAL), seed=seed)
    start = demands["time"].values[0] + 2 * WEEK
    history, truth = (demands[rows] for rows in (demands["time"] < start, demands["time"] >= start))
    network = provisioned(network, Routing.shortest_path(network, metric=metric), history)
    routing = Routing.shortest_path(network, metric=metric)
    polls, interfaces = _poll(network, routing.loads(demands[demands["time"] >= start - STEP]), seed)
    loads = counters_to_loads(polls, interfaces, INTERVAL, tolerance=TOLERANCE)
    return World(network, routing, history, truth, polls, interfaces, loads)


def _poll(network: Network, loads: xr.DataArray, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Poll with jitter, lost and late answers, wraps, restarts, and one router unreachable for three hours.

    The first interval of the loads is only there so that the second begins between polls.
    """
    begin, end = loads["time"].values[1], loads["time"].values[-1] + STEP
    after = loads[-1:].assign_coords(time=[end])
    polls, interfaces, _ = simulate_polls(
        xr.concat([loads, after], "time"),
        network=network,
        jitter_s=8,
        loss=0.003,
        wraps=0.25,
        resets=3,
        duplicates=0.001,
        late=0.002,
        seed=seed,
    )
    times, around = polls["time"].to_numpy(), np.timedelta64(9, "m")
    silent = network.node_ids[np.random.default_rng(seed).integers(len(network.nodes))]
    mute = begin + np.timedelta64(2 * 24 + 9, "h")
    lost = (polls["node"] == silent) & (times >= mute) & (times < mute + np.timedelta64(3, "h"))
    return polls[~lost & (times > begin - around) & (times < end + around)], interfaces


def write_world(world: World, folder: Path) -> None:
    """Write everything that the commands need to replay the demo."""
    world.network.write(folder / "topology.graphml")
    world.routing.write(folder / "routing.csv")
    write(world.history, folder / "history.nc")
    write(world.truth, folder / "truth.nc")
    write(world.loads, folder / "loads.nc")
    write_table(world.polls, folder / "polls.csv")
    write_table(world.interfaces, folder / "interfaces.csv")
