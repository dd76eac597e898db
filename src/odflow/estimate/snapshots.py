"""Snapshots under one routing as networks take them, and steps of theirs towards the loads (needs torch)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from odflow.estimate.gram import inverses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.candidates import Seen
    from odflow.estimate.observe import Observed

    Floats = NDArray[np.float64]


class Paths(NamedTuple):
    """One routing.

    Parameters
    ----------
    matrix : Tensor, shape (rows, flows)
    used : Tensor, shape (rows, flows)
        1 where a flow passes, divided by the rows that it passes.
    """

    matrix: Tensor
    used: Tensor


class Snapshots(NamedTuple):
    """Some snapshots under one routing; traffic in shares of the base estimate's total.

    Parameters
    ----------
    features : Tensor, shape (T, flows, FEATURES)
    base, spread : Tensor, shape (T, flows)
    loads : Tensor, shape (T, rows)
        0 where not used.
    measured : Tensor, shape (T, rows)
        1 or 0.
    inverse : Tensor, shape (T, rows, rows)
        Of ``A diag(base) A' + N / phi`` over the rows that are used, N the variance of the loads' noise and phi the
        dispersion of the base estimate, that is mean variance over mean; 0 elsewhere.
    """

    features: Tensor
    base: Tensor
    spread: Tensor
    loads: Tensor
    measured: Tensor
    inverse: Tensor

    def take(self, rows: Tensor) -> Snapshots:
        """Some of them."""
        return Snapshots(*(part[rows] for part in self))


def meet(x: Tensor, seen: Snapshots, paths: Paths, steps: int) -> Tensor:
    """Move TMs towards the loads by the least change in units of the base, keeping them positive."""
    for _ in range(steps):
        left = (seen.loads - x @ paths.matrix.T) * seen.measured
        z = torch.einsum("tij,tj->ti", seen.inverse, left)
        moved = x + seen.base * (z @ paths.matrix)
        x = torch.maximum(moved, 0.1 * moved.detach().clamp(min=0) + 0.02 * seen.base)
    return x


def paths_of(observed: Observed, dtype: torch.dtype = torch.float32) -> Paths:
    """The routing of a block."""
    matrix = torch.from_numpy(observed.system.matrix.toarray()).to(dtype)
    used = (matrix > 0).to(dtype)
    return Paths(matrix, used / used.sum(dim=0).clamp(min=1))


def snapshots_of(seen: Seen, observed: Observed, dtype: torch.dtype = torch.float32) -> tuple[Snapshots, Floats]:
    """A block as the network takes it, and the unit of each snapshot, (T, 1), bit/s."""
    total = seen.base.sum(axis=1, keepdims=True)
    unit = np.where(total > 0, total, 1.0)
    base = seen.base / unit + 1e-7 * observed.system.carried
    used = observed.used
    loads = np.where(used, np.nan_to_num(observed.values) / unit, 0.0)
    M = observed.system.gram(base)
    dispersion = ((seen.spread / unit) ** 2).sum(axis=1, keepdims=True) / base.sum(axis=1, keepdims=True)
    noise = np.where(used, observed.variance / unit**2, 0.0)
    np.einsum("tii->ti", M)[:] += noise / np.maximum(dispersion, np.finfo(float).tiny)
    inverse = inverses(M, used, 1e-7)
    arrays = (seen.features, base, seen.spread / unit, loads, used.astype(float), inverse)
    return Snapshots(*(torch.from_numpy(np.ascontiguousarray(one)).to(dtype) for one in arrays)), unit
