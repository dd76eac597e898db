"""GML, as written by networkx, Gephi or the Internet Topology Zoo.

Source: Himsolt, "GML: a portable graph file format", University of Passau, 1997.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from odflow.errors import FormatError
from odflow.files import read_text
from odflow.network.formats.common import clean, shown, written
from odflow.network.formats.graphs import RawEdge, RawNode, assemble, link_attributes, lowered, node_attributes
from odflow.network.model import Network

_TOKEN = re.compile(r'"[^"]*"|\[|\]|#[^\n]*|[^\s\[\]"#]+|"')

Items = list[tuple[str, "str | Items", int]]
"""Key, text or list, line."""


def read_gml(path: str | Path) -> Network:
    """Read a GML graph by the rules of :mod:`odflow.network.formats.graphs`.

    Parallel edges need no ``multigraph 1``, and labels need not be unique.

    Raises
    ------
    FormatError
        With file and line.
    """
    items = _parse(path, read_text(path))
    graphs = [(value, line) for key, value, line in items if key.lower() == "graph" and not isinstance(value, str)]
    if len(graphs) != 1:
        raise FormatError(path, f"has {len(graphs)} 'graph [...]', expected one")
    graph = graphs[0][0]
    directed = _scalars(graph).get("directed", "0").strip() == "1"
    nodes, edges = [], []
    for key, value, line in graph:
        if key.lower() not in ("node", "edge") or isinstance(value, str):
            continue
        scalars = _scalars(value)
        for name in ("id",) if key.lower() == "node" else ("source", "target"):
            if not clean(scalars.get(name, "")):
                raise FormatError(path, f"this {key} has no {name}", line)
        if key.lower() == "node":
            nodes.append(RawNode(clean(scalars["id"]), scalars, line))
        else:
            edges.append(RawEdge(clean(scalars["source"]), clean(scalars["target"]), directed, scalars, line))
    return assemble(path, nodes, edges, _scalars(graph))


def gml_text(network: Network) -> str:
    """GML with everything a network holds, ``capacity`` in bit/s; the node ids are the labels."""
    index = network.node_index
    lines = ["graph [", "  directed 1", "  multigraph 1"]
    lines += [f"  name {_quoted(network.name)}"] if clean(network.name) else []
    for node in network.nodes:
        lines += ["  node [", f"    id {index[node.id]}", f"    label {_quoted(node.id)}"]
        lines += [f"    {key} {_value(value)}" for key, value in node_attributes(node).items()]
        lines += ["  ]"]
    for link in network.links:
        lines += ["  edge [", f"    source {index[link.source]}", f"    target {index[link.target]}"]
        lines += [f"    id {_quoted(link.id)}"]
        lines += [f"    {key} {_value(value)}" for key, value in link_attributes(link).items()]
        lines += ["  ]"]
    return "\n".join([*lines, "]", ""])


def _parse(path: str | Path, text: str) -> Items:
    """Nested lists of key-value pairs; repeated keys stay."""
    top: Items = []
    open_lists: list[tuple[Items, int]] = [(top, 1)]
    key, line = "", 1
    for token, line in _tokens(text):
        here = open_lists[-1][0]
        if token == '"':
            raise FormatError(path, "a text in quotes is not closed", line)
        if token == "]":
            if key or len(open_lists) == 1:
                problem = f"{shown(key)} has no value" if key else "closes a list that was not opened"
                raise FormatError(path, f"']': {problem}", line)
            open_lists.pop()
        elif token == "[":
            if not key:
                raise FormatError(path, "'[' without a key before it", line)
            inner: Items = []
            here.append((key, inner, line))
            open_lists.append((inner, line))
            key = ""
        elif key:
            here.append((key, _unquoted(token), line))
            key = ""
        elif token.startswith('"'):
            raise FormatError(path, f"expected a key, found {shown(token)}", line)
        else:
            key = token
    if len(open_lists) > 1:
        raise FormatError(path, "a list opened here is not closed; is the file complete?", open_lists[-1][1])
    if key:
        raise FormatError(path, f"{shown(key)} has no value", line)
    return top


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line, seen = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        if not match.group().startswith("#"):
            yield match.group(), line


def _scalars(items: Items) -> dict[str, str]:
    return {str(key): str(value) for key, value in lowered({k: v for k, v, _ in items if isinstance(v, str)}).items()}


def _unquoted(token: str) -> str:
    if not token.startswith('"'):
        return token
    return re.sub(r"&#(\d{1,7});|&\w{1,31};", _character, token[1:-1])


def _character(match: re.Match[str]) -> str:
    if match[1] is None:
        return html.unescape(match[0])
    return chr(int(match[1])) if int(match[1]) <= 0x10FFFF else match[0]


def _quoted(text: str) -> str:
    plain = "".join(c if c.isascii() and c not in '"&' else f"&#{ord(c)};" for c in clean(text))
    return f'"{plain}"'


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return _quoted(value)
    text = written(value)
    whole, sign, power = text.partition("E")
    return (whole if "." in whole else f"{whole}.0") + sign + power
