"""TrafficDiffusion: Algorithm 1, and decoding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

from odflow.errors import NotFittedError, UsageError
from odflow.generate.config import DiffusionConfig
from odflow.generate.diffusion import DiffusionTask, TrafficDiffusion

SMALL = DiffusionConfig(steps=300, batch=64, hidden=64, width=64, blocks=2, pretrain_steps=75, sampling_steps=10)


@pytest.fixture(scope="module")
def fitted(history: xr.DataArray) -> TrafficDiffusion:
    return TrafficDiffusion(replace(SMALL, steps=1200, pretrain_steps=200, learning_rate=3e-3)).fit(history)


def noise(rows: int, fitted: TrafficDiffusion) -> Tensor:
    return torch.randn((rows, *fitted.noise_shape), generator=torch.Generator().manual_seed(1))


def test_samples_look_like_the_history(fitted: TrafficDiffusion, history: xr.DataArray) -> None:
    drawn = fitted.sample(1000, seed=1)
    mean, truth = drawn.mean("time").values, history.mean("time").values
    assert mean[3, 0] < 0.01 * truth.mean()  # nothing was ever sent from d to a
    sent = truth > 0
    assert np.abs(mean[sent] / truth[sent] - 1).max() < 0.1
    spread = drawn.std("time").values[sent] / history.std("time").values[sent]
    assert 0.7 < np.median(spread) < 1.15
    total, past = (x.sum(("origin", "destination")) for x in (drawn, history))
    assert float(total.std() / past.std()) == pytest.approx(1, abs=0.25)  # the daily cycle that all flows share


def test_decoding(fitted: TrafficDiffusion) -> None:
    assert fitted.noise_shape == (10, 16)
    out = fitted.decode(noise(3, fitted))
    assert (out.shape, out.dtype) == ((3, 16), torch.float32)
    assert (out >= 0).all()
    assert float(out.mean()) == pytest.approx(1, abs=0.5)  # in units of the mean demand
    torch.testing.assert_close(fitted.decode(noise(3, fitted)[1:2]), out[1:2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fitted.decode_with(noise(3, fitted), fitted.config.eta), out)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_gradients_reach_what_has_an_effect(fitted: TrafficDiffusion, eta: float) -> None:
    z = noise(4, fitted).requires_grad_()
    fitted.decode_with(z, eta).sum().backward()
    assert z.grad is not None
    sizes = z.grad.norm(dim=2)
    assert (sizes[:, 0] > 0).all()
    assert (sizes[:, 1:] > 0).all() if eta else (sizes[:, 1:] == 0).all()


def test_another_chain_for_the_same_networks(fitted: TrafficDiffusion) -> None:
    short = fitted.with_chain(sampling_steps=4, eta=0.0)
    assert short.noise_shape == (4, 16)
    assert fitted.noise_shape == (10, 16)
    z = noise(2, fitted)[:, :4]
    assert torch.equal(short.decode(z), fitted.decode_with(z, 0.0))
    with pytest.raises(UsageError, match="noise for 1001 steps does not fit a diffusion of 1000"):
        fitted.decode_with(torch.zeros(1, 1001, 16), 1.0)


def test_before_fitting() -> None:
    for ask in (lambda g: g.noise_shape, lambda g: g.unit, lambda g: g.sample(1), lambda g: g.decode(torch.zeros(0))):
        with pytest.raises(NotFittedError, match="TrafficDiffusion has learnt nothing yet"):
            ask(TrafficDiffusion())


def test_flows_keep_their_distributions(fitted: TrafficDiffusion, history: xr.DataArray) -> None:
    drawn, past = (x.values.reshape(-1, 16) for x in (fitted.sample(2000, seed=3), history))
    shares = np.linspace(0.02, 0.98, 25)
    off = np.abs(np.quantile(drawn, shares, axis=0) - np.quantile(past, shares, axis=0)).mean(axis=0)
    assert (off[past.mean(axis=0) > 0] < 0.06 * past.mean(axis=0)[past.mean(axis=0) > 0]).all()


@pytest.mark.parametrize("settings", [{"denoiser": "unet"}, {"schedule": "cosine", "loss": "noise", "joint": False}])
def test_other_configurations(history: xr.DataArray, settings: dict[str, object]) -> None:
    config = replace(SMALL, steps=8, pretrain_steps=2, batch=8, width=0, latent=8, **settings)
    generator = TrafficDiffusion(config).fit(history)
    assert generator.noise_shape == (10, 8)
    assert np.isfinite(generator.sample(3).values).all()


class Recorder:
    """Stands in for the training loop."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, optimizer: str, loss: Tensor) -> None:
        assert loss.requires_grad
        self.calls.append(optimizer)
        loss.backward()


def task(**settings: object) -> DiffusionTask:
    config = replace(SMALL, **settings)
    generator = TrafficDiffusion(config)
    return DiffusionTask(generator._networks(16), config)


def step(made: DiffusionTask, k: int) -> tuple[list[str], dict[str, Tensor]]:
    recorder = Recorder()
    batch = torch.rand(32, 16, generator=torch.Generator().manual_seed(k))
    losses = made.step(batch, k, torch.Generator().manual_seed(k), recorder)
    assert not any(loss.requires_grad for loss in losses.values())
    return recorder.calls, losses


def test_algorithm_1() -> None:
    joint, apart = task(joint=True), task(joint=False)
    for made, later in ((joint, ["autoencoder", "denoiser"]), (apart, ["denoiser"])):
        calls, losses = step(made, 74)
        assert calls == ["autoencoder"]
        assert float(losses["denoising"]) == 1
        calls, losses = step(made, 75)
        assert calls == later
        assert float(losses["denoising"]) == pytest.approx(1, abs=0.5)  # an untrained denoiser explains nothing
        assert int(made.standardised.seen) == len(calls)


def test_the_denoiser_does_not_move_the_embedding() -> None:
    made = task(joint=False, pretrain_steps=0)
    step(made, 0)
    for name in ("embedding", "recovery"):
        assert all(parameter.grad is None for parameter in made.modules[name].parameters())
    assert all(parameter.grad is not None for parameter in made.modules["denoiser"].parameters())


def test_pretraining_takes_at_most_a_quarter() -> None:
    assert task(steps=300, pretrain_steps=75).pretrain_steps == 75
    assert task(steps=100, pretrain_steps=75).pretrain_steps == 25


@pytest.mark.parametrize("loss", ["velocity", "noise"])
def test_losses_of_a_perfect_and_of_a_useless_denoiser(loss: str) -> None:
    """For latents that are all 0, noise = x / sqrt(1 - alpha_bar); its velocity has variance alpha_bar."""
    made = task(loss=loss)
    latents = torch.zeros(4000, 16)
    bars = made.alpha_bars

    def perfect(x: Tensor, t: Tensor) -> Tensor:
        return (bars[t] / (1 - bars[t])).sqrt()[:, None] * x

    made.modules["denoiser"].forward = perfect  # type: ignore[method-assign]
    assert float(made._denoising(latents, torch.Generator().manual_seed(0))) < 1e-8
    made.modules["denoiser"].forward = lambda x, t: torch.zeros_like(x)  # type: ignore[method-assign]
    useless = float(made._denoising(latents, torch.Generator().manual_seed(0)))
    expected = bars if loss == "velocity" else bars**2
    assert useless == pytest.approx(float(expected.mean()), rel=0.06)


def test_validation_is_the_sum_of_both_losses() -> None:
    made = task()
    data = torch.rand(200, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        latents = made.modules["embedding"](data)
        apart = made._reconstruction(latents, data) + made._denoising(latents, torch.Generator().manual_seed(3))
        assert made.validate(data, torch.Generator().manual_seed(3)) == pytest.approx(float(apart))
