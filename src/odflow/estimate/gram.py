"""Weighted Gram matrices ``R diag(w) R'`` of a sparse R, for many weights at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpstrf
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MAP_ENTRIES = 20_000_000
_BATCH_ENTRIES = 8_000_000
_COLUMNS = 4096
_DEPENDENT = 1e-9  # share of a row that others leave open


class Gram:
    """``R diag(w) R'`` for many weights w, and the quadratic forms that are its adjoint.

    Both are linear; the linear map is built once unless it is too large.

    Parameters
    ----------
    matrix : csr_array, shape (rows, columns)
        R.
    """

    def __init__(self, matrix: csr_array) -> None:
        self.matrix, self.by_column = matrix, csr_array(matrix.T)
        count = np.diff(self.by_column.indptr).astype(np.int64)
        self.linear = gram_map(matrix) if (count**2).sum() <= _MAP_ENTRIES else None
        self._adjoint = None if self.linear is None else self.linear.T

    def __call__(self, weights: Floats) -> Floats:
        """Weights (T, columns) to ``R diag(w) R'``, shape (T, rows, rows)."""
        r = self.matrix.shape[0]
        if self._adjoint is not None:
            return np.asarray((self._adjoint @ weights.T).T.reshape(len(weights), r, r))
        return np.stack([((self.matrix * w) @ self.by_column).toarray() for w in weights])

    def quadratic(self, inner: Floats) -> Floats:
        """Matrices M (T, rows, rows) to ``r_j' M r_j`` of every column of R, shape (T, columns)."""
        if self.linear is not None:
            return np.asarray((self.linear @ inner.reshape(len(inner), -1).T).T)
        return np.concatenate([self._quadratic(inner, part) for part in _columns(self.matrix.shape[1])], axis=1)

    def _quadratic(self, inner: Floats, part: slice) -> Floats:
        some = self.by_column[part]
        return np.stack([np.asarray(some.multiply(some @ one).sum(axis=1)).ravel() for one in inner])


def _columns(count: int) -> Iterator[slice]:
    for start in range(0, count, _COLUMNS):
        yield slice(start, min(start + _COLUMNS, count))


def gram_map(matrix: csr_array) -> csr_array:
    """Sparse map L with ``w @ L`` the flattened ``R diag(w) R'``, shape (columns, rows^2)."""
    by_column = csr_array(matrix.T)
    r = by_column.shape[1]
    count = np.diff(by_column.indptr).astype(np.int64)
    column = np.repeat(np.arange(len(count)), count)
    left = np.repeat(np.arange(by_column.nnz), count[column])
    first = np.repeat(np.cumsum(count[column]) - count[column], count[column])
    right = by_column.indptr[column[left]] + np.arange(len(left)) - first
    flat = by_column.indices[left].astype(np.int64) * r + by_column.indices[right]
    data = by_column.data[left] * by_column.data[right]
    return csr_array((data, (column[left], flat)), shape=(len(count), r * r))


def independent(matrix: csr_array) -> NDArray[np.int64]:
    """Rows of R, rising, of which all others are linear combinations; by Cholesky's method with pivots."""
    size = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    inner = (matrix @ matrix.T).toarray() / np.maximum(np.outer(size, size), np.finfo(float).tiny)
    _, order, rank, _ = dpstrf(inner, tol=_DEPENDENT)
    return np.sort(order[:rank].astype(np.int64) - 1)


def inverses(M: Floats, used: NDArray[np.bool_], trace: float) -> Floats:
    """Inverses of covariances (T, rows, rows) over the rows that are used (T, rows), 0 elsewhere.

    Parameters
    ----------
    M : array, shape (T, rows, rows)
    used : bool array, shape (T, rows)
    trace : float
        Share by which diagonals grow.
    """
    rows, part, scale = _correlations(M, used, trace)
    out = np.zeros_like(M)
    out[:, rows[:, None], rows] = np.linalg.inv(part) * (scale[:, :, None] * scale[:, None, :])
    return out


def solved(M: Floats, used: NDArray[np.bool_], trace: float, values: Floats) -> Floats:
    """The same inverses times values (T, rows), three times quicker."""
    rows, part, scale = _correlations(M, used, trace)
    out = np.zeros_like(values)
    out[:, rows] = np.linalg.solve(part, (scale * values[:, rows])[..., None])[..., 0] * scale
    return out


def _correlations(M: Floats, used: NDArray[np.bool_], trace: float) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Rows that are used at some time, their correlations, and what scales covariances to these, 0 where not used."""
    rows = np.flatnonzero(used.any(axis=0))
    part = M[:, rows[:, None], rows]
    variance = np.maximum(np.einsum("tii->ti", part), np.finfo(float).tiny)
    scale = np.where(used[:, rows], 1 / np.sqrt(variance), 0.0)
    part *= scale[:, :, None]
    part *= scale[:, None, :]
    np.einsum("tii->ti", part)[:] = 1 + trace
    return rows, part, scale


def batches(times: int, rows: int) -> Iterator[slice]:
    """Spans of time whose Gram matrices fit some 64 MB."""
    size = max(1, _BATCH_ENTRIES // max(rows * rows, 1))
    for start in range(0, times, size):
        yield slice(start, min(start + size, times))
