"""SNDlib networks, XML and native text.

Source: Orlowski, Wessaly, Pioro, Tomaszewski, "SNDlib 1.0: survivable network design library",
Networks 55(3), 2010, and the library's description of its formats.

An SNDlib network does not say whether its links are directed: that is part of the *model*, a
separate file, and most models are undirected or bidirected. Links are therefore read as two
directed ones, ``A->B`` and ``B->A`` (parallel ones ``A->B#2``), each with the full capacity.
Writing keeps the direction by a note that other programs skip: the attribute
``linkModel="DIRECTED"`` on ``<links>`` in XML, the line ``linkModel = DIRECTED`` in the META
section in native text. Where the note is found, each link is read as one directed link with its id.

The capacity is the pre-installed one, in the unit that the META part states. 0 or nothing means
unknown; additional modules are what *could* be bought and do not count. There is no IGP metric
(the routing cost is a price), so metrics are ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from odflow.errors import FormatError
from odflow.files import read_text
from odflow.network.formats.common import (
    NOWHERE,
    LinkNames,
    Point,
    child,
    clean,
    document,
    has_place,
    in_degrees,
    number,
    shown,
    warn_no_unit,
    written,
)
from odflow.network.model import Link, Network, Node
from odflow.xmlfile import parse_xml, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

UNITS = {"BITPERSEC": 0, "KBITPERSEC": 3, "MBITPERSEC": 6, "GBITPERSEC": 9, "TBITPERSEC": 12}
FORBIDDEN = " ()#"
NATIVE_HEADER = "?SNDlib native format; type: network; version: 1.0"
_UNIT = "MBITPERSEC"
_NAMESPACE = "http://sndlib.zib.de/network"
_TOKEN = re.compile(r"[()]|[^\s()]+")

RawLink = tuple[str, str, str, str]
"""Id, source, target, text of the pre-installed capacity or ''."""

Row = tuple[int, list[str]]


def read_xml(path: str | Path) -> Network:
    """Read an SNDlib XML network (see the module's notes on direction and capacity).

    ``x`` is the longitude and ``y`` the latitude if ``coordinatesType="geographical"``; other
    coordinates are positions in a drawing and are left out. The name is that of the file.

    Raises
    ------
    FormatError
        Naming the node or link.
    """
    root = parse_xml(path)
    if root.tag != "network":
        raise FormatError(path, f"root element is <{root.tag}>, expected <network> of SNDlib")
    nodes, links = root.find("networkStructure/nodes"), root.find("networkStructure/links")
    if nodes is None or links is None:
        raise FormatError(path, "has no <networkStructure> with <nodes> and <links>; is the file complete?")
    geographical = nodes.get("coordinatesType", "").strip().lower() == "geographical"
    placed = [Node(_id(path, node, "a node"), *_xml_point(path, node, geographical)) for node in nodes.iterfind("node")]
    raw = []
    for link in links.iterfind("link"):
        ident = _id(path, link, "a link")
        ends = [clean(text_of(path, link, tag, f"link '{ident}'")) for tag in ("source", "target")]
        raw.append((ident, ends[0], ends[1], link.findtext("preInstalledModule/capacity") or ""))
    model = links.get("linkModel", "")
    return Network(tuple(placed), _links(path, raw, root.findtext("meta/unit"), model), name=Path(path).stem)


def xml_text(network: Network) -> str:
    """SNDlib XML in Mbit/s with directed links; keeps node ids and places, link ids and capacities."""
    root = ElementTree.Element("network", xmlns=_NAMESPACE, version="1.0")
    child(child(root, "meta"), "unit", _UNIT)
    structure = child(root, "networkStructure")
    nodes = child(structure, "nodes", coordinatesType="geographical")
    for node in network.nodes:
        element = child(nodes, "node", id=node.id)
        if has_place(node.latitude, node.longitude):
            coordinates = child(element, "coordinates")
            child(coordinates, "x", written(node.longitude))
            child(coordinates, "y", written(node.latitude))
    links = child(structure, "links", linkModel="DIRECTED")
    for link in network.links:
        element = child(links, "link", id=link.id)
        child(element, "source", link.source)
        child(element, "target", link.target)
        if capacity := written(link.capacity, UNITS[_UNIT]):
            module = child(element, "preInstalledModule")
            child(module, "capacity", capacity)
            child(module, "cost", "0")
    child(root, "demands")
    return document(root)


def read_native(path: str | Path) -> Network:
    """Read an SNDlib native network (see the module's notes on direction and capacity).

    The text does not tell degrees from positions in a drawing: coordinates are kept if all of them
    lie within 180 and 90 degrees, and (0, 0) means unknown. The name is that of the file.

    Raises
    ------
    FormatError
        With file and line.
    """
    sections = _sections(path, read_text(path))
    for name in ("NODES", "LINKS"):
        if name not in sections:
            raise FormatError(path, f"has no section {name}; is it an SNDlib network?")
    nodes, points = [], []
    for line, row in sections["NODES"]:
        if len(row) < 5 or row[1] != "(" or row[4] != ")":
            raise FormatError(path, f"expected 'id ( x y )', found {shown(' '.join(row))}", line)
        x, y = (number(path, text, f"coordinate of node '{row[0]}'", line=line) for text in row[2:4])
        nodes.append(row[0])
        points.append((y, x))
    raw = []
    for line, row in sections["LINKS"]:
        if len(row) < 6 or row[1] != "(" or row[4] != ")":
            raise FormatError(path, f"expected 'id ( source target ) capacity ...', found {shown(' '.join(row))}", line)
        number(path, row[5], f"capacity of link '{row[0]}'", line=line)
        raw.append((row[0], row[2], row[3], row[5]))
    meta = {
        key.strip(): value.strip() for key, _, value in (" ".join(row).partition("=") for _, row in sections["META"])
    }
    links = _links(path, raw, meta.get("unit"), meta.get("linkModel", ""))
    placed = [Node(node, *point) for node, point in zip(nodes, in_degrees(points), strict=True)]
    return Network(tuple(placed), links, name=Path(path).stem)


def native_text(network: Network) -> str:
    """SNDlib native text in Mbit/s with directed links; unknown places and capacities are 0."""
    lines = [NATIVE_HEADER, "", "META (", f"  unit = {_UNIT}", "  linkModel = DIRECTED", ")", "", "NODES ("]
    for node in network.nodes:
        x, y = (node.longitude, node.latitude) if has_place(node.latitude, node.longitude) else NOWHERE
        lines.append(f"  {node.id} ( {written(x, unknown='0')} {written(y, unknown='0')} )")
    lines += [")", "", "LINKS ("]
    for link in network.links:
        capacity = written(link.capacity, UNITS[_UNIT], unknown="0")
        lines.append(f"  {link.id} ( {link.source} {link.target} ) {capacity} 0 0 0 ( )")
    return "\n".join([*lines, ")", "", "DEMANDS (", ")", "", "ADMISSIBLE_PATHS (", ")", ""])


def _links(path: str | Path, raw: Sequence[RawLink], unit: str | None, model: str) -> tuple[Link, ...]:
    power = UNITS.get((unit or "").strip().upper())
    names, links, unitless = LinkNames(), [], False
    directed = model.strip().upper() == "DIRECTED"
    if not directed and model.strip().upper() not in ("", "UNDIRECTED", "BIDIRECTED"):
        raise FormatError(path, f"linkModel is {shown(model)}, expected DIRECTED, UNDIRECTED or BIDIRECTED")
    for ident, source, target, text in raw:
        capacity = number(path, text, f"capacity of link '{ident}'", power=power or 0) if text.strip() else 0.0
        unitless |= power is None and capacity != 0
        value = capacity if capacity and power is not None else None
        if directed:
            links.append(Link(ident, source, target, value))
        else:
            links += names.both_ways(source, target, value)
    if unitless:
        warn_no_unit(path, unit, UNITS)
    return tuple(links)


def _xml_point(path: str | Path, node: Element, geographical: bool) -> Point:
    x, y = node.findtext("coordinates/x"), node.findtext("coordinates/y")
    if not geographical or x is None or y is None:
        return NOWHERE
    where = f"of node '{node.get('id')}'"
    return number(path, y, f"<y> {where}"), number(path, x, f"<x> {where}")


def _sections(path: str | Path, text: str) -> dict[str, list[Row]]:
    """Rows of each section as (line, tokens); nested parentheses stay inside their section."""
    sections: dict[str, list[Row]] = {}
    name, depth = "", 0
    for line, row in enumerate(text.splitlines(), start=1):
        tokens = _TOKEN.findall(clean(row.partition("#")[0]))
        if not tokens or (depth == 0 and tokens[0].startswith("?")):
            continue
        if depth == 0:
            name = tokens[0]
            if tokens[1:2] != ["("] or name in sections:
                problem = f"section {name} comes twice" if name in sections else "expected a section such as 'NODES ('"
                raise FormatError(path, f"{problem}, found {shown(row)}", line)
            sections[name] = []
            depth, tokens = 1, tokens[2:]
        # free text in META may hold parentheses: only one that stands alone ends it
        balance = tokens.count("(") - tokens.count(")") if name != "META" else -(tokens == [")"])
        depth += balance
        if depth < 0 or (depth == 0 and tokens[-1] != ")"):
            raise FormatError(path, f"a parenthesis too many in section {name}", line)
        tokens = tokens[:-1] if depth == 0 else tokens
        if tokens:
            sections[name].append((line, tokens))
    if depth:
        raise FormatError(path, f"section {name} is not closed; is the file complete?")
    sections.setdefault("META", [])
    return sections


def _id(path: str | Path, element: Element, what: str) -> str:
    ident = clean(element.get("id", ""))
    if not ident:
        raise FormatError(path, f"{what} has no id")
    return ident
