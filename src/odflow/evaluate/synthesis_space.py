"""The space in which sets of TMs are compared: principal axes of standardised flows, and distances in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.integer]

NEGLIGIBLE = 1e-3  # of the mean demand
_BLOCK = 1 << 22  # distances held at once


@dataclass(frozen=True, eq=False)
class Space:
    """Principal axes of TMs whose flows were standardised.

    Parameters
    ----------
    mean, scale : ndarray (flows,)
        bit/s.
    axes : ndarray (flows, k)
        Orthonormal, by decreasing variance.
    shares : ndarray (k,)
        Part of the standardised variance along each axis.
    """

    mean: Floats
    scale: Floats
    axes: Floats
    shares: Floats

    def __call__(self, tms: ArrayLike) -> Floats:
        """Coordinates of TMs (n, flows), shape (n, k)."""
        return np.asarray(((checked(tms) - self.mean) / self.scale) @ self.axes)


def fit_space(real: ArrayLike, *, share: float = 0.95, most: int = 50) -> Space:
    """Principal component analysis of real TMs, each flow divided by its standard deviation first.

    Standard deviations count as at least 0.1 % of the mean demand: otherwise flows that are as good as
    empty (5 % of GEANT's, with a millionth of the traffic) decide on every distance.

    Parameters
    ----------
    real : array-like (n, flows)
        bit/s.
    share : float
        As many axes as it takes for this part of the variance,
    most : int
        but not more than these.

    Raises
    ------
    DataError
        If the TMs are not all measured, or none of them varies.
    """
    x = checked(real)
    varies = np.ptp(x, axis=0) > 0
    if not varies.any():
        raise DataError("the real TMs are all the same; there is nothing to compare")
    mean = x.mean(axis=0)
    scale = np.maximum(x.std(axis=0), NEGLIGIBLE * mean.mean())
    z = np.where(varies, (x - mean) / scale, 0.0)
    value, vector = np.linalg.eigh(z.T @ z / len(z))
    value, vector = np.maximum(value[::-1], 0.0), vector[:, ::-1]
    shares = value / value.sum()
    count = min(int(np.searchsorted(np.cumsum(shares), share)) + 1, most, int((shares > 1e-12).sum()))
    return Space(mean, scale, np.ascontiguousarray(vector[:, :count]), shares[:count])


def squares(a: Floats, b: Floats) -> Floats:
    """Squared Euclidean distances between the rows of two arrays, shape (len(a), len(b))."""
    products = a @ b.T
    products *= -2.0
    products += (a**2).sum(axis=1)[:, None]
    products += (b**2).sum(axis=1)
    return np.asarray(np.maximum(products, 0.0, out=products))


def nearest(train: Floats, points: Floats, groups: tuple[Ints, Ints] | None = None) -> Floats:
    """Distance of each point to the nearest row of `train`.

    Parameters
    ----------
    train : ndarray (N, k)
    points : ndarray (n, k)
    groups : (ints (N,), ints (n,)), optional
        Rows of a point's own group do not count, such as those of the same day.

    Returns
    -------
    ndarray (n,)

    Raises
    ------
    DataError
        If a point has no row of another group.
    """
    found = np.empty(len(points))
    for block in _blocks(len(points), len(train)):
        distance = squares(points[block], train)
        if groups is not None:
            distance[groups[1][block, None] == groups[0]] = np.inf
        found[block] = distance.min(axis=1)
    if np.isinf(found).any():
        raise DataError("all training TMs are of the same day as a real TM; the history is too short to compare with")
    return np.sqrt(found)


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    size = max(_BLOCK // max(columns, 1), 1)
    for start in range(0, rows, size):
        yield slice(start, start + size)


def checked(tms: ArrayLike, what: str = "TMs") -> Floats:
    """TMs as floats, shape (n, flows).

    Raises
    ------
    DataError
        If they are of another shape, empty, or not all measured.
    """
    x = np.asarray(tms, dtype=float)
    if x.ndim != 2 or not x.size:
        raise DataError(f"{what} of shape {x.shape} cannot be compared; expected (n, flows), none of them 0")
    if not np.isfinite(x).all():
        raise DataError(f"{what} hold values that are not measured; leave such intervals out first")
    return x


def pair(real: ArrayLike, synthetic: ArrayLike) -> tuple[Floats, Floats]:
    """Both sets, checked; raises ``DataError`` if they do not have the same flows."""
    a, b = checked(real, "real TMs"), checked(synthetic, "synthetic TMs")
    if a.shape[1] != b.shape[1]:
        raise DataError(f"real TMs have {a.shape[1]} flows and synthetic ones {b.shape[1]}; compare the same nodes")
    return a, b
