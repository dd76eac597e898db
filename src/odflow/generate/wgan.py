"""TrafficWGANGP: a Wasserstein GAN with gradient penalty over traffic matrices (Gulrajani et al. 2017)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from odflow.generate.base import TrafficGenerator
from odflow.generate.config import GeneratorConfig, WGANConfig
from odflow.generate.layers import ToTraffic, perceptron, root, square
from odflow.training import Update, adam

__all__ = ["TrafficWGANGP", "WGANTask", "gradient_penalty"]

_BETAS = (0.0, 0.9)  # of Adam: Gulrajani et al. 2017, algorithm 1


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """How far the critic's slope is from 1 between real and generated rows.

    Parameters
    ----------
    critic : Module
        (B, flows) to (B, 1).
    real, fake : Tensor, shape (B, flows)
    share : Tensor, shape (B, 1)
        Place between them, uniform between 0 (fake) and 1 (real).

    Returns
    -------
    Tensor
        ``mean((|grad critic(share real + (1 - share) fake)| - 1)^2)``, differentiable: Gulrajani et al.
        2017, equation 3, without its weight.
    """
    between = torch.lerp(fake.detach(), real, share).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.norm(dim=1) - 1).square().mean()


class WGANTask:
    """Critic and generator in turn: Gulrajani et al. 2017, algorithm 1.

    Parameters
    ----------
    modules : dict of str to Module
        ``"generator"`` and ``"critic"``.
    config : WGANConfig
    """

    def __init__(self, modules: dict[str, nn.Module], config: WGANConfig) -> None:
        self.modules, self.config = modules, config
        generator, critic = modules["generator"], modules["critic"]
        assert isinstance(generator, ToTraffic)
        self.generator, self.critic = generator, critic
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: adam(module.parameters(), config.learning_rate, _BETAS) for name, module in modules.items()
        }

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """One step of the critic on scaled TMs (B, flows), and one of the generator after every few of them."""
        if step == 0:
            self.generator.adapt(root(batch))
        real = self.generator.standard(root(batch))
        with torch.no_grad():
            fake = self._draw(len(real), generator, real.device)
        scores = self.critic(torch.cat([real, fake]))
        distance = scores[: len(real)].mean() - scores[len(real) :].mean()
        share = torch.rand((len(real), 1), generator=generator).to(real.device)
        penalty = gradient_penalty(self.critic, real, fake, share)
        update("critic", self.config.penalty * penalty - distance)
        if (step + 1) % self.config.critic_steps == 0:
            update("generator", -self.critic(self._draw(len(real), generator, real.device)).mean())
        return {"distance": distance.detach(), "penalty": penalty.detach()}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Wasserstein distance of each flow's root between scaled TMs (N, flows) and as many draws, mean over flows."""
        real = self.generator.standard(root(data))
        fake = self._draw(len(real), generator, real.device)
        distance = (fake.sort(dim=0).values - real.sort(dim=0).values).abs().mean()
        return float(distance * self.generator.spread)

    def _draw(self, rows: int, generator: torch.Generator, device: torch.device) -> Tensor:
        """Generated roots as the critic is to see them."""
        noise = torch.randn((rows, self.config.latent), generator=generator).to(device)
        return self.generator.standard(self.generator(noise).relu())


class TrafficWGANGP(TrafficGenerator):
    """Wasserstein GAN with gradient penalty over traffic matrices.

    Generator and critic are perceptrons on the square roots of demands that are scaled per flow; the
    critic has no batch normalisation, which the penalty of single rows would not allow.

    Parameters
    ----------
    config : WGANConfig, optional

    Notes
    -----
    Gulrajani et al., "Improved Training of Wasserstein GANs", 2017. Rival of the diffusion in Yuan et
    al. 2023, which gives none of its parameters: sizes and learning rates here are ours.
    """

    config_type: ClassVar[type[GeneratorConfig]] = WGANConfig
    config: WGANConfig

    def __init__(self, config: WGANConfig | None = None) -> None:
        super().__init__(config)

    def _networks(self, flows: int) -> dict[str, nn.Module]:
        config = self.config
        return {
            "generator": ToTraffic(config.latent, config.width, config.layers, flows),
            "critic": perceptron(flows, config.critic_width, config.critic_layers, 1),
        }

    def _task(self, networks: dict[str, nn.Module], config: GeneratorConfig) -> WGANTask:
        assert isinstance(config, WGANConfig)
        return WGANTask(networks, config)

    @property
    def noise_shape(self) -> tuple[int]:
        """``(latent,)``."""
        return (self.config.latent,)

    def decode(self, noise: Tensor) -> Tensor:
        """Turn noise (B, latent) into TMs (B, flows), in units of `unit`; differentiable."""
        return self._traffic(square(self.networks_["generator"](noise)))
