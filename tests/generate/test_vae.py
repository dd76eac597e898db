from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

from odflow import labels
from odflow.errors import UsageError
from odflow.generate.config import VAEConfig
from odflow.generate.vae import TrafficVAE, VAETask, kl_divergence
from odflow.training import generator_of

SMALL = VAEConfig(steps=30, batch=32, latent=4, width=16, checkpoint_every=10)
ROWS = 2048


def normal_history() -> xr.DataArray:
    """Nine normal flows of mean 10 to 90 Mbit/s and standard deviation 20 %, two thirds of it by two common factors."""
    rng = np.random.default_rng(5)
    mean = 1e7 * np.arange(1.0, 10.0)
    loadings = np.stack([np.full(9, 1.0), np.linspace(-1, 1, 9)])
    loadings *= np.sqrt(2 / 3) / np.linalg.norm(loadings, axis=0)
    deviation = rng.standard_normal((ROWS, 2)) @ loadings + np.sqrt(1 / 3) * rng.standard_normal((ROWS, 9))
    times = np.datetime64("2026-01-05T00", "ns") + np.arange(ROWS) * np.timedelta64(5, "m")
    return labels.demands(np.maximum(mean * (1 + 0.2 * deviation), 0.0), times, ("a", "b", "c"), 300)


def flat(tms: xr.DataArray) -> np.ndarray:
    return tms.values.reshape(len(tms), -1)


@pytest.fixture(scope="module")
def learnt() -> TrafficVAE:
    return TrafficVAE(
        VAEConfig(
            steps=1500,
            batch=64,
            learning_rate=3e-3,
            latent=8,
            width=32,
            reconstruction="l2",
            beta=1.0,
            ema=0.99,
            scale_power=0.5,
        )
    ).fit(normal_history())


def test_kl_divergence_is_that_of_normal_distributions() -> None:
    randoms = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn((2, 6, 5), generator=randoms, dtype=torch.float64)
    known = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * log_variance).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(kl_divergence(mean, log_variance), known.sum(dim=1))
    assert (kl_divergence(torch.zeros(2, 3), torch.zeros(2, 3)) == 0).all()
    by_hand = kl_divergence(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, np.log(4.0)]]))
    assert float(by_hand) == pytest.approx(2.0 + 0.5 * (4 - 1 - np.log(4.0)))


def test_samples_have_the_moments_of_normal_data(learnt: TrafficVAE) -> None:
    data, drawn = flat(normal_history()), flat(learnt.sample(4000, seed=3))
    assert np.abs(drawn.mean(axis=0) / data.mean(axis=0) - 1).max() < 0.03
    assert np.abs(drawn.std(axis=0) / data.std(axis=0) - 1).max() < 0.2
    assert np.abs(np.corrcoef(drawn.T) - np.corrcoef(data.T)).mean() < 0.15


def test_without_residuals_samples_vary_less(learnt: TrafficVAE) -> None:
    data, drawn = flat(normal_history()), flat(learnt.sample(1000, seed=3))
    model = learnt.as_model()
    model.header["config"] = {**model.header["config"], "residual": False}
    plain = TrafficVAE.restore(model)
    bare = flat(plain.sample(1000, seed=3))
    assert (bare.std(axis=0) < 0.93 * drawn.std(axis=0)).all()
    noise = torch.randn((1000, 8), generator=generator_of(3, 7))
    np.testing.assert_allclose(bare / plain.unit, plain.decode(noise).numpy(), rtol=1e-5)
    # what was left out is the error of the reconstructions: a third of the variance of the data is of no factor
    error = learnt.as_model().tensors["decoder.error"]
    scaled = data / learnt.unit / learnt.scaling_.scale.numpy()
    assert (0.35 * np.sqrt(scaled).std(axis=0) < error).all()
    assert (error < 0.85 * np.sqrt(scaled).std(axis=0)).all()


def test_decode_is_not_negative_and_has_a_gradient(learnt: TrafficVAE) -> None:
    assert learnt.noise_shape == (8,)
    noise = torch.randn((200, 8), generator=torch.Generator().manual_seed(1))
    assert float(learnt.decode(50 * noise).min()) == 0  # far out, and the network itself goes below
    noise.requires_grad_()
    tms = learnt.decode(noise)
    assert tms.shape == (200, 9)
    assert tms.dtype == torch.float32
    assert float(tms.detach().min()) > 0
    tms.sum().backward()
    assert noise.grad is not None
    assert (noise.grad.abs().sum(dim=1) > 0).all()
    assert float(learnt.decode(torch.zeros(1, 8)).mean()) == pytest.approx(1.0, abs=0.1)  # in units of the mean demand


@pytest.mark.parametrize(("loss", "wide"), [("l1", 1), ("l2", 2)])
def test_loss_is_reconstruction_plus_growing_kl(loss: str, wide: int) -> None:
    config = replace(SMALL, steps=100, warmup=0.5, beta=3.0, reconstruction=loss)
    generator = TrafficVAE(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        task = generator._task(generator._networks(9), config)
    batch = torch.rand((16, 9), generator=torch.Generator().manual_seed(0)) + 0.5
    for step, beta in ((0, 3.0 / 50), (24, 1.5), (49, 3.0), (99, 3.0)):
        losses: list[Tensor] = []
        told = task.step(batch, step, generator_of(0, step), lambda name, loss, seen=losses: seen.append(loss.detach()))
        expected = told["reconstruction"] * (1 + wide * beta / 9 * told["kl"])
        torch.testing.assert_close(losses, [expected])
        if step == 0:
            torch.testing.assert_close(task.decoder.middle, batch.sqrt().mean(dim=0))
            error = task.decoder.error if wide == 1 else task.decoder.error.square()
            torch.testing.assert_close(error.mean(), told["reconstruction"])


def test_weight_of_the_kl_term_is_that_of_the_calibrated_likelihood() -> None:
    task = VAETask(TrafficVAE(SMALL)._networks(9), replace(SMALL, beta=1.0))
    error = torch.tensor([[0.1, -0.4, 0.3]], requires_grad=True)
    kl = torch.tensor(2.0, requires_grad=True)
    reconstruction = error.abs().mean()
    (reconstruction + task._weight(reconstruction, error) * kl).backward()
    assert error.grad is not None
    assert kl.grad is not None
    ratio = error.grad / kl.grad
    error.grad = kl.grad = None
    (3 * error.abs().mean().log() + kl).backward()  # - log likelihood of Laplace errors of the best width
    torch.testing.assert_close(ratio, error.grad)


@pytest.mark.parametrize(("loss", "mean_absolute", "variance"), [("l1", 1.0, 2.0), ("l2", (2 / np.pi) ** 0.5, 1.0)])
def test_residuals_follow_the_distribution_of_the_loss(loss: str, mean_absolute: float, variance: float) -> None:
    config = replace(SMALL, reconstruction=loss)
    noise = TrafficVAE(config)._residuals((40_000, 2), torch.Generator().manual_seed(0))
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.03)
    assert float(noise.abs().mean()) == pytest.approx(mean_absolute, rel=0.02)
    assert float(noise.var()) == pytest.approx(variance, rel=0.04)


def test_validation_loss_falls() -> None:
    history = normal_history()
    tails = []
    for steps in (10, 300):
        config = replace(SMALL, steps=steps, learning_rate=5e-3, beta=0.2, holdout=0.1, ema=0.9)
        generator = TrafficVAE(config).fit(history)
        task = VAETask(generator.networks_, config)
        scaled = generator.scaling_.forward(torch.from_numpy(flat(history) / generator.unit).float())[-200:]
        tails.append(task.validate(scaled, generator_of(0)))
    assert tails[1] < 0.8 * tails[0]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("latent", 0, "latent is 0"),
        ("layers", 0, "layers is 0"),
        ("beta", -1.0, "beta is -1.0"),
        ("beta", float("nan"), "beta is nan"),
        ("warmup", 1.5, "warmup is 1.5"),
        ("reconstruction", "l3", "reconstruction is 'l3', expected one of l1, l2"),
    ],
)
def test_bad_configurations(field: str, value: object, text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(text)):
        replace(SMALL, **{field: value})


def test_full_configuration() -> None:
    full = VAEConfig.full()
    assert (full.epochs, full.width, full.layers) == (200, 1024, 2)
    assert full.for_rows(32256).steps == 200 * (32256 // 128)
