"""Graphs with attributes (GraphML, GML, topohub, networkx) to networks and back.

One set of rules for all of them:

* An undirected edge becomes two directed links with ids ``A->B`` and ``B->A``; parallel edges
  stay, as ``A->B#2``.
* Link ids are the edges' own ``id`` if all edges are directed and all have one and no two are equal.
* Attributes are found whatever their case: ``latitude`` or ``lat``, ``longitude``, ``lon`` or
  ``long``, ``name``; on edges ``capacity`` or the Topology Zoo's ``LinkSpeedRaw``, both in bit/s,
  and ``metric``. NaN or an empty text means unknown.
* In files, a node's id is its ``label`` where no other node has the same, else the id in the file
  (the label then is kept as the name). If that would make two ids equal, all are those of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from odflow.errors import FormatError, UsageError
from odflow.network.formats.common import LinkNames, check_writable, clean, known, number, shown
from odflow.network.model import Link, Network, Node

if TYPE_CHECKING:
    import networkx as nx

Attributes = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RawNode:
    """A node as a file has it; attribute names in lower case."""

    key: str
    attributes: Attributes = field(default_factory=dict)
    line: int | None = None


@dataclass(frozen=True, slots=True)
class RawEdge:
    """An edge as a file has it; ends are node keys, attribute names in lower case."""

    source: str
    target: str
    directed: bool
    attributes: Attributes = field(default_factory=dict)
    line: int | None = None


def assemble(
    path: str | Path, nodes: Sequence[RawNode], edges: Sequence[RawEdge], graph: Attributes, *, labels: bool = True
) -> Network:
    """Make a network of nodes and edges by the rules above.

    Parameters
    ----------
    path : path-like
        For messages, and its stem for the name if `graph` has no ``name``, ``network`` or ``label``.
    labels : bool
        Whether unique labels become the ids.

    Raises
    ------
    FormatError
        A key used twice, an edge to nowhere, an attribute that is not a number.
    """
    ids = _node_ids(path, nodes, labels)
    made = [_node(path, node, ids[node.key]) for node in nodes]
    own = [_text(edge.attributes, "id") for edge in edges]
    named = all(edge.directed for edge in edges) and all(own) and len(set(own)) == len(own)
    names, links = LinkNames(), []
    for edge, ident in zip(edges, own, strict=True):
        for end in (edge.source, edge.target):
            if end not in ids:
                raise FormatError(path, f"an edge ends at node {shown(end)}, which is not in the file", edge.line)
        source, target = ids[edge.source], ids[edge.target]
        where = f"of edge {source}--{target}"
        capacity = _number(path, edge.attributes, ("capacity", "linkspeedraw"), where, edge.line)
        metric = _number(path, edge.attributes, ("metric",), where, edge.line)
        if edge.directed:
            links.append(Link(ident if named else names.new(source, target), source, target, capacity, metric))
        else:
            links += names.both_ways(source, target, capacity, metric)
    titles = (_text(graph, key) for key in ("name", "network", "label"))
    return Network(tuple(made), tuple(links), name=next(filter(None, titles), Path(path).stem))


def from_networkx(graph: nx.Graph) -> Network:
    """Convert from networkx (any of its four graph classes).

    Node ids are the nodes as text; ``name`` or else ``label`` becomes the name. The other rules are
    those of this module; the key of a multi-edge serves as ``id`` if it is a text.

    Raises
    ------
    FormatError
        Two nodes with the same text, or an attribute that is not a number.
    UsageError
        If this is no networkx graph.
    """
    import networkx as nx

    if not isinstance(graph, nx.Graph):
        raise UsageError(f"expected a networkx graph, not {type(graph).__name__}")
    directed = graph.is_directed()
    nodes = [RawNode(clean(node), lowered(data)) for node, data in graph.nodes(data=True)]
    edges = []
    for ends in graph.edges(keys=True) if graph.is_multigraph() else graph.edges():
        attributes = lowered(graph.edges[ends])
        if len(ends) == 3 and isinstance(ends[2], str):
            attributes = {"id": ends[2], **attributes}
        edges.append(RawEdge(clean(ends[0]), clean(ends[1]), directed, attributes))
    return assemble("network", nodes, edges, lowered(graph.graph), labels=False)


def to_networkx(network: Network) -> nx.MultiDiGraph:
    """Convert to networkx; unknown attributes are absent. Links come back grouped by source.

    Raises
    ------
    NetworkError
        If ids are not unique or a link ends nowhere.
    """
    import networkx as nx

    check_writable(network)
    graph = nx.MultiDiGraph(name=network.name)
    for node in network.nodes:
        graph.add_node(node.id, **node_attributes(node))
    for link in network.links:
        graph.add_edge(link.source, link.target, key=link.id, id=link.id, **link_attributes(link))
    return graph


def node_attributes(node: Node) -> dict[str, float | str]:
    """What is known of a node, to be written."""
    found: dict[str, float | str] = dict(_known({"latitude": node.latitude, "longitude": node.longitude}))
    return found | ({"name": clean(node.name)} if clean(node.name) else {})


def link_attributes(link: Link) -> dict[str, float]:
    """What is known of a link, to be written."""
    return _known({"capacity": link.capacity, "metric": link.metric})


def lowered(attributes: Mapping[object, object]) -> dict[str, object]:
    """Attributes by their names in lower case."""
    return {str(key).lower(): value for key, value in attributes.items()}


def _known(values: dict[str, float | None]) -> dict[str, float]:
    return {key: float(value) for key, value in values.items() if value is not None and known(value)}


def _node_ids(path: str | Path, nodes: Sequence[RawNode], labels: bool) -> dict[str, str]:
    keys: dict[str, str] = {}
    for node in nodes:
        if node.key in keys:
            raise FormatError(path, f"node id '{node.key}' is used twice", node.line)
        keys[node.key] = node.key
    if not labels:
        return keys
    titles = [_text(node.attributes, "label") for node in nodes]
    same = Counter(titles)
    ids = [title if title and same[title] == 1 else key for title, key in zip(titles, keys, strict=True)]
    return dict(zip(keys, ids, strict=True)) if len(set(ids)) == len(ids) else keys


def _node(path: str | Path, node: RawNode, ident: str) -> Node:
    where = f"of node '{ident}'"
    latitude = _number(path, node.attributes, ("latitude", "lat"), where, node.line)
    longitude = _number(path, node.attributes, ("longitude", "lon", "long"), where, node.line)
    label = _text(node.attributes, "label")
    name = _text(node.attributes, "name") or (label if label != ident else "")
    return Node(ident, latitude, longitude, name)


def _text(attributes: Attributes, name: str) -> str:
    value = attributes.get(name)
    return "" if value is None else clean(value)


def _number(
    path: str | Path, attributes: Attributes, names: Sequence[str], where: str, line: int | None
) -> float | None:
    for name in names:
        text = _text(attributes, name)
        if text and text.lower() != "nan":
            return number(path, text, f"{name} {where}", line=line)
    return None
