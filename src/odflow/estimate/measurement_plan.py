"""Which demands or routers to measure next, to know the TM better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from scipy.linalg import solve_triangular

from odflow.errors import UsageError
from odflow.estimate.checks import check_counts
from odflow.estimate.observe import Observed, observe
from odflow.named import PlanUnit

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from odflow.estimate.gaussian import GaussianPosterior
    from odflow.estimate.moments import MomentPosterior
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_TRACE = 1e-9
_KNOWN = 1e-6  # of a variance, below which a demand is known
_ABSOLUTE = np.sqrt(2 / np.pi)  # mean absolute value of a standard normal variable


@dataclass(frozen=True)
class Measurement:
    """One thing to measure.

    Parameters
    ----------
    flows : tuple of (str, str)
        Origin and destination of the demands that it tells.
    router : str or None
        The router that tells them, if that is the unit.
    traffic : float
        What these demands carry, bit/s, as far as is known.
    error : float
        Expected sum of absolute errors over traffic once this and all before it is measured.
    """

    flows: tuple[tuple[str, str], ...]
    router: str | None
    traffic: float
    error: float

    @property
    def name(self) -> str:
        """The router, or ``origin->destination``."""
        return self.router or "->".join(self.flows[0])


@dataclass(frozen=True)
class Plan:
    """What to measure, the most useful first.

    Parameters
    ----------
    unit : {"flow", "ingress", "router"}
    error : float
        Expected sum of absolute errors over traffic before anything of it is measured.
    steps : tuple of Measurement
    """

    unit: PlanUnit
    error: float
    steps: tuple[Measurement, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One for each step: rank, measure, demands, traffic in bit/s, error."""
        return [
            {"rank": k, "measure": one.name, "demands": len(one.flows), "traffic": one.traffic, "error": one.error}
            for k, one in enumerate(self.steps, start=1)
        ]


def plan(
    loads: xr.DataArray,
    routing: Routing | RoutingEpochs,
    estimator: GaussianPosterior | MomentPosterior | None = None,
    *,
    budget: int = 10,
    unit: PlanUnit = "flow",
    known: xr.DataArray | None = None,
) -> Plan:
    """Choose what to measure next, one after the other: what lowers the sum of the variances given the loads most.

    Parameters
    ----------
    loads : DataArray (time, link)
        bit/s; NaN = not measured.
    routing : Routing or RoutingEpochs
        With epochs, the plan is for the last one.
    estimator : GaussianPosterior or MomentPosterior, optional
        What is known of the demands; by default a :class:`SimulatedPrior` that learns from the loads.
    budget : int
        How many measurements; fewer come out if these tell everything.
    unit : {"flow", "ingress", "router"}
        What one measurement tells: a demand, all demands that enter the network at a router, or all that enter or
        leave there.
    known : DataArray (time, origin, destination), optional
        Demands that are measured already, NaN elsewhere.

    Raises
    ------
    UsageError
        With a budget below 1, or another unit.
    LabelError, DataError, UnitError, NotFittedError
        If the input does not fit.

    Notes
    -----
    Greedy choice by the trace of the posterior covariance: A-optimal design; the gain of each step is at least that of
    the next. Sizes of the errors are those that simulated networks had where there is no history.
    """
    from odflow.estimate.simulated_prior import SimulatedPrior

    check_counts(budget=budget)
    if unit not in get_args(PlanUnit):
        raise UsageError(f"unit is {unit!r}, expected one of {', '.join(get_args(PlanUnit))}")
    ready = (estimator or SimulatedPrior())._ready(loads, routing, known, 0.0)
    *_, (_, last) = observe(loads, routing, noise=ready.noise, known=known)
    usual = usual_of(last)
    mean, deviation = ready.uncertainty(usual)
    uncertainty = Uncertainty(deviation**2, usual)
    before = _error(uncertainty, mean)
    scale = getattr(ready, "expected_error", before) / max(before, np.finfo(float).tiny)
    nodes, groups = tuple(last.system.routing.nodes), _groups(len(last.system.routing.nodes), unit)
    steps = []
    for _ in range(min(budget, len(groups))):
        gains = uncertainty.gains(groups)
        best = int(gains.argmax())
        if not gains[best] > 0:
            break
        uncertainty.measure(groups[best])
        flows = tuple((nodes[k // len(nodes)], nodes[k % len(nodes)]) for k in groups[best].tolist())
        router = None if unit == "flow" else nodes[best]
        steps.append(Measurement(flows, router, float(mean[groups[best]].sum()), scale * _error(uncertainty, mean)))
    return Plan(unit, scale * before, tuple(steps))


class Uncertainty:
    """Covariance of the demands given the loads, ``diag(v) - K K'``, and given what is measured on top.

    Parameters
    ----------
    variance : array, shape (flows,)
        v, before the loads are known.
    usual : Observed
        One snapshot; its values say which links are measured, and how well.
    """

    def __init__(self, variance: Floats, usual: Observed) -> None:
        rows = np.flatnonzero(usual.used[0])
        A = usual.system.matrix[rows]
        AV = A * variance
        M = (AV @ A.T).toarray()
        M[np.diag_indices_from(M)] += usual.variance[0, rows]
        scale = np.sqrt(np.maximum(M.diagonal(), np.finfo(float).tiny))
        M /= np.outer(scale, scale)
        M[np.diag_indices_from(M)] = 1 + _TRACE
        # K K' = V A' M^-1 A V
        lower = np.linalg.cholesky(M)
        self.before = variance
        self.K = solve_triangular(lower, AV.toarray() / scale[:, None], lower=True).T

    @property
    def variance(self) -> Floats:
        """Of each demand, (flows,)."""
        left = self.before - (self.K**2).sum(axis=1)
        return np.asarray(np.where(left > _KNOWN * self.before, left, 0.0))

    def gains(self, groups: Sequence[Ints]) -> Floats:
        """By how much the sum of the variances falls if a group of demands is measured, for each."""
        variance, gram = self.variance, self.K.T @ self.K
        if all(len(group) == 1 for group in groups):
            flows = np.concatenate(groups)
            squares = self.before**2 - 2 * self.before * (self.K**2).sum(axis=1) + (self.K @ gram * self.K).sum(axis=1)
            gains = np.divide(squares, variance, out=np.zeros_like(variance), where=variance > 0)
            return np.asarray(gains[flows])
        return np.array([self._gain(group[variance[group] > 0], gram) for group in groups])

    def _gain(self, flows: Ints, gram: Floats) -> float:
        if not len(flows):
            return 0.0
        # trace of own^-1 (P' P) over the columns of the flows in P = V - K K'
        v, k = self.before[flows], self.K[flows]
        common = k @ k.T
        inner, own = k @ gram @ k.T - (v[:, None] + v) * common, -common
        inner[np.diag_indices_from(inner)] += v**2
        own[np.diag_indices_from(own)] += v * (1 + _TRACE)
        return float(np.trace(np.linalg.solve(own, inner)))

    def columns(self, flows: Ints) -> Floats:
        """Covariances of all demands with some, (flows, len(some))."""
        P = -self.K @ self.K[flows].T
        P[flows, np.arange(len(flows))] += self.before[flows]
        return np.asarray(P)

    def measure(self, flows: Ints) -> None:
        """From now on these are known."""
        flows = flows[self.variance[flows] > 0]
        P = self.columns(flows)
        own = P[flows]
        own[np.diag_indices_from(own)] += _TRACE * self.before[flows]
        self.K = np.hstack([self.K, solve_triangular(np.linalg.cholesky(own), P.T, lower=True).T])


def usual_of(observed: Observed) -> Observed:
    """One snapshot with the mean of each row, NaN where it was never measured."""
    there = np.isfinite(observed.values)
    count = there.sum(axis=0)
    mean = np.where(there, observed.values, 0.0).sum(axis=0) / np.maximum(count, 1)
    error = observed.error if observed.error.ndim == 1 else observed.error.max(axis=0)
    return replace(observed, values=np.where(count > 0, mean, np.nan)[None], error=error, time=observed.time[:1])


def _error(uncertainty: Uncertainty, mean: Floats) -> float:
    """Expected sum of absolute errors over traffic."""
    return float(_ABSOLUTE * np.sqrt(uncertainty.variance).sum() / max(mean.sum(), np.finfo(float).tiny))


def _groups(n: int, unit: PlanUnit) -> list[Ints]:
    flow = np.arange(n * n)
    if unit == "flow":
        return [flow[[k]] for k in flow]
    enters, leaves = flow // n, flow % n
    return [flow[(enters == k) | ((leaves == k) & (unit == "router"))] for k in range(n)]
