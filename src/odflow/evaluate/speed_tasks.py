"""What the speed benchmark measures; each task runs in a process of its own.

Started as ``python -m odflow.evaluate.speed_tasks TASK JSON-ARGUMENTS``; prints one JSON object with
seconds (best, median, runs), peak memory in MiB and a description.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from odflow.errors import InconsistentLoadsWarning, UsageError
from odflow.evaluate.measure import Timing, peak_mib, reset_peak, timed
from odflow.evaluate.synthetic import random_network
from odflow.network.routing import Routing

_ABILENE = 12
_STREAMED = 20  # TMs


def project_week(dataset: str, prior: str, repeats: int) -> dict[str, Any]:
    """KL projection of a data set's test week."""
    from odflow.estimate import KLProjection
    from odflow.evaluate.protocol import named_dataset

    data = named_dataset(dataset)
    loads = data.routing.loads(data.test)
    estimator = KLProjection(prior="history" if prior == "history" else "gravity")
    estimator.fit(history=data.train if prior == "history" else None, routing=data.routing)
    detail = f"{loads.sizes['time']} TMs, {len(data.routing.nodes)} nodes, {len(data.routing.links)} counters"
    return _measured(lambda: estimator.estimate(loads, data.routing), repeats, detail, loads.sizes["time"])


def project_random(nodes: int, seed: int, repeats: int) -> dict[str, Any]:
    """KL projection from the gravity prior on a random network; beyond 300 nodes fewer intervals."""
    from odflow.estimate import KLProjection
    from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

    network = random_network(nodes, seed=seed)
    routing = Routing.shortest_path(network)
    interval = "15min" if nodes <= 300 else "6h"
    loads = routing.loads(plausible_traffic(network, PlausibleTraffic(weeks=1, interval=interval), seed=seed))
    estimator = KLProjection(prior="gravity").fit(routing=routing)
    count = loads.sizes["time"]
    detail = f"{count} TMs, {nodes} nodes, {len(network.links)} links, {len(routing.links)} counters"
    return _measured(lambda: estimator.estimate(loads, routing), repeats, detail, count)


def stream(name: str, seed: int, repeats: int) -> dict[str, Any]:
    """The Student-t estimate of one interval after set-up, and how far it is from that of a batch."""
    from odflow.estimate import StudentTPosterior
    from odflow.evaluate.protocol import DATASETS, named_dataset
    from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

    if name in DATASETS:
        data = named_dataset(name)
        routing, past, truth = data.routing, data.train, data.test[:_STREAMED]
    else:
        network = random_network(int(name.split()[0]), seed=seed)
        routing = Routing.shortest_path(network)
        made = plausible_traffic(network, PlausibleTraffic(weeks=1, interval="1h"), seed=seed)
        past, truth = made[:-_STREAMED], made[-_STREAMED:]
    loads, estimator = routing.loads(truth), StudentTPosterior().fit(past)
    batch = estimator.estimate(loads, routing).values
    alone = np.concatenate([estimator.estimate(loads[t : t + 1], routing).values for t in range(_STREAMED)])
    off = np.abs(alone - batch).max() / batch.max()
    detail = f"{len(routing.links)} counters; {off:.0e} from the batch of {_STREAMED}"
    return _measured(lambda: estimator.estimate(loads[:1], routing), max(repeats, _STREAMED), detail, 1)


def route(nodes: int, seed: int, repeats: int) -> dict[str, Any]:
    """ECMP routing matrix of a random network."""
    network = random_network(nodes, seed=seed)
    entries = Routing.shortest_path(network).matrix.nnz
    detail = f"{nodes} nodes, {len(network.links)} links, {nodes * nodes} OD pairs, {entries} entries"
    return _measured(lambda: Routing.shortest_path(network), repeats, detail)


def read_totem(files: int, nodes: int, seed: int, repeats: int) -> dict[str, Any]:
    """Read a folder of TOTEM TrafficMatrix files, one per interval."""
    from odflow.traffic.files import read_demands

    with tempfile.TemporaryDirectory(prefix="odflow-") as folder:
        size = write_totem(Path(folder), files, nodes, seed)
        if read_demands(folder).shape != (files, nodes, nodes):
            raise UsageError("the TOTEM reader did not return what was written")
        detail = f"{files} files, {nodes} nodes, {size / 1e6:.0f} MB"
        return _measured(lambda: read_demands(folder), repeats, detail)


def simulate_tms(nodes: int, weeks: float, interval: str, seed: int, repeats: int) -> dict[str, Any]:
    """TMs of a network of 12 (Abilene) or more nodes, with every effect, as NetFlow sees them."""
    from odflow.network.model import Network
    from odflow.simulate import BackboneConfig, BackboneSimulator

    network = Network.from_topohub("sndlib/abilene") if nodes == _ABILENE else random_network(nodes, seed=seed)
    simulator = BackboneSimulator(network, BackboneConfig(weeks=weeks, interval=interval, sampling=1000))
    steps = simulator.config.steps
    detail = f"{steps} TMs, every {interval}"
    return _measured(lambda: simulator.run(seed), repeats, detail, steps)


def simulate_cells(stations: int, weeks: float, seed: int, repeats: int) -> dict[str, Any]:
    """Messages, calls and data of cells, hourly."""
    from odflow.simulate import CellularConfig, CellularSimulator

    simulator = CellularSimulator(CellularConfig(weeks=weeks, stations=stations))
    detail = f"{stations} cells, {len(simulator.config.services)} services, {simulator.config.steps} hours"
    return _measured(lambda: simulator.run(seed), repeats, detail)


def write_totem(folder: Path, files: int, nodes: int, seed: int) -> int:
    """Write TrafficMatrix files as TOTEM does (kbit/s); returns their size in bytes."""
    names = [f"N{i:02d}" for i in range(nodes)]
    rng = np.random.default_rng(seed)
    size = 0
    for k in range(files):
        when = np.datetime64("2004-03-01T00:00", "m") + 5 * k
        rows = "".join(
            f'    <src id="{origin}">\n'
            + "".join(f'      <dst id="{name}">{x:.6f}</dst>\n' for name, x in zip(names, values, strict=True))
            + "    </src>\n"
            for origin, values in zip(names, rng.lognormal(8, 2, (nodes, nodes)), strict=True)
        )
        text = _TOTEM.format(when=f"{when}:00", rows=rows)
        (folder / f"TM-{str(when).replace('T', '-').replace(':', '')}.xml").write_text(text, encoding="utf-8")
        size += len(text)
    return size


_TOTEM = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<TrafficMatrixFile>
  <info>
    <date>{when}</date>
    <duration>300</duration>
    <units>
      <unit type="bandwidth" value="kbps"/>
    </units>
  </info>
  <IntraTM ASID="1">
{rows}  </IntraTM>
</TrafficMatrixFile>
"""


def _measured(call: Any, repeats: int, detail: str, matrices: int | None = None) -> dict[str, Any]:
    reset_peak()
    timing: Timing = timed(call, repeats)
    return {
        "detail": detail,
        "best": timing.best,
        "median": timing.median,
        "runs": timing.runs,
        "peak_mib": peak_mib(),
        "matrices": matrices,
    }


def main(task: str, arguments: str) -> None:
    """Run one task and print what it measured."""
    options = json.loads(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentLoadsWarning)
        match task:
            case "project_week":
                found = project_week(**options)
            case "stream":
                found = stream(**options)
            case "project_random":
                found = project_random(**options)
            case "route":
                found = route(**options)
            case "read_totem":
                found = read_totem(**options)
            case "simulate_tms":
                found = simulate_tms(**options)
            case "simulate_cells":
                found = simulate_cells(**options)
            case _:
                raise UsageError(f"no speed task '{task}'")
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
