"""Reading and writing topologies; the format is recognised by suffix and content.

============= ============== ===============================================================
format        suffix         what a round trip keeps, besides nodes and directed links
============= ============== ===============================================================
sndlib-xml    ``.xml``       ids, coordinates, capacities
sndlib-native ``.txt``       ids without blanks, coordinates, capacities
totem         ``.xml``       ids, coordinates, node names, capacities, metrics, network name
graphml       ``.graphml``   everything
gml           ``.gml``       everything
repetita      ``.graph``     ids without blanks, coordinates, capacities, metrics
csv           ``.csv``       ids, capacities, metrics; only nodes with links
============= ============== ===============================================================

Coordinates are kept by GraphML and GML even if only one of the two is known; SNDlib native and
REPETITA take (0, 0) for unknown, as TOTEM does. Where a format has no name of the network, it is
that of the file. Numbers survive exactly.
"""

from __future__ import annotations

import re
from pathlib import Path

from odflow.errors import FormatError, UsageError
from odflow.files import read_text, readable, replacing
from odflow.network.formats import csv as csv_file
from odflow.network.formats import gml, graphml, repetita, sndlib, totem
from odflow.network.formats.common import check_writable
from odflow.network.model import Network
from odflow.xmlfile import parse_xml

__all__ = ["read_network", "write_network"]

_NAMES = "sndlib-xml, sndlib-native, totem, graphml, gml, repetita, csv"


def read_network(path: str | Path, format: str | None = None) -> Network:
    """Read a topology file.

    Parameters
    ----------
    path : path-like
    format : {"sndlib-xml", "sndlib-native", "totem", "graphml", "gml", "repetita", "csv"}, optional
        Recognised by suffix and content if not given.

    Raises
    ------
    FormatError
        If the content is not what the format promises, with file and (but for XML) line.
    OdflowError
        If the file cannot be read.
    UsageError
        For an unknown format.
    """
    file = readable(path)
    match format or _recognise(file):
        case "sndlib-xml":
            return sndlib.read_xml(file)
        case "sndlib-native":
            return sndlib.read_native(file)
        case "totem":
            return totem.read_totem(file)
        case "graphml":
            return graphml.read_graphml(file)
        case "gml":
            return gml.read_gml(file)
        case "repetita":
            return repetita.read_repetita(file)
        case "csv":
            return csv_file.read_csv(file)
        case unknown:
            raise UsageError(f"unknown network format '{unknown}'; use one of {_NAMES}")


def write_network(network: Network, path: str | Path, format: str | None = None) -> None:
    """Write a topology file; it is replaced only when all is written.

    Parameters
    ----------
    network : Network
    path : path-like
    format : str, optional
        As for :func:`read_network`. By suffix if not given; ``.xml`` is SNDlib, ``.txt`` SNDlib native.

    Raises
    ------
    NetworkError
        If the network could not be read back: ids that are not unique or hold characters that the
        format cannot, links that end nowhere, infinite numbers.
    UsageError
        For an unknown format or suffix.
    """
    match format or _by_suffix(Path(path)):
        case "sndlib-xml":
            check_writable(network)
            text = sndlib.xml_text(network)
        case "sndlib-native":
            check_writable(network, forbidden=sndlib.FORBIDDEN)
            text = sndlib.native_text(network)
        case "totem":
            check_writable(network)
            text = totem.totem_text(network)
        case "graphml":
            check_writable(network)
            text = graphml.graphml_text(network)
        case "gml":
            check_writable(network)
            text = gml.gml_text(network)
        case "repetita":
            check_writable(network, forbidden=repetita.FORBIDDEN)
            text = repetita.repetita_text(network)
        case "csv":
            check_writable(network)
            text = csv_file.csv_text(network)
        case unknown:
            raise UsageError(f"unknown network format '{unknown}'; use one of {_NAMES}")
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _by_suffix(path: Path) -> str:
    match path.suffix.lower():
        case ".xml":
            return "sndlib-xml"
        case ".txt":
            return "sndlib-native"
        case ".graph":
            return "repetita"
        case ".graphml" | ".gml" | ".csv" as suffix:
            return suffix[1:]
        case suffix:
            raise UsageError(
                f"no network format has the suffix '{suffix}' ({path.name}); "
                "use .xml, .txt, .graphml, .gml, .graph or .csv, or name the format"
            )


def _recognise(file: Path) -> str:
    match file.suffix.lower():
        case ".graphml" | ".gml" | ".csv" as suffix:
            return suffix[1:]
        case ".graph":
            return "repetita"
        case ".xml":
            return _xml_format(file)
    with file.open("rb") as stream:
        if stream.read(100).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            return _xml_format(file)
    rows = (row.strip() for row in read_text(file).splitlines())
    first = next((row for row in rows if row and not row.startswith("#")), "")
    if re.match(r"\?SNDlib|(META|NODES|LINKS)\s*\(", first):
        return "sndlib-native"
    if re.match(r"NODES\s+\d", first):
        return "repetita"
    if re.match(r"graph\b|Creator\b|Version\b", first):
        return "gml"
    if {"source", "target"} <= {cell.strip() for cell in first.split(",")}:
        return "csv"
    raise FormatError(file, f"is no topology format that odflow knows; if it is one of {_NAMES}, name it", 1)


def _xml_format(file: Path) -> str:
    match parse_xml(file).tag:
        case "network":
            return "sndlib-xml"
        case "domain":
            return "totem"
        case "graphml":
            return "graphml"
        case tag:
            raise FormatError(
                file, f"root element is <{tag}>; topologies have <network> (SNDlib), <domain> (TOTEM) or <graphml>"
            )
