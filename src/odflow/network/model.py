"""The network: nodes and directed links, with checks and the readers' front door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from odflow.errors import NetworkError, listed

if TYPE_CHECKING:
    import networkx as nx

    from odflow.network.checks import Problem


@dataclass(frozen=True, slots=True)
class Node:
    """A router or site.

    Parameters
    ----------
    id : str
        Label, unique in the network.
    latitude, longitude : float, optional
        Degrees; ``None`` where unknown.
    name : str
        A readable name, if the file has one.
    """

    id: str
    latitude: float | None = None
    longitude: float | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A directed link.

    Parameters
    ----------
    id : str
        Label, unique in the network (parallel links differ by it).
    source, target : str
        Node ids.
    capacity : float, optional
        bit/s; ``None`` where unknown.
    metric : float, optional
        IGP cost; ``None`` where unknown.
    """

    id: str
    source: str
    target: str
    capacity: float | None = None
    metric: float | None = None


@dataclass(frozen=True)
class Network:
    """Nodes and directed links.

    Parameters
    ----------
    nodes : sequence of Node
    links : sequence of Link
    name : str

    Notes
    -----
    Construction never fails on odd content, so that a faulty file can be looked at;
    :meth:`consistency_check` lists what is wrong and :class:`~odflow.Routing` refuses it.
    """

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    name: str = field(default="network", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))
        object.__setattr__(self, "links", tuple(self.links))
        for kind, items in ((Node, self.nodes), (Link, self.links)):
            odd = next((item for item in items if not isinstance(item, kind)), None)
            if odd is not None:
                raise NetworkError(f"{odd!r} is not a {kind.__name__}; make it with odflow.{kind.__name__}(...)")

    @cached_property
    def node_ids(self) -> tuple[str, ...]:
        """Node ids in order."""
        return tuple(node.id for node in self.nodes)

    @cached_property
    def link_ids(self) -> tuple[str, ...]:
        """Link ids in order."""
        return tuple(link.id for link in self.links)

    @cached_property
    def node_index(self) -> dict[str, int]:
        """Position of each node id."""
        return {node: i for i, node in enumerate(self.node_ids)}

    def __repr__(self) -> str:
        def known(values: Iterable[object]) -> str:
            count = sum(value is not None for value in values)
            return "all" if count == len(self.links) else f"{count}/{len(self.links)}"

        pairs = {(link.source, link.target) for link in self.links}
        parallel = len(self.links) - len(pairs)
        placed = sum(node.latitude is not None for node in self.nodes)
        return (
            f"<Network '{self.name}': {len(self.nodes)} nodes ({placed} with coordinates), "
            f"{len(self.links)} directed links ({parallel} parallel), "
            f"capacity {known(link.capacity for link in self.links)}, "
            f"metric {known(link.metric for link in self.links)}>"
        )

    def consistency_check(self, *, strict: bool = False) -> list[Problem]:
        """List everything wrong with this network, worst first.

        Parameters
        ----------
        strict : bool
            Raise on the first error instead of returning it (warnings are still returned).

        Raises
        ------
        NetworkError
            With ``strict``, naming the nodes or links at fault.
        """
        from odflow.network.checks import find_problems

        problems = find_problems(self)
        errors = [problem for problem in problems if problem.severity == "error"]
        if strict and errors:
            raise NetworkError(f"network '{self.name}': {errors[0].message}")
        return problems

    def without(self, links: Sequence[str] = (), nodes: Sequence[str] = ()) -> Network:
        """Return the network without these links, and without these nodes and their links.

        Raises
        ------
        NetworkError
            If a label is not in the network.
        UsageError
            If a bare text is given where a list of labels belongs.
        """
        from odflow.labels import IN, OUT, label_list

        gone, down = set(label_list(nodes, "nodes")), set(label_list(links, "links"))
        unknown = {"link": sorted(down - set(self.link_ids)), "node": sorted(gone - set(self.node_ids))}
        for kind, odd in unknown.items():
            if odd:
                access = kind == "link" and all(label.startswith((IN, OUT)) for label in odd)
                hint = "; an access link fails with its node: without(nodes=[...])" if access else ""
                raise NetworkError(f"network '{self.name}' has no {kind} {listed(odd)}{hint}")
        return replace(
            self,
            nodes=tuple(node for node in self.nodes if node.id not in gone),
            links=tuple(
                link
                for link in self.links
                if link.id not in down and link.source not in gone and link.target not in gone
            ),
        )

    @classmethod
    def read(cls, path: str | Path, *, format: str | None = None) -> Network:
        """Read a topology; the format is recognised by suffix and content.

        Parameters
        ----------
        path : path-like
            SNDlib XML or native text, TOTEM domain XML, GraphML, GML, REPETITA ``.graph``,
            or CSV (``id,source,target,capacity,metric``).
        format : str, optional
            One of ``sndlib-xml``, ``sndlib-native``, ``totem``, ``graphml``, ``gml``,
            ``repetita``, ``csv``; only needed when recognition fails.

        Raises
        ------
        FormatError
            With file and line, where the content is not what the format promises.
        """
        from odflow.network.formats import read_network

        return read_network(path, format=format)

    def write(self, path: str | Path, *, format: str | None = None) -> None:
        """Write in the format of the suffix (``.xml`` is SNDlib unless `format` says ``totem``)."""
        from odflow.network.formats import write_network

        write_network(self, path, format=format)

    @classmethod
    def from_topohub(cls, key: str, *, metric: str = "distance", capacity: float | None = None) -> Network:
        """Take a topology from the ``topohub`` package, such as ``sndlib/germany50``.

        Each undirected edge becomes two directed links.

        Parameters
        ----------
        key : str
            ``group/name`` as in topohub.
        metric : {"distance", "hops"}
            topohub has no IGP metrics: use the length in km, or 1 on every link.
        capacity : float, optional
            bit/s for every link (topohub has none).

        Raises
        ------
        NetworkError
            If topohub has no such key, naming similar ones.
        """
        from odflow.network.formats.topohub import from_topohub

        return from_topohub(key, metric=metric, capacity=capacity)

    @classmethod
    def from_networkx(cls, graph: nx.Graph) -> Network:
        """Convert from networkx; an undirected edge becomes two directed links.

        Reads node attributes ``latitude``, ``longitude``, ``name`` and edge attributes ``id``,
        ``capacity`` (bit/s), ``metric``.
        """
        from odflow.network.formats.graphs import from_networkx

        return from_networkx(graph)

    def to_networkx(self) -> nx.MultiDiGraph:
        """Convert to a ``networkx.MultiDiGraph`` whose edge keys are the link ids."""
        from odflow.network.formats.graphs import to_networkx

        return to_networkx(self)
