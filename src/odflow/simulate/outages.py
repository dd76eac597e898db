"""Failures and metric changes of links, as routing epochs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from odflow.network.epochs import RoutingEpochs
from odflow.network.routing import Routing
from odflow.simulate.events import YEAR_DAYS
from odflow.simulate.span import DAY_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.model import Network
    from odflow.simulate.config import BackboneConfig

_REPAIR_SPREAD = 1.5

Event = tuple[int, tuple[str, ...], str]  # interval, links, "down", "up", "halved" or "doubled"


def link_events(network: Network, config: BackboneConfig, rng: np.random.Generator) -> list[Event]:
    """What happens to links, in order of time; failures take both directions of a link.

    Failures of a link are a Poisson process, times to repair lognormal (Markopoulou et al., "Characterization of
    failures in an operational IP backbone network", 2008).
    """
    years = config.steps * config.interval_s / DAY_S / YEAR_DAYS
    events: list[Event] = []
    for links in _fibres(network):
        for begin in rng.integers(config.steps, size=rng.poisson(config.failures_per_year * years)).tolist():
            minutes = config.repair_minutes * np.exp(_REPAIR_SPREAD * rng.standard_normal())
            length = max(1, round(minutes * 60 / config.interval_s))
            events += [(begin, links, "down"), (begin + length, links, "up")]
    for link in network.link_ids:
        for begin in rng.integers(config.steps, size=rng.poisson(config.metric_changes_per_year * years)).tolist():
            events.append((begin, (link,), str(rng.choice(["halved", "doubled"]))))
    return sorted(event for event in events if event[0] < config.steps)


def _fibres(network: Network) -> list[tuple[str, ...]]:
    """Links that fail together: the k-th of each direction between two nodes."""
    counts: dict[tuple[str, str], int] = {}
    fibres: dict[tuple[frozenset[str], int], list[str]] = {}
    for link in network.links:
        ends = (link.source, link.target)
        counts[ends] = counts.get(ends, -1) + 1
        fibres.setdefault((frozenset(ends), counts[ends]), []).append(link.id)
    return [tuple(links) for links in fibres.values()]


def routing_epochs(
    network: Network, config: BackboneConfig, times: NDArray[np.datetime64], rng: np.random.Generator, metric: str
) -> RoutingEpochs:
    """Shortest-path routing from change to change; equal states are routed once."""
    down: dict[str, int] = dict.fromkeys(network.link_ids, 0)  # a link may fail again before it is repaired
    scale: dict[str, float] = dict.fromkeys(network.link_ids, 1.0)
    routed: dict[tuple[object, ...], Routing] = {}
    starts, routings = [times[0]], [_routing(network, down, scale, metric, routed)]
    events = link_events(network, config, rng)
    for place, (step, links, what) in enumerate(events):
        for link in links:
            if what in ("down", "up"):
                down[link] += 1 if what == "down" else -1
            else:
                scale[link] *= 0.5 if what == "halved" else 2.0
        if place + 1 < len(events) and events[place + 1][0] == step:
            continue
        routing = _routing(network, down, scale, metric, routed)
        if times[step] == starts[-1]:
            routings[-1] = routing
        elif routing is not routings[-1]:
            starts.append(times[step])
            routings.append(routing)
    return RoutingEpochs(np.array(starts), tuple(routings))


def _routing(
    network: Network,
    down: dict[str, int],
    scale: dict[str, float],
    metric: str,
    routed: dict[tuple[object, ...], Routing],
) -> Routing:
    failed = tuple(link for link, count in down.items() if count)
    state = (failed, tuple(scale.values()))
    if state not in routed:
        links = (
            replace(one, metric=None if one.metric is None else one.metric * scale[one.id]) for one in network.links
        )
        whole = Routing.shortest_path(replace(network, links=tuple(links)), metric=metric)
        routed[state] = whole.without(failed) if failed else whole
    return routed[state]
