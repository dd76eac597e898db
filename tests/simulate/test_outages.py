from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from odflow import Link, Network, Node, Routing
from odflow.simulate import BackboneConfig, BackboneSimulator
from odflow.simulate.outages import link_events

CONFIG = BackboneConfig(weeks=52.1775, interval="1h", failures_per_year=0.0, metric_changes_per_year=0.0)
NAMES = "abcde"
RING = Network(
    tuple(Node(name) for name in NAMES),
    tuple(
        Link(f"{source}{target}{k}", source, target, 1e9, 10.0)
        for a, b, count in (("a", "b", 2), ("b", "c", 1), ("c", "d", 1), ("d", "e", 1), ("e", "a", 1))
        for k in range(count)
        for source, target in ((a, b), (b, a))
    ),
)


def events(seed: int = 0, **changes: float) -> list[tuple[int, tuple[str, ...], str]]:
    return link_events(RING, replace(CONFIG, **changes), np.random.default_rng(seed))


def test_nothing_happens_without_events() -> None:
    epochs = BackboneSimulator(RING, CONFIG).epochs()
    assert len(epochs.routings) == 1
    assert (epochs.routings[0].matrix != Routing.shortest_path(RING).matrix).nnz == 0
    assert epochs.starts[0] == np.datetime64("2026-01-05")


def test_failures_take_both_directions_and_end() -> None:
    found = events(failures_per_year=50.0, repair_minutes=180.0)
    downs = [links for _, links, what in found if what == "down"]
    assert {frozenset(links) for links in downs} == {
        frozenset({f"{a}{b}{k}", f"{b}{a}{k}"}) for a, b, k in ("ab0", "ab1", "bc0", "cd0", "de0", "ea0")
    }
    assert len(downs) == pytest.approx(6 * 50, abs=50)
    assert [step for step, _, _ in found] == sorted(step for step, _, _ in found)
    for links in set(downs):
        times = [(step, what) for step, one, what in found if one == links]
        ends = sorted(step for step, what in times if what == "up")
        begins = sorted(step for step, what in times if what == "down")
        assert all(end > begin for begin, end in zip(begins, ends, strict=False))
        assert len(begins) - len(ends) in (0, 1)
    lengths = [
        end - begin
        for seed in range(30)
        for begin, end in _lone_failures(events(seed, failures_per_year=2.0, repair_minutes=600.0))
    ]
    assert np.median(lengths) == pytest.approx(10.0, rel=0.25)  # hours
    assert np.log(lengths).std() == pytest.approx(1.5, abs=0.35)


def _lone_failures(found: list[tuple[int, tuple[str, ...], str]]) -> list[tuple[int, int]]:
    """Begin and end of the failures of links that fail once."""
    out = []
    for links in {one for _, one, _ in found}:
        times = [(step, what) for step, one, what in found if one == links]
        if [what for _, what in times] == ["down", "up"]:
            out.append((times[0][0], times[1][0]))
    return out


def test_epochs_route_around_what_failed() -> None:
    config = replace(CONFIG, failures_per_year=20.0, repair_minutes=600.0)
    simulator = BackboneSimulator(RING, config)
    epochs = simulator.epochs(seed=7)
    found = link_events(RING, config, np.random.default_rng((7, 7)))
    down: dict[str, int] = dict.fromkeys(RING.link_ids, 0)
    whole = Routing.shortest_path(RING)
    checked = 0
    for step in sorted({step for step, _, _ in found}):
        for _, links, what in (event for event in found if event[0] == step):
            for link in links:
                down[link] += 1 if what == "down" else -1
        ((_, routing),) = epochs.segments(simulator.times[[step]])
        failed = [link for link, count in down.items() if count]
        expected = whole.without(failed) if failed else whole
        assert abs(routing.matrix - expected.matrix).max() < 1e-12
        checked += bool(failed)
    assert checked > 50
    again = simulator.epochs(seed=7)
    np.testing.assert_array_equal(again.starts, epochs.starts)


def test_metrics_change_for_good() -> None:
    config = replace(CONFIG, metric_changes_per_year=1.0)
    epochs = BackboneSimulator(RING, config).epochs(seed=1)
    assert len(epochs.routings) > 3
    metrics = [[link.metric for link in routing.network.links] for routing in epochs.routings if routing.network]
    assert len(metrics) == len(epochs.routings)
    for before, after in pairwise(metrics):
        ratios = {round(b / a, 6) for a, b in zip(before, after, strict=True) if a and b and a != b}
        assert ratios <= {0.25, 0.5, 2.0, 4.0}
        assert ratios
