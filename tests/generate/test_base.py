"""What all generators share, on a small diffusion."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

import odflow
from odflow.errors import DataError, OdflowError, OdflowWarning, UsageError
from odflow.generate import KINDS, load_generator
from odflow.generate.base import TrafficGenerator
from odflow.generate.config import DiffusionConfig, VAEConfig, WGANConfig
from odflow.generate.diffusion import TrafficDiffusion
from odflow.generate.vae import TrafficVAE
from odflow.generate.wgan import TrafficWGANGP
from odflow.modelfile import ModelFile, read_model
from odflow.training import Task, data_hash

QUICK = DiffusionConfig(steps=60, batch=32, hidden=32, width=32, blocks=1, pretrain_steps=15, sampling_steps=5)


all_kinds = pytest.mark.parametrize(
    "generator",
    [
        TrafficDiffusion(replace(QUICK, checkpoint_every=10)),
        TrafficVAE(VAEConfig(steps=60, batch=32, latent=4, width=16, checkpoint_every=10)),
        TrafficWGANGP(WGANConfig(steps=60, batch=32, latent=4, width=16, critic_width=16, checkpoint_every=10)),
    ],
    ids=lambda generator: type(generator).__name__,
)


@pytest.fixture(scope="module")
def fitted(history: xr.DataArray) -> TrafficDiffusion:
    return TrafficDiffusion(QUICK).fit(history, command="odflow fit diffusion")


def test_what_is_learnt(fitted: TrafficDiffusion, history: xr.DataArray) -> None:
    assert fitted.nodes_ == ("a", "b", "c", "d")
    assert fitted.interval_s_ == 3600
    assert fitted.end_ == np.datetime64("2026-01-12T00")
    np.testing.assert_allclose(fitted.mean_, history.mean("time").values.ravel())
    assert fitted.mean_.dtype == np.float64
    assert fitted.unit == pytest.approx(float(history.mean()))
    assert fitted.device == torch.device("cpu")
    about = fitted.provenance_
    assert about.pop("seconds") > 0
    assert set(about.pop("losses")) == {"reconstruction", "denoising"}
    assert about == {
        "data": data_hash(history),
        "first": "2026-01-05T00:00:00.000000000",
        "end": "2026-01-12T00:00:00.000000000",
        "tms": 168,
        "left_out": 0,
        "seed": 0,
        "odflow": odflow.__version__,
        "command": "odflow fit diffusion",
        "steps": 60,
    }


def test_samples_are_labelled_demands(fitted: TrafficDiffusion) -> None:
    drawn = fitted.sample(30, seed=5)
    assert (drawn.name, drawn.dims) == ("demand", ("time", "origin", "destination"))
    assert tuple(drawn["origin"].values) == tuple(drawn["destination"].values) == ("a", "b", "c", "d")
    assert drawn["time"].values[0] == np.datetime64("2026-01-12T00")
    assert (np.diff(drawn["time"].values) == np.timedelta64(1, "h")).all()
    assert (drawn.attrs["units"], drawn.attrs["interval_s"]) == ("bit/s", 3600)
    assert (drawn.attrs["method"], drawn.attrs["seed"]) == ("TrafficDiffusion", 5)
    assert "independent" in drawn.attrs["note"]
    assert (drawn.values >= 0).all()
    assert fitted.sample(2, start="2030-01-01")["time"].values[1] == np.datetime64("2030-01-01T01")


def test_seeds(fitted: TrafficDiffusion, history: xr.DataArray) -> None:
    before = torch.get_rng_state()
    one = fitted.sample(20, seed=1).values
    np.testing.assert_array_equal(fitted.sample(20, seed=1).values, one)
    assert not np.array_equal(fitted.sample(20, seed=2).values, one)
    again = TrafficDiffusion(QUICK).fit(history)
    np.testing.assert_array_equal(again.sample(20, seed=1).values, one)
    other = TrafficDiffusion(replace(QUICK, seed=1)).fit(history)
    assert not np.allclose(other.sample(20, seed=1).values, one)
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_make_no_difference(fitted: TrafficDiffusion, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted.sample(32, seed=1).values
    monkeypatch.setattr("odflow.generate.base._BLOCK_BYTES", 8 * 4 * 5 * 16)  # 8 TMs at once
    np.testing.assert_allclose(fitted.sample(32, seed=1).values, whole, rtol=1e-4, atol=1.0)


@pytest.mark.parametrize("n", [0, 1.5])
def test_numbers_of_samples(fitted: TrafficDiffusion, n: int) -> None:
    with pytest.raises(UsageError, match=f"n is {n}"):
        fitted.sample(n)


def test_save_and_restore(fitted: TrafficDiffusion, tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    fitted.save(file)
    model = read_model(file)
    assert model.kind == "TrafficDiffusion"
    back = load_generator(model)
    assert isinstance(back, TrafficDiffusion)
    assert back.config == fitted.config
    assert back.provenance_ == fitted.provenance_
    assert (back.nodes_, back.interval_s_, back.end_) == (fitted.nodes_, fitted.interval_s_, fitted.end_)
    np.testing.assert_array_equal(back.mean_, fitted.mean_)
    np.testing.assert_array_equal(back.sample(20, seed=3).values, fitted.sample(20, seed=3).values)


def damaged(fitted: TrafficDiffusion, *, drop: str = "", **changes: object) -> ModelFile:
    model = fitted.as_model()
    header = model.header | {name: value for name, value in changes.items() if name in model.header}
    tensors = model.tensors | {name: value for name, value in changes.items() if name in model.tensors}
    return ModelFile(
        model.kind,
        {name: value for name, value in header.items() if name != drop},
        {name: value for name, value in tensors.items() if name != drop},
    )


def test_damaged_models(fitted: TrafficDiffusion) -> None:
    size = fitted.config.latent or 16
    config = fitted.as_model().header["config"]
    negative = fitted.mean_ - 1e12
    cases: list[tuple[str, ModelFile]] = [
        ("KeyError: 'recovery.bias'", damaged(fitted, drop="recovery.bias")),
        ("KeyError: 'provenance'", damaged(fitted, drop="provenance")),
        ("'embedding.2.bias' is float32", damaged(fitted, **{"embedding.2.bias": np.zeros(size + 1, np.float32)})),
        ("'embedding.2.bias' is float64", damaged(fitted, **{"embedding.2.bias": np.zeros(size)})),
        ("asks for float32", damaged(fitted, config=config | {"width": 10_000_000})),
        ("fit each other", damaged(fitted, nodes=["a", "b"])),
        ("fit each other", damaged(fitted, nodes=["a", "b", "c", "c"])),
        ("values that cannot be", damaged(fitted, mean=negative)),
        ("interval or end", damaged(fitted, interval_s=-1)),
        ("interval or end", damaged(fitted, history_end="NaT")),
        ("times cannot be read as dates", damaged(fitted, history_end="yesterday")),
        ("TypeError", damaged(fitted, config=config | {"depth": 3})),
        ("incomplete or damaged", damaged(fitted, config=config | {"latent": "many"})),
    ]
    for message, model in cases:
        with pytest.raises(DataError, match="incomplete or damaged") as caught:
            load_generator(model)
        assert message in str(caught.value)
        assert len(str(caught.value)) < 400
    with pytest.raises(OdflowError, match="schedule is 'square'"):
        load_generator(damaged(fitted, config=config | {"schedule": "square"}))
    with pytest.raises(DataError, match="is a Gravity, expected a generator"):
        load_generator(ModelFile("Gravity", {}, {}))


def test_gaps_and_constant_flows(history: xr.DataArray) -> None:
    gaps = history.copy()
    gaps[5, 0, 1] = np.nan
    gaps[:, 2, 2] = 3e6
    with pytest.warns(OdflowWarning, match="1 of 168 TMs lack a demand and are left out"):
        generator = TrafficDiffusion(QUICK).fit(gaps)
    assert generator.provenance_["tms"] == 167
    assert generator.provenance_["left_out"] == 1
    assert np.isfinite(generator.sample(5).values).all()
    still = TrafficDiffusion(replace(QUICK, steps=600, pretrain_steps=150, learning_rate=3e-3))
    still.fit(xr.full_like(history, 2e6))
    np.testing.assert_allclose(still.sample(50).values, 2e6, rtol=0.05)


def test_epochs_and_holdout(history: xr.DataArray) -> None:
    config = replace(QUICK, epochs=3, holdout=0.25, validate_every=2, patience=1000)
    generator = TrafficDiffusion(config).fit(history)
    assert generator.provenance_["tms"] == 126
    assert generator.provenance_["steps"] == 9  # 3 batches of 32 in 126 TMs


def test_half_life(history: xr.DataArray) -> None:
    rising = history * (1 + np.arange(168) // 84)[:, None, None]
    levels = [
        float(TrafficDiffusion(replace(QUICK, steps=300, half_life=days)).fit(rising).sample(300).mean())
        for days in (0, 0.5)
    ]
    mean, last = float(rising.mean()), float(rising[-24:].mean())
    assert levels == pytest.approx([mean, last], rel=0.1)
    assert last > 1.25 * mean
    with pytest.raises(UsageError, match="half_life is -1, expected days, 0 or more"):
        DiffusionConfig(half_life=-1)


def test_half_life_leaves_the_holdout_alone(history: xr.DataArray) -> None:
    seen = TrafficDiffusion(replace(QUICK, holdout=0.25, half_life=0.01)).fit(history)
    np.testing.assert_allclose(seen.sample(50).mean(), history[125].mean(), rtol=0.3)
    assert seen.provenance_["tms"] == 126


def test_checkpoint_log_and_progress(history: xr.DataArray, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    files = {"checkpoint": tmp_path / "c.safetensors", "log": tmp_path / "log.csv"}
    one = TrafficDiffusion(QUICK).fit(history, progress=lambda done, total, losses: told.append((done, total)), **files)
    assert told[-1] == (60, 60)
    lines = files["log"].read_text().splitlines()
    assert len(lines) == 61
    assert {"reconstruction", "denoising"} <= set(lines[0].split(","))
    two = TrafficDiffusion(QUICK).fit(history, resume=True, **files)  # nothing is left to do
    np.testing.assert_array_equal(one.sample(4).values, two.sample(4).values)
    with pytest.raises(OdflowError, match="another training"):
        TrafficDiffusion(QUICK).fit(history * 2, resume=True, **files)


@all_kinds
def test_same_seed_same_bits(generator: TrafficGenerator, history: xr.DataArray) -> None:
    fresh = type(generator)
    one, other = (fresh(generator.config).fit(history) for _ in range(2))
    np.testing.assert_array_equal(one.sample(20, seed=1), other.sample(20, seed=1))
    assert (one.sample(20, seed=2).values != one.sample(20, seed=1).values).mean() > 0.8
    reseeded = fresh(replace(generator.config, seed=1)).fit(history)
    assert (one.sample(20, seed=1).values != reseeded.sample(20, seed=1).values).mean() > 0.8


@all_kinds
def test_saved_and_loaded(generator: TrafficGenerator, history: xr.DataArray, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    generator.fit(history).save(path)
    again = load_generator(read_model(path))
    assert type(again) is type(generator)
    assert again.config == generator.config
    np.testing.assert_array_equal(again.sample(30, seed=9), generator.sample(30, seed=9))
    noise = torch.randn((5, *generator.noise_shape), generator=torch.Generator().manual_seed(2))
    assert torch.equal(again.decode(noise), generator.decode(noise))


@all_kinds
def test_resumed_training_is_the_same(
    generator: TrafficGenerator, history: xr.DataArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, path = type(generator), tmp_path / "run.safetensors"
    whole = generator.fit(history)
    task = type(whole._task(whole.networks_, whole.config))
    step = task.step

    def failing(self: Task, batch: Tensor, number: int, *rest: object) -> dict[str, Tensor]:
        if number == 25:
            raise RuntimeError("power cut")
        return step(self, batch, number, *rest)

    monkeypatch.setattr(task, "step", failing)
    with pytest.raises(RuntimeError, match="power cut"):
        fresh(whole.config).fit(history, checkpoint=path)
    monkeypatch.undo()
    resumed = fresh(whole.config).fit(history, checkpoint=path, resume=True)
    for name, tensor in whole.as_model().tensors.items():
        np.testing.assert_array_equal(resumed.as_model().tensors[name], tensor, err_msg=name)


def test_without_torch() -> None:
    code = """
import sys
sys.modules["torch"] = None
from odflow.errors import MissingDependencyError
from odflow.generate import DiffusionConfig, VAEConfig, WGANConfig
DiffusionConfig(), VAEConfig(), WGANConfig()
try:
    from odflow.generate import TrafficDiffusion
except MissingDependencyError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "TrafficDiffusion needs torch; install it with: pip install 'odflow[learn]'\n"


def test_all_kinds_have_a_home() -> None:
    import odflow.generate as room

    for kind in KINDS:
        assert getattr(room, kind).__name__ == kind
    with pytest.raises(AttributeError, match="no attribute 'TrafficGAN'"):
        room.TrafficGAN  # noqa: B018
