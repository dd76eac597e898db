"""The check of estimators."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import OdflowError
from odflow.network.epochs import RoutingEpochs
from odflow.network.model import Link, Network, Node
from odflow.network.routing import Routing
from odflow.testing.common import HOUR, START, like, require, same

_ORDER = 1e-2  # iterations stopped early depend a little on the order of rows; mixed-up labels are off by far more


@dataclass(frozen=True, eq=False)
class _Case:
    """A fitted estimator and something to estimate."""

    raw: Any
    fitted: Any
    routing: Routing
    history: xr.DataArray | None
    loads: xr.DataArray
    tolerance: float

    def estimate(self, loads: xr.DataArray, routing: Routing | RoutingEpochs | None = None) -> xr.DataArray:
        return self.fitted.estimate(loads, self.routing if routing is None else routing)

    def scaled(self, factor: float) -> Any:
        """The estimator fitted on a history `factor` times as large."""
        return _fit(self.raw, None if self.history is None else like(self.history, factor * self.history), self.routing)


def check_estimator(
    estimator: Any, *, seed: int = 0, exact: bool = False, history: bool = True, tolerance: float = 1e-6
) -> None:
    """Check what every estimator promises, on a small network with heavy-tailed traffic.

    The result is a valid TM with the routing's nodes and the loads' times, the same whether links
    or nodes come in another order, a snapshot comes alone or among others, the routing comes as two
    equal epochs, or traffic (and history) are counted in another unit; counters that are not
    measured, and no traffic at all, are no problem; wrong input raises an ``OdflowError``. Where there are
    ``quantiles`` and ``sample``, these are ordered, not negative and reproducible.

    Parameters
    ----------
    estimator : object
        With ``fit(history, routing)`` and ``estimate(loads, routing)``. It is not changed.
    seed : int
        Of the traffic.
    exact : bool
        Noise-free loads must be met by the estimate.
    history : bool
        Fit on two weeks of past TMs; otherwise on none.
    tolerance : float
        Relative difference allowed between traffic counted in one unit and in another.

    Raises
    ------
    AssertionError
        Naming the property that does not hold.
    """
    routing = Routing.shortest_path(_network())
    past, future = _traffic(routing, np.random.default_rng(seed))
    fitted = _fit(estimator, past if history else None, routing)
    case = _Case(estimator, fitted, routing, past if history else None, routing.loads(future), tolerance)
    checks = [
        _check_inputs_kept,
        _check_result,
        _check_order,
        _check_missing,
        _check_alone,
        _check_scaling,
        _check_zero,
        _check_epochs,
        _check_bad_input,
        _check_unfitted,
    ]
    checks += [_check_exact] if exact else []
    checks += [_check_quantiles] if hasattr(estimator, "quantiles") else []
    checks += [_check_samples] if hasattr(estimator, "sample") else []
    for check in checks:
        check(case)


def _check_result(case: _Case) -> None:
    found = case.estimate(case.loads)
    _check_demands(found, case)
    require(found.identical(case.estimate(case.loads)), "a second call gives another result")


def _check_demands(found: Any, case: _Case, extra: tuple[str, ...] = ()) -> None:
    try:
        checked = labels.check_demands(found, extra=extra)
    except OdflowError as error:
        raise AssertionError(f"the result is not a valid TM: {error}") from error
    require(checked.dims == found.dims, f"dims are {found.dims}, not {checked.dims}")
    for dim in ("origin", "destination"):
        require(tuple(found[dim].values) == case.routing.nodes, f"{dim}s of the result are not the routing's nodes")
    require(np.array_equal(found["time"].values, case.loads["time"].values), "times of the result are not the loads'")
    require(found.attrs["interval_s"] == case.loads.attrs["interval_s"], "the interval of the loads is lost")
    require(bool(np.isfinite(found.values).all()), "the result holds NaN although all loads are measured")


def _check_inputs_kept(case: _Case) -> None:
    loads, matrix = case.loads.copy(deep=True), case.routing.matrix.copy()
    case.estimate(loads)
    require(loads.identical(case.loads), "estimate() changes the loads it is given")
    same = np.array_equal(matrix.data, case.routing.matrix.data) and np.array_equal(
        matrix.indices, case.routing.matrix.indices
    )
    require(same, "estimate() changes the routing it is given")


def _check_order(case: _Case) -> None:
    expected = case.estimate(case.loads)
    same(case.estimate(case.loads[:, ::-1]), expected, "the result depends on the order of links in the loads", 1e-12)
    turned = case.routing.relabelled(case.routing.links[::-1], case.routing.nodes[::-1])
    found = case.estimate(case.loads, turned).sel(origin=expected["origin"], destination=expected["destination"])
    same(found, expected, "the result depends on the order of links and nodes in the routing", _ORDER)


def _check_alone(case: _Case) -> None:
    loads = case.loads.copy(deep=True)
    loads.values[1, 0] = loads.values[3, -1] = np.nan
    together = case.estimate(loads)
    for t in range(loads.sizes["time"]):
        same(case.estimate(loads[[t]]), together[[t]], "a snapshot alone and in a batch differ", 1e-8)


def _check_scaling(case: _Case) -> None:
    expected = case.estimate(case.loads)
    for factor in (1e-3, 1e3):
        found = case.scaled(factor).estimate(like(case.loads, factor * case.loads), case.routing)
        same(found, factor * expected, f"loads (and history) x {factor:g} do not give TMs x {factor:g}", case.tolerance)


def _check_missing(case: _Case) -> None:
    for name, gone in _gaps(case.routing):
        loads = case.loads.copy(deep=True)
        loads.values[:, gone] = np.nan
        try:
            found = case.estimate(loads)
        except OdflowError as error:
            raise AssertionError(f"fails when {name} not measured: {error}") from error
        require(bool(np.isfinite(found.values).all()), f"the result holds NaN when {name} not measured")
        _check_demands(found, case)


def _gaps(routing: Routing) -> Iterator[tuple[str, list[int]]]:
    access = [i for i, is_access in enumerate(routing.access) if is_access]
    internal = [i for i, is_access in enumerate(routing.access) if not is_access]
    yield "an internal link is", internal[:1]
    yield "an access link is", access[:1]
    yield "a third of all counters are", list(range(0, len(routing.links), 3))
    yield "all access links are", access
    yield "all internal links are", internal


def _check_zero(case: _Case) -> None:
    loads = case.loads.copy(deep=True)
    loads.values[1] = 0.0
    found = case.estimate(loads)
    require(bool((found.values[1] <= 1e-9 * found.values[0].max()).all()), "traffic appears where all loads are zero")
    same(found[[0]], case.estimate(case.loads)[[0]], "a snapshot without traffic changes the others", 1e-8)


def _check_epochs(case: _Case) -> None:
    starts = case.loads["time"].values[[0, 2]]
    epochs = RoutingEpochs(starts, (case.routing, case.routing))
    same(case.estimate(case.loads, epochs), case.estimate(case.loads), "two equal epochs differ from one routing", 1e-8)


def _check_bad_input(case: _Case) -> None:
    negative, infinite = case.loads.copy(deep=True), case.loads.copy(deep=True)
    negative.values[0, 0], infinite.values[0, 0] = -1.0, np.inf
    bad = {
        "loads in Mbit/s": case.loads.assign_attrs(units="Mbit/s"),
        "loads without units": case.loads.drop_attrs(),
        "a negative load": negative,
        "an infinite load": infinite,
        "a link missing in the loads": case.loads[:, 1:],
        "a link the routing does not know": case.loads.assign_coords(link=["?", *case.routing.links[1:]]),
        "loads without the time dim": case.loads.isel(time=0),
        "a time that comes twice": case.loads.isel(time=[0, 0]),
        "loads that are no DataArray": case.loads.values,
    }
    for name, loads in bad.items():
        _must_refuse(lambda loads=loads: case.estimate(loads), name)  # type: ignore[misc]


def _check_unfitted(case: _Case) -> None:
    """Without fit: a result, or a plain error."""
    fresh = copy.deepcopy(case.raw)
    try:
        found = fresh.estimate(case.loads, case.routing)
    except OdflowError:
        return
    except Exception as error:
        raise AssertionError(f"without fit() it raises {type(error).__name__}, not an OdflowError") from error
    _check_demands(found, case)


def _check_exact(case: _Case) -> None:
    carried = case.routing.loads(case.estimate(case.loads))
    same(carried, case.loads, "the result does not carry the (noise-free) loads", 1e-3)


def _check_quantiles(case: _Case) -> None:
    levels = (0.1, 0.5, 0.9)
    found = case.fitted.quantiles(case.loads, case.routing, levels)
    _check_demands(found, case, ("quantile",))
    require(tuple(found["quantile"].values) == levels, "the quantile labels are not those asked for")
    require(bool((np.diff(found.values, axis=0) >= 0).all()), "a higher quantile is lower")
    require(bool((found[2] > found[0]).any()), "all quantiles are the same")
    alone = case.fitted.quantiles(case.loads[[0]], case.routing, levels)
    same(alone, found[:, [0]], "quantiles of a snapshot alone and in a batch differ", 1e-8)
    larger = case.scaled(1e3).quantiles(like(case.loads, 1e3 * case.loads), case.routing, levels)
    same(larger, 1e3 * found, "loads (and history) x 1000 do not give quantiles x 1000", case.tolerance)
    _must_refuse(lambda: case.fitted.quantiles(case.loads, case.routing, (0.5, 1.5)), "a quantile above 1")


def _check_samples(case: _Case) -> None:
    state = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    found = case.fitted.sample(case.loads, case.routing, 3, seed=1)
    _check_demands(found, case, ("sample",))
    require(found.sizes["sample"] == 3, f"{found.sizes['sample']} samples came, 3 were asked for")
    again = case.fitted.sample(case.loads, case.routing, 3, seed=1)
    require(np.array_equal(found.values, again.values), "samples with the same seed differ")
    other = case.fitted.sample(case.loads, case.routing, 3, seed=2)
    require(not np.array_equal(found.values, other.values), "samples with different seeds are the same")
    require(not np.array_equal(found.values[0], found.values[1]), "all samples are the same")
    untouched = np.array_equal(state, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002
    require(untouched, "sampling touches numpy's global random state")


def _fit(estimator: Any, history: xr.DataArray | None, routing: Routing) -> Any:
    fresh = copy.deepcopy(estimator)
    require(fresh.fit(history, routing) is fresh, "fit() does not return the estimator itself")
    return fresh


def _must_refuse(call: Callable[[], object], name: str) -> None:
    try:
        call()
    except OdflowError:
        return
    except Exception as error:
        raise AssertionError(f"{name} raises {type(error).__name__}, not an OdflowError") from error
    raise AssertionError(f"{name} is not refused")


def _network() -> Network:
    """Five nodes; ties, two parallel links, and a node without a direct way to all others."""
    edges = {"ab1": 1.0, "ab2": 1.0, "bc": 1.0, "cd": 1.0, "de": 1.0, "ea": 1.0, "be": 2.0}
    links = [Link(k, k[0], k[1], metric=cost) for k, cost in edges.items()]
    links += [Link(f"{k[1]}{k[0]}{k[2:]}", k[1], k[0], metric=cost) for k, cost in edges.items()]
    return Network(tuple(Node(name) for name in "abcde"), tuple(links), name="check")


def _traffic(routing: Routing, rng: np.random.Generator) -> tuple[xr.DataArray, xr.DataArray]:
    """Two weeks of hourly TMs, and the six hours after them: heavy-tailed, with a daily pattern."""
    hours, later, n = 14 * 24, 6, len(routing.nodes)
    time = START + np.arange(hours + later) * HOUR
    day = 1.5 + np.sin(2 * np.pi * np.arange(hours + later) / 24)
    size = rng.lognormal(17, 1.5, (n, n))
    x = day[:, None, None] * size * rng.lognormal(0, 0.3, (hours + later, n, n))
    whole = labels.demands(x, time, routing.nodes, 3600.0)
    return whole[:hours], whole[hours:]
