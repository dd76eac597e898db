"""Reports as one HTML file that needs nothing else: styles and images are inside."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odflow.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["Section", "Spark", "TableOf", "page", "png", "write_bytes", "write_page"]

STYLE = """
:root { --ink: #1d2329; --pale: #5d6873; --line: #dfe4e8; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #f4f6f8;
  font: 15px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 19px; margin: 0 0 4px; }
p { margin: 0 0 12px; max-width: 84ch; }
p.lead, figcaption, .note { color: var(--pale); }
section { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 20px 24px; margin-top: 20px; }
dl { display: flex; flex-wrap: wrap; gap: 12px 40px; margin: 20px 0 0; }
dt { color: var(--pale); font-size: 13px; }
dd { margin: 0; font-size: 18px; font-weight: 600; }
figure { margin: 12px 0 0; }
img { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: 12px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; font-size: 13px; color: var(--pale); border-bottom: 2px solid var(--line);
  padding: 6px 12px 6px 0; vertical-align: bottom; }
td { border-bottom: 1px solid var(--line); padding: 6px 12px 6px 0; }
th.num, td.num { text-align: right; }
tr.best td { font-weight: 600; }
tr.best td:first-child::after { content: " ◂ best"; color: var(--accent); font-weight: 600; }
svg { display: block; }
pre { background: #f4f6f8; border: 1px solid var(--line); border-radius: 6px; padding: 12px 14px; overflow-x: auto;
  font: 13px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
footer { color: var(--pale); font-size: 13px; margin-top: 24px; }
@media print { body { background: #fff; } section { break-inside: avoid; border: 0; padding: 12px 0; } }
"""


BEST = ' class="best"'


@dataclass(frozen=True, eq=False)
class Spark:
    """A small drawing of one or two series in a table cell.

    Parameters
    ----------
    line : array-like
        Drawn dark.
    other : array-like, optional
        Drawn in colour over it, on the same scale.
    """

    line: ArrayLike
    other: ArrayLike | None = None


Cell = str | Spark


@dataclass(frozen=True, eq=False)
class TableOf:
    """A table; headings that start with ``>`` are right-aligned.

    Parameters
    ----------
    headings : sequence of str
    rows : sequence of sequences of str or Spark
    best : int, optional
        Row to mark.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    best: int | None = None


@dataclass(frozen=True, eq=False)
class Section:
    """One part of a report: title, text, then what is given of figure, table and commands.

    Parameters
    ----------
    title, text : str
    table : TableOf, optional
    figure : Figure, optional
    alt : str
        What the figure shows, for those who cannot see it.
    commands : str
        Shell commands, shown as they are.
    """

    title: str
    text: str = ""
    table: TableOf | None = None
    figure: Figure | None = None
    alt: str = ""
    commands: str = ""


def page(title: str, lead: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section], foot: str = "") -> str:
    """The report as HTML text.

    Parameters
    ----------
    title, lead : str
    facts : sequence of (name, value)
        Key figures below the title.
    sections : sequence of Section
    foot : str
        Last line, such as how the report was made.
    """
    numbers = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    body = "\n".join(_section(section) for section in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n<dl>{numbers}</dl>\n'
        f"{body}\n<footer>{escape(foot)}</footer>\n</main>\n</body>\n</html>\n"
    )


def write_page(
    path: str | Path,
    title: str,
    lead: str,
    facts: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    foot: str = "",
) -> None:
    """Write :func:`page` to a file.

    Raises
    ------
    OdflowError
        If it cannot be written.
    """
    write_bytes(path, page(title, lead, facts, sections, foot).encode())


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file in one go; raises ``OdflowError`` if that fails."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def png(figure: Figure, dpi: int = 150) -> bytes:
    """A figure as PNG of 256 colours, which is a third of the size."""
    from PIL import Image

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=dpi, facecolor="white")
    # of Pillow's methods the one that keeps greys grey and scales of colours even
    few = Image.open(full).convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(small, format="png", optimize=True)
    return small.getvalue()


def _section(section: Section) -> str:
    parts = [f"<section>\n<h2>{escape(section.title)}</h2>"]
    if section.text:
        parts.append(f'<p class="note">{escape(section.text)}</p>')
    if section.figure is not None:
        data = base64.b64encode(png(section.figure)).decode()
        parts.append(f'<figure><img alt="{escape(section.alt)}" src="data:image/png;base64,{data}"></figure>')
    if section.table is not None:
        parts.append(_table(section.table))
    if section.commands:
        parts.append(f"<pre>{escape(section.commands)}</pre>")
    return "\n".join([*parts, "</section>"])


def _table(table: TableOf) -> str:
    right = [heading.startswith(">") for heading in table.headings]
    head = "".join(
        f"<th{_number(k)}>{escape(text.removeprefix('>'))}</th>" for text, k in zip(table.headings, right, strict=True)
    )
    rows = []
    for i, row in enumerate(table.rows):
        cells = "".join(f"<td{_number(k)}>{_cell(cell)}</td>" for cell, k in zip(row, right, strict=True))
        rows.append(f"<tr{BEST if i == table.best else ''}>{cells}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _number(right: bool) -> str:
    return ' class="num"' if right else ""


def _cell(cell: Cell) -> str:
    return escape(cell) if isinstance(cell, str) else _spark(cell)


def _spark(spark: Spark, width: int = 220, height: int = 30) -> str:
    series = [np.asarray(values, dtype=float) for values in (spark.line, spark.other) if values is not None]
    top = max((float(np.nanmax(values)) for values in series if np.isfinite(values).any()), default=0.0) or 1.0
    lines = "".join(
        f'<polyline fill="none" stroke="{color}" stroke-width="1.2" points="{_points(values / top, width, height)}"/>'
        for values, color in zip(series, ("#222", "#0072b2"), strict=False)
    )
    return f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">{lines}</svg>'


def _points(values: np.ndarray, width: int, height: int) -> str:
    x = np.linspace(1, width - 1, len(values))
    y = height - 1 - (height - 2) * values
    keep = np.isfinite(y)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[keep], y[keep], strict=True))
