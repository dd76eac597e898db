"""Link loads after failures, from TMs or from link loads, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from odflow import labels
from odflow.errors import DataError, RoutingError, UsageError
from odflow.estimate.base import Posterior
from odflow.estimate.calibration import LEVELS, folds
from odflow.estimate.checks import check_counts, check_probabilities
from odflow.estimate.gaussian import GaussianPosterior
from odflow.estimate.observe import noise_like
from odflow.network.epochs import RoutingEpochs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.base import Estimator
    from odflow.network.failures import Failure
    from odflow.network.routing import Routing

    Floats = NDArray[np.float64]
    Progress = Callable[[int, int], None]

_AT_ONCE = 4_000_000  # demands of all draws
_WEEKS, _SNAPSHOTS = 6, 8  # back-tests for the calibration
_UNIT = (0.16, 0.84)  # quantiles one "standard deviation" below and above the median
_LEAST_SIDE, _LEAST_OPEN = 0.1, 1e-4  # of the spread of both sides; of the largest load


@dataclass(frozen=True, eq=False)
class WhatIf:
    """Every link at its highest after every failure.

    Parameters
    ----------
    before : DataArray (link)
        Highest load without any failure, bit/s.
    after : DataArray (failure, quantile, link)
        Load after the failure at the time when it is estimated to be highest, bit/s; 0 for a link that is down.
    time : DataArray (failure, link)
        That time.
    down : DataArray (failure, link)
        Which links the failure takes down.
    lost : DataArray (failure)
        Share of the traffic that has no path any more.
    capacity : DataArray (link)
        bit/s; NaN where the network does not say, and for access links.
    calibrated : bool
        Whether back-tests have said how wide intervals have to be.
    """

    before: xr.DataArray
    after: xr.DataArray
    time: xr.DataArray
    down: xr.DataArray
    lost: xr.DataArray
    capacity: xr.DataArray
    calibrated: bool

    @cached_property
    def columns(self) -> list[str]:
        """Names of the quantiles in rows, ``q0.05``; the one in the middle stands for the load itself."""
        return [f"q{float(level):g}" for level in self.after["quantile"].values]

    @property
    def utilisation(self) -> xr.DataArray:
        """Loads after the failures over capacity."""
        return self.after / self.capacity

    def worst(self) -> list[dict[str, Any]]:
        """Of every failure the worst link, and the share of the traffic that is cut off; the worst failure first.

        The worst link has the highest utilisation by the last quantile, or the largest gain if no capacity is known.
        """
        last, capacity, up = self.after.values[:, -1], self.capacity.values, self._up
        harm = last - self.before.values if np.isnan(capacity).all() else last / capacity
        harm = np.where(up, np.nan_to_num(harm, nan=-np.inf), -np.inf)
        link = np.where(np.isfinite(harm).any(axis=1), harm.argmax(axis=1), up.argmax(axis=1))
        order = [i for i in np.argsort(-harm.max(axis=1), kind="stable") if up[i].any()]
        return [self._row(i, link[i]) | {"lost": float(self.lost.values[i])} for i in order]

    def rows(self) -> list[dict[str, Any]]:
        """One row for each failure and internal link that it does not take down, as plain numbers."""
        return [self._row(i, k) for i, k in np.argwhere(self._up)]

    @property
    def _up(self) -> NDArray[np.bool_]:
        """Internal links that a failure leaves, (failure, link)."""
        inner = [not link.startswith((labels.IN, labels.OUT)) for link in self.after["link"].values]
        return np.asarray(~self.down.values & inner)

    def _row(self, i: int, k: int) -> dict[str, Any]:
        return {
            "failure": str(self.after["failure"].values[i]),
            "link": str(self.after["link"].values[k]),
            "before": float(self.before.values[k]),
            **dict(zip(self.columns, self.after.values[i, :, k].tolist(), strict=True)),
            "capacity": float(self.capacity.values[k]),
            "time": self.time.values[i, k].astype("datetime64[s]"),
        }


def whatif(
    traffic: xr.DataArray,
    routing: Routing,
    failures: Sequence[Failure],
    estimator: Estimator | None = None,
    *,
    levels: Sequence[float] = (0.05, 0.5, 0.95),
    history: xr.DataArray | None = None,
    samples: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> WhatIf:
    """Load of every link after every failure, traffic taking the shortest paths that are left.

    Parameters
    ----------
    traffic : DataArray (time, origin, destination) or (time, link)
        TMs, or link loads that `estimator` makes TMs from, bit/s.
    routing : Routing
        Made from a network, which says where else traffic can go.
    failures : sequence of Failure
    estimator : Estimator, optional
        Fitted. Draws of one that is a :class:`Posterior` give the quantiles; of others all quantiles are alike.
    levels : sequence of float
        Of the quantiles.
    history : DataArray (time, origin, destination), optional
        What a :class:`GaussianPosterior`, a subclass, or an estimator of pretrained networks was fitted to: back-tests
        inside it then make the quantiles hold what they say. How far off loads of rerouted links were, in units of the
        draws' own spread, stretches them.
    samples : int
        Draws.
    seed : int
    progress : callable, optional
        Is told how many of the times with a peak are done, and of how many.

    Raises
    ------
    UsageError
        Loads without an estimator, no failure.
    RoutingError
        If the routing was not made from a network, or changes with time.
    LabelError, DataError, UnitError, NotFittedError
        If the traffic does not fit, or the estimator is not fitted.
    """
    p = check_probabilities(levels)
    check_counts(samples=samples)
    if not failures:
        raise UsageError("there is no failure to look at")
    if isinstance(routing, RoutingEpochs):
        raise RoutingError("what fails is looked at under one routing, not under epochs of several")
    changes = [_Change.of(routing, routing.without(one.links, one.nodes)) for one in failures]
    is_loads = "link" in traffic.dims
    if is_loads and estimator is None:
        raise UsageError("link loads need a fitted estimator to make traffic matrices from: whatif(..., estimator)")
    stretch = None
    if is_loads and history is not None and isinstance(estimator, Posterior) and _refits(estimator):
        stretch = _stretch(estimator, history, routing, changes, samples, seed)
    found = _peaks(traffic, routing, changes, estimator)
    if isinstance(estimator, Posterior):
        after = _at_peaks(traffic, routing, changes, found, estimator, p, stretch, samples, seed, progress)
    else:
        after = np.repeat(found.after[:, None], len(p), axis=1)
    return _result(found, after, p, routing, failures, calibrated=stretch is not None)


@dataclass(frozen=True, eq=False)
class _Change:
    """What a failure changes: rows of the routing matrix, and OD pairs that lose their path."""

    rows: NDArray[np.int64]
    matrix: csr_array
    lost: NDArray[np.bool_]

    @staticmethod
    def of(before: Routing, after: Routing) -> _Change:
        rows = np.flatnonzero(abs(after.matrix - before.matrix).sum(axis=1) > 0)
        carried = [np.bincount(one.matrix.indices, minlength=one.matrix.shape[1]) > 0 for one in (before, after)]
        return _Change(rows, csr_array(after.matrix[rows]), carried[0] & ~carried[1])

    def loads(self, x: Floats) -> Floats:
        """What :attr:`rows` carry of TMs (..., flows)."""
        return _loads(self.matrix, x)


def _loads(matrix: csr_array, x: Floats) -> Floats:
    """Loads (..., rows) of TMs (..., flows)."""
    flat = (matrix @ x.reshape(-1, x.shape[-1]).T).T
    return np.asarray(flat.reshape(*x.shape[:-1], matrix.shape[0]))


@dataclass(frozen=True, eq=False)
class _Peaks:
    """By the estimated TMs: highest loads before (links,) and after (failures, links), when, and the share cut off."""

    times: NDArray[np.datetime64]
    before: Floats
    after: Floats
    at: NDArray[np.int64]
    lost: Floats


def _peaks(traffic: xr.DataArray, routing: Routing, changes: Sequence[_Change], estimator: Estimator | None) -> _Peaks:
    matrices = labels.check_demands(traffic) if estimator is None else estimator.estimate(traffic, routing)
    x = labels.flat(matrices, routing.nodes)
    base = np.nan_to_num(_loads(routing.matrix, x), nan=-np.inf)
    at = np.repeat(base.argmax(axis=0)[None], len(changes), axis=0)
    before = base.max(axis=0)
    after, total, lost = np.repeat(before[None], len(changes), axis=0), np.nansum(x) or 1.0, []
    for k, change in enumerate(changes):
        rerouted = np.nan_to_num(change.loads(x), nan=-np.inf)
        at[k, change.rows], after[k, change.rows] = rerouted.argmax(axis=0), rerouted.max(axis=0)
        lost.append(np.nansum(x[:, change.lost]) / total)
    if not np.isfinite(after).all():
        raise DataError("a link's load after a failure needs demands that are never measured")
    return _Peaks(labels.as_times(matrices["time"].values), before, after, at, np.array(lost))


def _at_peaks(
    traffic: xr.DataArray,
    routing: Routing,
    changes: Sequence[_Change],
    found: _Peaks,
    estimator: Posterior,
    p: Floats,
    stretch: Floats | None,
    samples: int,
    seed: int,
    progress: Progress | None,
) -> Floats:
    """Quantiles of loads at the times of the peaks, (failures, levels, links)."""
    out = np.empty((len(changes), len(p), len(routing.links)))
    wanted = np.unique(found.at)
    size = max(1, _AT_ONCE // (samples * len(routing.nodes) ** 2))
    for number, start in enumerate(range(0, len(wanted), size)):
        some = wanted[start : start + size]
        draws = estimator.sample(traffic[some], routing, samples, seed=seed + number).values
        draws = draws.reshape(samples, len(some), -1)
        base = _quantiles(_loads(routing.matrix, draws), p)
        for k, change in enumerate(changes):
            values = base.copy()
            values[:, :, change.rows] = _quantiles(change.loads(draws), p, stretch)
            links = np.flatnonzero(np.isin(found.at[k], some))
            out[k][:, links] = values[:, np.searchsorted(some, found.at[k, links]), links]
        if progress is not None:
            progress(min(start + size, len(wanted)), len(wanted))
    return out


def _quantiles(loads: Floats, p: Floats, stretch: Floats | None = None) -> Floats:
    """Of draws (n, T, links); (levels, T, links)."""
    if stretch is None:
        return np.asarray(np.quantile(loads, p, axis=0))
    middle, below, above = _units(loads)
    off = np.interp(p, LEVELS, stretch)
    return np.stack([np.maximum(middle + z * (above if z > 0 else below), 0.0) for z in off])


def _units(loads: Floats) -> tuple[Floats, Floats, Floats]:
    """Median of draws, and what counts as a standard deviation below and above it."""
    low, middle, high = np.quantile(loads, (_UNIT[0], 0.5, _UNIT[1]), axis=0)
    least = _LEAST_SIDE * (high - low)
    return middle, np.maximum(middle - low, least), np.maximum(high - middle, least)


def _refits(estimator: Posterior) -> bool:
    """Whether it is fitted again within seconds."""
    return isinstance(estimator, GaussianPosterior) or getattr(estimator, "weights", None) == "pretrained"


def _stretch(
    estimator: Posterior,
    history: xr.DataArray,
    routing: Routing,
    changes: Sequence[_Change],
    samples: int,
    seed: int,
) -> Floats | None:
    """Quantiles at ``LEVELS`` of how far off rerouted loads were; None if the history is too short."""
    rng, off = np.random.default_rng(seed), []
    try:
        for past, now in folds(history, _WEEKS, _SNAPSHOTS):
            fitted = replace(estimator).fit(past, routing)
            truth = labels.flat(now, routing.nodes)
            loads = noise_like(routing.loads(now), estimator.noise, rng)
            draws = fitted.sample(loads, routing, samples, seed=seed).values.reshape(samples, len(truth), -1)
            for change in changes:
                off.append(_off(change.loads(truth), change.loads(draws)))
    except DataError:
        return None
    return np.asarray(np.quantile(np.concatenate(off), LEVELS)) if sum(map(len, off)) else None


def _off(truth: Floats, draws: Floats) -> Floats:
    """How far the truth is from the median, in units of the spread, where the loads leave any open."""
    middle, below, above = _units(draws)
    open_ = below + above > _LEAST_OPEN * middle.max(initial=0.0)
    error = (truth - middle)[open_]
    return np.asarray(error / np.where(error > 0, above[open_], below[open_]))


def _result(
    found: _Peaks, after: Floats, p: Floats, routing: Routing, failures: Sequence[Failure], *, calibrated: bool
) -> WhatIf:
    assert routing.network is not None
    names, links = [one.name for one in failures], list(routing.links)
    known = {link.id: link.capacity for link in routing.network.links}
    capacity = np.array([known.get(link) or np.nan for link in links])
    ends = {link.id: (link.source, link.target) for link in routing.network.links}
    down = [[link in one.links or bool(set(ends.get(link, ())) & set(one.nodes)) for link in links] for one in failures]
    rate = {"units": labels.UNITS}
    coords = {"failure": names, "quantile": p, "link": links}

    def array(values: Any, dims: tuple[str, ...], attrs: dict[str, str]) -> xr.DataArray:
        return xr.DataArray(values, dims=dims, coords={dim: coords[dim] for dim in dims}, attrs=attrs)

    return WhatIf(
        before=array(found.before, ("link",), rate),
        after=array(after, ("failure", "quantile", "link"), rate),
        time=array(found.times[found.at], ("failure", "link"), {}),
        down=array(down, ("failure", "link"), {}),
        lost=array(found.lost, ("failure",), {}),
        capacity=array(capacity, ("link",), rate),
        calibrated=calibrated,
    )
