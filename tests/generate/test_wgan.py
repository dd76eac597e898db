from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from odflow import labels
from odflow.errors import UsageError
from odflow.generate.config import WGANConfig
from odflow.generate.wgan import TrafficWGANGP, WGANTask, gradient_penalty
from odflow.training import generator_of

SMALL = WGANConfig(steps=30, batch=32, latent=4, width=16, critic_width=16, checkpoint_every=10)
ROWS = 2048


def normal_history() -> xr.DataArray:
    """Nine normal flows of mean 10 to 90 Mbit/s and standard deviation 20 %, all with correlation 0.5."""
    rng = np.random.default_rng(5)
    deviation = (rng.standard_normal((ROWS, 1)) + rng.standard_normal((ROWS, 9))) / np.sqrt(2)
    values = np.maximum(1e7 * np.arange(1.0, 10.0) * (1 + 0.2 * deviation), 0.0)
    times = np.datetime64("2026-01-05T00", "ns") + np.arange(ROWS) * np.timedelta64(5, "m")
    return labels.demands(values, times, ("a", "b", "c"), 300)


def flat(tms: xr.DataArray) -> np.ndarray:
    return tms.values.reshape(len(tms), -1)


@pytest.fixture(scope="module")
def learnt() -> TrafficWGANGP:
    config = WGANConfig(steps=3500, learning_rate=2e-3, latent=8, width=32, critic_width=32, ema=0.99)
    return TrafficWGANGP(config).fit(normal_history())


def task_of(config: WGANConfig) -> WGANTask:
    generator = TrafficWGANGP(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return generator._task(generator._networks(9), config)


def rows(count: int, seed: int) -> Tensor:
    return torch.randn((count, 3), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("weights", "known"), [([3.0, 0.0, 4.0], 16.0), ([0.6, 0.8, 0.0], 0.0), ([0.0, 0.3, 0.4], 0.25)]
)
def test_gradient_penalty_of_a_linear_critic(weights: list[float], known: float) -> None:
    critic = nn.Linear(3, 1)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([weights]))
    penalty = gradient_penalty(critic, rows(7, 0), rows(7, 1), torch.rand(7, 1))
    assert float(penalty.detach()) == pytest.approx(known, abs=1e-6)
    penalty.backward()
    length = float(np.linalg.norm(weights))
    slope = 2 * (length - 1) * np.array([weights]) / length  # of (|w| - 1)^2
    assert critic.weight.grad is not None
    np.testing.assert_allclose(critic.weight.grad.numpy(), slope, atol=1e-5)
    assert critic.bias.grad is None


class Bowl(nn.Module):
    """|x|^2 / 2, whose gradient is x."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x.square().sum(dim=1, keepdim=True)


def test_gradient_penalty_is_taken_between_real_and_fake() -> None:
    real, fake, share = rows(9, 0), rows(9, 1), torch.linspace(0, 1, 9)[:, None]
    known = ((share * real + (1 - share) * fake).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(gradient_penalty(Bowl(), real, fake, share), known)
    one, none = torch.ones(9, 1), torch.zeros(9, 1)
    torch.testing.assert_close(gradient_penalty(Bowl(), real, fake, one), (real.norm(dim=1) - 1).square().mean())
    torch.testing.assert_close(gradient_penalty(Bowl(), real, fake, none), (fake.norm(dim=1) - 1).square().mean())


def test_a_flat_critic_has_a_finite_penalty() -> None:
    critic = nn.Linear(3, 1)
    nn.init.zeros_(critic.weight)
    penalty = gradient_penalty(critic, rows(4, 0), rows(4, 1), torch.rand(4, 1))
    penalty.backward()
    assert float(penalty.detach()) == 1.0
    assert critic.weight.grad is not None
    assert torch.isfinite(critic.weight.grad).all()


def test_five_steps_of_the_critic_for_one_of_the_generator() -> None:
    task = task_of(SMALL)
    batch = torch.rand((32, 9), generator=torch.Generator().manual_seed(0)) + 0.5
    asked: list[str] = []
    for step in range(12):
        task.step(batch, step, generator_of(0, step), lambda name, loss: asked.append(name))
    assert asked == [*["critic"] * 5, "generator", *["critic"] * 5, "generator", *["critic"] * 2]
    for optimizer in task.optimizers.values():
        assert optimizer.param_groups[0]["betas"] == (0.0, 0.9)
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in task.critic.modules())


def test_networks_start_at_mean_and_spread_of_the_data() -> None:
    task = task_of(SMALL)
    batch = torch.rand((512, 9), generator=torch.Generator().manual_seed(0)) + 0.5
    task.step(batch, 0, generator_of(0), lambda name, loss: None)
    roots = batch.sqrt()
    deviation = (roots - roots.mean(dim=0)).abs().mean()
    torch.testing.assert_close(task.generator.spread, deviation)
    with torch.no_grad():
        drawn = task.generator(torch.randn((512, 4), generator=generator_of(1)))
    torch.testing.assert_close(drawn.mean(dim=0), roots.mean(dim=0), rtol=0, atol=float(deviation))
    critic_sees = task.generator.standard(roots)
    assert float(critic_sees.mean()) == pytest.approx(0, abs=1e-5)
    assert float(critic_sees.abs().mean()) == pytest.approx(1)
    task.step(torch.ones(512, 9), 0, generator_of(0), lambda name, loss: None)
    assert float(task.generator.spread) == pytest.approx(1e-3)


def test_loss_of_the_critic_is_that_of_the_paper() -> None:
    task = task_of(replace(SMALL, penalty=7.0))
    task.generator.spread.fill_(0.5)
    task.generator.middle.fill_(0.9)
    batch = torch.rand((32, 9), generator=torch.Generator().manual_seed(0)) + 0.5
    losses: dict[str, Tensor] = {}
    told = task.step(batch, 4, generator_of(0), lambda name, loss: losses.update({name: loss.detach()}))
    torch.testing.assert_close(losses["critic"], 7.0 * told["penalty"] - told["distance"])
    randoms = generator_of(0)
    with torch.no_grad():
        fake = task.generator(torch.randn((32, 4), generator=randoms)).relu()
        distance = task.critic((batch.sqrt() - 0.9) / 0.5).mean() - task.critic((fake - 0.9) / 0.5).mean()
        torch.rand((32, 1), generator=randoms)
        torch.testing.assert_close(told["distance"], distance)
        fresh = task.generator(torch.randn((32, 4), generator=randoms)).relu()
        torch.testing.assert_close(losses["generator"], -task.critic((fresh - 0.9) / 0.5).mean())


def test_samples_have_the_moments_of_normal_data(learnt: TrafficWGANGP) -> None:
    data, drawn = flat(normal_history()), flat(learnt.sample(4000, seed=3))
    assert np.abs(drawn.mean(axis=0) / data.mean(axis=0) - 1).max() < 0.12
    assert np.abs(drawn.std(axis=0) / data.std(axis=0) - 1).max() < 0.25
    assert np.abs(np.corrcoef(drawn.T) - np.corrcoef(data.T)).mean() < 0.2


def test_validation_measures_the_distance_of_the_marginals(learnt: TrafficWGANGP) -> None:
    task = WGANTask(learnt.networks_, learnt.config)
    scaled = learnt.scaling_.forward(torch.from_numpy(flat(normal_history()) / learnt.unit).float())
    near, far = task.validate(scaled, generator_of(0)), task.validate(4 * scaled, generator_of(0))
    assert near < 0.1 * float(scaled.sqrt().mean())
    assert far == pytest.approx(float(scaled.sqrt().mean()), rel=0.1)  # all roots twice as large: the mean apart


def test_decode_is_not_negative_and_has_a_gradient(learnt: TrafficWGANGP) -> None:
    assert learnt.noise_shape == (8,)
    noise = torch.randn((200, 8), generator=torch.Generator().manual_seed(1))
    assert float(learnt.decode(10 * noise).min()) == 0  # far out, and the network itself goes below
    noise.requires_grad_()
    tms = learnt.decode(noise)
    assert tms.shape == (200, 9)
    assert tms.dtype == torch.float32
    assert float(tms.detach().min()) > 0
    tms.sum().backward()
    assert noise.grad is not None
    assert (noise.grad.abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("latent", 0, "latent is 0"),
        ("critic_layers", 0, "critic_layers is 0"),
        ("critic_steps", 0, "critic_steps is 0"),
        ("penalty", -1.0, "penalty is -1.0"),
        ("penalty", float("inf"), "penalty is inf"),
    ],
)
def test_bad_configurations(field: str, value: object, text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(text)):
        replace(SMALL, **{field: value})


def test_full_configuration_has_the_constants_of_the_paper() -> None:
    full = WGANConfig.full()
    assert (full.learning_rate, full.final_learning_rate, full.batch) == (1e-4, 1e-4, 64)
    assert (full.critic_steps, full.penalty, full.clip) == (5, 10.0, 0.0)
    assert full.for_rows(32256).steps == 200 * 504
