"""KL projection of a prior TM onto link loads, exactly or within their noise.

Minimises ``KL(x || p) / phi + sum_i (y_i - A_i x)^2 / (2 var_i)`` over x >= 0 by cyclic dual
coordinate ascent. Rows with ``var_i = 0`` are hard constraints; for them, and 0/1 rows, a step is
that of iterative proportional fitting; fractional rows take a MART step (Censor & Zenios, "Parallel
Optimization", 1997, section 6.6). For noisy 0/1 rows the step is solved exactly by the Wright omega
function. ``phi`` (bit/s) is the dispersion of the prior: variance of x_j = phi * p_j.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.special import wrightomega

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CHECK_EVERY = 5
_BLOCK_BYTES = 4_000_000


@dataclass(frozen=True)
class Row:
    """One row of A for the projection: which flows, at which fractions.

    ``flows`` is a slice where the row is an arithmetic progression of 0/1 entries (access rows
    are), so that no copy is needed. Entries are scaled by ``scale`` so that the largest is 1.
    """

    flows: slice | NDArray[np.int64]
    fractions: Floats
    groups: tuple[tuple[float, slice], ...]
    scale: float


def rows_of(matrix: csr_array) -> list[Row]:
    """Prepare the rows of A; empty rows come with no flows."""
    return [_row(*_entries(matrix, i)) for i in range(matrix.shape[0])]


def _entries(matrix: csr_array, i: int) -> tuple[NDArray[np.int64], Floats]:
    span = slice(matrix.indptr[i], matrix.indptr[i + 1])
    return matrix.indices[span].astype(np.int64), matrix.data[span].astype(float)


def _row(flows: NDArray[np.int64], fractions: Floats) -> Row:
    if not len(flows):
        return Row(flows, fractions, (), 1.0)
    scale = float(fractions.max())
    fractions = np.round(fractions / scale, 12)
    order = np.lexsort((flows, fractions))
    flows, fractions = flows[order], fractions[order]
    values, start = np.unique(fractions, return_index=True)
    stops = [*start[1:], len(flows)]
    groups = tuple((float(v), slice(int(a), int(b))) for v, a, b in zip(values, start, stops, strict=True))
    step = np.diff(flows)
    if len(groups) == 1 and len(flows) > 1 and (step == step[0]).all():
        return Row(slice(int(flows[0]), int(flows[-1]) + 1, int(step[0])), fractions, groups, scale)
    return Row(flows, fractions, groups, scale)


def project(
    rows: list[Row],
    prior: Floats,
    loads: Floats,
    *,
    variance: Floats | None = None,
    dispersion: Floats | None = None,
    sweeps: int = 50,
    tolerance: float = 1e-6,
    floor: float = 1e-9,
) -> Floats:
    """Project a block of TMs.

    Parameters
    ----------
    rows : list of Row
        From :func:`rows_of`, m rows.
    prior : array, shape (T, flows) or (1, flows)
        bit/s; lifted to ``floor`` times its mean per snapshot, so that loads can be met.
    loads : array, shape (T, m)
        bit/s; NaN rows constrain nothing.
    variance : array, shape (T, m), optional
        Noise variance of the loads; 0 (or ``None``) is a hard constraint.
    dispersion : array, shape (T,), optional
        phi, needed with `variance`.
    sweeps : int
        At most so many passes over all rows.
    tolerance : float
        A snapshot is done when no step changes a load by more than this share of its largest load.

    Returns
    -------
    array, shape (T, flows)
    """
    T = len(loads)
    x = np.broadcast_to(np.maximum(prior, floor * prior.mean(axis=1, keepdims=True)), (T, prior.shape[1]))
    block = _Block(np.array(x.T, order="C"), loads.T, variance, dispersion)
    out = np.empty((T, prior.shape[1]))
    active = np.arange(T)
    for sweep in range(1, sweeps + 1):
        if sweep % CHECK_EVERY and sweep < sweeps:
            block.sweep(rows, None)
            continue
        moved = np.zeros(len(active))
        block.sweep(rows, moved)
        done = (moved <= tolerance * block.largest) | (sweep == sweeps)
        if done.any():
            out[active[done]] = block.x[:, done].T
            active, block = active[~done], block.without(done)
            if not len(active):
                break
    return out


class _Block:
    """State of the snapshots still being projected; columns are snapshots."""

    def __init__(self, x: Floats, y: Floats, variance: Floats | None, phi: Floats | None) -> None:
        self.x, self.y = x, y
        self.largest = np.nan_to_num(y).max(axis=0, initial=0.0)
        self.stiffness = self.multiplier = None
        if variance is not None and phi is not None and variance.any():
            with np.errstate(divide="ignore", invalid="ignore"):
                stiffness = phi / variance.T
                # beyond this a row is as good as exact, and the soft step would lose digits
                soft = stiffness * self.largest <= 1e9
            self.stiffness = np.where(soft, stiffness, np.inf)
            self.multiplier = np.zeros_like(y)

    def without(self, done: NDArray[np.bool_]) -> _Block:
        rest = object.__new__(_Block)
        for name in ("x", "y", "largest", "stiffness", "multiplier"):
            value = getattr(self, name)
            setattr(rest, name, None if value is None else np.ascontiguousarray(value[..., ~done]))
        return rest

    def sweep(self, rows: list[Row], moved: Floats | None) -> None:
        """One pass over all rows; `moved` collects the largest change of a load per snapshot."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for i, row in enumerate(rows):
                if row.groups:
                    self._step(i, row, moved)

    def _step(self, i: int, row: Row, moved: Floats | None) -> None:
        part = self.x[row.flows]
        load = row.fractions @ part
        target = self.y[i] / row.scale
        factor = target / load if self.stiffness is None else self._soft_factor(i, row, load, target)
        # not measured (NaN), or no flow left to lift (division by 0): no step
        np.copyto(factor, 1.0, where=~np.isfinite(factor))
        if moved is not None:
            np.maximum(moved, np.abs(factor - 1.0) * load * row.scale, out=moved)
        for fraction, group in row.groups:
            part[group] *= factor if fraction == 1.0 else factor**fraction
        if not isinstance(row.flows, slice):
            self.x[row.flows] = part

    def _soft_factor(self, i: int, row: Row, load: Floats, target: Floats) -> Floats:
        assert self.stiffness is not None
        assert self.multiplier is not None
        c = self.stiffness[i] * row.scale**2
        soft = np.isfinite(c) & (load > 0) & ~np.isnan(target)
        exponent = np.log(target / load)
        pull = c * target - self.multiplier[i]
        omega = wrightomega(np.where(soft, np.log(c * load) + pull, 0.0))
        exponent = np.where(soft, pull - omega, exponent)
        self.multiplier[i] += np.where(soft, exponent, 0.0)
        return np.exp(exponent)


def blocks(times: int, flows: int) -> Iterator[slice]:
    """Spans of time that keep a block of TMs at some 4 MB, or 64 snapshots of a large network."""
    size = block_size(flows)
    for start in range(0, times, size):
        yield slice(start, min(start + size, times))


def block_size(flows: int) -> int:
    """Snapshots of a block."""
    return int(np.clip(_BLOCK_BYTES // (8 * max(flows, 1)), 64, 2048))
