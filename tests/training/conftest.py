"""Small things to train."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from odflow.training.seeds import generator_of
from odflow.training.task import Update, adam

LEARNING_RATE = 1e-2


def drawn(module: nn.Module, seed: int) -> nn.Module:
    """The module with weights from a seed."""
    generator = generator_of(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return module


def points(n: int = 200, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, generator=generator_of(seed)) @ torch.tensor([[1.0, 0.5, 0], [0, 1, 0.2], [0, 0, 2]]) + 1


class Line:
    """Least squares of the last column on the others, by stochastic gradient descent."""

    def __init__(self, optimizer: type[torch.optim.Optimizer] = torch.optim.SGD, rate: float = 0.1) -> None:
        self.line = drawn(nn.Linear(2, 1), 0)
        self.modules: dict[str, nn.Module] = {"line": self.line}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "sgd": optimizer(self.line.parameters(), lr=rate)  # type: ignore[call-arg]
        }
        self.batches: list[Tensor] = []

    def loss(self, data: Tensor) -> Tensor:
        return (self.line(data[:, :2]).squeeze(1) - data[:, 2]).square().mean()

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        self.batches.append(batch.clone())
        loss = self.loss(batch)
        update("sgd", loss)
        return {"loss": loss.detach()}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        return float(self.loss(data))


class Rivals:
    """A small WGAN-GP: two optimizers, double backward, buffers of both kinds."""

    def __init__(self) -> None:
        self.maker = drawn(nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.SiLU(), nn.Linear(16, 3)), 0)
        self.critic = drawn(nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 1)), 1)
        self.modules: dict[str, nn.Module] = {"maker": self.maker, "critic": self.critic}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "maker": adam(self.maker.parameters(), LEARNING_RATE, betas=(0.5, 0.9)),
            "critic": torch.optim.RMSprop(self.critic.parameters(), lr=LEARNING_RATE, momentum=0.1),
        }
        self.on_step: Callable[[int], object] = lambda step: None

    def made(self, n: int, generator: torch.Generator) -> Tensor:
        return self.maker(torch.randn(n, 2, generator=generator))

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        losses = {}
        for _ in range(2):
            fake = self.made(len(batch), generator).detach()
            share = torch.rand(len(batch), 1, generator=generator)
            between = (share * batch + (1 - share) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
            penalty = (slope.norm(dim=1) - 1).square().mean()
            loss = self.critic(fake).mean() - self.critic(batch).mean() + 10 * penalty
            update("critic", loss)
            losses["critic"] = loss.detach()
        self.on_step(step)
        loss = -self.critic(self.made(len(batch), generator)).mean()
        update("maker", loss)
        return {**losses, "maker": loss.detach()}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        return float((self.made(256, generator).mean(0) - data.mean(0)).abs().sum())


def arrays(modules: Mapping[str, nn.Module]) -> dict[str, np.ndarray]:
    """All weights and buffers, copied."""
    return {
        f"{name}.{key}": tensor.numpy().copy() for name, m in modules.items() for key, tensor in m.state_dict().items()
    }


@pytest.fixture
def data() -> Tensor:
    return points()


@pytest.fixture
def validation() -> Tensor:
    return points(50, seed=2)


@pytest.fixture
def line() -> type[Line]:
    return Line


@pytest.fixture
def rivals() -> type[Rivals]:
    return Rivals


@pytest.fixture
def weights_of() -> Callable[[Mapping[str, nn.Module]], dict[str, np.ndarray]]:
    return arrays
