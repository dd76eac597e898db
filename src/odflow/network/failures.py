"""What can fail, one at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from odflow.errors import UsageError
from odflow.labels import label_list
from odflow.network.model import Network


@dataclass(frozen=True)
class Failure:
    """Links and nodes that are down together.

    Parameters
    ----------
    links, nodes : sequence of str
        At least one; a node takes its links with it.
    name : str
        What to call it; its links and nodes joined by ``+`` if nothing is given.

    Raises
    ------
    UsageError
        If nothing fails, or a bare text is given where a list of labels belongs.
    """

    links: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "links", label_list(self.links, "links"))
        object.__setattr__(self, "nodes", label_list(self.nodes, "nodes"))
        if not self.links and not self.nodes:
            raise UsageError("a failure needs a link or a node that is down")
        object.__setattr__(self, "name", self.name or "+".join((*self.links, *self.nodes)))


def each_link(network: Network) -> tuple[Failure, ...]:
    """Every link with the one of the opposite direction, if there is one: IGPs use a link only if both ways are up.

    Of parallel links the first one of each direction belong together, the second ones, and so on.
    """
    waiting: dict[tuple[str, str], list[int]] = defaultdict(list)
    pairs: list[list[str]] = []
    for link in network.links:
        if waiting[link.target, link.source]:
            pairs[waiting[link.target, link.source].pop(0)].append(link.id)
        else:
            waiting[link.source, link.target].append(len(pairs))
            pairs.append([link.id])
    return tuple(Failure(links=tuple(pair), name=f"{pair[0]} both ways" if pair[1:] else "") for pair in pairs)


def each_node(nodes: Sequence[str]) -> tuple[Failure, ...]:
    """Every node."""
    return tuple(Failure(nodes=(node,)) for node in nodes)
