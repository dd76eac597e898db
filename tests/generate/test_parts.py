"""Scaling, latents and configuration."""

from __future__ import annotations

import pytest
import torch

from odflow.errors import UsageError
from odflow.generate.autoencoder import (
    Standardised,
    embedding,
    latent_size,
    recovery,
    start_at_principal_components,
)
from odflow.generate.config import DiffusionConfig, GeneratorConfig
from odflow.generate.scaling import SMALL, FlowScaling

MEAN = torch.tensor([0.0, 0.04, 1.0, 2.96])


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_scaling_by_a_power_of_the_mean(power: float) -> None:
    scaling = FlowScaling.of(MEAN, power)
    assert scaling.scale.dtype == torch.float32
    scaled = scaling.forward(MEAN)
    assert float(scaled.mean()) == pytest.approx(1)
    ratio = ((2.96 + SMALL) / (1 + SMALL)) ** power
    assert float(scaling.scale[3] / scaling.scale[2]) == pytest.approx(ratio, rel=1e-5)
    torch.testing.assert_close(scaling.inverse(scaled), MEAN)


@pytest.mark.parametrize(
    ("flows", "size"),
    [(1, 8), (4, 8), (9, 8), (16, 16), (25, 24), (100, 96), (144, 128), (145, 144), (529, 256), (2500, 256)],
)
def test_latent_size(flows: int, size: int) -> None:
    assert latent_size(flows) == size


def test_shapes_of_the_autoencoder() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encode, decode = embedding(16, 32, 8), recovery(8, 16)
    assert [type(layer).__name__ for layer in encode] == ["Linear", "LeakyReLU", "Linear"]
    assert decode(encode(torch.ones(3, 16))).shape == (3, 16)


@pytest.mark.parametrize("latent", [4, 16, 24])
def test_start_at_principal_components(latent: int) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(500, 16, generator=generator) @ torch.randn(16, 16, generator=generator) + 3
    encode, decode = embedding(16, 2 * latent + 5, latent), recovery(latent, 16)
    start_at_principal_components(encode, decode, rows)
    with torch.no_grad():
        latents = encode(rows)
        recovered = decode(latents)
    kept = min(latent, 16)
    torch.testing.assert_close(torch.cov(latents[:, :kept].T, correction=0), torch.eye(kept), rtol=0, atol=1e-3)
    assert not latents[:, kept:].any()
    lost = torch.linalg.svdvals((rows - rows.mean(dim=0)).double())[kept:].square().sum()  # Eckart, Young 1936
    assert float((recovered - rows).square().sum()) == pytest.approx(float(lost), rel=1e-4, abs=1e-4)


def test_a_constant_history_has_no_principal_components() -> None:
    encode, decode = embedding(9, 16, 8), recovery(8, 9)
    start_at_principal_components(encode, decode, torch.full((10, 9), 2.0))
    with torch.no_grad():
        torch.testing.assert_close(decode(encode(torch.full((1, 9), 2.0))), torch.full((1, 9), 2.0))


def test_standardised_latents() -> None:
    generator = torch.Generator().manual_seed(0)
    spread, centre = torch.tensor([1.0, 10.0, 0.0]), torch.tensor([0.0, -3.0, 2.0])
    module = Standardised(3)
    for _ in range(300):
        module.observe(torch.randn(200, 3, generator=generator) * spread + centre)
    torch.testing.assert_close(module.mean, centre, rtol=0, atol=0.1)
    torch.testing.assert_close(module.variance, spread**2, rtol=0.05, atol=1e-9)
    h = torch.randn(1000, 3, generator=generator) * spread + centre
    standard = module(h)
    torch.testing.assert_close(standard.mean(0), torch.zeros(3), rtol=0, atol=0.1)
    torch.testing.assert_close(standard.var(0)[:2], torch.ones(2), rtol=0.1, atol=0)
    torch.testing.assert_close(module.inverse(standard), h)


def test_epochs_become_steps() -> None:
    config = GeneratorConfig(epochs=10, batch=32)
    assert config.for_rows(1000) == GeneratorConfig(steps=310, batch=32)
    assert config.for_rows(20).steps == 10
    assert GeneratorConfig(steps=7).for_rows(1000).steps == 7


def test_the_published_size() -> None:
    full = DiffusionConfig.full()
    assert (full.denoiser, full.width, full.batch, full.epochs) == ("unet", 0, 32, 100)
    assert (full.learning_rate, full.final_learning_rate, full.diffusion_steps) == (1e-3, 1e-5, 1000)
    assert (full.schedule, full.reconstruction, full.loss) == ("linear", "l2", "noise")
    assert full.for_rows(32256).steps == 100_800


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "epochs is -1"),
        ({"holdout": 1.0}, "holdout is 1.0"),
        ({"patience": 3}, "set holdout"),
        ({"scale_power": 9.0}, "scale_power is 9.0"),
        ({"latent": 2.5}, "latent is 2.5"),
        ({"hidden": -1}, "hidden is -1"),
        ({"marginals": 1.5}, "marginals is 1.5"),
        ({"embedding_rate": -0.1}, "embedding_rate is -0.1"),
        ({"blocks": 101}, "blocks is 101, expected at most 100"),
        ({"sampling_steps": 0}, "sampling_steps is 0"),
        ({"diffusion_steps": 20}, r"diffusion_steps is 20, expected a number from sampling_steps \(100\)"),
        ({"diffusion_steps": 10**9}, "diffusion_steps is 1000000000"),
        ({"schedule": "sigmoid"}, "schedule is 'sigmoid', expected one of linear, cosine"),
        ({"denoiser": "transformer"}, "expected one of mlp, unet"),
        ({"reconstruction": "l3"}, "expected one of l1, l2"),
        ({"loss": "score"}, "expected one of velocity, noise"),
        ({"eta": 1.5}, "eta is 1.5"),
        ({"learning_rate": -1.0}, "learning_rate"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DiffusionConfig(**settings)  # type: ignore[arg-type]
