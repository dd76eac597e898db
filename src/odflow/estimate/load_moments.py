"""First and second moments of link loads over time, at several time scales."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.sparse import csr_array
from scipy.special import chdtri

from odflow.estimate.gram import Gram, independent
from odflow.estimate.observe import Observed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

HOURS = (1.0, 6.0)  # what is faster than the first, what is between them, and all, are bands
BANDS = len(HOURS) + 1
_FREEDOM, _ROUNDS = 4.0, 20  # of the Student-t that outliers are told by
_PER_ROW = 2  # draws, to tell a whole scatter
_CAUTION, _DRAWS = 0.1, 3  # on the diagonal of one of fewer; times that it is improved
_MEDIAN = 0.6745  # of the absolute value of a standard normal variable
_OUTLIER, _FAR = 0.1, 10.0  # weight; times the median traffic
_CLIP = 5.0  # standard deviations
_AGAIN = 2  # rounds of means without outliers
_TRACE = 1e-6  # of the mean variance, on diagonals
_LEAST = 0.5  # share of the time that a counter has to be there
_FEWEST = 8  # intervals, to see covariances
_DEAD = 1e-9  # of the mean load


@dataclass(frozen=True, eq=False)
class LoadMoments:
    """Of the loads under one routing, in shares of the mean traffic of all.

    Parameters
    ----------
    observed : Observed
        The loads.
    level : array, shape (T,)
        Traffic of each snapshot over the mean.
    hours : float
        Of loads.
    interval_s : float
    scale : float
        Mean traffic, bit/s.
    links : int array
        Rows whose means are known and not 0.
    mean : array, shape (len(links),)
    matrix : csr_array, shape (L, flows)
        Those of the rows that do not follow from others.
    expected : array, shape (L,)
        Their means.
    bands : dict of int to array (L, L)
        Covariance of what the rows do beyond the common level, by number of the band.
    gram : Gram
        Of the matrix.
    """

    observed: Observed
    level: Floats
    hours: float
    interval_s: float
    scale: float
    links: Ints
    mean: Floats
    matrix: csr_array
    expected: Floats
    bands: dict[int, Floats]
    gram: Gram

    @staticmethod
    def of(observed: Observed, interval_s: float) -> LoadMoments:
        """Look at the loads of a routing; of very few there are no bands."""
        there, system = np.isfinite(observed.values), observed.system
        if (observed.values > 0).any():
            there &= (observed.values > 0).any(axis=1, keepdims=True)  # times without any traffic tell nothing
        values, some, seen = np.where(there, observed.values, 0.0), _plausible(observed), np.asarray(there.any(axis=1))
        mean = _mean(values, there, some, np.ones(len(values)))
        live, share = there.any(axis=0) & (mean > _DEAD * mean.max(initial=0.0)), there.sum(axis=0) / max(seen.sum(), 1)
        known = np.flatnonzero(live & (share >= _LEAST))
        rows, links = known[independent(system.matrix[known])], np.flatnonzero(live)
        many = seen.sum() >= _FEWEST

        def beyond(level: Floats) -> Floats:
            z = np.zeros((len(values), len(rows)))
            z[seen] = completed((values - level[:, None] * mean)[seen][:, rows], there[seen][:, rows])
            return z

        for _ in range(_AGAIN if many else 0):
            level = level_of(observed, mean)
            some = seen.copy()
            some[seen] = robust_covariance(beyond(level)[seen])[1] >= _OUTLIER
            mean = _mean(values, there, some, level)
        level, scale = level_of(observed, mean), _traffic(observed, mean)
        z = beyond(level) / scale
        z[~some] = 0.0  # outliers, not to be smeared over their neighbours
        bands = {k: robust_covariance(band[seen])[0] for k, band in _bands(z, interval_s).items()} if many else {}
        matrix = csr_array(system.matrix[rows])
        hours = seen.sum() * interval_s / 3600
        return LoadMoments(
            *(observed, level, hours, interval_s, scale, links, mean[links] / scale),
            *(matrix, mean[rows] / scale, bands, Gram(matrix)),
        )

    @property
    def fluctuation(self) -> float:
        """What the loads do beyond the common level, relative to their means; 0 where that is not known."""
        whole = self.bands.get(len(HOURS))
        if whole is None or not self.expected.sum() > 0:
            return 0.0
        return float(np.sqrt(np.maximum(whole.diagonal(), 0.0)).sum() / self.expected.sum())

    def usual(self) -> Observed:
        """The mean loads as a snapshot."""
        values = np.full(self.observed.values.shape[1], np.nan)
        values[self.links] = self.mean * self.scale
        error = self.observed.error if self.observed.error.ndim == 1 else self.observed.error.mean(axis=0)
        return Observed(self.observed.system, values[None], error, self.observed.time[:1])


def access_correlations(part: LoadMoments, nodes: int) -> dict[int, Floats]:
    """Correlations (nodes, nodes) of what enters at a node with what leaves at another, by band; 0 where not known.

    Of what both do beyond the common level; far values count less.
    """
    values = part.observed.values
    mean, seen = np.zeros(values.shape[1]), (values > 0).any(axis=1)
    mean[part.links] = part.mean
    seen |= not seen.any()
    z = np.nan_to_num(values / part.scale - part.level[:, None] * mean)
    z[~seen], z[:, mean <= 0] = 0.0, 0.0
    out = {}
    for band, whole in _bands(z, part.interval_s).items():
        beyond = whole[seen]
        spread = np.median(np.abs(beyond), axis=0) / _MEDIAN
        x = np.clip(beyond, -_CLIP * spread, _CLIP * spread)
        x = np.column_stack([x / np.sqrt(np.maximum((x * x).sum(axis=0), np.finfo(float).tiny)), np.zeros(len(x))])
        into, leaving = part.observed.system.access  # -1, the last column, where there is none
        out[band] = x[:, into].T @ x[:, leaving]
    return out


def completed(z: Floats, there: NDArray[np.bool_]) -> Floats:
    """Deviations (T, rows) of the loads, where they are missing a draw of what the others let expect.

    Their mean would not do: many times that all lie in a subspace would seem to be the rule, and the others outliers.
    """
    if there.all():
        return z
    whole = there.all(axis=1)
    if whole.sum() > _PER_ROW * z.shape[1]:
        return _drawn(z, there, _covariance(z[whole]))
    known = np.where(there, z, 0.0) / np.sqrt(np.maximum(there.mean(axis=0), np.finfo(float).eps))
    S = _raised(known.T @ known / len(z))
    S[np.diag_indices_from(S)] *= 1 + _CAUTION
    for _ in range(_DRAWS):
        S = _covariance(_drawn(z, there, S))
    return _drawn(z, there, S)


def _covariance(z: Floats) -> Floats:
    """Of the bulk: the robust scatter, as great as half of the draws have it if they are normal."""
    S = robust_covariance(z)[0]
    distance = np.einsum("ti,ti->t", z, np.linalg.solve(S, z.T).T)
    return np.asarray(S * np.median(distance) / chdtri(z.shape[1], 0.5))


def _drawn(z: Floats, there: NDArray[np.bool_], S: Floats) -> Floats:
    """What is missing drawn from a normal distribution of covariance S, given what is there."""
    rng, out = np.random.default_rng(0), z.copy()
    patterns, kind = np.unique(there, axis=0, return_inverse=True)
    for k, known in enumerate(patterns):
        times, cross = np.flatnonzero(kind.ravel() == k), S[np.ix_(known, ~known)]
        told = np.linalg.solve(S[np.ix_(known, known)], cross)
        size, axes = np.linalg.eigh(S[np.ix_(~known, ~known)] - cross.T @ told)
        chance = rng.standard_normal((len(times), len(size))) * np.sqrt(np.maximum(size, 0.0)) @ axes.T
        out[np.ix_(times, ~known)] = z[np.ix_(times, known)] @ told + chance
    return out


def _mean(values: Floats, there: NDArray[np.bool_], some: NDArray[np.bool_], level: Floats) -> Floats:
    """Means over some of the time, the same for all links, so that means fit each other.

    Of a link that is missing at times, as the level of traffic has it.
    """
    expected = (there[some] * level[some, None]).sum(axis=0)
    usual = level[some & there.any(axis=1)].mean() if expected.any() else 0.0
    return np.divide(values[some].sum(axis=0) * usual, expected, out=np.zeros(values.shape[1]), where=expected > 0)


def _plausible(observed: Observed) -> NDArray[np.bool_]:
    """Whether a snapshot does not have far more traffic than most, (T,)."""
    return level_of(observed, np.nan_to_num(_median(observed.values))) < _FAR


def _median(values: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # links never measured
        return np.asarray(np.nanmedian(values, axis=0))


def level_of(observed: Observed, usual: Floats) -> Floats:
    """Traffic of each snapshot over what is usual, (T,): loads of access links over their usual ones, (rows,).

    Of all links where no access link is measured, 1 where none is.
    """
    into = observed.system.access[0]
    level = _ratio(observed.values[:, into[into >= 0]], usual[into[into >= 0]])
    level = np.where(level > 0, level, _ratio(observed.values, usual))
    return np.asarray(np.where(level > 0, level, 1.0))


def _ratio(values: Floats, usual: Floats) -> Floats:
    there = np.isfinite(values)
    expected = (there * usual).sum(axis=1)
    return np.divide(np.where(there, values, 0.0).sum(axis=1), expected, out=np.zeros(len(values)), where=expected > 0)


def _traffic(observed: Observed, mean: Floats) -> float:
    """Mean traffic of all, bit/s; where a node's access links are not measured, of all loads."""
    into, out = observed.system.access
    for rows in (into, out):
        if (rows >= 0).all() and np.isfinite(observed.values[:, rows]).any(axis=0).all() and mean[rows].sum() > 0:
            return float(mean[rows].sum())
    return float(mean.sum()) or 1.0


def _bands(z: Floats, interval_s: float) -> dict[int, Floats]:
    """Deviations (T, rows) by time scale, from the fastest; scales shorter than two intervals are left out."""
    out, rest = {}, z
    for k, hours in enumerate(HOURS):
        width = round(hours * 3600 / interval_s)
        if 2 <= width < len(z):
            smooth = uniform_filter1d(z, width, axis=0, mode="nearest")
            out[k], rest = rest - smooth, smooth
    return {**out, len(HOURS): z}


def robust_covariance(z: Floats) -> tuple[Floats, Floats]:
    """Scatter of a Student-t with mean 0, by expectation maximisation, from draws (T, rows); and what each draw weighs.

    Notes
    -----
    Lange, Little and Taylor, "Robust statistical modeling using the t distribution", JASA 84, 1989.
    """
    count, rows = z.shape
    if not rows:
        return np.zeros((0, 0)), np.ones(count)
    S, weight = _raised(z.T @ z / count), np.ones(count)
    for _ in range(_ROUNDS if count > _PER_ROW * rows else 0):
        distance = np.einsum("ti,ti->t", z, np.linalg.solve(S, z.T).T)
        weight = (_FREEDOM + rows) / (_FREEDOM + distance)
        S = _raised((z * weight[:, None]).T @ z / weight.sum())
    if count > _PER_ROW * rows:
        return S, weight
    # too few draws to tell a whole scatter: each row by its own
    own = np.maximum(np.median(np.abs(z), axis=0) / _MEDIAN, np.finfo(float).tiny)
    weight = (_FREEDOM + 1) / (_FREEDOM + np.median((z / own) ** 2, axis=1) / _MEDIAN**2)
    return _raised((z * weight[:, None]).T @ z / weight.sum()), weight


def _raised(S: Floats) -> Floats:
    S[np.diag_indices_from(S)] += _TRACE * (S.diagonal() + S.trace() / len(S)) + 1e-300
    return S
