"""Gravity and tomogravity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.estimate.base import Estimator
from odflow.estimate.checks import check_counts, check_shares
from odflow.estimate.meet import dispersion, meet_loads
from odflow.estimate.observe import Observed
from odflow.estimate.priors import gravity_prior
from odflow.estimate.solve import conjugate_gradients

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class Gravity(Estimator):
    """Gravity model ``x_od = in_o * out_d / total`` from the access loads alone.

    Does not use internal links and does not meet their loads: the plain baseline.

    Notes
    -----
    Zhang, Roughan, Duffield, Greenberg, "Fast accurate computation of large-scale IP traffic
    matrices from link loads", SIGMETRICS 2003, section 3.1.
    """

    def _solve(self, observed: Observed) -> Floats:
        return gravity_prior(observed)


@dataclass(kw_only=True, eq=False)
class Tomogravity(Estimator):
    """Least squares from the gravity TM g, weighted by sqrt(g), onto the loads.

    Solves ``min || (x - g) / sqrt(g) ||`` subject to ``A x = y``, lifts the result to ``floor * g``
    and projects it onto the loads by relative entropy, so that no demand is negative.

    Parameters
    ----------
    floor : float
        Least demand as a share of its gravity value.
    sweeps : int
        Passes of the final projection.

    Notes
    -----
    Zhang, Roughan, Duffield, Greenberg, SIGMETRICS 2003, section 4 (square-root weights). Noisy
    loads are fitted in proportion to their variance; see :func:`odflow.estimate.meet.dispersion`.
    """

    floor: float = 0.1
    sweeps: int = 50

    def __post_init__(self) -> None:
        check_shares(floor=self.floor)
        check_counts(sweeps=self.sweeps)

    def _solve(self, observed: Observed) -> Floats:
        A, prior = observed.system.matrix, gravity_prior(observed)
        innovation = observed.values - (A @ prior.T).T
        measured = ~np.isnan(innovation)
        innovation = np.where(measured, innovation, 0.0)
        ridge = observed.variance / np.maximum(dispersion(observed, prior), 1e-300)[:, None]

        def normal(z: Floats) -> Floats:
            return np.where(measured, (A @ (prior * (A.T @ z.T).T).T).T + ridge * z, 0.0)

        diagonal = ((A**2) @ prior.T).T + ridge
        z = conjugate_gradients(normal, innovation, diagonal)
        x = np.maximum(prior * (1 + (A.T @ z.T).T), self.floor * prior)
        return meet_loads(observed, x, self.sweeps)
