"""Samplers against normal data, where the exact noise predictor is known and every chain is an affine map."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from odflow.generate.samplers import Denoiser, ddim, ddpm, spaced
from odflow.generate.schedules import NoiseSchedule, cosine_schedule, linear_schedule

MEAN = torch.tensor([1.0, -0.5], dtype=torch.float64)
COVARIANCE = torch.tensor([[1.0, 0.6], [0.6, 0.5]], dtype=torch.float64)


def exact(schedule: NoiseSchedule) -> Denoiser:
    """E[noise | x_t] for x_0 ~ N(MEAN, COVARIANCE)."""

    def noise_in(x: Tensor, t: Tensor) -> Tensor:
        bar = schedule.alpha_bars[t[0]]
        total = bar * COVARIANCE + (1 - bar) * torch.eye(2, dtype=torch.float64)
        return (1 - bar).sqrt() * torch.linalg.solve(total, (x - bar.sqrt() * MEAN).T).T

    return noise_in


def moments(chain: Callable[[Tensor], Tensor], steps: int) -> tuple[Tensor, Tensor]:
    """Mean and covariance of a chain that is affine in standard normal noise: exactly, from a basis."""
    basis = torch.eye(2 * steps, dtype=torch.float64).view(-1, steps, 2)
    out = chain(torch.cat([torch.zeros_like(basis[:1]), basis]))
    effects = out[1:] - out[0]
    return out[0], effects.T @ effects


def noise(rows: int, steps: int, seed: int = 0) -> Tensor:
    return torch.randn((rows, steps, 2), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("schedule", [linear_schedule(300), cosine_schedule(300)], ids=["linear", "cosine"])
def test_ddim_with_all_noise_and_all_steps_is_ddpm_path_by_path(schedule: NoiseSchedule) -> None:
    z = noise(20, 300)
    one = ddpm(exact(schedule), z, schedule, posterior=True)
    other = ddim(exact(schedule), z, schedule, spaced(schedule, 300), eta=1.0)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("schedule", [linear_schedule(1000), cosine_schedule(1000)], ids=["linear", "cosine"])
def test_all_chains_end_at_the_data(schedule: NoiseSchedule) -> None:
    denoiser, times = exact(schedule), spaced(schedule, 1000)
    mean, covariance = moments(lambda z: ddpm(denoiser, z, schedule), 1000)
    torch.testing.assert_close(mean, MEAN, rtol=0, atol=1e-4)
    torch.testing.assert_close(covariance, COVARIANCE, rtol=0, atol=1e-3)
    for eta in (0.0, 0.5, 1.0):
        shorter_mean, shorter = moments(lambda z, eta=eta: ddim(denoiser, z, schedule, times, eta), 1000)
        torch.testing.assert_close(shorter_mean, mean, rtol=0, atol=6e-3)  # x_T is not quite N(0, I)
        torch.testing.assert_close(shorter, covariance, rtol=0, atol=9e-3)  # sigma differs from sqrt(beta) by O(1/T)


def test_ddpm_and_ddim_with_all_noise_have_the_same_mean() -> None:
    schedule = linear_schedule(200)
    mean, _ = moments(lambda z: ddpm(exact(schedule), z, schedule), 200)
    other, _ = moments(lambda z: ddim(exact(schedule), z, schedule, range(199, -1, -1), 1.0), 200)
    torch.testing.assert_close(mean, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["ddpm", "ddim"])
def test_draws_have_the_propagated_moments(name: str) -> None:
    schedule, rows = linear_schedule(200), 20_000

    def chain(z: Tensor) -> Tensor:
        if name == "ddpm":
            return ddpm(exact(schedule), z, schedule)
        return ddim(exact(schedule), z, schedule, spaced(schedule, 200), 1.0)

    mean, covariance = moments(chain, 200)
    torch.testing.assert_close(covariance, COVARIANCE, rtol=0, atol=0.045)
    drawn = chain(noise(rows, 200, seed=3))
    error = 4 / rows**0.5  # four standard errors of the mean and (times sqrt 2) of the variance, both at most 1
    torch.testing.assert_close(drawn.mean(dim=0), mean, rtol=0, atol=error)
    torch.testing.assert_close(torch.cov(drawn.T), covariance, rtol=0, atol=error * 2**0.5)


def gradient(eta: float) -> tuple[Tensor, Tensor]:
    schedule = linear_schedule(1000)
    z = noise(1, 20).requires_grad_()
    x = ddim(exact(schedule), z, schedule, spaced(schedule, 20), eta)
    x.square().sum().backward()
    assert z.grad is not None
    return x, z.grad[0]


def test_without_eta_only_the_start_counts() -> None:
    x, slope = gradient(0.0)
    assert (slope[1:] == 0).all()
    assert (slope[0].abs() > 1e-3).all()
    schedule, z = linear_schedule(1000), noise(1, 20)
    z[:, 1:] = noise(1, 20, seed=1)[:, 1:]
    assert torch.equal(ddim(exact(schedule), z, schedule, spaced(schedule, 20), 0.0), x.detach())


@pytest.mark.parametrize("eta", [0.1, 1.0])
def test_with_eta_every_noise_counts(eta: float) -> None:
    _, slope = gradient(eta)
    assert (slope.norm(dim=1) > 1e-4).all()


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_the_denoiser_is_asked_once_per_step(steps: int) -> None:
    schedule = linear_schedule(100)
    asked: list[int] = []

    def counting(x: Tensor, t: Tensor) -> Tensor:
        assert t.shape == (3,)
        assert t.dtype == torch.int64
        asked.append(int(t[0]))
        return torch.zeros_like(x)

    ddim(counting, noise(3, steps), schedule, spaced(schedule, steps), 1.0)
    assert tuple(asked) == spaced(schedule, steps)
    asked.clear()
    ddpm(counting, noise(3, 100), schedule)
    assert asked == list(range(99, -1, -1))


@pytest.mark.parametrize(("length", "steps"), [(1000, 1), (1000, 2), (1000, 50), (1000, 1000), (200, 150), (5, 4)])
def test_shortened_chains(length: int, steps: int) -> None:
    times = spaced(linear_schedule(length), steps)
    assert len(times) == steps
    assert times[0] == length - 1
    assert steps == 1 or times[-1] == 0
    assert all(a > b for a, b in pairwise(times))


def test_all_steps_are_all_steps() -> None:
    assert spaced(linear_schedule(100), 100) == tuple(range(99, -1, -1))


def test_quadratic_spacing_keeps_the_variance() -> None:
    schedule = linear_schedule(1000)
    _, quadratic = moments(lambda z: ddim(exact(schedule), z, schedule, spaced(schedule, 50), 0.0), 50)
    even = torch.linspace(999, 0, 50).round().int().tolist()
    _, evenly = moments(lambda z: ddim(exact(schedule), z, schedule, even, 0.0), 50)
    assert (quadratic - COVARIANCE).norm() / COVARIANCE.norm() == pytest.approx(0.066, abs=0.01)
    assert (evenly - COVARIANCE).norm() > (quadratic - COVARIANCE).norm()
