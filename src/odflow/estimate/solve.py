"""Batched conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def conjugate_gradients(
    operator: Callable[[Floats], Floats],
    right: Floats,
    diagonal: Floats,
    *,
    tolerance: float = 1e-8,
    steps: int = 300,
) -> Floats:
    """Solve ``operator(z) = right`` for many right sides, Jacobi-preconditioned.

    Parameters
    ----------
    operator : callable
        Symmetric positive semi-definite, acts on every row of an array (T, m).
    right : array, shape (T, m)
        In the operator's range.
    diagonal : array, shape (T, m)
        The operator's diagonal; zero entries are left out.
    tolerance : float
        A row is done when its preconditioned residual has shrunk by this factor; it is then frozen,
        so that its solution does not depend on the other rows.
    steps : int
        At most so many.

    Returns
    -------
    array, shape (T, m)

    Notes
    -----
    Hestenes & Stiefel, 1952; singular but consistent systems give the solution reached from 0.
    """
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    z, r = np.zeros_like(right), right.copy()
    s = inverse * r
    p, rho = s.copy(), _dot(r, s)
    goal = rho * tolerance**2
    for _ in range(steps):
        active = rho > goal
        if not active.any():
            break
        q = operator(p)
        curvature = _dot(p, q)
        step = np.where(active & (curvature > 0), rho / np.where(curvature > 0, curvature, 1.0), 0.0)
        z += step[:, None] * p
        r -= step[:, None] * q
        s = inverse * r
        new = np.where(active, _dot(r, s), rho)
        ratio = np.divide(new, rho, out=np.zeros_like(rho), where=active)
        p = np.where(active[:, None], s + ratio[:, None] * p, p)
        rho = np.where(step > 0, new, 0.0)
    return z


def _dot(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.einsum("tm,tm->t", a, b))
