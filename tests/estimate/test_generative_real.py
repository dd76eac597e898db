"""DDPM-TME, VAE-TME and WGAN-TME with tiny generators."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # matrices are small here: threads only get into each other's way

from safetensors import safe_open  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

import odflow as of  # noqa: E402
from odflow.errors import DataError, FormatError, NotFittedError, UsageError  # noqa: E402
from odflow.estimate.descent import Descent, Operator  # noqa: E402
from odflow.estimate.generative import GenerativeEstimator, restore  # noqa: E402
from odflow.modelfile import ModelFile  # noqa: E402
from odflow.network.routing import Routing  # noqa: E402
from odflow.testing import check_estimator  # noqa: E402

DIFFUSION = of.DiffusionConfig(
    steps=250, batch=32, latent=16, hidden=32, width=16, blocks=1, sampling_steps=4, pretrain_steps=100
)
VAE = of.VAEConfig(steps=80, batch=32, latent=8, width=32)
WGAN = of.WGANConfig(steps=80, batch=32, latent=8, width=32, critic_width=16)
FAST: dict[str, Any] = {"starts": 64, "steps": 30, "block": 32}
KINDS = {"DDPMTME": (of.DDPMTME, DIFFUSION), "VAETME": (of.VAETME, VAE), "WGANTME": (of.WGANTME, WGAN)}


@pytest.fixture(scope="module")
def fitted(history: xr.DataArray) -> dict[str, GenerativeEstimator]:
    return {name: kind(generator=config, **FAST).fit(history) for name, (kind, config) in KINDS.items()}


@pytest.fixture(scope="module")
def diffusion(fitted) -> of.TrafficDiffusion:
    return fitted["DDPMTME"].generator_


@pytest.fixture(params=KINDS)
def estimator(request: pytest.FixtureRequest, fitted) -> GenerativeEstimator:
    return fitted[request.param]


@pytest.mark.parametrize("project", [True, False])
def test_estimates(estimator: GenerativeEstimator, loads: xr.DataArray, truth, diamond_routing: Routing, project: bool):
    model = replace(estimator, generator=estimator.generator_, project=project, sweeps=500)
    found = model.estimate(loads, diamond_routing)
    error = float(np.abs(found - truth).sum() / truth.sum())
    assert error < (0.15 if project else 0.4)
    again = model.estimate(loads, diamond_routing)
    xr.testing.assert_identical(found, again)
    off = np.abs(diamond_routing.loads(found) - loads).max() / loads.max()
    assert (off < 1e-4) == project


def test_descent_pays(estimator: GenerativeEstimator, loads: xr.DataArray, diamond_routing: Routing):
    def misfit(steps: int) -> float:
        model = replace(estimator, generator=estimator.generator_, project=False, steps=steps, learning_rate=0.1)
        return float(np.abs(diamond_routing.loads(model.estimate(loads, diamond_routing)) - loads).sum())

    assert misfit(100) < 0.8 * misfit(0)


def gradient_of_noises(model: of.DDPMTME) -> torch.Tensor:
    """Absolute gradient of the TM with respect to each noise of the chain, summed over the rest."""
    decode, shape, _ = model._decoder(model.generator_)
    noise = torch.randn((20, *shape), generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(decode(noise).sum(), noise)
    return gradient.abs().sum(dim=(0, 2))


def test_every_noise_has_a_gradient(diffusion):
    for eta in (1.0, 0.3):
        assert (gradient_of_noises(of.DDPMTME(generator=diffusion, eta=eta)) > 1e-3).all()
    only_first = gradient_of_noises(of.DDPMTME(generator=diffusion, eta=0, move="start"))
    assert only_first[0] > 1e-3
    assert (only_first[1:] == 0).all()


def test_weights_have_none(diffusion):
    parameters = [p for network in diffusion.networks_.values() for p in network.parameters()]
    assert not any(p.requires_grad for p in parameters)


@pytest.mark.parametrize("move", ["all", "start"])
def test_which_noises_move(diffusion, loads: xr.DataArray, diamond_routing: Routing, move):
    model = of.DDPMTME(generator=diffusion, move=move, steps=5, sampling_steps=4)
    decode, shape, _ = model._decoder(diffusion)
    noise = torch.randn((24, *shape), generator=torch.Generator().manual_seed(0))
    y = loads.values / diffusion.unit
    state = Descent(decode, Operator.of(diamond_routing.matrix), noise, y, model._inversion())
    assert len(list(state.run())) == 5
    same = (state.noise() == noise).flatten(2).all(dim=2).all(dim=0)
    assert same.tolist() == [False, *[move == "start"] * 3]


def test_another_chain(diffusion, loads: xr.DataArray, diamond_routing: Routing):
    model = of.DDPMTME(generator=diffusion, sampling_steps=7, eta=0.5, **FAST)
    assert gradient_of_noises(model).shape == (7,)
    found = model.estimate(loads, diamond_routing)
    assert diffusion.config.sampling_steps == 4
    own_chain = of.DDPMTME(generator=diffusion, sampling_steps=0, **FAST)
    assert gradient_of_noises(own_chain).shape == (4,)
    assert not np.array_equal(found, own_chain.estimate(loads, diamond_routing))
    with pytest.raises(UsageError, match="diffusion_steps"):
        of.DDPMTME(generator=diffusion, sampling_steps=2000).estimate(loads, diamond_routing)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"eta": 0.0}, "noises injected along the chain then have no effect.*move='start'"),
        ({"eta": 1.5}, "eta is 1.5"),
        ({"sampling_steps": -1}, "sampling_steps is -1"),
        ({"move": "last"}, "move is 'last'"),
        ({"generator": VAE}, "DDPMTME needs a TrafficDiffusion or a DiffusionConfig, not a VAEConfig"),
    ],
)
def test_fields_that_make_no_sense(wrong, message: str):
    with pytest.raises(UsageError, match=message):
        of.DDPMTME(**wrong)


@pytest.mark.parametrize("name", KINDS)
def test_they_keep_the_house_rules(name: str):
    kind, config = KINDS[name]
    # screening and projection are those of the other estimators; what is new is the learned prior
    check_estimator(kind(generator=replace(config, steps=20), starts=16, steps=10, sweeps=500), exact=True)


def test_saved_and_loaded(
    estimator: GenerativeEstimator, loads: xr.DataArray, diamond_routing: Routing, tmp_path: Path
):
    model = replace(estimator, generator=estimator.generator_, seed=3, noise={"ab1": 0.1}, best=False)
    model.save(tmp_path / "m.safetensors")
    again = of.load(tmp_path / "m.safetensors")
    assert repr(again) == repr(model)
    assert again.generator_.provenance_ == estimator.generator_.provenance_
    xr.testing.assert_identical(again.estimate(loads, diamond_routing), model.estimate(loads, diamond_routing))
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_damaged_models(fitted, tmp_path: Path):
    import json

    file = tmp_path / "m.safetensors"
    fitted["DDPMTME"].save(file)
    with safe_open(str(file), framework="numpy") as content:
        header = json.loads(content.metadata()["odflow"])
        tensors = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118

    def refused(message: str, **changed: Any) -> None:
        save_file(tensors, str(file), metadata={"odflow": json.dumps({**header, **changed})})
        with pytest.raises(FormatError, match=message):
            of.load(file)

    refused("not a model saved by odflow|incomplete or damaged", generator={})
    refused("expected a generator", generator={**header["generator"], "kind": "Gravity"})
    refused("needs a TrafficVAE", kind="VAETME", parameters={})
    refused("incomplete or damaged", parameters={"colour": 1})
    refused("starts is 0", parameters={"starts": 0})
    refused("noise is -1", parameters={"noise": -1})
    with pytest.raises(DataError, match="the model is a Gravity"):
        restore(ModelFile("Gravity", {}, {}))


def test_nothing_learnt_yet(loads: xr.DataArray, diamond_routing: Routing, tmp_path: Path):
    with pytest.raises(NotFittedError, match="DDPMTME needs past TMs"):
        of.DDPMTME().estimate(loads, diamond_routing)
    with pytest.raises(NotFittedError, match="nothing to save"):
        of.WGANTME(generator=of.TrafficWGANGP()).save(tmp_path / "m.safetensors")


WITHOUT = """
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] == "torch" else found(name, *rest)
import odflow as of
import odflow.estimate
for name in ("DDPMTME", "VAETME", "WGANTME", "InversionConfig"):
    try:
        getattr(of, name)
    except of.errors.MissingDependencyError as error:
        print(error)
"""


def test_without_torch():
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        f"{name} needs torch; install it with: pip install 'odflow[learn]'"
        for name in ("DDPMTME", "VAETME", "WGANTME", "InversionConfig")
    ]
