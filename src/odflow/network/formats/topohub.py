"""Topologies of the ``topohub`` package."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from odflow.errors import NetworkError, UsageError, listed
from odflow.network.checks import positive
from odflow.network.formats.common import in_degrees
from odflow.network.formats.graphs import RawEdge, RawNode, assemble
from odflow.network.model import Network

SHORTEST = 0.01
"""Length in km given to edges that topohub has as 0 (nodes in one town): the step of its rounding."""


def from_topohub(key: str, metric: str = "distance", capacity: float | None = None) -> Network:
    """Take a topology from the ``topohub`` package.

    Each undirected edge becomes two directed links ``A->B`` and ``B->A``. A node's id is its name
    where no other node has the same, else its number in topohub.

    Parameters
    ----------
    key : str
        Such as ``sndlib/germany50``, ``topozoo/Abilene``, ``gabriel/25/0``.
    metric : {"distance", "hops"}
        topohub has no IGP metrics: the length of the edge as it gives it (km; in planar
        topologies the unit of the plane), at least 0.01, or 1 on every link.
    capacity : float, optional
        bit/s for every link (topohub has none).

    Returns
    -------
    Network
        Named by the key. Positions of planar topologies are not degrees and are left out.

    Raises
    ------
    NetworkError
        If topohub has no such key, naming similar ones.
    UsageError
        For another metric, or a capacity that is not positive.
    """
    if metric not in ("distance", "hops"):
        raise UsageError(f"metric '{metric}' for a topohub network; use 'distance' or 'hops'")
    if capacity is not None and not positive(capacity):
        raise UsageError(f"capacity {capacity!r} for a topohub network; give a positive number of bit/s")
    graph = _load(str(key))
    points = in_degrees([(node["pos"][1], node["pos"][0]) for node in graph["nodes"]])
    nodes = [
        RawNode(str(node["id"]), {"label": node.get("name"), "latitude": latitude, "longitude": longitude})
        for node, (latitude, longitude) in zip(graph["nodes"], points, strict=True)
    ]
    edges = [
        RawEdge(
            str(edge["source"]), str(edge["target"]), False, {"metric": _length(edge, metric), "capacity": capacity}
        )
        for edge in graph["edges"]
    ]
    return assemble("topohub", nodes, edges, {"name": key})


def _length(edge: dict[str, Any], metric: str) -> float:
    return max(float(edge["dist"]), SHORTEST) if metric == "distance" else 1.0


def topohub_keys() -> list[str]:
    """All keys of topohub, sorted."""
    return sorted(_files())


def _files() -> dict[str, Path]:
    import topohub

    folder = Path(topohub.__file__).parent / "data"
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in folder.rglob("*.json")}


def _load(key: str) -> dict[str, Any]:
    files = _files()
    if key not in files:
        raise NetworkError(f"topohub has no '{key}'; {_advice(key, sorted(files))}")
    graph: dict[str, Any] = json.loads(files[key].read_text(encoding="utf-8"))
    return graph


def _advice(key: str, keys: list[str]) -> str:
    folded = {name.lower(): name for name in keys}
    wanted = key.lower()
    near = [name for name in folded if wanted and wanted.rpartition("/")[2] == name.rpartition("/")[2]]
    near += [name for name in difflib.get_close_matches(wanted, folded, n=5) if name not in near]
    if near:
        return f"similar: {listed(folded[name] for name in near)}"
    groups = sorted({name.partition("/")[0] for name in keys})
    return f"its groups are {listed(groups, len(groups))}, as in 'sndlib/germany50'"
