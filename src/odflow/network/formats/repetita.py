"""REPETITA ``.graph``: nodes by position, directed edges with weight and bandwidth in kbit/s.

Source: Gay, Schaus, Vissicchio, "REPETITA: repeatable experiments for performance evaluation of
traffic-engineering algorithms", 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from odflow.errors import FormatError
from odflow.files import read_text
from odflow.network.formats.common import Point, clean, has_place, in_degrees, number, shown, written
from odflow.network.model import Link, Network, Node

NODE_HEADER = "label x y"
EDGE_HEADER = "label src dest weight bw delay"
FORBIDDEN = " "
_KILO = 3

Row = tuple[int, list[str]]


def read_repetita(path: str | Path) -> Network:
    """Read a REPETITA topology.

    ``x`` is the longitude and ``y`` the latitude; (0, 0) means unknown, and if any point lies
    beyond 180 and 90 degrees none is kept. Bandwidth is in kbit/s. A bandwidth or weight of 0 means
    unknown. Delays are ignored. The name is that of the file.

    Raises
    ------
    FormatError
        With file and line.
    """
    lines = enumerate(map(clean, read_text(path).splitlines()), start=1)
    rows = iter([(line, row.split()) for line, row in lines if row])
    nodes, points = [], []
    for line, (label, x, y) in _section(path, rows, "NODES", NODE_HEADER):
        where = f"coordinate of node '{label}'"
        point: Point = number(path, y, where, line=line), number(path, x, where, line=line)
        if label in nodes:
            raise FormatError(path, f"node label '{label}' is used twice", line)
        nodes.append(label)
        points.append(point)
    links = []
    for line, (label, src, dest, weight, bw, _) in _section(path, rows, "EDGES", EDGE_HEADER):
        source, target = (_node(path, nodes, text, line) for text in (src, dest))
        capacity = number(path, bw, f"bandwidth of edge '{label}'", power=_KILO, line=line)
        metric = number(path, weight, f"weight of edge '{label}'", line=line)
        links.append(Link(label, source, target, capacity or None, metric or None))
    for line, words in rows:
        raise FormatError(path, f"expected the end of the file, found {shown(' '.join(words))}", line)
    placed = [Node(node, *point) for node, point in zip(nodes, in_degrees(points), strict=True)]
    return Network(tuple(placed), tuple(links), name=Path(path).stem)


def repetita_text(network: Network) -> str:
    """REPETITA text; coordinates, capacities and metrics that are unknown are written as 0."""
    index = network.node_index
    lines = [f"NODES {len(network.nodes)}", NODE_HEADER]
    for node in network.nodes:
        x, y = (node.longitude, node.latitude) if has_place(node.latitude, node.longitude) else (None, None)
        lines.append(f"{node.id} {written(x, unknown='0')} {written(y, unknown='0')}")
    lines += ["", f"EDGES {len(network.links)}", EDGE_HEADER]
    for link in network.links:
        weight, bw = written(link.metric, unknown="0"), written(link.capacity, _KILO, unknown="0")
        lines.append(f"{link.id} {index[link.source]} {index[link.target]} {weight} {bw} 0")
    return "\n".join(lines) + "\n"


def _section(path: str | Path, rows: Iterator[Row], title: str, header: str) -> Iterator[Row]:
    line, words = next(rows, (0, []))
    if len(words) != 2 or words[0] != title:
        raise FormatError(path, f"expected '{title} <count>', found {shown(' '.join(words))}", line)
    count = _index(words[1])
    if count is None:
        raise FormatError(path, f"{title} count is {shown(words[1])}, expected a whole number", line)
    line, words = next(rows, (line, []))
    if words != header.split():
        raise FormatError(path, f"expected the header '{header}', found {shown(' '.join(words))}", line)
    for done in range(count):
        line, words = next(rows, (line, []))
        if len(words) != len(header.split()):
            found = f"found {shown(' '.join(words))}" if words else "the file ends"
            raise FormatError(path, f"{title} announces {count} rows '{header}'; at row {done + 1} {found}", line)
        yield line, words


def _index(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _node(path: str | Path, nodes: list[str], text: str, line: int) -> str:
    at = _index(text)
    if at is None or at >= len(nodes):
        raise FormatError(path, f"edge end {shown(text)} is not a node number from 0 to {len(nodes) - 1}", line)
    return nodes[at]
