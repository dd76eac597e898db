"""Estimators: link loads (and history) to traffic matrices."""

from odflow.estimate.balances import Reconciliation, reconcile
from odflow.estimate.base import Estimator, Posterior
from odflow.estimate.gaussian import GaussianPosterior
from odflow.estimate.gravity import Gravity, Tomogravity
from odflow.estimate.kl import KLProjection
from odflow.estimate.store import load

__all__ = [
    "Estimator",
    "GaussianPosterior",
    "Gravity",
    "KLProjection",
    "Posterior",
    "Reconciliation",
    "Tomogravity",
    "load",
    "reconcile",
]
