"""GraphML, as written by networkx, igraph, yEd or the Internet Topology Zoo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from odflow.errors import FormatError
from odflow.network.formats.common import child, clean, document, written
from odflow.network.formats.graphs import RawEdge, RawNode, assemble, link_attributes, node_attributes
from odflow.network.model import Network
from odflow.xmlfile import parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
_KEYS = {
    ("graph", "name"): "string",
    ("node", "latitude"): "double",
    ("node", "longitude"): "double",
    ("node", "name"): "string",
    ("edge", "capacity"): "double",
    ("edge", "metric"): "double",
}


def read_graphml(path: str | Path) -> Network:
    """Read a GraphML graph by the rules of :mod:`odflow.network.formats.graphs`.

    An edge's own ``directed`` attribute goes before the graph's ``edgedefault``.

    Raises
    ------
    FormatError
        No graph or several, nested graphs, hyperedges; an element without its id or ends.
    """
    root = parse_xml(path)
    graphs = root.findall("graph")
    if root.tag != "graphml" or len(graphs) != 1:
        raise FormatError(path, f"expected <graphml> with one <graph>, found <{root.tag}> with {len(graphs)}")
    graph = graphs[0]
    for tag, problem in (("hyperedge", "hyperedges"), ("node/graph", "nested graphs")):
        if graph.find(tag) is not None:
            raise FormatError(path, f"has {problem}, which a network cannot hold")
    keys = root.findall("key")
    nodes = [
        RawNode(_attribute(path, node, "id", "a <node>"), _attributes(node, keys, "node"))
        for node in graph.iterfind("node")
    ]
    default = graph.get("edgedefault", "undirected")
    edges = []
    for edge in graph.iterfind("edge"):
        source, target = (_attribute(path, edge, end, "an <edge>") for end in ("source", "target"))
        directed = edge.get("directed", str(default == "directed")).strip().lower() == "true"
        edges.append(RawEdge(source, target, directed, {"id": edge.get("id"), **_attributes(edge, keys, "edge")}))
    return assemble(path, nodes, edges, _attributes(graph, keys, "graph"))


def graphml_text(network: Network) -> str:
    """GraphML with everything a network holds, ``capacity`` in bit/s."""
    root = ElementTree.Element("graphml", xmlns=_NAMESPACE)
    ids = {}
    for number, ((domain, name), kind) in enumerate(_KEYS.items()):
        ids[domain, name] = f"d{number}"
        attributes = {"id": f"d{number}", "for": domain, "attr.name": name, "attr.type": kind}
        child(root, "key", **attributes)
    graph = child(root, "graph", edgedefault="directed")
    if clean(network.name):
        child(graph, "data", clean(network.name), key=ids["graph", "name"])
    for node in network.nodes:
        element = child(graph, "node", id=node.id)
        for key, value in node_attributes(node).items():
            child(element, "data", value if isinstance(value, str) else written(value), key=ids["node", key])
    for link in network.links:
        element = child(graph, "edge", id=link.id, source=link.source, target=link.target)
        for key, value in link_attributes(link).items():
            child(element, "data", written(value), key=ids["edge", key])
    return document(root)


def _attributes(element: Element, keys: list[Element], domain: str) -> dict[str, object]:
    """Data of an element by attribute name in lower case, with the defaults of its keys."""
    names: dict[str, str] = {}
    found: dict[str, object] = {}
    for key in keys:
        name = key.get("attr.name", "").lower()
        if name and key.get("for", "all") in ("all", domain):
            names[key.get("id", "")] = name
            if key.findtext("default") is not None:
                found[name] = key.findtext("default")
    for data in element.iterfind("data"):
        key_id = data.get("key", "")
        if key_id in names:
            found[names[key_id]] = data.text or ""
    return found


def _attribute(path: str | Path, element: Element, name: str, what: str) -> str:
    value = clean(element.get(name, ""))
    if not value:
        raise FormatError(path, f"{what} has no {name}")
    return value
