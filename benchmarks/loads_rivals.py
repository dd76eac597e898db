"""What others made of link loads alone, as means of the TM: iterated projection, Vardi 1996, Cao et al. 2000."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from odflow.estimate.meet import meet_loads
from odflow.estimate.moments import MomentPosterior, apart
from odflow.estimate.observe import Observed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from odflow.estimate.load_moments import LoadMoments
    from odflow.estimate.moment_fit import MomentFit

    Floats = NDArray[np.float64]
    Mean = Callable[[LoadMoments, Floats], Floats]

_ROUNDS, _STEPS, _ITERATIONS = 6, 500, 300
_TINY = 1e-12
_WHOLE = 2  # the band of all that loads do beyond the common level


@dataclass(kw_only=True, eq=False)
class MeanThenKL(MomentPosterior):
    """A mean TM from the moments of the loads, and its projection onto the loads of each snapshot.

    Parameters
    ----------
    how : callable
        From moments and gravity, in shares of the traffic, to the mean in the same shares.
    """

    how: Mean = field(default=lambda part, prior: prior)

    def _learn(
        self,
        parts: Sequence[LoadMoments],
        priors: Sequence[Floats],
        prior: Floats,
        nodes: int,
        start: MomentFit | None,
    ) -> tuple[Floats, tuple[float, ...]]:
        means = [self.how(part, own) for part, own in zip(parts, priors, strict=True)]
        mean = np.asarray(np.mean(means, axis=0))
        return mean, (apart(mean, prior),)

    def _solve(self, observed: Observed) -> Floats:
        return meet_loads(observed, np.tile(self._mean(observed), (len(observed), 1)), self.sweeps)


def iterated(part: LoadMoments, prior: Floats) -> Floats:
    """The mean of the projections of the last round's mean onto each snapshot, six times from gravity."""
    mean = prior
    for _ in range(_ROUNDS):
        met = meet_loads(part.observed, np.tile(mean * part.scale, (len(part.observed), 1)), sweeps=20)
        mean = np.nanmean(met, axis=0) / part.scale
    return mean


def vardi(part: LoadMoments, prior: Floats) -> Floats:
    """Vardi's moment estimator for Poisson demands: ``mean = A m``, ``cov = A diag(phi m) A'``, by EM steps.

    Traffic in bit/s is not a count: its unit phi is such that the variances add up. Negative covariances are left out,
    as he says.

    Notes
    -----
    Vardi, "Network tomography: estimating source-destination traffic intensities from link data", JASA 91, 1996,
    section 4.
    """
    A = part.matrix
    first, second = np.triu_indices(A.shape[0])
    B = A[first].multiply(A[second]).tocsr()
    S = part.bands[_WHOLE][first, second]
    some = (S > 0) & (np.diff(B.indptr) > 0)
    B, S = B[some], S[some]
    S = S * ((B @ prior).sum() / S.sum())  # in units of phi
    mean = np.maximum(prior, _TINY)
    reach = np.asarray(A.sum(axis=0)).ravel() + np.asarray(B.sum(axis=0)).ravel()
    for _ in range(_STEPS):
        back = A.T @ (part.expected / np.maximum(A @ mean, _TINY)) + B.T @ (S / np.maximum(B @ mean, _TINY))
        mean = mean * back / np.maximum(reach, _TINY)
    return np.where(prior > 0, mean, 0.0)


def cao(part: LoadMoments, prior: Floats, power: float = 2.0) -> Floats:
    """Cao's model: demands normal with variance ``phi m^c``, by greatest likelihood from gravity; c = 2 as they found.

    Notes
    -----
    Cao, Davis, Vander Wiel and Yu, "Time-varying network tomography: router link data", JASA 95, 2000. They maximise
    by EM over a moving window; here by L-BFGS over the whole time, of loads without their common level.
    """
    A, y, S, T = part.matrix, part.expected, part.bands[_WHOLE], len(part.level)
    start = np.maximum(prior, _TINY)

    def loss(p: Floats) -> tuple[float, Floats]:
        mean, phi = start * np.exp(p[:-1]), np.exp(p[-1])
        variance = phi * mean**power
        M = part.gram(variance[None])[0]
        M[np.diag_indices_from(M)] *= 1 + 1e-6
        inverse, off = np.linalg.inv(M), y - A @ mean
        z = inverse @ off
        explained = inverse @ S
        value = T / 2 * (np.linalg.slogdet(M)[1] + np.trace(explained) + off @ z)
        G = np.asarray(T / 2 * (inverse - explained @ inverse - np.outer(z, z)), dtype=np.float64)
        by_variance = part.gram.quadratic(G[None])[0] * variance
        by_mean = power * by_variance - T * mean * (A.T @ z)
        return float(value), np.append(by_mean, by_variance.sum())

    own = np.trace(part.gram((start**power)[None])[0])
    first = np.append(np.zeros(len(start)), np.log(np.trace(S) / own))
    bounds = [(-8.0, 8.0)] * len(start) + [(-20.0, 20.0)]
    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ITERATIONS})
    return np.where(prior > 0, start * np.exp(found.x[:-1]), 0.0)


RIVALS: dict[str, Mean] = {"iterated KL": iterated, "Vardi 1996": vardi, "Cao et al. 2000": cao}
