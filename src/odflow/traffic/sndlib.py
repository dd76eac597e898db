"""SNDlib demand matrices, XML and native text: one file per interval."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import FormatError, UsageError
from odflow.files import read_text
from odflow.labels import duration_s
from odflow.traffic.parts import Part, part_of_pairs, traffic_value
from odflow.traffic.units import agreed_rate, utc
from odflow.xmlfile import parse_xml, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    Pairs = dict[tuple[str, str], float]

__all__ = ["read_sndlib_native", "read_sndlib_xml"]

_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:-?(\d\d)(\d\d))?", re.ASCII)
_SECTION = re.compile(r"([A-Z_]+)\s*\(\s*(\))?")
_META = re.compile(r"(\w+)\s*=\s*(.*)")
_NODE = re.compile(r"([^\s()]+)(?:\s*\(.*\))?\s*")
_DEMAND = re.compile(r"([^\s()]+)\s*\(\s*([^\s()]+)\s+([^\s()]+)\s*\)\s*(\S+)\s+(\S+)(?:\s+\S+)?\s*")


def read_sndlib_xml(path: Path, unit: str | None = None) -> Part:
    """Read an SNDlib ``<network>`` with demands.

    Parameters
    ----------
    path : Path
    unit : str, optional
        For a file whose ``<meta>`` states none (SNDlib's planning instances).

    Returns
    -------
    Part
        Nodes in the order of the file. A pair without a demand is 0: SNDlib leaves out values below
        half a bit/s and all traffic within a node, so the diagonal is 0 whatever was measured. Several
        demands of a pair add up; each counts ``demandValue * routingUnit`` and is directed.

    Raises
    ------
    FormatError, UnitError
        Naming the demand at fault.

    Notes
    -----
    Format and conventions: sndlib.put.poznan.pl, formats page and ``abilene-rm.txt``; Orlowski et al.,
    "SNDlib 1.0", Networks 55(3), 2010, section 2.1.
    """
    root = parse_xml(path)
    if root.tag != "network":
        raise FormatError(path, f"is <{root.tag}>, not an SNDlib <network>")
    nodes = [node.get("id") or "" for node in root.iterfind("networkStructure/nodes/node")]
    _check_nodes(path, nodes)
    pairs: Pairs = {}
    for demand in root.iterfind("demands/demand"):
        where = f"demand '{demand.get('id', '')}'"
        origin, destination = (text_of(path, demand, tag, where) for tag in ("source", "target"))
        value = traffic_value(path, text_of(path, demand, "demandValue", where), where)
        units = demand.findtext("routingUnit")
        value *= 1.0 if units is None else traffic_value(path, units, f"<routingUnit> of {where}")
        _add(path, pairs, set(nodes), origin, destination, value, None)
    if root.find("demands") is None:
        raise FormatError(path, "has no <demands>; a topology is read by Network.read")
    meta = {element.tag: (element.text or "").strip() for element in _children(root, "meta")}
    return _part(path, nodes, pairs, meta, unit)


def read_sndlib_native(path: Path, unit: str | None = None) -> Part:
    """Read SNDlib's native text; as :func:`read_sndlib_xml`, with line numbers in errors."""
    nodes: list[str] = []
    meta: dict[str, str] = {}
    pairs: Pairs = {}
    known: set[str] = set()
    section, seen = "", set()
    for line, text in enumerate(read_text(path).splitlines(), 1):
        text = text.strip()
        if not text or text.startswith(("#", "?")):
            continue
        if not section:
            start = _SECTION.fullmatch(text)
            if not start:
                raise FormatError(path, f"expected a section such as 'NODES (', found '{text[:40]}'", line)
            seen.add(start[1])
            section = "" if start[2] else start[1]
        elif text == ")":
            section = ""
        elif section == "META":
            entry = _META.fullmatch(text)
            if entry:
                meta[entry[1].lower()] = entry[2].strip()
        elif section == "NODES":
            nodes.append(_native_node(path, text, line, known))
            known.add(nodes[-1])
        elif section == "DEMANDS":
            _native_demand(path, text, line, known, pairs)
    if section or "DEMANDS" not in seen:
        raise FormatError(path, f"ends inside {section}" if section else "has no section DEMANDS")
    _check_nodes(path, nodes)
    return _part(path, nodes, pairs, meta, unit)


def _native_node(path: Path, text: str, line: int, known: set[str]) -> str:
    node = _NODE.fullmatch(text)
    if not node:
        raise FormatError(path, f"expected 'node ( x y )', found '{text[:40]}'", line)
    if node[1] in known:
        raise FormatError(path, f"node '{node[1]}' occurs twice", line)
    return node[1]


def _native_demand(path: Path, text: str, line: int, nodes: set[str], pairs: Pairs) -> None:
    demand = _DEMAND.fullmatch(text)
    if not demand:
        raise FormatError(path, f"expected 'id ( source target ) routing_unit value', found '{text[:60]}'", line)
    where = f"demand '{demand[1]}'"
    value = traffic_value(path, demand[4], f"routing unit of {where}", line)
    value *= traffic_value(path, demand[5], where, line)
    _add(path, pairs, nodes, demand[2], demand[3], value, line)


def _add(
    path: Path, pairs: Pairs, nodes: set[str], origin: str, destination: str, value: float, line: int | None
) -> None:
    for node in (origin, destination):
        if node not in nodes:
            raise FormatError(path, f"demand from '{origin}' to '{destination}': no node '{node}' in the file", line)
    pairs[origin, destination] = total = pairs.get((origin, destination), 0.0) + value
    if not math.isfinite(total):
        raise FormatError(path, f"demand from '{origin}' to '{destination}' is too large", line)


def _children(root: Element, tag: str) -> list[Element]:
    found = root.find(tag)
    return [] if found is None else [child for child in found if isinstance(child.tag, str)]


def _check_nodes(path: Path, nodes: list[str]) -> None:
    if not nodes:
        raise FormatError(path, "lists no nodes")
    if "" in nodes:
        raise FormatError(path, f"node number {nodes.index('') + 1} has no id")
    if len(set(nodes)) < len(nodes):
        raise FormatError(path, f"node '{next(n for n in nodes if nodes.count(n) > 1)}' occurs twice")


def _part(path: Path, nodes: list[str], pairs: Pairs, meta: dict[str, str], unit: str | None) -> Part:
    if not pairs and not meta.get("time"):
        raise FormatError(path, "has no demands and no time; a topology is read by Network.read")
    return part_of_pairs(
        path,
        pairs,
        nodes,
        absent=float("nan"),
        scale=agreed_rate(path, meta.get("unit") or None, unit, None),
        time=_time(path, meta.get("time") or None),
        interval_s=_granularity(path, meta.get("granularity") or None),
        notes={"source": meta["origin"]} if meta.get("origin") else {},
    )


def _time(path: Path, text: str | None) -> np.datetime64 | None:
    if text is None or re.fullmatch(r"[0-9]{4}([0-9]{2})?", text):  # a year or month is no interval's start
        return None
    parts = _TIME.fullmatch(text)
    time = utc(["{}-{}-{}T{}:{}".format(*(part or "00" for part in parts.groups()))])[0] if parts else None
    if time is None or np.isnat(time):
        raise FormatError(path, f"time is '{text[:40]}', expected such as 20040301-0005")
    stamp: np.datetime64 = time
    return stamp


def _granularity(path: Path, text: str | None) -> float | None:
    if text is None or re.fullmatch(r"[0-9]* ?(month|year)s?", text):  # of planning instances: no fixed length
        return None
    if text.isdigit():
        raise FormatError(path, f"granularity is '{text[:40]}', without a unit; expected such as 5min")
    try:
        return duration_s(text, "interval")
    except UsageError as error:
        raise FormatError(path, f"granularity is '{text[:40]}', expected such as 5min") from error
