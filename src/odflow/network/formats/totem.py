"""TOTEM domain XML: directed links with bandwidth and IGP metric.

Source: Leduc et al., "An open source traffic engineering toolbox", Computer Communications 29(5),
2006; schema Domain-v1_2.xsd.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from odflow.errors import FormatError, OdflowWarning, listed
from odflow.network.formats.common import (
    NOWHERE,
    Point,
    child,
    clean,
    document,
    has_place,
    number,
    warn_no_unit,
    written,
)
from odflow.network.model import Link, Network, Node
from odflow.xmlfile import parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

UNITS = {"bps": 0, "kbps": 3, "mbps": 6, "gbps": 9, "tbps": 12}


def read_totem(path: str | Path) -> Network:
    """Read a TOTEM domain.

    The bandwidth unit is the one the file states (kbps means 1000 bit/s). Metrics are the static
    ones under ``<igp>``; traffic-engineering metrics are ignored. What is absent is ``None``.
    A location of (0, 0) is what TOTEM tools write for "not known" and is read as such; other
    locations are taken as they stand. Links with ``<status>DOWN</status>`` are left out with a
    warning. The name is the title.

    Raises
    ------
    FormatError
        Naming the node or link.
    """
    root = parse_xml(path)
    if root.tag != "domain":
        raise FormatError(path, f"root element is <{root.tag}>, expected <domain> of TOTEM")
    topology = root.find("topology")
    if topology is None or topology.find("nodes") is None or topology.find("links") is None:
        raise FormatError(path, "has no <topology> with <nodes> and <links>; is the file complete?")
    nodes = [_node(path, node) for node in topology.iterfind("nodes/node")]
    up: list[Element] = []
    down: list[Element] = []
    for link in topology.iterfind("links/link"):
        (down if (link.findtext("status") or "").strip().upper() == "DOWN" else up).append(link)
    if down:
        names = listed(link.get("id") for link in down)
        warnings.warn(f"{path}: link {names} is down and left out", OdflowWarning, stacklevel=2)
    power, metrics = _bandwidth_power(path, root, up), _metrics(path, root)
    links = [_link(path, link, power, metrics) for link in up]
    return Network(tuple(nodes), tuple(links), name=clean(root.findtext("info/title") or "") or Path(path).stem)


def totem_text(network: Network) -> str:
    """A TOTEM domain in kbps; nodes with an unknown place have no location."""
    root = ElementTree.Element("domain", ASID="0")
    info = child(root, "info")
    child(info, "title", clean(network.name))
    child(child(info, "units"), "unit", type="bandwidth", value="kbps")
    topology = child(root, "topology")
    nodes, links = child(topology, "nodes"), child(topology, "links")
    for node in network.nodes:
        element = child(nodes, "node", id=node.id)
        if clean(node.name):
            child(element, "description", clean(node.name))
        if has_place(node.latitude, node.longitude):
            child(element, "location", latitude=written(node.latitude), longitude=written(node.longitude))
    static = child(child(root, "igp"), "links")
    for link in network.links:
        element = child(links, "link", id=link.id)
        child(element, "from", **{"if": "0", "node": link.source})
        child(element, "to", **{"if": "0", "node": link.target})
        if capacity := written(link.capacity, UNITS["kbps"]):
            child(element, "bw", capacity)
        if metric := written(link.metric):
            child(child(child(static, "link", id=link.id), "static"), "metric", metric)
    return document(root)


def _node(path: str | Path, node: Element) -> Node:
    ident = _attribute(path, node, "id", "a node")
    point: Point = NOWHERE
    location = node.find("location")
    if location is not None:
        latitude, longitude = (
            number(path, _attribute(path, location, name, f"<location> of node '{ident}'"), f"{name} of node '{ident}'")
            for name in ("latitude", "longitude")
        )
        point = NOWHERE if latitude == longitude == 0 else (latitude, longitude)
    return Node(ident, *point, name=clean(node.findtext("description") or ""))


def _link(path: str | Path, link: Element, power: int | None, metrics: dict[str, float]) -> Link:
    ident = _attribute(path, link, "id", "a link")
    ends = []
    for tag in ("from", "to"):
        end = link.find(tag)
        if end is None:
            raise FormatError(path, f"link '{ident}' has no <{tag}>")
        ends.append(_attribute(path, end, "node", f"<{tag}> of link '{ident}'"))
    text, capacity = link.findtext("bw"), None
    if text is not None and text.strip() and power is not None:
        capacity = number(path, text, f"bandwidth of link '{ident}'", power=power)
    return Link(ident, ends[0], ends[1], capacity, metrics.get(ident))


def _bandwidth_power(path: str | Path, root: Element, links: list[Element]) -> int | None:
    units = [unit for unit in root.iterfind("info/units/unit") if unit.get("type") == "bandwidth"]
    text = units[0].get("value") if units else None
    power = UNITS.get((text or "").strip().lower())
    if power is None and any((link.findtext("bw") or "").strip() for link in links):
        warn_no_unit(path, text, UNITS)
    return power


def _metrics(path: str | Path, root: Element) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for link in root.iterfind("igp/links/link"):
        ident = _attribute(path, link, "id", "a link under <igp>")
        text = link.findtext("static/metric")
        if text is None or not text.strip():
            continue
        if ident in metrics:
            raise FormatError(path, f"link '{ident}' has two metrics under <igp>")
        metrics[ident] = number(path, text, f"metric of link '{ident}'")
    return metrics


def _attribute(path: str | Path, element: Element, name: str, what: str) -> str:
    value = clean(element.get(name, ""))
    if not value:
        raise FormatError(path, f"{what} has no {name}")
    return value
