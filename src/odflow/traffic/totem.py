"""TOTEM TrafficMatrix XML: one intra-domain traffic matrix per file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import FormatError
from odflow.traffic.parts import Part, by_name, part_of_pairs, traffic_value
from odflow.traffic.units import agreed_rate, utc
from odflow.xmlfile import number, parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["read_totem"]

# TM-2004-03-01-0015.xml, IntraTM-2005-01-01-00-30.xml
_STAMP = re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)[-T_](\d\d)-?(\d\d)(?!\d)", re.ASCII)


def read_totem(path: Path, unit: str | None = None) -> Part:
    """Read a TOTEM ``<TrafficMatrixFile>`` with one ``<IntraTM>``.

    Parameters
    ----------
    path : Path
    unit : str, optional
        For a file that states none; TOTEM's own default is kbit/s.

    Returns
    -------
    Part
        Nodes sorted by name; pairs that are not listed carry no traffic (TOTEM's toolbox leaves zeros
        out). Time from ``<date>``, else from a file name such as ``TM-2004-03-01-0015.xml``; length
        from ``<duration>`` in seconds.

    Raises
    ------
    FormatError, UnitError
        Naming the pair at fault.

    Notes
    -----
    The format is that of the TOTEM toolbox, schema ``TrafficMatrix-v1_2.xsd`` (totem.run.montefiore.uliege.be).
    """
    root = parse_xml(path)
    if root.tag != "TrafficMatrixFile":
        what = "a TOTEM topology" if root.tag == "domain" else f"<{root.tag}>"
        raise FormatError(
            path, f"is {what}, not a TOTEM <TrafficMatrixFile>; choose the files, as in 'folder/TM-*.xml'"
        )
    matrices = root.findall("IntraTM")
    if len(matrices) != 1:
        raise FormatError(path, f"has {len(matrices)} <IntraTM>, expected one")
    pairs = _pairs(path, matrices[0])
    if not pairs:
        raise FormatError(path, "has no <src> with a <dst>, so not even its nodes are known")
    nodes = by_name({node for pair in pairs for node in pair})
    duration = root.findtext("info/duration")
    return part_of_pairs(
        path,
        pairs,
        nodes,
        absent=0.0,
        scale=agreed_rate(path, _unit(root), unit, "kbit/s"),
        time=_time(path, root),
        interval_s=None if duration is None else _duration(path, duration),
    )


def _pairs(path: Path, matrix: Element) -> dict[tuple[str, str], float]:
    pairs: dict[tuple[str, str], float] = {}
    for source in matrix.findall("src"):
        origin = source.get("id")
        if not origin:
            raise FormatError(path, "a <src> has no id")
        for target in source.findall("dst"):
            destination = target.get("id")
            if not destination:
                raise FormatError(path, f"a <dst> of <src id='{origin}'> has no id")
            if (origin, destination) in pairs:
                raise FormatError(path, f"demand from '{origin}' to '{destination}' occurs twice")
            where = f"demand from '{origin}' to '{destination}'"
            pairs[origin, destination] = traffic_value(path, target.text, where)
    return pairs


def _unit(root: Element) -> str | None:
    for unit in root.iterfind("info/units/unit"):
        if unit.get("type") == "bandwidth":
            return unit.get("value")
    return None


def _duration(path: Path, text: str) -> float:
    length = number(path, text.strip(), "<duration>")
    if length <= 0:
        raise FormatError(path, f"<duration> is {length:g}, expected seconds")
    return length


def _time(path: Path, root: Element) -> np.datetime64 | None:
    named = _STAMP.search(path.name)
    from_name = utc(["{}-{}-{}T{}:{}".format(*named.groups())])[0] if named else np.datetime64("NaT")
    text = (root.findtext("info/date") or "").strip()
    if "T" not in text:  # a day alone says when the file was made
        return None if np.isnat(from_name) else from_name
    stated: np.datetime64 = utc([text])[0]
    if np.isnat(stated):
        raise FormatError(path, f"<date> is '{text[:40]}', expected a time such as 2005-01-01T00:30:00")
    if not np.isnat(from_name) and from_name != stated:
        raise FormatError(
            path,
            f"<date> is {text} but the file name says {from_name.astype('datetime64[m]')}; "
            "rename the file if the date is right",
        )
    return stated
