"""Least and greatest value of each flow that the link loads of one snapshot allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, diags_array, hstack

from odflow.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_LARGEST = 1e3  # loads are scaled to this, so that the solver's absolute tolerance is a relative one
_TOLERANCE = 1e-9
_OPTIONS = {"primal_feasibility_tolerance": _TOLERANCE, "dual_feasibility_tolerance": _TOLERANCE}
_QUICK = {**_OPTIONS, "presolve": False}


@dataclass(frozen=True, eq=False)
class FlowBounds:
    """Bounds of flows, and what had to be changed about the loads to have any.

    Parameters
    ----------
    lower, upper : float array, shape (flows,)
        bit/s; ``inf`` above a flow that no measured counter sees, NaN where the solver gave up.
    slack : float array, shape (links,)
        bit/s by which each load was moved to make all of them consistent, signed (used - measured).
    """

    lower: Floats
    upper: Floats
    slack: Floats


def flow_bounds(matrix: csr_array, y: Floats, flows: Ints, *, progress: bool = False) -> FlowBounds:
    """Bound ``x[flows]`` over all ``x >= 0`` with ``matrix @ x = y``, by linear programming.

    Loads that no traffic matrix can produce (noise, a broken counter) are replaced first by the
    nearest ones that some can: those with the least sum of relative changes, which tends to change few
    counters much rather than many a little, and so points at the broken ones.

    Parameters
    ----------
    matrix : csr_array, shape (links, pairs)
    y : float array, shape (links,)
        Loads, bit/s, all measured.
    flows : int array
        Columns to bound.
    progress : bool
        Show a progress bar.

    Raises
    ------
    DataError
        If the solver finds no consistent loads.

    Notes
    -----
    Two programs per flow at most (HiGHS). A solution found for one flow serves all others: where it
    has a flow at zero, or at the least load of the flow's links, that bound needs no program.
    Values are exact to about 1e-9 of the largest load.
    """
    scale = _LARGEST / y.max() if y.size and y.max() > 0 else 1.0
    consistent, first = _consistent(matrix, y * scale)
    slack = consistent / scale - y
    slack[np.abs(slack) <= _TOLERANCE * y.max(initial=0.0)] = 0.0

    limit = _limits(matrix, consistent)
    moving = np.flatnonzero((limit > 0) & np.isfinite(limit))
    rows = np.flatnonzero(consistent > 0)
    search = _Search(csr_array(matrix[rows][:, moving]), consistent[rows], limit[moving], first[moving])
    lower, upper = np.zeros(len(limit)), limit.copy()
    place = np.full(len(limit), -1)
    place[moving] = np.arange(len(moving))
    asked = flows[place[flows] >= 0]
    for sign, values in ((-1.0, upper), (1.0, lower)):  # upper first: its solutions settle most lower bounds
        for flow in _watched(asked, "upper bounds" if sign < 0 else "lower bounds", progress):
            values[flow] = search.extreme(int(place[flow]), sign)
    return FlowBounds(lower[flows] / scale, upper[flows] / scale, slack)


class _Search:
    """Linear programs over one set ``x >= 0, A x = y``, remembering what earlier ones found."""

    def __init__(self, matrix: csr_array, y: Floats, limit: Floats, first: Floats) -> None:
        self._matrix, self._y, self._limit = matrix, y, limit
        self._least, self._most = first.copy(), first.copy()

    def extreme(self, flow: int, sign: float) -> float:
        """Least (sign 1) or greatest (sign -1) value of one flow."""
        if sign > 0 and self._least[flow] <= _TOLERANCE:
            return 0.0
        if sign < 0 and self._most[flow] >= self._limit[flow] - _TOLERANCE:
            return float(self._limit[flow])
        cost = np.zeros(self._matrix.shape[1])
        cost[flow] = sign
        found = linprog(cost, A_eq=self._matrix, b_eq=self._y, bounds=(0, None), method="highs", options=_QUICK)
        if found.status != 0:
            return float("nan")
        np.minimum(self._least, found.x, out=self._least)
        np.maximum(self._most, found.x, out=self._most)
        return min(max(float(found.x[flow]), 0.0), float(self._limit[flow]))


def _limits(matrix: csr_array, y: Floats) -> Floats:
    """Each flow is at most the least of (load / fraction) over its links; inf without any."""
    at = matrix.tocoo()
    limit = np.full(matrix.shape[1], np.inf)
    np.minimum.at(limit, at.col, y[at.row] / at.data)
    return limit


def _consistent(matrix: csr_array, y: Floats) -> tuple[Floats, Floats]:
    """Nearest loads that some TM produces (least sum of relative changes), and such a TM."""
    m, pairs = matrix.shape
    if not y.any():
        return np.zeros(m), np.zeros(pairs)
    weight = 1.0 / np.maximum(y, 1e-3 * y.mean())
    unit = diags_array(np.ones(m))
    found = linprog(
        np.concatenate([np.zeros(pairs), weight, weight]),
        A_eq=csr_array(hstack([matrix, unit, -unit])),
        b_eq=y,
        bounds=(0, None),
        method="highs",
        options=_OPTIONS,
    )
    if found.status != 0:
        raise DataError(f"no traffic matrix near these loads was found: {str(found.message).splitlines()[0]}")
    x = np.maximum(found.x[:pairs], 0.0)
    carried = matrix @ x
    carried[carried <= _TOLERANCE] = 0.0
    return carried, x


def _watched(flows: Ints, what: str, progress: bool) -> list[int]:
    from rich.progress import track

    return track(flows.tolist(), description=what, disable=not progress)  # type: ignore[return-value]
