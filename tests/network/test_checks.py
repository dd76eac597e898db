from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from odflow.errors import NetworkError
from odflow.network.checks import Problem
from odflow.network.model import Link, Network, Node


def pair(**changes: Any) -> Network:
    """Two nodes and a link each way; `changes` go to the first link."""
    first = {"id": "ab", "source": "a", "target": "b", "capacity": 1e9, "metric": 1.0, **changes}
    return Network((Node("a"), Node("b")), (Link(**first), Link("ba", "b", "a", 1e9, 1.0)))


def test_a_good_network_has_no_problems(diamond: Network) -> None:
    assert diamond.consistency_check() == []
    assert pair(capacity=np.float32(1e9), metric=np.int64(3)).consistency_check() == []


@pytest.mark.parametrize(
    ("network", "check", "severity", "message"),
    [
        (Network((), ()), "empty", "error", "there are no nodes"),
        (Network((Node("a"), Node("a")), ()), "duplicate-id", "error", "node id 'a' used more than once"),
        (pair(id="ba"), "duplicate-id", "error", "link id 'ba' used more than once"),
        (pair(id="in:a"), "reserved-id", "error", "link id 'in:a' looks like an access link; rename it"),
        (pair(id=" "), "id", "error", "link id '' '' is empty or not text; give each a name"),
        (Network((Node(7),), ()), "id", "error", "node id '7' is empty or not text; give each a name"),
        (pair(target="c"), "unknown-node", "error", "link 'ab' ends at unknown node 'c'"),
        (pair(target="a"), "self-loop", "error", "link 'ab' starts and ends at the same node"),
        (pair(capacity=0.0), "capacity", "error", "link 'ab' has a capacity that is not positive"),
        (pair(capacity=np.inf), "capacity", "error", "link 'ab' has a capacity that is not positive"),
        (pair(capacity=None), "capacity", "warning", "link 'ab' has no capacity"),
        (pair(metric=-1.0), "metric", "error", "link 'ab' has a metric that is not positive"),
        (pair(metric=0), "metric", "error", "link 'ab' has a metric that is not positive"),
        (pair(metric=np.nan), "metric", "error", "link 'ab' has a metric that is not positive"),
        (pair(metric="3"), "metric", "error", "link 'ab' has a metric that is not positive"),
        (pair(metric=None), "metric", "warning", "link 'ab' has no metric"),
        (
            Network((Node("a", 91.0, 0.0),), ()),
            "coordinates",
            "warning",
            "node 'a' has coordinates that are not degrees",
        ),
        (
            Network((Node("a", 0.0, "E"),), ()),
            "coordinates",
            "warning",
            "node 'a' has coordinates that are not degrees",
        ),
        (Network((Node("a", np.nan),), ()), "coordinates", "warning", "node 'a' has coordinates that are not degrees"),
    ],
)
def test_each_problem_is_found(network: Network, check: str, severity: str, message: str) -> None:
    assert Problem(check, severity, message) in network.consistency_check()


def test_unreachable_nodes_are_named(diamond: Network) -> None:
    one_way = diamond.without(links=["db", "dc"])
    problems = one_way.consistency_check()
    assert [str(problem) for problem in problems] == [
        "warning: node 'd' cannot both reach and be reached by the rest [unreachable]"
    ]
    assert Network((Node("a"),), ()).consistency_check() == []
    lonely = Network((Node("a"), Node("b")), ()).consistency_check()
    assert [problem.check for problem in lonely] == ["unreachable"]


def test_errors_come_first_and_strict_raises() -> None:
    network = pair(capacity=None, metric=-1.0)
    assert [problem.severity for problem in network.consistency_check()] == ["error", "warning"]
    with pytest.raises(NetworkError, match="network 'network': link 'ab' has a metric that is not positive"):
        network.consistency_check(strict=True)
    assert [problem.check for problem in pair(metric=None).consistency_check(strict=True)] == ["metric"]


def test_all_kinds_of_nonsense_at_once() -> None:
    network = Network(
        (Node(""), Node(3), Node("a", "x", "y")),
        (Link(None, "a", "nowhere", "fast", "cheap"), Link("l", 3, 3, True, -0.0)),
    )
    found = {problem.check for problem in network.consistency_check()}
    assert found == {"id", "unknown-node", "self-loop", "capacity", "metric", "unreachable", "coordinates"}
