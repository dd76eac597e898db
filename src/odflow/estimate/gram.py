"""Weighted Gram matrices ``R diag(w) R'`` of a sparse R, for many weights at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MAP_ENTRIES = 20_000_000
_BATCH_ENTRIES = 8_000_000


def gram(matrix: csr_array) -> Callable[[Floats], Floats]:
    """Return the function from weights (T, columns) to ``R diag(w) R'``, shape (T, rows, rows).

    The Gram matrix is linear in the weights; the linear map is built once unless it is too large.
    """
    r = matrix.shape[0]
    by_column = csr_array(matrix.T)
    if (np.diff(by_column.indptr).astype(np.int64) ** 2).sum() <= _MAP_ENTRIES:
        linear = gram_map(matrix)
        return lambda weights: np.asarray((linear.T @ weights.T).T.reshape(len(weights), r, r))
    return lambda weights: np.stack([((matrix * w) @ by_column).toarray() for w in weights])


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


def batches(times: int, rows: int) -> Iterator[slice]:
    """Spans of time whose Gram matrices fit some 64 MB."""
    size = max(1, _BATCH_ENTRIES // max(rows * rows, 1))
    for start in range(0, times, size):
        yield slice(start, min(start + size, times))
