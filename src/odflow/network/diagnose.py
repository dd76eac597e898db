"""What link loads determine: rank, identifiable flows, redundant and indispensable counters, bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.sparse import csr_array, diags_array

from odflow import labels
from odflow.errors import LabelError, UsageError, listed
from odflow.labels import IN, OUT
from odflow.network.bounds import flow_bounds
from odflow.network.epochs import RoutingEpochs
from odflow.network.routing import Routing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Pair = tuple[str, str]

_EPS = float(np.finfo(float).eps)
_BLOCK = 4096  # columns worked on at once
_NOISE = 0.01  # relative error of a counter, where counters are weighed against each other
_IN_NULL_SPACE = 1e-7  # size of a unit vector's component that is more than rounding
_UNIT_VECTOR = 1e-8  # distance of a unit vector from the row space that is rounding


@dataclass(frozen=True, slots=True)
class CounterLoss:
    """What would be lost without one counter.

    Parameters
    ----------
    link : str
    rank : int
        1 if the rank of A falls, 0 if the other counters already tell this one's load.
    error : float
        Relative growth of the expected squared error over all flows (0.37 = 37 % more).
    """

    link: str
    rank: int
    error: float


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What a routing and its measured counters determine; made by :func:`diagnose`.

    Parameters
    ----------
    nodes : tuple of n str
    links : tuple of str
        Counters that are measured: the rows of A looked at.
    missing : tuple of str
        Counters without a measurement (NaN), left out.
    rank : int
        Rank of A.
    identifiable : tuple of (origin, destination)
        Flows that the loads determine exactly, whatever the others are.
    unseen : tuple of (origin, destination)
        Flows on no measured counter (no path, or all their counters missing).
    losses : tuple of CounterLoss
        Every counter of `links`, the one whose loss would hurt most first.
    weights : {"gravity", "uniform"}
        What the flows were taken to be in `losses`.
    bounds : DataArray (bound, origin, destination), optional
        ``lower`` and ``upper``, bit/s; NaN for flows not asked for, ``inf`` above unseen flows.
    slack : tuple of (link, bit/s)
        Loads changed (by this much) to make them consistent before bounding, largest change first.
    """

    nodes: tuple[str, ...]
    links: tuple[str, ...]
    missing: tuple[str, ...]
    rank: int
    identifiable: tuple[Pair, ...]
    unseen: tuple[Pair, ...]
    losses: tuple[CounterLoss, ...]
    weights: Literal["gravity", "uniform"]
    bounds: xr.DataArray | None = None
    slack: tuple[tuple[str, float], ...] = ()

    @property
    def flows(self) -> int:
        """Number of OD flows, diagonal included."""
        return len(self.nodes) ** 2

    @property
    def nullity(self) -> int:
        """Dimension of the null space: independent ways to change the TM that no counter sees."""
        return self.flows - self.rank

    @property
    def redundant(self) -> tuple[str, ...]:
        """Counters whose load the others tell: each may go alone, ``len(links) - rank`` of them together."""
        lost = {loss.link for loss in self.losses if loss.rank == 0}
        return tuple(link for link in self.links if link in lost)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain Python values, ready for JSON (``None`` for an infinite upper bound)."""
        return {
            "nodes": len(self.nodes),
            "flows": self.flows,
            "counters": len(self.links),
            "missing": list(self.missing),
            "rank": self.rank,
            "nullity": self.nullity,
            "identifiable": [list(pair) for pair in self.identifiable],
            "unseen": [list(pair) for pair in self.unseen],
            "redundant": list(self.redundant),
            "removable_together": len(self.links) - self.rank,
            "weights": self.weights,
            "losses": [{"link": k.link, "rank": k.rank, "error": k.error} for k in self.losses],
            "bounds": None if self.bounds is None else _bound_rows(self.bounds),
            "slack": [{"link": link, "bit_s": change} for link, change in self.slack],
        }

    def __str__(self) -> str:
        def pairs(items: Sequence[Pair]) -> str:
            return f": {listed(f'{o}->{d}' for o, d in items)}" if items else ""

        m, redundant = len(self.links), self.redundant
        together = f"; each may go alone, {m - self.rank} together" if redundant else ""
        lines = [
            f"{m} counters measured, {len(self.missing)} missing; {self.flows} flows of {len(self.nodes)} nodes",
            f"rank {self.rank}, null space of {self.nullity} dimensions",
            f"{len(self.identifiable)} flows determined exactly{pairs(self.identifiable)}",
            f"{len(redundant)} counters redundant{together}{': ' + listed(redundant) if redundant else ''}",
        ]
        if self.unseen:
            lines.append(f"{len(self.unseen)} flows on no measured counter{pairs(self.unseen)}")
        if self.losses and max(k.error for k in self.losses) < 1e-3 and len(redundant) == m:
            lines.append("losing any single counter costs next to nothing: the others tell its load")
        elif self.losses:
            worst = ", ".join(f"'{k.link}' +{k.error:.1%}" for k in self.losses[:5])
            lines.append(f"worst single counters to lose (squared error, {self.weights} traffic): {worst}")
        if self.slack:
            moved = ", ".join(f"'{link}' {change:+.4g}" for link, change in self.slack[:5])
            lines.append(f"loads are inconsistent; bounds hold after changing {len(self.slack)} of them: {moved} bit/s")
        if self.bounds is not None:
            lower, upper = self.bounds.values[:, np.isfinite(self.bounds.values).all(axis=0)]
            width = f", median width {np.median(upper - lower):.4g} bit/s" if lower.size else ""
            lines.append(f"{lower.size} flows bounded{width}, {int((lower > 0).sum())} certainly not zero")
        return "\n".join(lines)


def diagnose(
    routing: Routing | RoutingEpochs,
    loads: xr.DataArray | None = None,
    *,
    bounds: bool = False,
    flows: Sequence[Pair] | None = None,
    progress: bool = False,
) -> Diagnosis:
    """Tell what the link loads of a network determine.

    Parameters
    ----------
    routing : Routing or RoutingEpochs
        With epochs, all times of `loads` must lie in one of them.
    loads : DataArray (time, link), optional
        bit/s. Counters that are NaN at every time count as missing; the mean over time gives the
        traffic volumes that counters are weighed by. Without loads all counters count as measured.
    bounds : bool
        Bound flows by linear programs (two per flow at most); needs loads of a single time.
    flows : sequence of (origin, destination), optional
        Flows to bound; all by default.
    progress : bool
        Show a progress bar while bounding.

    Returns
    -------
    Diagnosis

    Raises
    ------
    UsageError
        Bounds without loads of a single time; flows without bounds; epochs without a choice.
    LabelError, DataError, UnitError
        If loads or flows do not fit the routing.

    Notes
    -----
    Rank and null space come from the eigenvalues of ``B B'``, where B is A with rows of length 1; an
    eigenvalue counts as zero below ``eps * max(m, k) * largest``, with m rows of at most k entries:
    the rounding error of the product. A flow is identifiable if its unit vector lies in the row space of A;
    a counter is redundant if its row is a combination of the others, i.e. if some left null vector
    has it.

    The loss of a counter is the growth of the trace of the posterior covariance of a Gaussian model:
    independent flows with standard deviation equal to their gravity demand (equal flows without loads
    of access links), counters with an error of 1 %. With ``K = A S A' + R`` and ``W = inv(K)``,
    dropping counter i adds ``(W A S S A' W)[i, i] / W[i, i]`` to the trace, exactly.
    """
    routing, y = _situation(routing, loads)
    if bounds and (loads is None or loads.sizes["time"] != 1):
        raise UsageError("bounds need the loads of a single time: loads.isel(time=[0])")
    if flows is not None and not bounds:
        raise UsageError("flows= chooses what to bound; add bounds=True")
    columns = _columns(routing.nodes, flows)
    measured = np.flatnonzero(~np.isnan(y)) if y is not None else np.arange(len(routing.links))
    names = tuple(routing.links[i] for i in measured)
    missing = tuple(routing.links[i] for i in np.setdiff1d(np.arange(len(routing.links)), measured))
    matrix = csr_array(routing.matrix[measured])
    unit = _unit_rows(matrix)
    rank, rows, null = _spectrum(unit)
    redundant = np.abs(null).max(axis=1, initial=0.0) > _IN_NULL_SPACE
    volume, weights = _volumes(routing, y)
    growth = _losses(matrix, np.where(_seen(matrix), volume, 0.0), None if y is None else y[measured])
    order = sorted(range(len(names)), key=lambda i: (redundant[i], -growth[i]))
    box, slack = None, np.zeros(0)
    if bounds and y is not None:
        found = flow_bounds(matrix, y[measured], columns, progress=progress)
        box, slack = _bound_array(routing.nodes, columns, found.lower, found.upper), found.slack
    moved = [i for i in np.argsort(-np.abs(slack), kind="stable") if slack[i]]
    return Diagnosis(
        nodes=routing.nodes,
        links=names,
        missing=missing,
        rank=rank,
        identifiable=_pairs(routing.nodes, _identifiable(unit, rows)),
        unseen=_pairs(routing.nodes, np.flatnonzero(~_seen(matrix))),
        losses=tuple(CounterLoss(names[i], int(not redundant[i]), float(growth[i])) for i in order),
        weights=weights,
        bounds=box,
        slack=tuple((names[i], float(slack[i])) for i in moved),
    )


def _situation(routing: Routing | RoutingEpochs, loads: xr.DataArray | None) -> tuple[Routing, Floats | None]:
    """One routing, and the mean load of each of its links (NaN = never measured)."""
    if loads is None:
        if isinstance(routing, RoutingEpochs):
            raise UsageError("routing epochs need loads (--loads FILE --time TIME), or one of them: epochs.at(time)")
        return routing, None
    checked = labels.align_links(labels.check_loads(loads), routing.links)
    segments = routing.segments(checked["time"].values)
    if len(segments) > 1:
        raise UsageError(f"the loads span {len(segments)} routing epochs; select the times of one (--time TIME)")
    values = checked.values
    count = np.maximum(np.isfinite(values).sum(axis=0), 1)
    mean = np.nansum(values, axis=0) / count
    return segments[0][1], np.where(np.isnan(values).all(axis=0), np.nan, mean)


def _columns(nodes: tuple[str, ...], flows: Sequence[Pair] | None) -> Ints:
    index, n = {node: i for i, node in enumerate(nodes)}, len(nodes)
    if flows is None:
        return np.arange(n * n)
    if isinstance(flows, str) or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in flows):
        raise UsageError("flows is a list of pairs: flows=[('origin', 'destination')]")
    unknown = [node for pair in flows for node in pair if node not in index]
    if unknown:
        raise LabelError(f"flow end {listed(unknown)} is not a node of the routing")
    return np.array([index[origin] * n + index[destination] for origin, destination in flows], dtype=np.int64)


def _pairs(nodes: tuple[str, ...], columns: Ints) -> tuple[Pair, ...]:
    n = len(nodes)
    return tuple((nodes[k // n], nodes[k % n]) for k in columns)


def _seen(matrix: csr_array) -> NDArray[np.bool_]:
    return np.bincount(matrix.indices, minlength=matrix.shape[1]) > 0


def _unit_rows(matrix: csr_array) -> csr_array:
    length = np.sqrt(np.asarray(matrix.power(2).sum(axis=1)))
    return csr_array(diags_array(1.0 / np.where(length > 0, length, 1.0)) @ matrix)


def _spectrum(unit: csr_array) -> tuple[int, Floats, Floats]:
    """Rank; ``U / sqrt(lambda)`` over the non-zero eigenvalues of ``B B'``; the null vectors."""
    m = unit.shape[0]
    if m == 0:
        return 0, np.zeros((0, 0)), np.zeros((0, 0))
    values, vectors = eigh((unit @ unit.T).toarray(), overwrite_a=True, check_finite=False)
    longest = int(np.diff(unit.indptr).max())
    zero = values <= _EPS * max(m, longest) * values[-1]
    return int(m - zero.sum()), vectors[:, ~zero] / np.sqrt(values[~zero]), vectors[:, zero]


def _identifiable(unit: csr_array, rows: Floats) -> Ints:
    """Columns whose unit vector lies in the row space: the projector has 1 on the diagonal there."""
    by_column, pairs = unit.tocsc(), unit.shape[1]
    share = np.empty(pairs)
    for a in range(0, pairs, _BLOCK):
        basis = (by_column[:, a : a + _BLOCK].T @ rows).T
        share[a : a + _BLOCK] = np.einsum("ij,ij->j", basis, basis)
    near = np.flatnonzero(share > 1 - 1e-6)  # rounding of the square root is 1e-8 at best: look again, directly
    sure: list[Ints] = []
    for a in range(0, len(near), 256):
        some = near[a : a + 256]
        projected = unit.T @ (rows @ (by_column[:, some].T @ rows).T)
        projected[some, np.arange(len(some))] -= 1.0
        sure.append(some[np.linalg.norm(projected, axis=0) < _UNIT_VECTOR])
    return np.concatenate(sure) if sure else np.zeros(0, dtype=np.int64)


def _volumes(routing: Routing, y: Floats | None) -> tuple[Floats, Literal["gravity", "uniform"]]:
    """Size of each flow: product of its ends' access loads, an unmeasured end being as the mean one."""
    n, row = len(routing.nodes), {link: i for i, link in enumerate(routing.links)}
    ends: list[Floats] = []
    for side in (IN, OUT):
        at = [row.get(f"{side}{node}", -1) for node in routing.nodes]
        known = np.array([np.nan if i < 0 or y is None else y[i] for i in at])
        if not (np.nan_to_num(known) > 0).any():
            return np.ones(n * n), "uniform"
        ends.append(np.where(np.isnan(known), np.nanmean(known), known))
    return np.outer(*ends).ravel() / ends[0].sum(), "gravity"


def _losses(matrix: csr_array, volume: Floats, y: Floats | None) -> Floats:
    """Relative growth of the total posterior variance without each counter; see :func:`diagnose`."""
    if not volume.any():
        return np.zeros(matrix.shape[0])
    volume = volume / np.sqrt(np.mean(volume[volume > 0] ** 2))
    prior = volume**2
    weighted = csr_array(matrix @ diags_array(prior))
    signal = (weighted @ matrix.T).toarray()
    squared = (weighted @ weighted.T).toarray()
    load = matrix @ volume
    if y is not None and y.any():
        load = np.maximum(load, y * (load.sum() / y.sum()))
    error = (_NOISE * load) ** 2
    signal[np.diag_indices_from(signal)] += np.maximum(error, 1e-12 * np.diag(signal).max())
    inverse = cho_solve(cho_factor(signal, check_finite=False), np.eye(len(signal)), check_finite=False)
    left = prior.sum() - np.einsum("ij,ji->", inverse, squared)
    gain = np.einsum("ij,ji->i", inverse @ squared, inverse) / np.diag(inverse)
    return np.maximum(gain, 0.0) / max(left, _EPS * prior.sum())


def _bound_array(nodes: tuple[str, ...], columns: Ints, lower: Floats, upper: Floats) -> xr.DataArray:
    n = len(nodes)
    values = np.full((2, n * n), np.nan)
    values[:, columns] = lower, upper
    return xr.DataArray(
        values.reshape(2, n, n),
        dims=("bound", "origin", "destination"),
        coords={"bound": ["lower", "upper"], "origin": list(nodes), "destination": list(nodes)},
        name="bounds",
        attrs={"units": labels.UNITS},
    )


def _bound_rows(bounds: xr.DataArray) -> list[dict[str, Any]]:
    origins, destinations = bounds["origin"].values.tolist(), bounds["destination"].values.tolist()
    lower, upper = bounds.values
    return [
        {
            "origin": origins[i],
            "destination": destinations[j],
            "lower": float(lower[i, j]),
            "upper": float(upper[i, j]) if np.isfinite(upper[i, j]) else None,
        }
        for i, j in np.argwhere(~np.isnan(lower) & ~np.isnan(upper))
    ]
