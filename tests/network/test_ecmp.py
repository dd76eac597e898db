from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest

from odflow.errors import RoutingError
from odflow.network.ecmp import distances_to, ecmp_fractions, tie_tolerance

Edge = tuple[int, int, float]


def random_edges(seed: int) -> tuple[int, list[Edge]]:
    """A directed multigraph with integer metrics 1..3: ties, parallel links, some pairs unreachable."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 9))
    count = int(rng.integers(n, 4 * n))
    edges = [(*map(int, rng.choice(n, 2, replace=False)), float(rng.integers(1, 4))) for _ in range(count)]
    return n, edges + [edges[int(k)] for k in rng.integers(len(edges), size=2)]


def least_costs(n: int, edges: list[Edge]) -> list[list[float]]:
    """Floyd-Warshall."""
    cost = [[0.0 if i == j else np.inf for j in range(n)] for i in range(n)]
    for s, t, metric in edges:
        cost[s][t] = min(cost[s][t], metric)
    for k, i, j in itertools.product(range(n), repeat=3):
        cost[i][j] = min(cost[i][j], cost[i][k] + cost[k][j])
    return cost


def by_enumeration(n: int, edges: list[Edge]) -> tuple[dict[tuple[int, int, int], float], int]:
    """Fractions by (link, origin, destination): every path is walked, halving at each fork."""
    cost = least_costs(n, edges)
    share: dict[tuple[int, int, int], float] = defaultdict(float)
    paths = 0

    def walk(node: int, origin: int, destination: int, part: float) -> None:
        nonlocal paths
        if node == destination:
            paths += 1
            return
        onward = [
            k for k, (s, t, m) in enumerate(edges) if s == node and m + cost[t][destination] == cost[s][destination]
        ]
        for k in onward:
            share[k, origin, destination] += part / len(onward)
            walk(edges[k][1], origin, destination, part / len(onward))

    for origin, destination in itertools.permutations(range(n), 2):
        if cost[origin][destination] < np.inf:
            walk(origin, origin, destination, 1.0)
    return share, paths


def split(n: int, edges: list[Edge], edge_nodes: list[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    source, target = (np.array([e[i] for e in edges], dtype=np.int64) for i in (0, 1))
    metric = np.array([e[2] for e in edges], dtype=float)
    nodes = np.array(range(n) if edge_nodes is None else edge_nodes, dtype=np.int64)
    fractions, reachable = ecmp_fractions(n, source, target, metric, nodes)
    return fractions.toarray(), reachable


@pytest.mark.parametrize("seed", range(80))
def test_against_walking_every_path(seed: int) -> None:
    n, edges = random_edges(seed)
    expected = np.zeros((len(edges), n * n))
    for (link, origin, destination), value in by_enumeration(n, edges)[0].items():
        expected[link, origin * n + destination] = value
    fractions, reachable = split(n, edges)
    np.testing.assert_allclose(fractions, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(reachable, np.isfinite(least_costs(n, edges)))


def test_the_random_graphs_have_what_they_should() -> None:
    parallel = ties = unreachable = 0
    for seed in range(80):
        n, edges = random_edges(seed)
        pairs = int(np.isfinite(least_costs(n, edges)).sum()) - n
        parallel += len({e[:2] for e in edges}) < len(edges)
        ties += by_enumeration(n, edges)[1] > pairs
        unreachable += pairs < n * (n - 1)
    assert parallel == 80
    assert ties >= 50
    assert unreachable >= 10


@pytest.mark.parametrize("seed", range(10))
def test_edge_nodes_are_a_selection(seed: int) -> None:
    n, edges = random_edges(seed)
    chosen = [n - 1, 0]
    whole, _ = split(n, edges)
    some, _ = split(n, edges, chosen)
    columns = [o * n + d for o in chosen for d in chosen]
    np.testing.assert_array_equal(some, whole[:, columns])


@pytest.mark.parametrize("factor", [1e-10, 0.1, 1 / 3, 1e6])
def test_scaling_all_metrics_changes_nothing(factor: float) -> None:
    for seed in range(10):
        n, edges = random_edges(seed)
        scaled = [(s, t, m * factor) for s, t, m in edges]
        np.testing.assert_array_equal(split(n, scaled)[0], split(n, edges)[0])


def two_ways(first: float, second: float) -> np.ndarray:
    """0 -> 1 -> 3 against 0 -> 2 -> 3; the split of 0 -> 3 over the first links."""
    return split(4, [(0, 1, first), (0, 2, second), (1, 3, first), (2, 3, second)])[0][:2, 3]


def test_integer_ties_are_exact_however_large() -> None:
    assert two_ways(1e12, 1e12).tolist() == [0.5, 0.5]
    assert two_ways(1e12, 1e12 + 1).tolist() == [1.0, 0.0]
    assert two_ways(4294967295.0, 4294967294.0).tolist() == [0.0, 1.0]


def test_near_ties_of_lengths() -> None:
    assert two_ways(0.1, 0.1 * (1 + 1e-13)).tolist() == [0.5, 0.5]
    assert two_ways(100.25, 100.25 + 1e-5).tolist() == [1.0, 0.0]
    # 0.1 + 0.2 is not 0.3 in binary
    fractions, _ = split(3, [(0, 1, 0.1), (1, 2, 0.2), (0, 2, 0.3)])
    assert fractions[:, 2].tolist() == [0.5, 0.5, 0.5]


def test_tiny_links_far_away_do_not_make_loops() -> None:
    # 1 <-> 2 cost next to nothing compared with what lies behind: both directions look like ties
    edges = [(0, 1, 1.5), (1, 2, 1e-9), (2, 1, 1e-9), (2, 3, 1e3), (1, 3, 1e3)]
    fractions, reachable = split(4, edges)
    assert reachable[0, 3]
    arriving = fractions[3, 3] + fractions[4, 3]
    assert arriving == 1.0
    assert fractions[0, 3] == 1.0


def test_a_range_too_wide_is_refused() -> None:
    with pytest.raises(RoutingError, match="too wide a range"):
        split(3, [(0, 1, 1e-9), (1, 2, 1e12 + 0.5)])
    with pytest.raises(RoutingError, match="too wide a range"):
        split(3, [(0, 1, 1e308), (1, 2, 1e308)])


def test_tie_tolerance() -> None:
    assert tie_tolerance(np.array([1.0, 65535.0]), 500) == 0.0
    assert tie_tolerance(np.array([1.0, 2.5]), 500) == 1e-9
    assert tie_tolerance(np.array([1.0, 1e15]), 500) == 1e-9
    assert tie_tolerance(np.zeros(0), 3) == 0.0


def test_distances_use_the_cheapest_parallel_link() -> None:
    source, target = np.array([0, 0, 1]), np.array([1, 1, 2])
    distance = distances_to(np.array([2]), 4, source, target, np.array([5.0, 2.0, 1.0]))
    assert distance.ravel().tolist() == [3.0, 1.0, 0.0, np.inf]


def test_nothing_to_route() -> None:
    fractions, reachable = split(3, [])
    assert fractions.shape == (0, 9)
    np.testing.assert_array_equal(reachable, np.eye(3, dtype=bool))


def test_work_stays_polynomial_in_a_ladder_of_diamonds() -> None:
    # 2**40 shortest paths
    edges = []
    for k in range(40):
        a = 3 * k
        edges += [(a, a + 1, 1.0), (a, a + 2, 1.0), (a + 1, a + 3, 1.0), (a + 2, a + 3, 1.0)]
    fractions, _ = split(121, edges, [0, 120])
    np.testing.assert_array_equal(fractions[:, 1], np.full(160, 0.5))
