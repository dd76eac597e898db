"""Training against a known answer: a mixture of two normal distributions in eight dimensions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from odflow.generate.autoencoder import Standardised
from odflow.generate.config import DiffusionConfig
from odflow.generate.denoisers import ResidualMLP
from odflow.generate.diffusion import DiffusionTask, denoiser_of, schedule_of
from odflow.generate.samplers import ddim, spaced
from odflow.training import train

SIZE, WEIGHT = 8, 0.3
DIRECTION = torch.tensor([1.2, 0.6, 0.0, -1.2, 1.2, 0.0, 0.6, -0.6])
MEANS = torch.stack([DIRECTION, -WEIGHT / (1 - WEIGHT) * DIRECTION])  # 0 in all


def factors() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.15 * torch.randn(2, SIZE, SIZE, generator=generator) + 0.4 * torch.eye(SIZE)


def draw(n: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    which = (torch.rand(n, generator=generator) > WEIGHT).long()
    return MEANS[which] + (factors()[which] @ torch.randn(n, SIZE, 1, generator=generator))[..., 0]


def memberships(x: Tensor, covariances: Tensor) -> Tensor:
    """Probability of each component given x, exactly."""
    logs = [MultivariateNormal(MEANS[k], covariances[k]).log_prob(x) for k in range(2)]
    return (torch.stack(logs, dim=1) + torch.tensor([WEIGHT, 1 - WEIGHT]).log()).softmax(dim=1)


def identity() -> nn.Linear:
    layer = nn.Linear(SIZE, SIZE)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def test_a_trained_diffusion_matches_the_mixture() -> None:
    config = DiffusionConfig(steps=1200, batch=256, pretrain_steps=0, joint=False, learning_rate=3e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ResidualMLP(SIZE, 64, 2)
        parts = {"embedding": identity(), "recovery": identity(), "standardised": Standardised(SIZE)}
    train(DiffusionTask({**parts, "denoiser": network}, config), draw(20_000), config)

    schedule = schedule_of(config)
    noise = torch.randn(4000, 200, SIZE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        x = ddim(denoiser_of(network, schedule), noise, schedule, spaced(schedule, 200), eta=1.0)

    covariances = factors() @ factors().mT
    member = memberships(x, covariances)
    assert abs(float(member[:, 0].mean()) - WEIGHT) < 0.03
    means = member.T @ x / member.sum(dim=0)[:, None]
    torch.testing.assert_close(means, MEANS, rtol=0, atol=0.08)
    for k in range(2):
        covariance = torch.cov(x.T, aweights=member[:, k])
        assert (covariance - covariances[k]).norm() / covariances[k].norm() < 0.25
    total = torch.cov(draw(20_000).T)
    assert (torch.cov(x.T) - total).norm() / total.norm() < 0.06
