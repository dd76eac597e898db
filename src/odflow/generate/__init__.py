"""Generators: past traffic matrices to new, realistic ones (needs torch)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odflow.errors import DataError
from odflow.generate.config import DiffusionConfig, VAEConfig, WGANConfig
from odflow.lazy import from_torch

if TYPE_CHECKING:
    from odflow.generate.base import TrafficGenerator as TrafficGenerator
    from odflow.generate.diffusion import TrafficDiffusion as TrafficDiffusion
    from odflow.generate.vae import TrafficVAE as TrafficVAE
    from odflow.generate.wgan import TrafficWGANGP as TrafficWGANGP
    from odflow.modelfile import ModelFile

_HOMES = {
    "TrafficGenerator": "odflow.generate.base",
    "TrafficDiffusion": "odflow.generate.diffusion",
    "TrafficVAE": "odflow.generate.vae",
    "TrafficWGANGP": "odflow.generate.wgan",
}
KINDS = ("TrafficDiffusion", "TrafficVAE", "TrafficWGANGP")

__all__ = ["KINDS", "DiffusionConfig", "VAEConfig", "WGANConfig", "load_generator", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'odflow.generate' has no attribute '{name}'")
    return from_torch(_HOMES[name], name)


def load_generator(model: ModelFile) -> TrafficGenerator:
    """Restore a generator from a model file that has been read; on the CPU, wherever it was trained.

    Raises
    ------
    DataError
        If the file holds something else, or weights and configuration do not fit each other.
    MissingDependencyError
        Without torch.
    """
    if model.kind not in KINDS:
        raise DataError(f"the model is a {model.kind}, expected a generator: {', '.join(KINDS)}")
    kind: type[TrafficGenerator] = __getattr__(model.kind)
    return kind.restore(model)
