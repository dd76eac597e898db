"""Estimators that need torch and learn from back-tests, by the names of their methods; quick to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odflow.estimate.backtested import BacktestedEstimator
    from odflow.estimate.observe import Noise

BACKTESTED = {
    "stacked": ("StackedEstimator", "fine-tuned"),
    "diffusion-posterior": ("DiffusionPosterior", "fine-tuned"),
}
PRETRAINED = {
    "stacked-pretrained": ("StackedEstimator", "pretrained"),
    "diffusion-pretrained": ("DiffusionPosterior", "pretrained"),
}


def backtested(name: str, noise: Noise = 0.0, seed: int = 0) -> BacktestedEstimator:
    """The estimator of a method, with the defaults.

    Raises
    ------
    MissingDependencyError
        Without torch.
    """
    import odflow.estimate

    kind, weights = {**BACKTESTED, **PRETRAINED}[name]
    cls = getattr(odflow.estimate, kind)
    found: BacktestedEstimator = cls(weights=weights, noise=noise, config=cls.configuration(seed=seed))
    return found
