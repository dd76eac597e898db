"""The mean TM that explains means and covariances of link loads, given how demands vary with their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from odflow.estimate.load_moments import BANDS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from odflow.estimate.load_moments import LoadMoments

    Floats = NDArray[np.float64]

_TIGHT = 300.0  # of the means, in logarithms
_WORTH, _PER_HOUR = 120.0, 2.0  # independent snapshots that a band is taken for, at most
_KINDS = 5  # of variance: each flow's own, of origins, of destinations, of all, noise
_START = np.array([0.0, -6.0, -6.0, -6.0, np.log(1e-5)])
_LEAST, _TINY = 1e-12, 1e-300


@dataclass(frozen=True, eq=False)
class MomentFit:
    """Mean TM and variances that fit the loads.

    Parameters
    ----------
    prior, mean : array, shape (flows,)
        Shares of the traffic: where the search began, and where it ended.
    deviation : array, shape (bands, flows)
        Logarithm of the variance of a flow over what its mean says.
    scales : array, shape (bands, 5)
        Logarithms of the variances of flows of mean 1, of what flows of an origin, of a destination and all have in
        common (relative), and of the noise (relative).
    """

    prior: Floats
    mean: Floats
    deviation: Floats
    scales: Floats


@dataclass(frozen=True)
class MomentModel:
    """How variances go with means.

    Parameters
    ----------
    power : float
        c in ``variance = exp(k + u) mean**c``.
    scatter : float
        Standard deviation of u.
    trust, trust_self : float
        Weight of the relative entropy to the prior TM, for flows between nodes and from a node to itself.
    iterations : int
        Of L-BFGS.
    """

    power: float = 1.5
    scatter: float = 0.8
    trust: float = 600.0
    trust_self: float = 100.0
    iterations: int = 120


def fit_moments(
    parts: Sequence[LoadMoments], prior: Floats, nodes: int, model: MomentModel, start: MomentFit | None = None
) -> MomentFit:
    """Find mean TM m and variances of greatest posterior density.

    Minimises, over m, the deviations u and the scales,

    ``sum_b T/2 (log det M_b + tr(M_b^-1 S_b)) + KL(m || prior) weighted + sum u^2 / (2 scatter^2)
    + 300 sum_l sqrt(y_l) (log (A m)_l - log y_l)^2``, with

    ``M_b = A (diag(exp(k_b + u_b) m^c) + common parts of origins, destinations and all) A' + noise``.

    Parameters
    ----------
    parts : sequence of LoadMoments
        By routing.
    prior : array, shape (flows,)
        Shares of the traffic; 0 stays 0.
    nodes : int
    model : MomentModel
    start : MomentFit, optional
        Of earlier loads, to begin from.

    Notes
    -----
    Covariances of loads as evidence: Vardi, JASA 91, 1996; Cao, Davis, Vander Wiel and Yu, JASA 95, 2000. Here with
    several time scales, with variances that are tied to the means by a law that is not exact, and with common parts.
    """
    if prior.sum() < _LEAST:
        return MomentFit(prior, prior, np.zeros((BANDS, len(prior))), np.zeros((BANDS, _KINDS)))
    search = _Search(parts, np.maximum(prior, _LEAST * prior.max()), nodes, model)
    found = minimize(
        search,
        search.first(start),
        jac=True,
        method="L-BFGS-B",
        bounds=search.bounds(),
        options={"maxiter": model.iterations, "maxfun": 2 * model.iterations},
    )
    theta, deviation, scales = search.split(found.x)
    return MomentFit(prior, np.where(prior > 0, search.prior * np.exp(theta), 0.0), deviation, scales)


class Common:
    """What the flows of an origin, of a destination, and all flows have in common."""

    def __init__(self, nodes: int) -> None:
        every = np.arange(nodes * nodes)
        self.ends = every // nodes, every % nodes
        self.members = [np.equal.outer(end, np.arange(nodes)).astype(float) for end in self.ends]

    def loads(self, A: csr_array, m: Floats) -> list[Floats]:
        """Of means m (flows,), the loads by origin, by destination and of all: (L, nodes), (L, nodes), (L, 1)."""
        return [np.asarray((A * m) @ members) for members in self.members] + [(A @ m)[:, None]]

    def covariance(self, part: LoadMoments, m: Floats, variance: Floats, k: Floats) -> Floats:
        """M of a band (L, L), for means and own variances of the flows, and the five scales k."""
        return _covariance(part, variance, k, self.loads(part.matrix, m))


def _covariance(part: LoadMoments, variance: Floats, k: Floats, common: Sequence[Floats]) -> Floats:
    M = part.gram(variance[None])[0]
    for size, V in zip(k[1:4], common, strict=True):
        M += size * V @ V.T
    M[np.diag_indices_from(M)] += k[4] * part.expected**2
    M[np.diag_indices_from(M)] *= 1 + 1e-8
    return M


class _Search:
    def __init__(self, parts: Sequence[LoadMoments], prior: Floats, nodes: int, model: MomentModel) -> None:
        self.parts, self.prior, self.nodes, self.model = parts, prior, nodes, model
        self.flows = len(prior)
        same = np.eye(nodes, dtype=bool).ravel()
        self.trust = np.where(same, model.trust_self, model.trust)
        self.common = Common(nodes)
        self.measured = [part.observed.system.matrix[part.links] for part in parts]
        hours = np.array([part.hours for part in parts])
        self.worth = hours * min(_PER_HOUR, _WORTH / hours.sum())

    def split(self, p: Floats) -> tuple[Floats, Floats, Floats]:
        theta, deviation = p[: self.flows], p[self.flows : (1 + BANDS) * self.flows]
        return theta, deviation.reshape(BANDS, -1), p[(1 + BANDS) * self.flows :].reshape(BANDS, _KINDS)

    def bounds(self) -> list[tuple[float, float]]:
        kinds = [(-40.0, 5.0), *[(-20.0, 3.0)] * 3, (-30.0, 0.0)]
        return [*[(-8.0, 8.0)] * self.flows, *[(-6.0, 6.0)] * (BANDS * self.flows), *kinds * BANDS]

    def first(self, start: MomentFit | None) -> Floats:
        if start is not None and len(start.mean) == self.flows:
            theta = np.clip(np.log(np.maximum(start.mean, _TINY) / self.prior), -8, 8)
            return np.concatenate([theta, start.deviation.ravel(), start.scales.ravel()])
        scales = np.tile(_START, (BANDS, 1))
        for part in self.parts:
            own = np.trace(part.gram(self.prior[None] ** self.model.power)[0])
            for band, S in part.bands.items():
                scales[band, 0] = np.log(np.trace(S) / own) - 0.5
        return np.concatenate([np.zeros((1 + BANDS) * self.flows), scales.ravel()])

    def __call__(self, p: Floats) -> tuple[float, Floats]:
        theta, u, scales = self.split(p)
        m = self.prior * np.exp(theta)
        by_mean, by_u, by_scale = np.zeros(self.flows), u / self.model.scatter**2, np.zeros_like(scales)
        value = float((self.trust * (m * theta - m + self.prior)).sum() + (u * by_u).sum() / 2)
        by_mean += self.trust * m * theta
        for part, A, worth in zip(self.parts, self.measured, self.worth, strict=True):
            value += self._means(part, A, m, by_mean)
            value += self._bands(part, worth, m, u, scales, (by_mean, by_u, by_scale))
        return value, np.concatenate([by_mean, by_u.ravel(), by_scale.ravel()])

    def _means(self, part: LoadMoments, A: csr_array, m: Floats, by_mean: Floats) -> float:
        load = np.maximum(A @ m, _TINY)
        weight, off = _TIGHT * np.sqrt(part.mean), np.log(load / part.mean)
        by_mean += m * (A.T @ (2 * weight * off / load))
        return float((weight * off**2).sum())

    def _bands(
        self,
        part: LoadMoments,
        worth: float,
        m: Floats,
        u: Floats,
        scales: Floats,
        gradients: tuple[Floats, Floats, Floats],
    ) -> float:
        """Minus log likelihood of the covariances of a part; adds to the gradients by theta, u and scales."""
        by_mean, by_u, by_scale = gradients
        A, ends = part.matrix, self.common.ends
        common = self.common.loads(A, m)
        noise, own, value = part.expected**2, m**self.model.power, 0.0
        for band, S in part.bands.items():
            k = np.exp(scales[band])
            variance = np.exp(scales[band, 0] + u[band]) * own
            M = _covariance(part, variance, k, common)
            inverse = np.linalg.inv(M)
            explained = inverse @ S
            value += worth / 2 * (np.linalg.slogdet(M)[1] + np.trace(explained))
            G = np.asarray(worth / 2 * (inverse - explained @ inverse), dtype=np.float64)
            by_own = part.gram.quadratic(G[None])[0] * variance
            by_u[band] += by_own
            by_mean += self.model.power * by_own
            by_scale[band, 0] += by_own.sum()
            for kind, V in enumerate(common, start=1):
                GV = G @ V
                by_scale[band, kind] += k[kind] * (V * GV).sum()
                back = A.T @ GV
                some = back[:, 0] if kind == 3 else back[np.arange(self.flows), ends[kind - 1]]
                by_mean += 2 * k[kind] * m * some
            by_scale[band, 4] += k[4] * (noise * G.diagonal()).sum()
        return value
