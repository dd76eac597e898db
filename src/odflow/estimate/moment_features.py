"""What link loads say about each flow, as numbers that mean the same in every network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from odflow.estimate.load_moments import BANDS, access_correlations
from odflow.estimate.moment_fit import Common, MomentFit, MomentModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.load_moments import LoadMoments

    Floats = NDArray[np.float64]

TRUSTS = (9600.0, 600.0, 100.0)  # of the fits that are compared
MAIN = 1  # of them, the one that is described in full
_TINY = 1e-9
_NONE = 1e-4  # of the mean flow
_TRACE = 1e-6
_BY_FIT, _BY_BAND, _OTHERS = 2, 8, 21
FEATURES = _BY_FIT * len(TRUSTS) + _BY_BAND * BANDS + _OTHERS


def features(part: LoadMoments, fits: Sequence[MomentFit], model: MomentModel, nodes: int) -> Floats:
    """Features of all flows, (flows, FEATURES).

    Logarithms of ratios: how the fits differ from gravity and how far that goes; loads of the path over what gravity
    says, traffic of the ends, leverage and residual of the flow in the covariances of each band, correlation of what
    enters and leaves at its ends, and how much there is to learn from.

    Parameters
    ----------
    part : LoadMoments
    fits : sequence of MomentFit
        One for each of `TRUSTS`.
    model : MomentModel
    nodes : int
    """
    fit, n = fits[MAIN], nodes
    G, m = np.maximum(fit.prior, _TINY), np.maximum(fit.mean, _TINY)
    sent, received = (np.maximum(G.reshape(n, n).sum(axis=axis), _TINY) for axis in (1, 0))
    origin, destination = np.repeat(sent, n), np.tile(received, n)
    plain = origin * destination / received.sum()
    columns = [np.log((one.mean + _NONE / n**2) / (G + _NONE / n**2)).clip(-6, 6) for one in fits]
    columns += [np.log(one.mean * n**2 + _NONE) for one in fits]
    columns += [np.log(G * n**2 + _NONE), np.log(plain / G).clip(-4, 4), *_path(part, plain)]
    least = part.usual().most[0] / part.scale
    columns += [np.log(least / one).clip(-2, 8) for one in (m, G)]
    columns += [np.log(origin * n), np.log(destination * n)]
    columns += [np.log(m / end).clip(-10, 2) for end in (origin, destination)]
    columns += [np.log(end / other).clip(-3, 3) for end, other in _sides(sent, received, n)]
    flows = len(m)
    columns += [np.eye(n).ravel(), (fit.prior > 0).astype(float)]
    correlation = access_correlations(part, n)
    for band in range(BANDS):
        columns += _band(part, band, fits, model, n, correlation)
    change = np.abs(fit.mean - fit.prior).sum()
    columns += [
        np.full(flows, np.log(value or 1.0))
        for value in (part.hours, part.interval_s / 3600, n, part.matrix.shape[0] / n, change + 0.02)
    ]
    out = np.stack(columns, axis=1)
    assert out.shape[1] == FEATURES
    return np.where(np.isfinite(out), out, 0.0)


def _path(part: LoadMoments, plain: Floats) -> list[Floats]:
    """Loads over those of plain gravity on the path of each flow (mean, least, most), and the number of its links."""
    A = part.observed.system.matrix
    off = np.full(A.shape[0], np.nan)
    off[part.links] = np.log(part.mean / np.maximum((A @ plain)[part.links], _TINY)).clip(-3, 3)
    there = np.isfinite(off)
    count = np.maximum(A.T @ there.astype(float), 1.0)
    least, most = np.full(A.shape[1], 3.0), np.full(A.shape[1], -3.0)
    for columns, rows, _ in part.observed.system.entries:
        seen = there[rows]
        least[columns[seen]] = np.minimum(least[columns[seen]], off[rows[seen]])
        most[columns[seen]] = np.maximum(most[columns[seen]], off[rows[seen]])
    return [A.T @ np.nan_to_num(off) / count, least, most, np.log(count)]


def _sides(sent: Floats, received: Floats, n: int) -> list[tuple[Floats, Floats]]:
    """What the origin sends and receives, and what the destination does."""
    return [(np.repeat(sent, n), np.repeat(received, n)), (np.tile(received, n), np.tile(sent, n))]


def _band(
    part: LoadMoments,
    band: int,
    fits: Sequence[MomentFit],
    model: MomentModel,
    n: int,
    correlation: dict[int, Floats],
) -> list[Floats]:
    fit, flows = fits[MAIN], n * n
    if band not in part.bands:
        return [np.zeros(flows)] * _BY_BAND
    variance, leverage, residual = _looked(part, band, fit, model, n)
    square = variance.reshape(n, n)
    expected = square / np.sqrt(np.outer(square.sum(axis=1), square.sum(axis=0)) + 1e-300)
    seen = correlation[band].ravel()
    first = _looked(part, band, fits[0], model, n)
    return [
        fit.deviation[band],
        leverage,
        _ratio(residual, leverage),
        _ratio(first[2], first[1]),
        seen,
        expected.ravel(),
        seen - expected.ravel(),
        (np.log(np.maximum(variance, 1e-300)) / 2 - np.log(np.maximum(fit.mean, _TINY))).clip(-8, 4),
    ]


def _ratio(residual: Floats, leverage: Floats) -> Floats:
    return np.asarray(np.log((residual + _TRACE) / (leverage + _TRACE)).clip(-3, 3))


def _looked(part: LoadMoments, band: int, fit: MomentFit, model: MomentModel, n: int) -> tuple[Floats, Floats, Floats]:
    """Variances of the flows, share of each that the loads see, and the share that they show."""
    variance = np.exp(fit.scales[band, 0] + fit.deviation[band]) * fit.mean**model.power
    M = Common(n).covariance(part, fit.mean, variance, np.exp(fit.scales[band]))
    inverse = np.linalg.inv(M)
    leverage, residual = part.gram.quadratic(np.stack([inverse, inverse @ part.bands[band] @ inverse])) * variance
    return variance, np.maximum(leverage, 0.0), np.maximum(residual, 0.0)
