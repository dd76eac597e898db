"""Posterior of the TM with heavy tails: a scale of its own for each flow and snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from odflow.errors import UsageError
from odflow.estimate.checks import check_counts
from odflow.estimate.gaussian import GaussianPosterior
from odflow.estimate.gram import batches, inverses, solved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.observe import Observed
    from odflow.estimate.priors import Spread

    Floats = NDArray[np.float64]

_MOST = 1e4  # scale
_TRACE = 1e-12  # by which diagonals of covariances grow
_BURN_IN = 10
_COLUMNS = 4096


@dataclass(frozen=True, eq=False)
class Looked:
    """What a :class:`StudentTPosterior` makes of a block.

    Parameters
    ----------
    estimate, variance : array, shape (T, flows)
    scale : array, shape (T, flows)
        tau of each flow and snapshot.
    """

    estimate: Floats
    variance: Floats
    scale: Floats


@dataclass(kw_only=True, eq=False)
class StudentTPosterior(GaussianPosterior):
    """Student-t prior from recent history, conditioned on the loads, kept non-negative and projected.

    As :class:`GaussianPosterior`, but the part of a flow that is its own may now and then be far from its mean:
    ``x = mu + F c + sqrt(tau v) e`` with common factors F, own variances v, c and e standard normal, and a scale tau
    for each flow and snapshot, 1/tau ~ Gamma(freedom/2, freedom/2); e's marginal is then a Student-t. A flow with a
    spike takes up the links' surplus instead of spreading it over all flows that share them. The scales are
    found by expectation maximisation: given them the posterior is normal, and
    ``tau = (freedom + E[own part^2] / v) / (freedom + 1)``.

    Parameters
    ----------
    freedom : float
        Degrees of freedom; the tails of :class:`GaussianPosterior` are those of infinitely many.
    rounds : int
        Of expectation maximisation.

    Notes
    -----
    Lange, Little and Taylor, "Robust statistical modeling using the t distribution", JASA 84, 1989; West, "On scale
    mixtures of normal distributions", Biometrika 74, 1987, section 3, for the draws. The other constants are those of
    the Gaussian; freedom and rounds by the same back-tests: 0.182 on Abilene, 0.186 on GEANT.
    """

    freedom: float = 3.0
    rounds: int = 3

    most_rows: ClassVar[int] = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(rounds=self.rounds)
        if not self.freedom > 0:
            raise UsageError(f"freedom is {self.freedom}, expected more than 0")

    def looked(self, observed: Observed) -> Looked:
        """Estimates of a block with their variances and the scales that were found."""
        parts = []
        for mixture in self._mixtures(observed):
            own = self._own(mixture)
            inverse = mixture.inverse(own)
            parts.append((mixture.moved(own, _times(inverse, mixture.innovation)), mixture.variance(own, inverse), own))
        moved, variance, own = (np.concatenate(part) for part in zip(*parts, strict=True))
        mean = self._mean(observed)
        least = np.maximum(self._spread(observed).own, np.finfo(float).tiny)
        return Looked(self._finish(mean + moved, observed), variance, own / least)

    def _solve(self, observed: Observed) -> Floats:
        parts = []
        for mixture in self._mixtures(observed):
            own = self._own(mixture)
            parts.append(mixture.moved(own, mixture.explained(own, mixture.innovation)))
        mean = self._mean(observed)
        return self._finish(mean + np.concatenate(parts), observed)

    def _moments(self, observed: Observed) -> tuple[Floats, Floats]:
        looked = self.looked(observed)
        return looked.estimate, looked.variance

    def _unfinished_draws(self, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Gibbs sampling, in turn of flows given their scales and of scales given the flows."""
        mean, mixtures = self._mean(observed), list(self._mixtures(observed))
        owns = [self._own(mixture) for mixture in mixtures]
        for k in range(_BURN_IN + n):
            drawn = []
            for i, mixture in enumerate(mixtures):
                deviation, part = mixture.draw(owns[i], rng)
                chi2 = rng.chisquare(self.freedom + 1, part.shape)
                owns[i] = (self.freedom * mixture.spread.own + part**2) / chi2
                drawn.append(deviation)
            if k >= _BURN_IN:
                yield mean + np.concatenate(drawn)

    def _mixtures(self, observed: Observed) -> Iterator[_Mixture]:
        mean, spread, A = self._mean(observed), self._spread(observed), observed.system.matrix
        expected, loadings = A @ mean, A @ spread.factors
        for span in batches(len(observed), A.shape[0]):
            some = observed.span(span)
            yield _Mixture(some, spread, loadings, some.values - expected, (some.error * expected) ** 2)

    def _own(self, mixture: _Mixture) -> Floats:
        """Variances tau v, shape (T, flows)."""
        v = mixture.spread.own
        least = np.maximum(v, np.finfo(float).tiny)
        own = np.broadcast_to(v, (len(mixture.innovation), len(v)))
        for _ in range(self.rounds):
            part, left = mixture.own_part(own)
            own = v * np.minimum((self.freedom + (part**2 + left) / least) / (self.freedom + 1), _MOST)
        return own


@dataclass(frozen=True, eq=False)
class _Mixture:
    """Some snapshots, of which the flows are normal once the variances `own` (T, flows) are given.

    Parameters
    ----------
    observed : Observed
    spread : Spread
        Before the loads are known, with scales of 1.
    loadings : array, shape (rows, k)
        What the factors add to the loads.
    innovation : array, shape (T, rows)
        Measured less expected loads; NaN = not measured.
    noise : array, shape (T, rows) or (rows,)
        Variance.
    """

    observed: Observed
    spread: Spread
    loadings: Floats
    innovation: Floats
    noise: Floats

    def inverse(self, own: Floats) -> Floats:
        """Inverse covariance of the loads, (T, rows, rows); zero where they are not used."""
        return inverses(self._covariance(own), self.observed.used, _TRACE)

    def explained(self, own: Floats, innovation: Floats) -> Floats:
        """The inverse covariance times innovations, (T, rows)."""
        return solved(self._covariance(own), self.observed.used, _TRACE, np.nan_to_num(innovation))

    def _covariance(self, own: Floats) -> Floats:
        M = self.observed.system.gram(own) + self.loadings @ self.loadings.T
        np.einsum("tii->ti", M)[:] += self.noise
        return M

    def own_part(self, own: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of each flow's own part, given the loads."""
        inverse = self.inverse(own)
        part = own * self._seen(_times(inverse, self.innovation))
        return part, np.maximum(own - own**2 * self.observed.system.gram.quadratic(inverse), 0.0)

    def moved(self, own: Floats, z: Floats) -> Floats:
        """By how much the loads, with this inverse covariance times innovation, move the flows from their mean."""
        return own * self._seen(z) + self._common(z)

    def draw(self, own: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """A draw from the posterior, less the mean, and what of it is the flows' own (Matheron's rule)."""
        common = rng.standard_normal((len(own), self.spread.factors.shape[1])) @ self.spread.factors.T
        part = rng.standard_normal(own.shape) * np.sqrt(own)
        noise = rng.standard_normal(self.innovation.shape) * np.sqrt(self.noise)
        A = self.observed.system.matrix
        z = self.explained(own, self.innovation - (A @ (common + part).T).T - noise)
        part = part + own * self._seen(z)
        return part + common + self._common(z), part

    def variance(self, own: Floats, inverse: Floats) -> Floats:
        """Of each flow given the loads, of this inverse covariance."""
        before = (self.spread.factors**2).sum(axis=1) + own
        out, A = np.empty_like(before), self.observed.system.matrix
        for start in range(0, out.shape[1], _COLUMNS):
            some = slice(start, start + _COLUMNS)
            common, matrix = self.loadings @ self.spread.factors[some].T, A[:, some].toarray()
            for t in range(len(out)):
                cross = common + matrix * own[t, some]
                out[t, some] = before[t, some] - np.einsum("mf,mf->f", cross, inverse[t] @ cross)
        return np.maximum(out, 1e-6 * before)

    def _seen(self, z: Floats) -> Floats:
        return np.asarray((self.observed.system.transposed @ z.T).T)

    def _common(self, z: Floats) -> Floats:
        return np.asarray((z @ self.loadings) @ self.spread.factors.T)


def _times(inverse: Floats, innovation: Floats) -> Floats:
    return np.asarray(np.einsum("tij,tj->ti", inverse, np.nan_to_num(innovation)))
