"""Estimates by several methods, and what of them does not depend on the network: features of every flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import csc_array

from odflow.errors import OdflowError
from odflow.estimate.gaussian import GaussianPosterior
from odflow.estimate.kl import KLProjection
from odflow.estimate.priors import WEEK, History, recency_mean, recency_weights
from odflow.estimate.profile import Profile
from odflow.estimate.student_t import StudentTPosterior
from odflow.simulate.span import DAY_S

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from odflow.estimate.base import Estimator
    from odflow.estimate.observe import Observed

    Floats = NDArray[np.float64]

FEATURES = 29
_TRACE = 1e-4  # of the mean, added before logarithms are taken
_RANGE, _WIDE = 4.0, 8.0  # of logarithms


class Seen(NamedTuple):
    """What is known of a block.

    Parameters
    ----------
    base : array, shape (T, flows)
        Estimate to start from, bit/s.
    spread : array, shape (T, flows)
        Its standard deviation.
    features : array, shape (T, flows, FEATURES)
        The same under any unit of traffic, and whatever the network.
    """

    base: Floats
    spread: Floats
    features: Floats


@dataclass(kw_only=True, eq=False)
class Candidates:
    """Estimators from a history, one to start from and some others.

    Parameters
    ----------
    base : StudentTPosterior
    others : tuple of Estimator
    """

    base: StudentTPosterior = field(default_factory=StudentTPosterior)
    others: tuple[Estimator, ...] = field(
        default_factory=lambda: (
            GaussianPosterior(),
            KLProjection(prior="history"),
            KLProjection(prior="history", half_life="6h"),
            KLProjection(prior="history", half_life=None, window="7d"),
            KLProjection(prior="history", half_life=None, window="21d"),
            KLProjection(prior="gravity"),
        )
    )
    last_: Floats | None = None
    day_: Profile | None = None
    week_: Profile | None = None

    def fit(self, history: xr.DataArray) -> Candidates:
        """Learn from past TMs; errors as of :meth:`GaussianPosterior.fit`."""
        for estimator in (self.base, *self.others):
            estimator.fit(history)
        past, mean = History.of(history), self.base.mean_
        assert mean is not None
        self.last_ = recency_mean(past, recency_weights(past.age, "30min", None))
        self.day_ = Profile.of(past, period=DAY_S, bins=48, window=WEEK, fill=mean)
        self.week_ = Profile.of(past, period=WEEK, bins=84, window=WEEK, fill=mean)
        return self

    def numbers(self) -> dict[str, NDArray[Any]]:
        """What was learnt, as arrays."""
        from odflow.estimate.store import numbers_of

        assert self.last_ is not None
        assert self.day_ is not None
        assert self.week_ is not None
        out = {"last": self.last_, "day": self.day_.table, "week": self.week_.table}
        for k, estimator in enumerate((self.base, *self.others)):
            out |= {f"{k}.{name}": value for name, value in numbers_of(estimator).items()}
        return out

    def restore(self, numbers: Mapping[str, NDArray[Any]], nodes: Sequence[str], end: str) -> Candidates:
        """Take back what :meth:`numbers` has given.

        Raises
        ------
        KeyError, OdflowError
            If arrays are missing or do not fit.
        """
        from odflow.estimate.store import remember

        for k, estimator in enumerate((self.base, *self.others)):
            own = {name.removeprefix(f"{k}."): value for name, value in numbers.items() if name.startswith(f"{k}.")}
            if own:
                remember(estimator, own, nodes, end)  # type: ignore[arg-type]
        self.last_ = numbers["last"]
        self.day_, self.week_ = Profile(DAY_S, numbers["day"]), Profile(WEEK, numbers["week"])
        for table in (self.last_[None], self.day_.table, self.week_.table):
            if table.ndim != 2 or table.shape[1] != len(nodes) ** 2:
                raise OdflowError("profiles and nodes do not fit each other")
        return self

    def see(self, observed: Observed) -> Seen:
        """Estimates and features of a block."""
        assert self.last_ is not None
        assert self.day_ is not None
        assert self.week_ is not None
        looked = self.base.looked(observed)
        base, spread = looked.estimate, np.sqrt(looked.variance)
        columns = self.base._columns(observed.system.routing)
        mean, before = self.base._mean(observed), np.sqrt(self.base._spread(observed).variance)
        day, week = (profile.select(columns).at(observed.time) for profile in (self.day_, self.week_))
        trace = _TRACE * base.mean(axis=1, keepdims=True) + np.finfo(float).tiny

        def against(x: Floats, of: Floats = base, most: float = _RANGE) -> Floats:
            return np.clip(np.log(x + trace) - np.log(of + trace), -most, most)

        paths = _Paths(observed)
        features = [against(other._solve(observed)) for other in self.others]
        features += [against(one) for one in (mean[None], self.last_[columns][None], day, week)]
        features += [against(spread, most=_WIDE), against(before[None], mean[None], _WIDE)]
        features += [np.log(np.clip(looked.scale, 1e-2, 1e4)), against(base, base.mean(axis=1, keepdims=True), _WIDE)]
        for expected in (mean[None], day):
            features += paths.ratios(expected)
        features += paths.shares(base)
        features += [np.broadcast_to(one, base.shape) for one in (paths.to_self, paths.length / 5)]
        return Seen(base, spread, np.stack(np.broadcast_arrays(*features), axis=-1))


class _Paths:
    """What the loads along the path of each flow have to say."""

    def __init__(self, observed: Observed) -> None:
        self.observed, n = observed, len(observed.system.routing.nodes)
        into, out = observed.system.access
        self.into, self.out = np.repeat(into, n), np.tile(out, n)
        access = np.concatenate([into, out])
        self.inner = np.setdiff1d(np.arange(len(observed.system.routing.links)), access[access >= 0])
        self.to_self = np.eye(n).ravel()

    @cached_property
    def links(self) -> csc_array:
        """Inner links x flows."""
        return csc_array(self.observed.system.matrix[self.inner])

    @cached_property
    def length(self) -> Floats:
        """Links of each flow's path."""
        return np.diff(self.links.indptr).astype(float)

    def ratios(self, expected: Floats) -> list[Floats]:
        """Logarithms of measured over expected loads: at origin and destination, mean, most and least on the path."""
        y = self.observed.values
        trace = _TRACE * np.nanmean(np.where(np.isnan(y).all(axis=1, keepdims=True), 0.0, y), axis=1, keepdims=True)
        trace += np.finfo(float).tiny
        ratio = np.log(y + trace) - np.log((self.observed.system.matrix @ expected.T).T + trace)
        ratio = np.clip(np.nan_to_num(ratio), -_RANGE, _RANGE)
        inner = ratio[:, self.inner]
        mean = (self.links.astype(bool).T @ inner.T).T / np.maximum(self.length, 1)
        return [
            self._at(ratio, self.into),
            self._at(ratio, self.out),
            mean,
            self._over(inner, np.maximum),
            self._over(inner, np.minimum),
        ]

    def shares(self, x: Floats) -> list[Floats]:
        """Logarithm of a flow's share of the load at its origin, its destination and the link where it is largest."""
        y = np.nan_to_num(self.observed.values, nan=np.inf)
        least = 1e-3 * np.mean(np.nan_to_num(self.observed.values), axis=1, keepdims=True) + np.finfo(float).tiny
        part = 1 / (y + least)
        most = self._over(part[:, self.inner], np.maximum, self.links.data)
        return [np.log(x * each + 1e-3) for each in (self._at(part, self.into), self._at(part, self.out), most)]

    def _at(self, values: Floats, rows: NDArray[np.int64]) -> Floats:
        return np.where(rows >= 0, values[:, rows], 0.0)

    def _over(self, values: Floats, choose: np.ufunc, weight: Floats | float = 1.0) -> Floats:
        """Most or least of the values (T, inner links), times the weight of each use, on each flow's path; else 0."""
        out = np.zeros((len(values), len(self.length)))
        there = self.length > 0
        if there.any():
            used = values[:, self.links.indices] * weight
            out[:, there] = choose.reduceat(used, self.links.indptr[:-1][there], axis=1)
        return out
