"""TrafficDiffusion: a diffusion in the latent space of an autoencoder of TMs (Yuan et al. 2023, DDPM-TME)."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.errors import UsageError
from odflow.generate.autoencoder import (
    Standardised,
    embedding,
    latent_size,
    recovery,
    start_at_principal_components,
)
from odflow.generate.base import TrafficGenerator
from odflow.generate.config import DiffusionConfig, GeneratorConfig
from odflow.generate.denoisers import ResidualMLP, UNet1d
from odflow.generate.marginals import Marginals
from odflow.generate.samplers import Denoiser, ddim, spaced
from odflow.generate.schedules import NoiseSchedule, cosine_schedule, linear_schedule
from odflow.training import Update, adam
from odflow.training.seeds import generator_of

_CALIBRATION = 8192  # draws
_STREAM = 12  # of the random numbers of those

__all__ = ["DiffusionTask", "TrafficDiffusion", "denoiser_of", "schedule_of"]


def schedule_of(config: DiffusionConfig) -> NoiseSchedule:
    """The noise schedule that a configuration names."""
    schedule = linear_schedule if config.schedule == "linear" else cosine_schedule
    return schedule(config.diffusion_steps)


def denoiser_of(network: nn.Module, schedule: NoiseSchedule) -> Denoiser:
    """The noise that follows from the velocity that a network predicts; for samplers, where all rows share t."""

    def noise_in(x: Tensor, t: Tensor) -> Tensor:
        bar = schedule.alpha_bars[int(t[0])].to(x)
        noise: Tensor = bar.sqrt() * network(x, t[:1]) + (1 - bar).sqrt() * x
        return noise

    return noise_in


class DiffusionTask:
    """Algorithm 1 of Yuan et al. 2023: first embedding and recovery alone, then the denoiser beside them.

    The denoiser's loss does not reach the embedding.

    Parameters
    ----------
    modules : dict of str to Module
        ``"embedding"``, ``"recovery"``, ``"standardised"`` and ``"denoiser"``.
    config : DiffusionConfig
    """

    def __init__(self, modules: dict[str, nn.Module], config: DiffusionConfig) -> None:
        self.modules, self.config = modules, config
        autoencoder = [*modules["embedding"].parameters(), *modules["recovery"].parameters()]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "autoencoder": adam(autoencoder, config.learning_rate * config.embedding_rate),
            "denoiser": adam(modules["denoiser"].parameters(), config.learning_rate),
        }
        self.standardised = _standardised(modules)
        self.pretrain_steps = min(config.pretrain_steps, config.steps // 4)
        self.alpha_bars = schedule_of(config).alpha_bars.float()

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """Learn from scaled TMs (B, flows); the denoising loss counts as 1 before the denoiser's turn."""
        pretraining = step < self.pretrain_steps
        learning = pretraining or self.config.joint
        with torch.set_grad_enabled(learning):
            latents = self.modules["embedding"](batch)
            reconstruction = self._reconstruction(latents, batch)
        latents = latents.detach()
        if learning:
            self.standardised.observe(latents)
            update("autoencoder", reconstruction)
        denoising = torch.ones(())
        if not pretraining:
            denoising = self._denoising(self.standardised(latents), generator)
            update("denoiser", denoising)
        return {"reconstruction": reconstruction.detach(), "denoising": denoising.detach()}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Sum of both losses on scaled TMs (N, flows)."""
        latents = self.modules["embedding"](data)
        denoising = self._denoising(self.standardised(latents), generator)
        return float(self._reconstruction(latents, data) + denoising)

    def _reconstruction(self, latents: Tensor, batch: Tensor) -> Tensor:
        recovered = self.modules["recovery"](latents)
        if self.config.reconstruction == "l1":
            return functional.l1_loss(recovered, batch)
        return functional.mse_loss(recovered, batch)

    def _denoising(self, latents: Tensor, generator: torch.Generator) -> Tensor:
        """Mean square of ``eps - eps_hat`` (or of the velocities) at random diffusion steps."""
        rows, device = len(latents), latents.device
        t = torch.randint(len(self.alpha_bars), (rows,), generator=generator)
        noise = torch.randn(latents.shape, generator=generator).to(device)
        bars = self.alpha_bars[t][:, None].to(device)
        signal, spread = bars.sqrt(), (1 - bars).sqrt()
        velocity = self.modules["denoiser"](signal * latents + spread * noise, t.to(device))
        error = velocity - (signal * noise - spread * latents)
        return (signal * error if self.config.loss == "noise" else error).square().mean()


class TrafficDiffusion(TrafficGenerator):
    """Denoising diffusion over traffic matrices.

    Demands become nearly normal scores flow by flow, TMs of scores are embedded to latents, and a
    denoiser learns to remove noise from those. New TMs are recovered from latents that the reverse
    chain makes of noise.

    Parameters
    ----------
    config : DiffusionConfig, optional

    Notes
    -----
    Yuan, Qiao, Zhao, Hu, Zhang, "Traffic Matrix Estimation based on Denoising Diffusion Probabilistic
    Model", 2023. Ours are the normal scores, embedding and recovery that start at principal
    components, the standardised latents, a denoiser that predicts the velocity, and by default a
    cheaper one.
    """

    config_type: ClassVar[type[GeneratorConfig]] = DiffusionConfig
    config: DiffusionConfig

    def __init__(self, config: DiffusionConfig | None = None) -> None:
        super().__init__(config)

    def _networks(self, flows: int) -> dict[str, nn.Module]:
        config, size = self.config, self._latent(flows)
        return {
            "embedding": embedding(flows, config.hidden or 2 * size, size),
            "recovery": recovery(size, flows),
            "standardised": Standardised(size, config.whiten),
            "marginals": Marginals(flows),
            "denoiser": UNet1d(size, config.width or 32)
            if config.denoiser == "unet"
            else ResidualMLP(size, config.width or 256, config.blocks),
        }

    def _inputs(self, networks: dict[str, nn.Module], scaled: Tensor, kept: int) -> Tensor:
        marginals, embed, recover = (networks[name] for name in ("marginals", "embedding", "recovery"))
        assert isinstance(marginals, Marginals)
        assert isinstance(embed, nn.Sequential)
        assert isinstance(recover, nn.Linear)
        marginals.fit(scaled[:kept], self.config.marginals)
        scores = torch.cat([marginals(part) for part in scaled.split(4096)])
        if self.config.hidden == 0 or self.config.hidden >= 2 * self._latent(scaled.shape[1]):
            start_at_principal_components(embed, recover, scores[:kept], self.config.whiten)
        return scores

    def _task(self, networks: dict[str, nn.Module], config: GeneratorConfig) -> DiffusionTask:
        assert isinstance(config, DiffusionConfig)
        return DiffusionTask(networks, config)

    def _latent(self, flows: int) -> int:
        size = self.config.latent
        return min(size, max(8, flows // 8 * 8)) if size else latent_size(flows)

    def with_chain(self, *, sampling_steps: int, eta: float) -> Self:
        """The same model, networks shared, with another chain for :meth:`decode` and :meth:`sample`."""
        other = copy(self)
        other.config = replace(self.config, sampling_steps=sampling_steps, eta=eta)
        return other

    @property
    def noise_shape(self) -> tuple[int, int]:
        """``(sampling_steps, latent)``: the start of the chain and what is injected after each step but the last."""
        self._check_fitted()
        return self.config.sampling_steps, self._latent(len(self.nodes_) ** 2)

    def decode(self, noise: Tensor) -> Tensor:
        """Turn noise (B, sampling_steps, latent) into TMs (B, flows), in units of `unit`; differentiable."""
        return self.decode_with(noise, self.config.eta)

    def decode_with(self, noise: Tensor, eta: float) -> Tensor:
        """As :meth:`decode`, with another share of injected noise and any number of steps.

        Parameters
        ----------
        noise : Tensor, shape (B, S, latent)
            S evaluations of the denoiser; what is injected has no effect for eta = 0.
        eta : float
            Between 0 and 1.

        Raises
        ------
        UsageError
            If S is more than the steps of the diffusion.
        """
        self._check_fitted()
        steps = noise.shape[1]
        if not 1 <= steps <= self.config.diffusion_steps:
            raise UsageError(f"noise for {steps} steps does not fit a diffusion of {self.config.diffusion_steps}")
        return self._traffic(self._marginals().inverse(self._scores(noise, eta)))

    def _scores(self, noise: Tensor, eta: float) -> Tensor:
        """Noise to weighted normal scores of TMs, shape (B, flows)."""
        schedule = schedule_of(self.config)
        denoiser = denoiser_of(self.networks_["denoiser"], schedule)
        standard = ddim(denoiser, noise, schedule, spaced(schedule, noise.shape[1]), eta)
        scores: Tensor = self.networks_["recovery"](_standardised(self.networks_).inverse(standard))
        return scores

    def _marginals(self) -> Marginals:
        marginals = self.networks_["marginals"]
        assert isinstance(marginals, Marginals)
        return marginals

    @torch.no_grad()
    def _finish(self) -> None:
        if self.config.marginals == 1:
            shape, randoms = (512, *self.noise_shape), generator_of(self.config.seed, _STREAM)
            noises = (torch.randn(shape, generator=randoms).to(self.device) for _ in range(_CALIBRATION // 512))
            self._marginals().calibrate(torch.cat([self._scores(noise, self.config.eta) for noise in noises]))


def _standardised(modules: dict[str, nn.Module]) -> Standardised:
    module = modules["standardised"]
    assert isinstance(module, Standardised)
    return module
