"""REPETITA ``.demands``: one traffic matrix per file, nodes by number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from odflow.errors import FormatError, UsageError
from odflow.files import read_text
from odflow.traffic.parts import Part, part_of_pairs, traffic_value
from odflow.traffic.units import rate

__all__ = ["read_repetita"]


def read_repetita(path: Path, nodes: Sequence[str] | None, unit: str | None = None) -> Part:
    """Read a file of lines ``label src dest bw`` below ``DEMANDS count``.

    Parameters
    ----------
    path : Path
    nodes : sequence of str
        Names in the order of the ``.graph`` file, which the numbers count from 0.
    unit : str, optional
        kbit/s by default, as REPETITA has it.

    Returns
    -------
    Part
        Pairs that are not listed are 0; several demands of one pair add up. No time, no interval.

    Raises
    ------
    FormatError
        With the line at fault.
    UsageError
        Without `nodes`.

    Notes
    -----
    Format: Gay, Schaus and Vissicchio, "REPETITA", arXiv:1710.08665.
    """
    if nodes is None:
        raise UsageError(f"{path}: numbers its nodes; pass nodes=Network.read('….graph').node_ids")
    names = tuple(nodes)
    pairs: dict[tuple[str, str], float] = {}
    count, rows, header = None, 0, False
    for line, text in enumerate(read_text(path).splitlines(), 1):
        words = text.split()
        if not words or words[0].startswith("#"):
            continue
        if count is None:
            count = _count(path, words, line)
        elif not header and words[0] == "label":
            header = True
        else:
            pair, value = _demand(path, words, names, line)
            pairs[pair] = traffic_value(path, str(pairs.get(pair, 0.0) + value), f"demand '{words[0]}'", line)
            rows += 1
    if count is None or (count >= 0 and count != rows):
        raise FormatError(path, f"announces {count} demands and has {rows}; is it cut off?")
    return part_of_pairs(path, pairs, names, absent=0.0, scale=rate(unit or "kbit/s"), time=None, interval_s=None)


def _count(path: Path, words: list[str], line: int) -> int:
    if words[0] != "DEMANDS" or len(words) > 2 or (len(words) == 2 and not _small_number(words[1])):
        raise FormatError(path, f"starts with '{' '.join(words)[:40]}', expected 'DEMANDS count'", line)
    return int(words[1]) if len(words) == 2 else -1


def _demand(path: Path, words: list[str], names: Sequence[str], line: int) -> tuple[tuple[str, str], float]:
    if len(words) != 4:
        raise FormatError(path, f"expected 'label src dest bw', found '{' '.join(words)[:60]}'", line)
    ends = []
    for word in words[1:3]:
        if not _small_number(word) or int(word) >= len(names):
            raise FormatError(path, f"demand '{words[0]}': no node number {word[:20]} among {len(names)}", line)
        ends.append(names[int(word)])
    return (ends[0], ends[1]), traffic_value(path, words[3], f"demand '{words[0]}'", line)


def _small_number(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) < 10
