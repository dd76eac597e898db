"""Gaussian posterior of the TM given history and link loads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import xarray as xr
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array
from scipy.stats import gamma

from odflow import labels
from odflow.errors import NotFittedError, UsageError
from odflow.estimate.base import HistoryEstimator, Posterior
from odflow.estimate.calibration import Calibration, Tried, calibrated, folds
from odflow.estimate.checks import check_counts, check_shares
from odflow.estimate.meet import meet_exactly, meet_loads
from odflow.estimate.observe import Observed, noise_like
from odflow.estimate.priors import History, Spread, recency_mean, recency_weights, week_spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

    Floats = NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class GaussianPosterior(HistoryEstimator, Posterior):
    """Normal prior from recent history, conditioned on the loads, kept non-negative and projected.

    The prior mean mu is the recency-weighted mean TM; the covariance C that of the last `weeks`
    about their own means, rescaled to mu, its variances pooled by a power law and its correlations
    shrunk. Given loads y with noise variance N, ``x = mu + C A' (A C A' + N)^-1 (y - A mu)``, lifted
    to ``floor * mu`` and projected onto the loads by relative entropy.

    The marginal of a demand is a gamma distribution with the estimate as mean and the posterior variance; after
    :meth:`calibrate` it is stretched to what back-tests have shown. Joint draws are draws of the prior, conditioned on
    the loads.

    Parameters
    ----------
    half_life : str, optional
        Of the prior mean.
    window : str, optional
        Use only history younger than this for the mean.
    weeks : int
        Weeks of history for the covariance.
    correlation : float
        Share of the correlations that is kept; the rest of the variance is each flow's own.
    pooling : float
        Exponent of the power law in the geometric mean with each flow's own variance.
    floor : float
        Least demand as a share of the prior mean.
    rank : int
        Most factors kept of the covariance.
    sweeps : int
        Passes of the final projection.

    Notes
    -----
    The constants are one set for all networks: of those tried, the one with the lowest mean TRE in
    rolling back-tests on the training weeks 8-16 of Abilene and 5-11 of GEANT (each week estimated
    from the weeks before): 0.189 and 0.213. ``python -m benchmarks.backtest`` repeats them.
    """

    half_life: str | None = "25h"
    window: str | None = None
    weeks: int = 1
    correlation: float = 0.1
    pooling: float = 0.5
    floor: float = 0.3
    rank: int = 256
    sweeps: int = 50
    spread_: Spread | None = field(default=None, init=False, repr=False)
    calibration_: Calibration | None = field(default=None, init=False, repr=False)

    most_rows: ClassVar[int] = 300  # for which the projection is solved to the last digits

    def __post_init__(self) -> None:
        check_shares(correlation=self.correlation, pooling=self.pooling, floor=self.floor)
        check_counts(weeks=self.weeks, rank=self.rank, sweeps=self.sweeps)
        recency_weights(np.zeros(1), self.half_life, self.window)

    def fit(self, history: xr.DataArray | None = None, routing: Routing | RoutingEpochs | None = None) -> Self:
        """Learn mean and covariance from past TMs, dims (time, origin, destination), bit/s.

        Raises
        ------
        UsageError
            Without a history.
        DataError, LabelError, UnitError
            If the history does not fit, is too short, or never measures a flow.
        """
        if history is None:
            raise UsageError(f"{type(self).__name__} needs a history; without one use Tomogravity or KLProjection")
        past = History.of(history)
        weights = recency_weights(past.age, self.half_life, self.window)
        mean = recency_mean(past, weights)
        self.spread_ = week_spread(
            past,
            mean,
            weeks=self.weeks,
            half_life_weeks=1.5,
            correlation=self.correlation,
            pooling=self.pooling,
            rank=self.rank,
        )
        self._remember(past, mean)
        self.calibration_ = None
        return self

    def calibrate(
        self,
        history: xr.DataArray,
        routing: Routing | RoutingEpochs,
        *,
        weeks: int = 20,
        snapshots: int = 200,
        seed: int = 0,
    ) -> Self:
        """Make quantiles hold what they say, by back-tests inside the history; after :meth:`fit`.

        Each of the last weeks (of less than two weeks the second half) is estimated from what is before it, from its
        link loads. How far off the truth was, in this estimator's own standard deviations, by size of the flow, gives
        the quantiles from then on. Errors weigh the more, the more alike the surprise was: how far loads are from what
        the prior expects, in units of its spread; and the later they are, with a half-life of three weeks.

        Parameters
        ----------
        history : DataArray (time, origin, destination)
            As for :meth:`fit`.
        routing : Routing or RoutingEpochs
        weeks : int
            At most so many back-tests.
        snapshots : int
            Of each, evenly spread.
        seed : int
            Of the noise on the loads, where the estimator is told that there is some.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        DataError, LabelError, UnitError
            If the history does not fit the routing or is too short.
        """
        check_counts(weeks=weeks, snapshots=snapshots)
        mean, columns, rng = self._fitted_mean(), self._columns(routing), np.random.default_rng(seed)
        tried = []
        for past, now in folds(history, weeks, snapshots):
            tried.append(replace(self).fit(past)._tried(now, routing, rng))
        self.calibration_ = calibrated(tried, mean[columns]).select(np.argsort(columns))
        return self

    def _tried(self, truth: xr.DataArray, routing: Routing | RoutingEpochs, rng: np.random.Generator) -> Tried:
        surprise: list[Floats] = []

        def solve(observed: Observed) -> Floats:
            x, variance = self._moments(observed)
            surprise.append(self._surprise(observed))
            return np.stack([x, np.sqrt(variance)])

        loads = noise_like(routing.loads(truth), self.noise, rng)
        x, spread = self._over_blocks(loads, routing, None, 0.0, solve)
        mean = self._fitted_mean()[self._columns(routing)]
        end = labels.as_times(truth["time"].values)[-1]
        return Tried(labels.flat(truth, routing.nodes), x, spread, np.concatenate(surprise), mean, end)

    def _solve(self, observed: Observed) -> Floats:
        mean = self._mean(observed)
        return self._finish(self._condition(observed, mean[None], observed.values), observed)

    def _moments(self, observed: Observed) -> tuple[Floats, Floats]:
        """Estimates and posterior variances of a block, shape (T, flows)."""
        return self._solve(observed), self._posterior_variance(observed)

    def uncertainty(self, observed: Observed) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each demand before its loads are known, (flows,), for :func:`odflow.plan`."""
        return self._mean(observed), np.sqrt(self._spread(observed).variance)

    def _quantiles(self, observed: Observed, p: Floats) -> Floats:
        x, variance = self._moments(observed)
        if self.calibration_ is None:
            return np.stack([_gamma_quantile(q, x, variance) for q in p])
        calibration = self.calibration_.select(self._columns(observed.system.routing))
        return calibration.quantiles(x, np.sqrt(variance), self._surprise(observed), p)

    def _unfinished_draws(self, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """By conditioning draws of the prior on the loads (Matheron's rule)."""
        mean, spread = self._mean(observed), self._spread(observed)
        for _ in range(n):
            common = rng.standard_normal((len(observed), spread.factors.shape[1])) @ spread.factors.T
            own = rng.standard_normal((len(observed), len(mean))) * np.sqrt(spread.own)
            noise = rng.standard_normal(observed.values.shape) * np.sqrt(observed.variance)
            yield self._condition(observed, mean + common + own, observed.values + noise)

    def _finish_draws(self, draws: Floats, observed: Observed) -> Floats:
        return meet_loads(observed, self._lifted(draws, observed), self.sweeps)

    def _finish(self, x: Floats, observed: Observed) -> Floats:
        return meet_exactly(observed, self._lifted(x, observed), self.sweeps, self.most_rows)

    def _lifted(self, x: Floats, observed: Observed) -> Floats:
        mean = self._mean(observed)
        return np.asarray(np.maximum(x, self.floor * (mean + 1e-3 * mean.mean())) * observed.system.carried)

    def _spread(self, observed: Observed) -> Spread:
        columns = self._columns(observed.system.routing)
        if self.spread_ is None:
            raise NotFittedError(f"{type(self).__name__} needs past TMs; call fit(history) or give --history")
        return Spread(self.spread_.factors[columns], self.spread_.own[columns])

    def _condition(self, observed: Observed, start: Floats, values: Floats) -> Floats:
        """Move `start` (T or 1, flows), a mean or draws, onto `values` by the gain of the prior."""
        out = np.broadcast_to(start, (len(values), start.shape[1])).copy()
        for times, gain in self._gains(observed):
            begin = out[times]
            innovation = values[times][:, gain.rows] - (gain.matrix @ begin.T).T
            out[times] = begin + gain.apply(innovation)
        return out

    def _gains(self, observed: Observed) -> Iterator[tuple[NDArray[np.int64], _Gain]]:
        """One gain per pattern of measured rows, with the times it serves."""
        measured = ~np.isnan(observed.values)
        patterns, which = np.unique(measured, axis=0, return_inverse=True)
        A, spread = observed.system.matrix, self._spread(observed)
        loadings = A @ spread.factors
        M = loadings @ loadings.T + (A @ (A * spread.own).T).toarray()
        expected = A @ self._mean(observed)
        for k, pattern in enumerate(patterns):
            times, rows = np.flatnonzero(which.ravel() == k), np.flatnonzero(pattern)
            if not len(rows):
                continue
            error = observed.error if observed.error.ndim == 1 else observed.error[times[0]]
            part = M[np.ix_(rows, rows)]
            # redundant rows make M singular; they agree, so a trace of noise is enough
            trace = 1e-9 * part.diagonal() + 1e-12 * part.diagonal().max() + 1e-300
            part[np.diag_indices_from(part)] += (error * expected)[rows] ** 2 + trace
            yield times, _Gain(rows, csr_array(A[rows]), spread, loadings[rows], cho_factor(part, lower=True))

    def _surprise(self, observed: Observed) -> Floats:
        """Logarithm of the mean square of what loads have that was not expected, whitened; shape (T,)."""
        out = np.zeros(len(observed))
        innovation = observed.values - observed.system.matrix @ self._mean(observed)
        for times, gain in self._gains(observed):
            part = innovation[np.ix_(times, gain.rows)]
            out[times] = (part * cho_solve(gain.factor, part.T).T).mean(axis=1)
        return np.log(np.maximum(out, 1e-12))

    def _posterior_variance(self, observed: Observed) -> Floats:
        spread = self._spread(observed)
        out = np.broadcast_to(spread.variance, (len(observed), len(spread.own))).copy()
        for times, gain in self._gains(observed):
            out[times] = np.maximum(spread.variance - gain.explained(), 1e-6 * spread.variance)
        return out


@dataclass(frozen=True, eq=False)
class _Gain:
    """``C A' (A C A' + N)^-1`` in factored form, for one set of measured rows."""

    rows: NDArray[np.int64]
    matrix: csr_array
    spread: Spread
    loadings: Floats
    factor: tuple[Floats, bool]

    def apply(self, innovation: Floats) -> Floats:
        z = cho_solve(self.factor, innovation.T).T
        return np.asarray((z @ self.loadings) @ self.spread.factors.T + self.spread.own * (self.matrix.T @ z.T).T)

    def explained(self) -> Floats:
        """Variance of each flow that the loads explain, ``diag(C A' M^-1 A C)``."""
        flows, step = len(self.spread.own), 4096
        out = np.empty(flows)
        for start in range(0, flows, step):
            part = slice(start, start + step)
            cross = self.loadings @ self.spread.factors[part].T
            cross += self.matrix[:, part].toarray() * self.spread.own[part]
            out[part] = np.einsum("mf,mf->f", cross, cho_solve(self.factor, cross))
        return out


def _gamma_quantile(q: float, mean: Floats, variance: Floats) -> Floats:
    safe = np.maximum(mean, 1e-300)
    shape = np.maximum(safe**2 / np.maximum(variance, 1e-12 * safe**2), 1e-3)
    return np.asarray(np.where(mean > 0, gamma.ppf(q, shape, scale=safe / shape), 0.0))
