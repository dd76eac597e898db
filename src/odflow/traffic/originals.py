"""From the files that the authors publish to the arrays that the data sets are read from."""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from odflow.errors import FormatError, OdflowError
from odflow.files import read_text
from odflow.labels import IN, OUT
from odflow.network.model import Link, Network, Node
from odflow.network.routing import Routing
from odflow.traffic.parts import assemble, by_name
from odflow.traffic.totem import read_totem
from odflow.traffic.zhang import ABILENE, WEEKS, read_zhang

__all__ = ["ASSEMBLERS"]

Arrays = dict[str, NDArray[Any]]
_WEEKS = tuple(WEEKS)[:17]  # the protocol ends with week 17
_WEEK = 2016
_GEANT_TMS = 12 * 672
_BELL_NODES = ("fddi", "switch", "local", "corp")


def abilene(folder: Path) -> Arrays:
    """From ``topo-2003-04-10.txt`` and ``X01.gz`` to ``X17.gz``; A is shortest paths by OSPF metric."""
    network = _abilene_network(folder / "topo-2003-04-10.txt")
    weeks = [read_zhang(folder / f"{week}.gz") for week in _WEEKS]
    short = next((part for part in weeks if len(part.values) != _WEEK), None)
    if short is not None:
        rows = len(short.values)
        raise FormatError(short.path, f"has {rows} rows where a week has {_WEEK}; delete it and get it again")
    order = {node: i for i, node in enumerate(ABILENE)}
    routing = Routing.shortest_path(network)
    return {
        "tm": np.concatenate([part.values / 1e6 for part in weeks]).astype(np.float32),
        "timestamps": np.concatenate([_unix(part.times) for part in weeks]),
        "nodes": np.array(ABILENE),
        "lat": np.array([node.latitude for node in network.nodes]),
        "lon": np.array([node.longitude for node in network.nodes]),
        "A": routing.matrix.toarray(),
        "link_labels": np.array(routing.links),
        "link_src": np.array([order[link.source] for link in network.links]),
        "link_dst": np.array([order[link.target] for link in network.links]),
        "link_capacity_mbps": np.array([(link.capacity or 0) / 1e6 for link in network.links]),
        "link_ospf_metric": np.array([link.metric for link in network.links]),
        "interval_s": np.array(300),
    }


def _abilene_network(path: Path) -> Network:
    """Sections ``router`` (name, city, latitude, longitude) and ``link`` (from, to, kbit/s, OSPF weight)."""
    nodes: dict[str, Node] = {}
    links: list[Link] = []
    section = ""
    for text in read_text(path).splitlines():
        words = text.split()
        if len(words) == 1 and words[0] in ("router", "link"):
            section = words[0]
        elif section == "router" and len(words) == 4 and words[0] in ABILENE:
            nodes[words[0]] = Node(words[0], _number(path, words[2]), _number(path, words[3]))
        elif section == "link" and len(words) == 4 and words[0] in ABILENE:
            capacity, metric = _number(path, words[2]) * 1e3, _number(path, words[3])
            links.append(Link(f"{words[0]}->{words[1]}", words[0], words[1], capacity, metric))
    if set(nodes) != set(ABILENE) or len(links) != 30:
        raise FormatError(path, f"has {len(nodes)} of 12 routers and {len(links)} of 30 links; get the file again")
    links.sort(key=lambda link: (ABILENE.index(link.source), link.target))
    return Network(tuple(nodes[name] for name in ABILENE), tuple(links), name="abilene")


def geant(folder: Path) -> Arrays:
    """From TOTEM's archive: the first 8064 TMs (12 weeks' worth), and the topology.

    A is one path of fewest hops per pair, where ties go to the node with the lowest number next to the
    origin: this is the A of the published comparisons. ``valid`` is whether the total lies within a
    factor 4 of the median total.
    """
    archive = folder / "traffic-matrices-anonymized-v2.tar.bz2"
    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            with tarfile.open(archive) as tar:
                _unpack_files(tar, Path(scratch))
            return _geant(archive, Path(scratch))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise OdflowError(f"{archive}: cannot be unpacked ({error}); delete it and get it again") from error


def _unpack_files(tar: tarfile.TarFile, folder: Path) -> None:
    """Write the plain files of an archive into one folder, by their bare names: nothing can land outside."""
    for member in tar:
        content = tar.extractfile(member) if member.isfile() else None
        if content is not None:
            (folder / Path(member.name).name).write_bytes(content.read())


def _geant(archive: Path, folder: Path) -> Arrays:
    from odflow.network.formats.totem import read_totem as read_domain

    topologies = sorted(folder.rglob("topology*.xml"))
    files = {path.name: path for path in folder.rglob("IntraTM-*.xml")}
    if len(topologies) != 1 or len(files) < _GEANT_TMS:
        raise FormatError(archive, f"has {len(topologies)} topologies and {len(files)} TMs, expected 1 and over 8000")
    network = read_domain(topologies[0])
    nodes = by_name(network.node_ids)
    parts = [read_totem(files[name]) for name in sorted(files)[:_GEANT_TMS]]
    demands = assemble(parts, interval=900, nodes=nodes)
    total = demands.sum(("origin", "destination")).values
    ends = [(link.source, link.target) for link in network.links]
    access = [f"{side}{node}" for node in nodes for side in (IN, OUT)]
    return {
        "tm": (demands.values / 1e6).astype(np.float32),
        "timestamps": _unix(demands["time"].values),
        "nodes": np.array(nodes),
        "A": few_hops(nodes, ends),
        "link_labels": np.array([f"{source}->{target}" for source, target in ends] + access),
        "link_src": np.array([nodes.index(source) for source, _ in ends]),
        "link_dst": np.array([nodes.index(target) for _, target in ends]),
        "valid": np.abs(np.log(np.maximum(total, 1e-300) / np.median(total))) < np.log(4),
        "interval_s": np.array(900),
    }


def few_hops(nodes: Sequence[str], ends: Sequence[tuple[str, str]]) -> NDArray[np.uint8]:
    """A of one path of fewest hops per pair: links in the given order, then ``in:`` and ``out:`` by node.

    Of several such paths, the one that a breadth-first search finds which visits neighbours in the
    order of `nodes`.
    """
    n = len(nodes)
    row = {pair: i for i, pair in enumerate(ends)}
    after = {node: [other for other in nodes if (node, other) in row] for node in nodes}
    matrix = np.zeros((len(ends) + 2 * n, n * n), dtype=np.uint8)
    for i, origin in enumerate(nodes):
        path: dict[str, list[int]] = {origin: []}
        queue = deque([origin])
        while queue:
            node = queue.popleft()
            for other in after[node]:
                if other not in path:
                    path[other] = [*path[node], row[node, other]]
                    queue.append(other)
        for j, destination in enumerate(nodes):
            matrix[path.get(destination, []), i * n + j] = 1
            if destination in path:
                matrix[[len(ends) + 2 * i, len(ends) + 2 * j + 1], i * n + j] = 1
    return matrix


def bell_labs(folder: Path) -> Arrays:
    """From ``1router.csv`` of the R package networkTomography: a row per flow or counter and time."""
    path = folder / "1router.csv"
    try:
        frame = pd.read_csv(path, usecols=["value", "nme", "time"])
        table = frame.pivot(index="time", columns="nme", values="value")
        stamps = pd.to_datetime(table.index, format="(%m/%d/%y %H:%M:%S)")
        flows = table[[f"{origin}->{target}" for origin in _BELL_NODES for target in _BELL_NODES]]
        counters = table[[f"src {node}" for node in _BELL_NODES] + [f"dst {node}" for node in _BELL_NODES[:3]]]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(path, f"is not the 1router.csv of networkTomography ({error}); get it again") from error
    order = np.argsort(stamps)
    hours = (stamps[order] - stamps.min().normalize()) / pd.Timedelta("1h")
    matrix = np.zeros((7, 16))
    for k in range(16):
        matrix[[i for i in (k // 4, 4 + k % 4) if i < 7], k] = 1
    return {
        "X": flows.to_numpy(float)[order],
        "Y": counters.to_numpy(float)[order],
        "A": matrix,
        "tvec": np.asarray(hours, dtype=float),
    }


def cmu(folder: Path) -> Arrays:
    """From ``cmu_X.csv``, the flows as R writes them; nodes 1 to 4 on one router, 5 to 12 on another."""
    path = folder / "cmu_X.csv"
    try:
        flows = pd.read_csv(path).to_numpy(float)
    except ValueError as error:
        raise FormatError(path, f"is not a table of numbers ({error})") from error
    if flows.shape[1:] != (144,) or not np.isfinite(flows).all():
        raise FormatError(path, f"has {flows.shape[1]} columns where 144 numbers are due")
    node = np.arange(12)
    origin, target = np.repeat(node, 12), np.tile(node, 12)
    first, last = origin < 4, target < 4
    rows = [origin == i for i in node] + [target == i for i in node] + [first & ~last, ~first & last]
    return {"X": flows, "A_full": np.array(rows, dtype=float)}


def _number(path: Path, word: str) -> float:
    if not re.fullmatch(r"[-+]?[0-9]+\.?[0-9]*", word):
        raise FormatError(path, f"'{word[:40]}' is no number")
    return float(word)


def _unix(times: Any) -> NDArray[np.int64]:
    seconds: NDArray[np.int64] = np.asarray(times).astype("datetime64[s]").astype(np.int64)
    return seconds


ASSEMBLERS: dict[str, Callable[[Path], Arrays]] = {
    "abilene": abilene,
    "geant": geant,
    "bell_labs": bell_labs,
    "cmu": cmu,
}
