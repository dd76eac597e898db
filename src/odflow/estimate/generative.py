"""DDPM-TME and its rivals: estimators that invert a generator (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from odflow.errors import DataError, UsageError
from odflow.estimate.checks import check_counts, check_shares
from odflow.estimate.generative_base import GenerativeEstimator
from odflow.generate.config import DiffusionConfig, GeneratorConfig, VAEConfig, WGANConfig
from odflow.generate.diffusion import TrafficDiffusion
from odflow.generate.vae import TrafficVAE
from odflow.generate.wgan import TrafficWGANGP

if TYPE_CHECKING:
    from odflow.estimate.descent import Decode
    from odflow.generate.base import TrafficGenerator
    from odflow.modelfile import ModelFile

__all__ = ["DDPMTME", "VAETME", "WGANTME", "GenerativeEstimator", "restore"]


@dataclass(kw_only=True, eq=False)
class DDPMTME(GenerativeEstimator):
    """The TM whose diffusion noises, all of them, explain the loads best.

    Parameters
    ----------
    generator : TrafficDiffusion or DiffusionConfig, optional
    eta : float
        Share of the injected noise in the DDIM chain, above 0 and at most 1; 0 only with ``move="start"``.
    sampling_steps : int
        Evaluations of the denoiser in the shortened chain; 0: as the generator's.
    move : {"all", "start"}
        Move all noises z_1 ... z_T, or only x_T.

    Notes
    -----
    Yuan, Qiao, Zhao, Hu, Zhang, "Traffic Matrix Estimation based on Denoising Diffusion Probabilistic
    Model", 2023, section on estimation and algorithm 2. The published code samples with eta = 0, under
    which the injected noises have no effect; that is ``eta=0, move="start"`` here.

    Other parameters as :class:`GenerativeEstimator`.
    """

    eta: float = 1.0
    sampling_steps: int = 10
    move: Literal["all", "start"] = "all"

    generator_type = TrafficDiffusion
    config_type = DiffusionConfig

    def __post_init__(self) -> None:
        check_shares(eta=self.eta)
        if self.sampling_steps:
            check_counts(sampling_steps=self.sampling_steps)
        if self.eta == 0 and self.move != "start":
            raise UsageError(
                "eta is 0: the noises injected along the chain then have no effect and cannot be moved; "
                "give an eta above 0, or move='start' for x_T alone"
            )
        super().__post_init__()

    def _default_config(self, full: bool = False) -> GeneratorConfig:
        config = super()._default_config(full)
        assert isinstance(config, DiffusionConfig)
        return replace(config, steps=3000, marginals=0.0, latent=0, whiten=True)

    def _decoder(self, generator: TrafficGenerator) -> tuple[Decode, tuple[int, ...], tuple[Any, ...]]:
        assert isinstance(generator, TrafficDiffusion)
        steps = self.sampling_steps or generator.config.sampling_steps
        chain = generator.with_chain(sampling_steps=steps, eta=self.eta)
        return chain.decode, chain.noise_shape, (self.eta, steps)


@dataclass(kw_only=True, eq=False)
class VAETME(GenerativeEstimator):
    """The TM of a variational autoencoder whose latent explains the loads best (rival of DDPM-TME in its paper).

    Parameters
    ----------
    generator : TrafficVAE or VAEConfig, optional

    Notes
    -----
    Gradient descent on the latent z of ``||A G(z) - y||``: Yuan et al. 2023, baselines.
    Other parameters as :class:`GenerativeEstimator`.
    """

    prior: float = 2e-4

    generator_type = TrafficVAE
    config_type = VAEConfig


@dataclass(kw_only=True, eq=False)
class WGANTME(GenerativeEstimator):
    """The TM of a WGAN-GP generator whose latent explains the loads best (rival of DDPM-TME in its paper).

    Parameters
    ----------
    generator : TrafficWGANGP or WGANConfig, optional

    Notes
    -----
    Gradient descent on the latent z of ``||A G(z) - y||``: Yuan et al. 2023, baselines.
    Other parameters as :class:`GenerativeEstimator`.
    """

    learning_rate: float = 0.1
    prior: float = 6e-3

    generator_type = TrafficWGANGP
    config_type = WGANConfig


def restore(model: ModelFile) -> GenerativeEstimator:
    """Rebuild the estimator that a model file, which has been read, holds.

    Raises
    ------
    DataError, UsageError
        If it holds another model, or its parts do not fit each other.
    """
    for kind in (DDPMTME, VAETME, WGANTME):
        if model.kind == kind.__name__:
            return kind.restore(model)
    raise DataError(f"the model is a {model.kind}, expected one of DDPMTME, VAETME, WGANTME")
