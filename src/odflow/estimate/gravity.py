"""Gravity and tomogravity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.estimate.base import Estimator
from odflow.estimate.checks import check_counts, check_shares
from odflow.estimate.gram import batches
from odflow.estimate.meet import dispersion, meet_loads
from odflow.estimate.observe import Observed
from odflow.estimate.priors import gravity_prior

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
        ridge = observed.variance / dispersion(observed, prior)[:, None]
        z = np.empty_like(innovation)
        for span in batches(len(observed), A.shape[0]):
            both = measured[span, :, None] & measured[span, None, :]
            M = np.where(both, observed.system.gram(prior[span]), 0.0)
            diagonal = np.einsum("tmm->tm", M)
            # redundant rows make M singular; they agree, so a trace of noise is enough
            diagonal += ridge[span] + 1e-9 * diagonal + 1e-12 * diagonal.max(axis=1, keepdims=True)
            diagonal += diagonal == 0
            z[span] = np.linalg.solve(M, innovation[span, :, None])[:, :, 0]
        x = np.maximum(prior * (1 + (A.T @ z.T).T), self.floor * prior)
        return meet_loads(observed, x, self.sweeps)
