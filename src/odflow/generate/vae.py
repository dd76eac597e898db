"""TrafficVAE: a variational autoencoder of traffic matrices (Kingma and Welling 2014)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import xarray as xr
from torch import Tensor, nn

from odflow.generate.base import TrafficGenerator
from odflow.generate.config import GeneratorConfig, VAEConfig
from odflow.generate.layers import ToTraffic, perceptron, root, square
from odflow.training import Update, adam
from odflow.training.seeds import generator_of

__all__ = ["TrafficVAE", "VAETask", "kl_divergence"]

_RESIDUALS = 8  # stream of the random numbers of the residuals in sample()
_LOG_VARIANCE = 10.0  # largest absolute value; TMs unlike all others would overflow without


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of normal distributions with diagonal covariance from the standard normal one.

    Parameters
    ----------
    mean, log_variance : Tensor, shape (B, latent)

    Returns
    -------
    Tensor, shape (B,)
        ``sum(mean^2 + variance - 1 - log variance) / 2``: Kingma and Welling 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


class Decoder(ToTraffic):
    """The decoder, and how far it is off.

    Attributes
    ----------
    error : Tensor, shape (flows,)
        Mean absolute error (of L1) or root of the mean square error (of L2) of the roots.
    """

    error: Tensor

    def __init__(self, config: VAEConfig, flows: int) -> None:
        super().__init__(config.latent, config.width, config.layers, flows)
        self.register_buffer("error", torch.zeros(flows))


class VAETask:
    """Reconstruction plus `beta` times the KL divergence, per flow, by reparametrised draws of the latents.

    Parameters
    ----------
    modules : dict of str to Module
        ``"encoder"`` and ``"decoder"``.
    config : VAEConfig
    """

    def __init__(self, modules: dict[str, nn.Module], config: VAEConfig) -> None:
        self.modules, self.config = modules, config
        encoder, decoder = modules["encoder"], modules["decoder"]
        assert isinstance(decoder, Decoder)
        self.encoder, self.decoder = encoder, decoder
        parameters = [*encoder.parameters(), *decoder.parameters()]
        self.optimizers: dict[str, torch.optim.Optimizer] = {"vae": adam(parameters, config.learning_rate)}

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """Learn from scaled TMs (B, flows)."""
        x = root(batch)
        if step == 0:
            self.decoder.adapt(x)
        error, kl = self._forward(x, generator)
        reconstruction, divergence = self._size(error).mean(), kl.mean()
        ramp = self.config.warmup * self.config.steps
        weight = self._weight(reconstruction, x) * min(1.0, (step + 1) / max(ramp, 1.0))
        update("vae", reconstruction + weight * divergence)
        self._follow(error.detach(), step)
        return {"reconstruction": reconstruction.detach(), "kl": divergence.detach()}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """The loss with the full weight of the KL term, on scaled TMs (N, flows)."""
        x = root(data)
        error, kl = self._forward(x, generator)
        reconstruction = self._size(error).mean()
        return float(reconstruction + self._weight(reconstruction, x) * kl.mean())

    def _weight(self, reconstruction: Tensor, x: Tensor) -> Tensor:
        """Weight of the KL term beside a reconstruction that is a mean over flows.

        The errors' best width makes their negative log likelihood ``n log(mean |r|)`` (L1) or
        ``n/2 log(mean r^2)`` (L2); with ``beta kl`` added, its gradient is parallel to that of the loss with
        this weight held constant. Rybkin, Daniilidis, Levine, "Simple and Effective VAE Training with
        Calibrated Decoders", 2021.
        """
        wide = 1 if self.config.reconstruction == "l1" else 2
        return self.config.beta * wide * reconstruction.detach() / x.shape[1]

    def _forward(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        mean, log_variance = self._encode(x)
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        latents = mean + (0.5 * log_variance).exp() * noise
        return self.decoder(latents) - x, kl_divergence(mean, log_variance)

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents; far outliers are drawn in."""
        mean, log_variance = self.encoder(torch.asinh(self.decoder.standard(x))).chunk(2, dim=1)
        return mean, log_variance.clamp(-_LOG_VARIANCE, _LOG_VARIANCE)

    def _size(self, error: Tensor) -> Tensor:
        return error.abs() if self.config.reconstruction == "l1" else error.square()

    @torch.no_grad()
    def _follow(self, error: Tensor, step: int) -> None:
        """Keep the decoder's error at that of the last hundred batches or so."""
        size = self._size(error).mean(dim=0)
        size = size if self.config.reconstruction == "l1" else size.sqrt()
        self.decoder.error.lerp_(size, max(0.01, 1 / (step + 1)))


class TrafficVAE(TrafficGenerator):
    """Variational autoencoder of traffic matrices.

    Encoder and decoder are perceptrons on the square roots of demands that are scaled per flow; the
    latent is normal with diagonal covariance.

    Parameters
    ----------
    config : VAEConfig, optional

    Notes
    -----
    Kingma and Welling, "Auto-Encoding Variational Bayes", 2014; the weight of the KL term is that of
    Higgins et al., "beta-VAE", 2017. Rival of the diffusion in Yuan et al. 2023, which gives none of
    its parameters: those here are ours.
    """

    config_type: ClassVar[type[GeneratorConfig]] = VAEConfig
    config: VAEConfig

    def __init__(self, config: VAEConfig | None = None) -> None:
        super().__init__(config)

    def _networks(self, flows: int) -> dict[str, nn.Module]:
        config = self.config
        return {
            "encoder": perceptron(flows, config.width, config.layers, 2 * config.latent),
            "decoder": Decoder(config, flows),
        }

    def _task(self, networks: dict[str, nn.Module], config: GeneratorConfig) -> VAETask:
        assert isinstance(config, VAEConfig)
        return VAETask(networks, config)

    @property
    def noise_shape(self) -> tuple[int]:
        """``(latent,)``."""
        return (self.config.latent,)

    def decode(self, noise: Tensor) -> Tensor:
        """Turn latents (B, latent) into TMs (B, flows), in units of `unit`; differentiable, no residual added."""
        return self._traffic(square(self.networks_["decoder"](noise)))

    def sample(self, n: int, *, seed: int = 0, start: Any = None) -> xr.DataArray:
        """As :meth:`TrafficGenerator.sample`; with ``residual``, noise is added to the square root of each demand.

        It follows the Laplace (of L1) or the normal distribution (of L2) as wide as the
        decoder's errors were at the end of the training; roots below 0 become 0.
        """
        drawn = super().sample(n, seed=seed, start=start)
        if not self.config.residual:
            return drawn
        scale, error = self.scaling_.scale.cpu(), self.networks_["decoder"].error
        assert isinstance(error, Tensor)
        traffic = torch.from_numpy(drawn.values / self.unit).flatten(1)
        noise = self._residuals(tuple(traffic.shape), generator_of(seed, _RESIDUALS))
        rooted = root(traffic / scale) + error.cpu() * noise
        return drawn.copy(data=(square(rooted) * scale * self.unit).view(drawn.shape).numpy())

    def _residuals(self, shape: tuple[int, ...], randoms: torch.Generator) -> Tensor:
        if self.config.reconstruction == "l2":
            return torch.randn(shape, generator=randoms)
        return torch.empty(shape).exponential_(generator=randoms) - torch.empty(shape).exponential_(generator=randoms)
