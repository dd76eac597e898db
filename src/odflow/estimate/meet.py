"""Bringing a TM to the loads, exactly or as far as their noise allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odflow.estimate.newton import newton_projection
from odflow.estimate.projection import project

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.observe import Observed

    Floats = NDArray[np.float64]


def meet_exactly(observed: Observed, prior: Floats, sweeps: int, most_rows: int = 300) -> Floats:
    """As :func:`meet_loads`, to more digits, where loads are exact and not more than so many."""
    if not observed.exact or observed.values.shape[1] > most_rows:
        return meet_loads(observed, prior, sweeps)
    x, done = newton_projection(observed, prior)
    if not done.all():  # loads that no TM can have
        some = prior if len(prior) == 1 else prior[~done]
        x[~done] = project(observed.system.rows, some, observed.values[~done], sweeps=sweeps)
    return x


def meet_loads(observed: Observed, prior: Floats, sweeps: int) -> Floats:
    """Project `prior`, shape (T or 1, flows), onto the loads by relative entropy.

    Exact loads are met; noisy ones as far as their variance and the prior's dispersion say.
    """
    if observed.exact:
        return project(observed.system.rows, prior, observed.values, sweeps=sweeps)
    return project(
        observed.system.rows,
        prior,
        observed.values,
        variance=observed.variance,
        dispersion=dispersion(observed, prior),
        sweeps=sweeps,
    )


def dispersion(observed: Observed, prior: Floats) -> Floats:
    """Dispersion phi (bit/s) of a prior, shape (T,): variance of x_j about the prior is phi * p_j.

    By moments of what the loads say beyond their noise:
    ``phi = sum_i max((y_i - A_i p)^2 - var_i, 0) / sum_i A_i^2 p``, each snapshot on its own; never
    quite zero, so that the loads are always listened to a little.
    """
    A = observed.system.matrix
    innovation = observed.values - (A @ prior.T).T
    excess = np.maximum(innovation**2 - observed.variance, 0.0)
    size = np.where(np.isnan(innovation), 0.0, ((A**2) @ prior.T).T).sum(axis=1)
    phi = np.divide(np.nansum(excess, axis=1), size, out=np.zeros(len(excess)), where=size > 0)
    least = 1e-9 * np.nan_to_num(observed.values).max(axis=1, initial=0.0)
    return np.asarray(np.where(least > 0, np.maximum(phi, least), 1.0))
