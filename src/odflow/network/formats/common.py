"""What every topology format needs: numbers with a place, labels, names for unnamed links."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from odflow.errors import FormatError, NetworkError, OdflowWarning, listed
from odflow.network.model import Link, Network

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Point = tuple[float | None, float | None]
"""Latitude and longitude in degrees."""

NOWHERE: Point = (None, None)


def number(path: str | Path, text: str, where: str, *, power: int = 0, line: int | None = None) -> float:
    """A finite number times ``10**power``, rounded once.

    Raises
    ------
    FormatError
        Naming the place.
    """
    try:
        # Python's own 1_000 is no number in a file
        value = float(Decimal(text.strip()).scaleb(power)) if "_" not in text else math.nan
    except (ArithmeticError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(path, f"{where} is {shown(text)}, expected a finite number", line)
    return value


def written(value: float | None, power: int = 0, *, unknown: str = "") -> str:
    """The shortest decimal text of ``value / 10**power`` that :func:`number` reads back exactly."""
    if value is None or not known(value):
        return unknown
    decimal = Decimal(repr(float(value))).normalize().scaleb(-power)
    return f"{decimal:f}" if -7 < decimal.adjusted() < 18 else str(decimal)


def known(value: float | None) -> bool:
    """Whether a capacity, metric or coordinate is there (NaN counts as unknown)."""
    return value is not None and not math.isnan(value)


def clean(text: object) -> str:
    """A label on one line: runs of white space become one blank, invisible characters go."""
    return " ".join("".join(c for c in str(text) if c.isprintable() or c.isspace()).split())


def shown(text: str, limit: int = 40) -> str:
    """A piece of a file for a message: quoted, on one line, not too long."""
    return f"'{clean(text)[:limit]}'"


def in_degrees(points: Sequence[Point]) -> list[Point]:
    """Points of a format that does not say what its coordinates are.

    (0, 0) stands for unknown there; one point beyond 90 or 180 degrees shows that all of them
    are positions in a drawing, so that none is kept.
    """
    drawing = any(abs(lat or 0) > 90 or abs(lon or 0) > 180 for lat, lon in points)
    return [NOWHERE if drawing or point == (0, 0) else point for point in points]


def has_place(latitude: float | None, longitude: float | None) -> bool:
    """Whether both coordinates are known, as most formats need."""
    return known(latitude) and known(longitude)


def child(parent: Element, tag: str, text: str = "", **attributes: str) -> Element:
    """Append an element to an XML tree being written."""
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text or None
    return element


def document(root: Element) -> str:
    """The text of an XML file."""
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


class LinkNames:
    """Ids for links that a file does not name: ``A->B``, parallel ones ``A->B#2``, ``A->B#3``..."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._count: Counter[tuple[str, str]] = Counter()

    def new(self, source: str, target: str) -> str:
        """The next id for this pair, different from all given before."""
        while True:
            self._count[source, target] += 1
            n = self._count[source, target]
            name = f"{source}->{target}" if n == 1 else f"{source}->{target}#{n}"
            if name not in self._used:
                self._used.add(name)
                return name

    def both_ways(self, source: str, target: str, capacity: float | None, metric: float | None = None) -> list[Link]:
        """The two directed links of an undirected one (one link if it is a loop)."""
        ends = [(source, target), (target, source)][: 1 if source == target else 2]
        return [Link(self.new(a, b), a, b, capacity, metric) for a, b in ends]


def warn_no_unit(path: str | Path, unit: str | None, expected: Iterable[str]) -> None:
    """Say that capacities stay unknown because their unit is."""
    what = f"the unit {shown(unit)} is not known" if unit else "no unit is stated"
    message = f"{path}: {what}, so capacities are left unknown; state one of {', '.join(expected)}"
    warnings.warn(message, OdflowWarning, stacklevel=2)


def check_writable(network: Network, *, forbidden: str = "") -> None:
    """Check that the network can be written and read back.

    Parameters
    ----------
    forbidden : str
        Characters that ids must not contain in the format at hand.

    Raises
    ------
    NetworkError
        Ids that are not unique, ends that are not nodes, labels with characters that would not
        survive, numbers that are infinite.
    """
    for kind, ids in (("node", network.node_ids), ("link", network.link_ids)):
        problem = _id_problem(ids, forbidden)
        if problem:
            raise _refused(network, f"{kind} id {problem}")
    for link in network.links:
        if link.source not in network.node_index or link.target not in network.node_index:
            raise _refused(network, f"link '{link.id}' ends at a node that is not there")
        if not (_writable_number(link.capacity) and _writable_number(link.metric)):
            raise _refused(network, f"link '{link.id}' has a capacity or metric that is no finite number")
    for node in network.nodes:
        if not (_writable_number(node.latitude) and _writable_number(node.longitude)):
            raise _refused(network, f"node '{node.id}' has coordinates that are no finite numbers")


def _id_problem(ids: Sequence[str], forbidden: str) -> str:
    twice = [label for label, count in Counter(ids).items() if count > 1]
    if twice:
        return f"{listed(twice)} is used more than once"
    odd = [repr(label) for label in ids if not label or label != clean(label)]
    if odd:
        return f"{listed(odd)} is empty or has line breaks, tabs, extra blanks"
    odd = [label for label in ids if set(label) & set(forbidden)]
    if odd:
        signs = " ".join("blank" if sign == " " else sign for sign in forbidden)
        return f"{listed(odd)} has a character this format does not allow ({signs}); rename, or use GraphML or GML"
    return ""


def _writable_number(value: object) -> bool:
    return value is None or (isinstance(value, Real) and not math.isinf(value))


def _refused(network: Network, reason: str) -> NetworkError:
    return NetworkError(f"network '{clean(network.name)}' cannot be written: {reason}")
