from __future__ import annotations

import json
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

from odflow import labels
from odflow.errors import LabelError, UsageError
from odflow.network.diagnose import Diagnosis, diagnose
from odflow.network.epochs import RoutingEpochs
from odflow.network.model import Link, Network, Node
from odflow.network.routing import Routing


def line(n: int) -> Routing:
    """Nodes 0, 1, ... in a line, links in both directions."""
    names = [str(i) for i in range(n)]
    links = [Link(f"{a}{b}", a, b, metric=1.0) for a, b in pairwise(names)]
    links += [Link(f"{b}{a}", b, a, metric=1.0) for a, b in pairwise(names)]
    return Routing.shortest_path(Network(tuple(Node(v) for v in names), tuple(links)))


def random_routing(seed: int) -> Routing:
    """A small strongly connected network with ties and parallel links; every third without access links."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 6))
    ends = [(i, (i + 1) % n) for i in range(n)] + [tuple(rng.choice(n, 2, replace=False)) for _ in range(n)]
    links = tuple(Link(f"l{k}", f"v{a}", f"v{b}", metric=float(rng.integers(1, 3))) for k, (a, b) in enumerate(ends))
    return Routing.shortest_path(Network(tuple(Node(f"v{i}") for i in range(n)), links), access=seed % 3 > 0)


def one_load(routing: Routing, seed: int = 0):
    n = len(routing.nodes)
    x = np.random.default_rng(seed).lognormal(15, 1.5, (1, n, n))
    return labels.demands(x, ["2024-01-01"], routing.nodes, 300.0)


def rank(rows: np.ndarray) -> int:
    return int(np.linalg.matrix_rank(rows)) if rows.size else 0


def test_two_nodes_by_hand() -> None:
    found = diagnose(line(2))
    assert (found.rank, found.nullity, found.flows) == (4, 0, 4)
    assert found.identifiable == (("0", "0"), ("0", "1"), ("1", "0"), ("1", "1"))
    assert found.redundant == ("01", "10", "in:0", "out:0", "in:1", "out:1")
    assert {loss.rank for loss in found.losses} == {0}


def test_three_nodes_in_a_line_by_hand() -> None:
    # Columns of 3 * 3 flows; every node's balance ties its counters: 10 counters, 3 balances.
    found = diagnose(line(3))
    assert (found.rank, found.nullity) == (7, 2)
    # ends carry no transit, so what stays at them is in - (link out); 0->2 and 1->2, 0->1 are confounded
    assert found.identifiable == (("0", "0"), ("2", "2"))
    assert found.unseen == ()


def test_missing_counters_shift_the_burden() -> None:
    routing = line(2)
    loads = routing.loads(one_load(routing))
    loads.loc[{"link": "in:0"}] = np.nan
    found = diagnose(routing, loads)
    assert found.missing == ("in:0",)
    assert (found.rank, len(found.links)) == (4, 5)
    assert found.redundant == ("01", "10", "in:1", "out:1")  # out:0 alone now tells 0->0
    assert found.losses[0].link == "out:0"
    assert found.losses[0].rank == 1
    assert [loss.rank for loss in found.losses[1:]] == [0, 0, 0, 0]
    assert found.identifiable == (("0", "0"), ("0", "1"), ("1", "0"), ("1", "1"))
    loads.loc[{"link": "out:0"}] = np.nan
    worse = diagnose(routing, loads)
    assert worse.unseen == (("0", "0"),)
    assert worse.rank == 3


def test_without_any_measurement() -> None:
    routing = line(2)
    loads = routing.loads(one_load(routing))
    found = diagnose(routing, loads.where(loads < 0))
    assert (found.rank, found.links, found.losses) == (0, (), ())
    assert len(found.unseen) == 4


@pytest.mark.parametrize("seed", range(12))
def test_against_dense_linear_algebra(seed: int) -> None:
    routing = random_routing(seed)
    rng = np.random.default_rng(100 + seed)
    loads = routing.loads(one_load(routing, seed))
    gone = rng.choice(len(routing.links), size=int(rng.integers(0, len(routing.links) // 2)), replace=False)
    loads.values[:, gone] = np.nan
    found = diagnose(routing, loads)
    kept = np.setdiff1d(np.arange(len(routing.links)), gone)
    rows = routing.matrix.toarray()[kept]
    assert found.links == tuple(routing.links[i] for i in kept)
    assert found.rank == rank(rows)
    pairs = labels.od_pairs(routing.nodes)
    unit = np.eye(len(pairs))
    assert found.identifiable == tuple(
        pair for k, pair in enumerate(pairs) if rank(np.vstack([rows, unit[k]])) == found.rank
    )
    spare = [i for i in range(len(kept)) if rank(np.delete(rows, i, axis=0)) == found.rank]
    assert found.redundant == tuple(routing.links[kept[i]] for i in spare)


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_losses_are_growths_of_the_posterior_variance(seed: int) -> None:
    routing = random_routing(seed)
    loads = routing.loads(one_load(routing, seed))
    found = diagnose(routing, loads)
    assert found.weights == "gravity"
    A, y, n = routing.matrix.toarray(), loads.values[0], len(routing.nodes)
    at = {link: i for i, link in enumerate(routing.links)}
    into = np.array([y[at[f"in:{node}"]] for node in routing.nodes])
    out = np.array([y[at[f"out:{node}"]] for node in routing.nodes])
    g = np.outer(into, out).ravel() / into.sum()
    scaled = np.maximum(A @ g, y * ((A @ g).sum() / y.sum()))

    def variance(rows: np.ndarray) -> float:
        gain = np.diag(g**2) @ A[rows].T
        return np.trace(
            np.diag(g**2) - gain @ np.linalg.pinv(A[rows] @ gain + np.diag((0.01 * scaled[rows]) ** 2)) @ gain.T
        )

    every = np.arange(len(A))
    for loss in found.losses:
        expected = variance(np.delete(every, at[loss.link])) / variance(every) - 1
        assert loss.error == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert n**2 == found.flows
    errors = [loss.error for loss in found.losses]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("seed", range(5))
def test_bounds_against_two_programs_per_flow(seed: int) -> None:
    routing = random_routing(seed)
    x = one_load(routing, seed)
    x.values[0].flat[:: seed + 2] = 0.0
    loads = routing.loads(x)
    loads.values[0, seed] = np.nan
    found = diagnose(routing, loads, bounds=True)
    kept = np.delete(np.arange(len(routing.links)), seed)
    A, y = routing.matrix.toarray()[kept], loads.values[0, kept] / 1e6
    lower, upper = found.bounds.values.reshape(2, -1) / 1e6
    n2 = len(lower)
    for k in range(n2):
        for sign, value in ((1, lower[k]), (-1, upper[k])):
            best = linprog(sign * np.eye(n2)[k], A_eq=A, b_eq=y, method="highs")
            expected = sign * best.fun if best.status == 0 else np.inf
            assert value == pytest.approx(expected, rel=1e-6, abs=1e-6 * y.max())
    assert found.slack == ()


def test_bounds_by_hand() -> None:
    # one link carries two flows, 4 in all; a third flow is on no counter
    routing = Routing(np.array([[0.0, 1, 0.5, 0]]), ("k",), ("a", "b"))
    loads = labels.loads([[4.0]], ["2024-01-01"], ["k"], 300.0)
    found = diagnose(routing, loads, bounds=True, flows=[("a", "b"), ("b", "a"), ("a", "a")])
    lower, upper = found.bounds.values
    np.testing.assert_allclose(lower, [[0, 0], [0, np.nan]])
    np.testing.assert_allclose(upper, [[np.inf, 4], [8, np.nan]])
    rows = found.to_dict()["bounds"]
    assert {"origin": "a", "destination": "a", "lower": 0.0, "upper": None} in rows
    assert len(rows) == 3


def test_zero_loads_bound_everything_seen_to_zero() -> None:
    routing = line(3)
    found = diagnose(routing, routing.loads(one_load(routing).clip(max=0)), bounds=True)
    assert (found.bounds.values == 0).all()


def test_inconsistent_loads_name_the_broken_counter(diamond_routing: Routing) -> None:
    routing = diamond_routing
    truth = one_load(routing, 3)
    loads = routing.loads(truth)
    good = float(loads.sel(link="ab1").item())
    loads.loc[{"link": "ab1"}] = 3 * good
    found = diagnose(routing, loads, bounds=True)
    assert [link for link, _ in found.slack] == ["ab1"]
    assert found.slack[0][1] == pytest.approx(-2 * good, rel=1e-6)
    assert (found.bounds.values[0] <= truth.values[0] + 1e-3).all()
    assert (found.bounds.values[1] >= truth.values[0] - 1e-3).all()
    assert "inconsistent; bounds hold after changing 1 of them: 'ab1'" in str(found)


def test_text_and_json() -> None:
    routing = line(3)
    found = diagnose(routing, routing.loads(one_load(routing)), bounds=True)
    text = str(found)
    assert "10 counters measured, 0 missing; 9 flows of 3 nodes" in text
    assert "rank 7, null space of 2 dimensions" in text
    assert "2 flows determined exactly: '0->0', '2->2'" in text
    assert "each may go alone, 3 together" in text
    assert "worst single counters to lose (squared error, gravity traffic): '" in text
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["rank"] == 7
    assert plain["identifiable"] == [["0", "0"], ["2", "2"]]
    assert len(plain["bounds"]) == 9
    assert plain["removable_together"] == 3


def test_weights_need_access_loads() -> None:
    assert diagnose(line(3)).weights == "uniform"
    routing = line(3)
    assert diagnose(routing, routing.loads(one_load(routing))).weights == "gravity"
    bare = Routing(routing.matrix[:4], routing.links[:4], routing.nodes)
    assert diagnose(bare, bare.loads(one_load(routing))).weights == "uniform"


def test_scale_of_traffic_does_not_matter() -> None:
    routing = random_routing(4)
    loads = routing.loads(one_load(routing, 4))
    small = diagnose(routing, (loads * 1e-9).assign_attrs(loads.attrs), bounds=True)
    large = diagnose(routing, loads, bounds=True)
    for a, b in zip(small.losses, large.losses, strict=True):
        assert a.error == pytest.approx(b.error, rel=1e-6)
    np.testing.assert_allclose(small.bounds * 1e9, large.bounds, rtol=1e-6, atol=1e-6 * float(loads.max()))


def test_questions_that_make_no_sense() -> None:
    routing = line(2)
    day = np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[ns]")
    loads = routing.loads(labels.demands(np.ones((2, 2, 2)), day, routing.nodes, 300.0))
    epochs = RoutingEpochs(day, (routing, routing))
    with pytest.raises(UsageError, match="single time"):
        diagnose(routing, loads, bounds=True)
    with pytest.raises(UsageError, match="single time"):
        diagnose(routing, bounds=True)
    with pytest.raises(UsageError, match="bounds=True"):
        diagnose(routing, loads, flows=[("0", "1")])
    with pytest.raises(LabelError, match="flow end 'x'"):
        diagnose(routing, loads[:1], bounds=True, flows=[("0", "x")])
    with pytest.raises(UsageError, match="list of pairs"):
        diagnose(routing, loads[:1], bounds=True, flows=["01"])
    with pytest.raises(UsageError, match=r"epochs\.at"):
        diagnose(epochs)
    with pytest.raises(UsageError, match="span 2 routing epochs"):
        diagnose(epochs, loads)
    with pytest.raises(LabelError, match="lack link 'out:1'"):
        diagnose(routing, loads[:, :-1])
    assert diagnose(epochs, loads[1:]).rank == 4


def test_method_of_routing(diamond_routing: Routing) -> None:
    found = diamond_routing.diagnose()
    assert isinstance(found, Diagnosis)
    assert found.rank == rank(diamond_routing.matrix.toarray())


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "links", "flows", "rank", "exact"), [("abilene", 54, 144, 42, 2), ("geant", 120, 529, 97, 4)]
)
def test_real_networks(real_data: Path, name: str, links: int, flows: int, rank: int, exact: int) -> None:
    file = np.load(real_data / f"{name}.npz")
    nodes = [str(node) for node in file["nodes"]]
    access = [f"{side}{node}" for node, side in product(nodes, (labels.IN, labels.OUT))]
    internal = [f"l{i}" for i in range(len(file["A"]) - len(access))]
    routing = Routing(file["A"], internal + access, nodes)
    found = diagnose(routing)
    assert (len(found.links), found.flows, found.rank, len(found.identifiable)) == (links, flows, rank, exact)
    assert all(origin == destination for origin, destination in found.identifiable)
    truth = labels.demands(file["tm"][-1:].astype(float) * 1e6, ["2005-01-01"], nodes, 300.0)
    loads = routing.loads(truth)
    some = [(nodes[0], nodes[1]), (nodes[2], nodes[5]), found.identifiable[0]]
    box = diagnose(routing, loads, bounds=True, flows=some).bounds
    for origin, destination in some:
        low, high = box.sel(origin=origin, destination=destination).values
        value = truth.sel(origin=origin, destination=destination).item()
        assert low - 1e-6 * loads.max() <= value <= high + 1e-6 * loads.max()
    assert high - low <= 1e-6 * loads.max()  # the last one is identifiable
