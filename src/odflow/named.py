"""Names that the command line knows before anything heavy is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from odflow.estimate.backtested import BacktestedEstimator
    from odflow.estimate.observe import Noise

PlanUnit = Literal["flow", "ingress", "router"]
# estimators that need torch and learn from back-tests
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
