"""CSV: one directed link per row, ``id,source,target,capacity,metric``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from odflow.errors import FormatError
from odflow.files import read_text
from odflow.network.formats.common import clean, number, shown, written
from odflow.network.model import Link, Network, Node

COLUMNS = ("id", "source", "target", "capacity", "metric")


def read_csv(path: str | Path) -> Network:
    """Read a link list.

    Columns may come in any order; ``capacity`` (bit/s) and ``metric`` may be absent or empty,
    which means unknown. Nodes are those that occur, in order of appearance, so a node without
    links, coordinates and names are not in this format. The name is that of the file.

    Raises
    ------
    FormatError
        With file and line: wrong columns, a cell too many or too few, an empty id or end,
        a number that is none, an id used twice.
    """
    rows = _rows(path, read_text(path))
    line, header = next(rows, (1, []))
    columns = [clean(cell) for cell in header]
    wrong = [name for name in columns if name not in COLUMNS]
    missing = [name for name in COLUMNS[:3] if name not in columns]
    if wrong or missing or len(set(columns)) < len(columns):
        raise FormatError(path, f"columns are {shown(','.join(columns), 80)}, expected {','.join(COLUMNS)}", line)
    links: dict[str, Link] = {}
    for line, row in rows:
        if len(row) != len(columns):
            raise FormatError(path, f"{len(row)} cells, expected {len(columns)}", line)
        cells = dict(zip(columns, row, strict=True))
        ident, source, target = (clean(cells[name]) for name in COLUMNS[:3])
        if not (ident and source and target):
            raise FormatError(path, "id, source and target must not be empty", line)
        if ident in links:
            raise FormatError(path, f"link id '{ident}' is used twice", line)
        values = [_optional(path, cells.get(name, ""), f"{name} of link '{ident}'", line) for name in COLUMNS[3:]]
        links[ident] = Link(ident, source, target, *values)
    nodes = dict.fromkeys(end for link in links.values() for end in (link.source, link.target))
    return Network(tuple(Node(node) for node in nodes), tuple(links.values()), name=Path(path).stem)


def csv_text(network: Network) -> str:
    """A link list; unknown capacities and metrics are empty cells."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for link in network.links:
        writer.writerow([link.id, link.source, link.target, written(link.capacity), written(link.metric)])
    return out.getvalue()


def _rows(path: str | Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the line they end on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise FormatError(path, f"not a valid CSV row ({error})", reader.line_num) from error


def _optional(path: str | Path, text: str, where: str, line: int) -> float | None:
    return number(path, text, where, line=line) if text.strip() else None
