"""Each check can fail: one deliberately broken operator or estimator per property."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import xarray as xr

from odflow import labels
from odflow.errors import NotFittedError, UsageError
from odflow.network.epochs import RoutingEpochs
from odflow.network.routing import Routing
from odflow.testing import check_estimator, check_operator


class Operator:
    """A routing with one thing wrong."""

    def __init__(self, routing: Routing, **wrong: Any) -> None:
        self._routing = routing
        self.__dict__.update(wrong)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._routing, name)


def with_matrix(routing: Routing, matrix: Any) -> Operator:
    """All consistent with a matrix that no Routing would accept."""

    def loads(x: xr.DataArray) -> xr.DataArray:
        return labels.loads((matrix @ labels.flat(x, routing.nodes).T).T, x["time"], routing.links, 3600.0)

    def adjoint(y: xr.DataArray) -> xr.DataArray:
        values = labels.align_links(y, routing.links).values
        return labels.demands((matrix.T @ values.T).T, y["time"], routing.nodes, 3600.0)

    return Operator(routing, matrix=matrix, loads=loads, adjoint=adjoint)


def edited(routing: Routing, link: str, factor: float) -> Operator:
    matrix = routing.matrix.copy()
    row = routing.links.index(link)
    matrix.data[matrix.indptr[row]] *= factor
    return with_matrix(routing, matrix)


def test_good_operators_pass(diamond_routing: Routing) -> None:
    check_operator(diamond_routing)
    check_operator(diamond_routing.without(links=["ac", "bd"]))
    check_operator(diamond_routing.without(nodes=["a"]))
    days = np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[ns]")
    check_operator(RoutingEpochs(days, (diamond_routing, diamond_routing.without(links=["cd"]))))


def test_broken_operators_are_caught(diamond_routing: Routing) -> None:
    r = diamond_routing
    swapped = r.links[::-1]
    broken = {
        "not adjoint": Operator(r, adjoint=lambda y: (1.001 * r.adjoint(y)).assign_attrs(y.attrs)),
        "other links than": Operator(r, loads=lambda x: r.loads(x).sel(link=list(swapped))),
        "other nodes than": Operator(r, adjoint=lambda y: r.adjoint(y)[:, ::-1]),
        "order of nodes": Operator(r, loads=lambda x: r.loads(labels.demands(x.values, x["time"], r.nodes, 3600.0))),
        "order of links": Operator(r, adjoint=lambda y: r.adjoint(labels.loads(y.values, y["time"], r.links, 3600.0))),
        "not the product with matrix": Operator(r, matrix=r.matrix * 0.5),
        r"not in \[0, 1\]": with_matrix(r, r.matrix * 1.5),
        "access link 'in:a' does not carry": edited(r, "in:a", 0.9),
        "a->c is not conserved at node 'a'": edited(r, "ac", 0.9),
        "unmeasured demand": Operator(r, loads=lambda x: r.loads(x.fillna(0.0))),
        "unmeasured load": Operator(r, adjoint=lambda y: r.adjoint(y.fillna(0.0))),
    }
    for message, operator in broken.items():
        with pytest.raises(AssertionError, match=message):
            check_operator(operator)


def test_a_nonlinear_operator_is_caught(diamond_routing: Routing) -> None:
    r = diamond_routing
    calls = []

    def once(x: xr.DataArray) -> xr.DataArray:
        calls.append(x)
        return r.loads(x) if len(calls) == 1 else r.loads(x).clip(max=1e5, keep_attrs=True)

    with pytest.raises(AssertionError, match=r"loads\(\) is not linear"):
        check_operator(Operator(r, loads=once))


def test_a_flow_off_its_path_is_caught(diamond_routing: Routing) -> None:
    matrix = diamond_routing.matrix.tolil()
    matrix[diamond_routing.links.index("dc"), 1] = 0.5  # a->b has no business there
    with pytest.raises(AssertionError, match="traffic a->b is not conserved"):
        check_operator(with_matrix(diamond_routing, matrix.tocsr()))


@functools.cache
def _projected(prior: bytes, matrix: bytes, loads: bytes, flows: tuple[int, int], rows: tuple[int, int]) -> np.ndarray:
    """Row scaling; remembered, for most broken estimators start from the same good result."""
    x, A = np.frombuffer(prior).reshape(flows).copy(), np.frombuffer(matrix).reshape(rows)
    y = np.frombuffer(loads).reshape(len(x), len(A))
    for _ in range(100):
        for row, load in zip(A, y.T, strict=True):
            now = x @ row
            ratio = np.where(np.isnan(load), 1.0, load / np.maximum(now, 1e-300))
            x *= np.where(now > 0, ratio, 1.0)[:, None] ** row
    return x


class Honest:
    """Minimum relative entropy to the mean of the history, or to a uniform TM, by row scaling."""

    def __init__(self) -> None:
        self.mean_: xr.DataArray | None = None

    def fit(self, history: xr.DataArray | None = None, routing: Routing | None = None) -> Any:
        self.mean_ = None if history is None else history.mean("time")
        return self

    def prior(self, y: np.ndarray, routing: Routing) -> np.ndarray:
        if self.mean_ is None:
            top = np.nanmax(y, axis=1, initial=0.0)
            return np.repeat(top[:, None], len(routing.nodes) ** 2, axis=1)
        mean = self.mean_.sel(origin=list(routing.nodes), destination=list(routing.nodes))
        return np.tile(mean.values.ravel(), (len(y), 1))

    def solve(self, y: np.ndarray, routing: Routing) -> np.ndarray:
        x, A = self.prior(y, routing), routing.matrix.toarray()
        return _projected(x.tobytes(), A.tobytes(), y.tobytes(), x.shape, A.shape).copy()

    def estimate(self, loads: xr.DataArray, routing: Any) -> xr.DataArray:
        y = labels.align_links(labels.check_loads(loads), routing.links)
        parts = [self.solve(y.values[span], part) for span, part in routing.segments(y["time"].values)]
        return labels.demands(np.concatenate(parts), y["time"], routing.nodes, y.attrs["interval_s"])


class Sure(Honest):
    """Adds made-up uncertainty."""

    def quantiles(self, loads: xr.DataArray, routing: Any, levels: tuple[float, ...]) -> xr.DataArray:
        if max(levels) >= 1:
            raise UsageError("levels lie between 0 and 1")
        x = self.estimate(loads, routing)
        found = xr.concat([2 * p * x for p in levels], "quantile", coords="minimal", compat="override")
        return found.assign_coords(quantile=list(levels)).assign_attrs(x.attrs)

    def sample(self, loads: xr.DataArray, routing: Any, n: int, seed: int = 0) -> xr.DataArray:
        x, rng = self.estimate(loads, routing), np.random.default_rng(seed)
        found = xr.concat([x * rng.lognormal() for _ in range(n)], "sample", coords="minimal", compat="override")
        return found.assign_coords(sample=np.arange(n)).assign_attrs(x.attrs)


@pytest.mark.parametrize("history", [True, False])
def test_good_estimators_pass(history: bool) -> None:
    check_estimator(Honest(), exact=True, history=history)
    check_estimator(Sure(), seed=1, exact=True, history=history)


def changed(**methods: Any) -> Any:
    """An estimator of class Sure with some methods replaced."""
    return type("Broken", (Sure,), methods)()


good = Sure.estimate


def fix(values: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    return like.copy(data=np.asarray(values))


def negative(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    return fix(x - 1.1 * x.min(), x)


def holes(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    return fix(x.where(x > x.min()), x)


def jittery(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    self.calls = getattr(self, "calls", 0) + 1
    return fix(x * (1 + 1e-9 * self.calls), x)


def spoils_loads(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    loads.values[0, 0] = 0.0
    return x


def spoils_routing(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    routing.matrix.data *= 0.5
    return x


def by_position(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    return good(self, loads.assign_coords(link=list(routing.links)), routing)


def prior_by_position(self: Any, y: np.ndarray, routing: Routing) -> np.ndarray:
    return np.tile(self.mean_.values.ravel(), (len(y), 1))


def smoothed(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    return fix((x + x.mean("time")) / 2, x)


def offset(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    return fix(x + 1e3 * (x > 0), x)


def deaf_to_gaps(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    return fix(x.where(~np.isnan(loads).any("link")), x)


def no_gaps(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    if bool(np.isnan(loads.values[:, -10:]).all()):
        raise UsageError("cannot do without access links")
    return good(self, loads, routing)


def floored(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    return fix(np.maximum(x, 1e-3 * self.mean_.values), x)


def first_epoch(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    return x if isinstance(routing, Routing) else fix(x.where(x["time"] < routing.starts[1], 0.0), x)


def trusting(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    return good(self, loads.assign_attrs(units="bit/s"), routing)


def leaky(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    return good(self, loads.sel(link=list(routing.links)), routing)


def unprepared(self: Any, y: np.ndarray, routing: Routing) -> np.ndarray:
    return Honest.prior(self, y, routing) if self.mean_ is not None else self.nothing


def rough(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    return fix(0.99 * x, x)


def no_fit(self: Any, history: Any = None, routing: Any = None) -> None:
    Honest.fit(self, history, routing)


def turned(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    return good(self, loads, routing)[:, ::-1, ::-1]


def shifted(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    x = good(self, loads, routing)
    return x.assign_coords(time=x["time"].values + np.timedelta64(1, "h"))


def megabits(self: Any, loads: xr.DataArray, routing: Any) -> xr.DataArray:
    return good(self, loads, routing).assign_attrs(units="Mbit/s")


@pytest.mark.parametrize(
    ("message", "methods"),
    [
        ("not a valid TM: demands hold -", {"estimate": negative}),
        ("not a valid TM: demands are in 'Mbit/s'", {"estimate": megabits}),
        ("holds NaN although all loads", {"estimate": holes}),
        ("origins of the result are not the routing's", {"estimate": turned}),
        ("times of the result are not the loads'", {"estimate": shifted}),
        ("second call gives another result", {"estimate": jittery}),
        (r"estimate\(\) changes the loads", {"estimate": spoils_loads}),
        (r"estimate\(\) changes the routing", {"estimate": spoils_routing}),
        ("order of links in the loads", {"estimate": by_position}),
        ("order of links and nodes in the routing", {"prior": prior_by_position}),
        ("alone and in a batch differ", {"estimate": smoothed}),
        (r"loads \(and history\) x 0.001 do not give TMs", {"estimate": offset}),
        ("NaN when an internal link is not measured", {"estimate": deaf_to_gaps}),
        ("fails when all access links are not measured", {"estimate": no_gaps}),
        ("traffic appears where all loads are zero", {"estimate": floored}),
        ("two equal epochs differ", {"estimate": first_epoch}),
        ("loads in Mbit/s is not refused", {"estimate": trusting}),
        ("a link missing in the loads raises KeyError", {"estimate": leaky}),
        (r"without fit\(\) it raises AttributeError", {"prior": unprepared}),
        ("does not carry the", {"estimate": rough}),
        (r"fit\(\) does not return", {"fit": no_fit}),
    ],
)
def test_broken_estimators_are_caught(message: str, methods: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=message):
        check_estimator(changed(**methods), exact=True)


def test_an_unfitted_estimator_may_refuse() -> None:
    class NeedsHistory(Honest):
        def estimate(self, loads: xr.DataArray, routing: Any) -> xr.DataArray:
            if self.mean_ is None:
                raise NotFittedError("call fit(history) first")
            return super().estimate(loads, routing)

    check_estimator(NeedsHistory(), exact=True)


ok_quantiles, ok_sample = Sure.quantiles, Sure.sample


def reversed_levels(self: Any, loads: Any, routing: Any, levels: Any) -> xr.DataArray:
    q = ok_quantiles(self, loads, routing, levels)
    return q.copy(data=q.values[::-1])


def one_for_all(self: Any, loads: Any, routing: Any, levels: Any) -> xr.DataArray:
    q = ok_quantiles(self, loads, routing, levels)
    return q.copy(data=np.broadcast_to(q.values[1], q.shape).copy())


def below_zero(self: Any, loads: Any, routing: Any, levels: Any) -> xr.DataArray:
    q = ok_quantiles(self, loads, routing, levels)
    return fix(q - 0.5 * q.isel(quantile=1), q)


def by_batch(self: Any, loads: Any, routing: Any, levels: Any) -> xr.DataArray:
    q = ok_quantiles(self, loads, routing, levels)
    return fix(q * (1 + q.sizes["time"] / 100), q)


def absolute_spread(self: Any, loads: Any, routing: Any, levels: Any) -> xr.DataArray:
    q = ok_quantiles(self, loads, routing, levels)
    return fix(q + 1e5 * q["quantile"], q)


def any_level(self: Any, loads: Any, routing: Any, levels: Any) -> xr.DataArray:
    q = ok_quantiles(self, loads, routing, tuple(p / 2 for p in levels))
    return q.assign_coords(quantile=list(levels))


def other_levels(self: Any, loads: Any, routing: Any, levels: Any) -> xr.DataArray:
    return ok_quantiles(self, loads, routing, levels).assign_coords(quantile=[1, 2, 3])


def global_state(self: Any, loads: Any, routing: Any, n: int, seed: int = 0) -> xr.DataArray:
    np.random.seed(seed)  # noqa: NPY002
    return ok_sample(self, loads, routing, n, seed)


def unseeded(self: Any, loads: Any, routing: Any, n: int, seed: int = 0) -> xr.DataArray:
    self.calls = getattr(self, "calls", 0) + 1
    return ok_sample(self, loads, routing, n, seed + 10 * self.calls)


def constant_seed(self: Any, loads: Any, routing: Any, n: int, seed: int = 0) -> xr.DataArray:
    return ok_sample(self, loads, routing, n, 0)


def one_draw(self: Any, loads: Any, routing: Any, n: int, seed: int = 0) -> xr.DataArray:
    return ok_sample(self, loads, routing, 1, seed).isel(sample=[0] * n).assign_coords(sample=np.arange(n))


def too_few(self: Any, loads: Any, routing: Any, n: int, seed: int = 0) -> xr.DataArray:
    return ok_sample(self, loads, routing, n - 1, seed)


@pytest.mark.parametrize(
    ("message", "methods"),
    [
        ("a higher quantile is lower", {"quantiles": reversed_levels}),
        ("all quantiles are the same", {"quantiles": one_for_all}),
        ("not a valid TM: demands hold -", {"quantiles": below_zero}),
        ("quantiles of a snapshot alone and in a batch", {"quantiles": by_batch}),
        ("x 1000 do not give quantiles", {"quantiles": absolute_spread}),
        ("a quantile above 1 is not refused", {"quantiles": any_level}),
        ("quantile labels are not those asked for", {"quantiles": other_levels}),
        ("global random state", {"sample": global_state}),
        ("samples with the same seed differ", {"sample": unseeded}),
        ("samples with different seeds are the same", {"sample": constant_seed}),
        ("all samples are the same", {"sample": one_draw}),
        ("2 samples came, 3 were asked for", {"sample": too_few}),
    ],
)
def test_broken_uncertainty_is_caught(message: str, methods: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=message):
        check_estimator(changed(**methods))
