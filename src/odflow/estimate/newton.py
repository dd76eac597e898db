"""KL projection onto exact loads by Newton's method on its dual, to the last digits.

The projection of :mod:`odflow.estimate.projection` is ``x = p exp(A' lambda)`` with ``A x = y``. A step solves
``A diag(x) A' d = y - A x`` over independent rows and multiplies x by ``exp(A' d)``, with no logarithm changed by more
than ``_FURTHEST`` (Censor & Zenios, "Parallel Optimization", 1997, section 6.6, for the dual). Some five steps do, each
a solution of a dense system: quicker than sweeps for one snapshot, and slower for many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odflow.estimate.gram import batches, solved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.observe import Observed

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_STEPS = 30
_FURTHEST = 2.0  # logarithm
_TOLERANCE = 1e-7  # of the largest load
_TRACE = 1e-13  # by which diagonals grow
_FLOOR = 1e-9  # of the mean flow, so that loads can be met


def newton_projection(observed: Observed, prior: Floats) -> tuple[Floats, Bools]:
    """Project TMs; the result, shape (T, flows), and for which snapshots it meets the loads, shape (T,).

    Parameters
    ----------
    observed : Observed
        Exact.
    prior : array, shape (T or 1, flows)
        bit/s.
    """
    lifted = np.maximum(prior, _FLOOR * prior.mean(axis=1, keepdims=True))
    x = np.repeat(lifted, len(observed) // len(prior), axis=0)
    empty = observed.values <= 0
    x[(empty.astype(float) @ observed.system.matrix) > 0] = 0.0
    used = observed.used & ~empty
    y = np.where(used, np.nan_to_num(observed.values), 0.0)
    done = np.zeros(len(observed), dtype=bool)
    for span in batches(len(observed), y.shape[1]):
        done[span] = _solve(observed, x[span], y[span], used[span])
    return x, done


def _solve(observed: Observed, x: Floats, y: Floats, used: Bools) -> Bools:
    """Change x in place; whether each has come to an end."""
    A, back, largest = observed.system.matrix, observed.system.transposed, y.max(axis=1, initial=0.0)
    done, possible = np.zeros(len(x), dtype=bool), (((A @ x.T).T > 0) | ~used).all(axis=1)
    active = np.flatnonzero(possible)  # with a load where no flow may be there is nothing to find
    for _ in range(_STEPS):
        left = np.where(used[active], y[active] - (A @ x[active].T).T, 0.0)
        end = np.abs(left).max(axis=1, initial=0.0) <= _TOLERANCE * largest[active]
        done[active[end]] = True
        active, left = active[~end], left[~end]
        if not len(active):
            break
        try:
            d = solved(observed.system.gram(x[active]), used[active], _TRACE, left)
        except np.linalg.LinAlgError:
            break
        move = np.where(x[active] > 0, (back @ d.T).T, 0.0)
        most = np.abs(move).max(axis=1, keepdims=True)
        x[active] *= np.exp(move * np.minimum(1.0, _FURTHEST / np.maximum(most, _FURTHEST)))
    return done
