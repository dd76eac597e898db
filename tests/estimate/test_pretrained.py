"""Networks that come with odflow, and how they are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import odflow as of
import odflow.estimate.pretraining as module
from odflow import labels
from odflow.errors import DataError, NotFittedError, UsageError
from odflow.estimate.choice import STACK, candidates
from odflow.estimate.denoiser import DenoisingConfig
from odflow.estimate.stack_network import StackConfig
from odflow.estimate.worlds import World, varied_worlds
from odflow.evaluate.protocol import named_dataset
from odflow.modelfile import read_model
from odflow.named import PRETRAINED, backtested
from odflow.testing import check_estimator

KINDS = {"stacked": (of.StackedEstimator, StackConfig), "diffusion": (of.DiffusionPosterior, DenoisingConfig)}


@pytest.fixture(scope="module")
def world() -> World:
    """None of those that networks have learnt from, and without noise."""
    return next(one for one in varied_worlds(20, seed=77) if not one.noise and len(one.routing.nodes) < 12)


def parted(world: World) -> tuple[xr.DataArray, xr.DataArray]:
    """History, and every fourth TM of the last four days."""
    last = world.demands["time"].values[-1] - np.timedelta64(4, "D")
    before = world.demands["time"].values < last
    return world.demands[before], world.demands[~before][::4]


@pytest.mark.parametrize("name", KINDS)
def test_promises(name: str) -> None:
    check_estimator(KINDS[name][0](weights="pretrained"), exact=True, tolerance=1e-3)


@pytest.mark.parametrize("name", PRETRAINED)
def test_new_network_at_once(name: str, world: World) -> None:
    past, now = parted(world)
    loads = world.routing.loads(now)
    ours = backtested(name).fit(past, world.routing)
    alone = of.StudentTPosterior().fit(past).estimate(loads, world.routing)
    found = ours.estimate(loads, world.routing)
    assert of.evaluate.tre(now, found).mean() < 0.97 * of.evaluate.tre(now, alone).mean()
    low, high = ours.quantiles(loads, world.routing, (0.05, 0.95)).values
    assert 0.8 < ((now.values >= low) & (now.values <= high)).mean() < 0.98
    without = backtested(name)
    without.adopt(past)
    np.testing.assert_array_equal(without.estimate(loads, world.routing), found)
    with pytest.raises(NotFittedError, match="no quantiles yet"):
        without.quantiles(loads, world.routing)


@pytest.mark.parametrize("name", KINDS)
def test_fine_tuning_begins_there(name: str, world: World) -> None:
    past, now = parted(world)
    kind, config = KINDS[name]
    loads, little = world.routing.loads(now), config(steps=1, learning_rate=1e-9, final_learning_rate=1e-9)
    tuned = kind(config=little).fit(past, world.routing).estimate(loads, world.routing)
    as_they_come = kind(weights="pretrained").fit(past, world.routing).estimate(loads, world.routing)
    np.testing.assert_allclose(tuned, as_they_come, rtol=1e-4, atol=1e-5 * float(past.mean()))
    own = kind(weights="own", config=little).fit(past, world.routing).estimate(loads, world.routing)
    assert of.evaluate.tre(as_they_come, own).mean() > 0.02


def test_own_weights_begin_anew_each_time(world: World) -> None:
    past, now = parted(world)
    loads = world.routing.loads(now)
    ours = of.StackedEstimator(weights="own", config=StackConfig(steps=5))
    first, again = (ours.fit(past, world.routing).estimate(loads, world.routing) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_sizes_are_those_of_the_file(world: World) -> None:
    with pytest.raises(UsageError, match="default sizes"):
        of.StackedEstimator(config=StackConfig(width=8)).fit(world.demands, world.routing)


def test_short_history_is_for_pretrained_networks(world: World) -> None:
    few = world.demands[-20:]
    with pytest.raises(DataError, match="or take networks that are pretrained"):
        of.StackedEstimator().fit(few, world.routing)
    found = backtested("stacked-pretrained").fit(few, world.routing)
    assert np.isfinite(found.quantiles(world.routing.loads(few[-2:]), world.routing)).all()


def test_chosen_where_it_is_best(world: World) -> None:
    assert candidates(60) == ["student-t", "gaussian", "kl", STACK]
    assert candidates(12, intervals=True) == ["student-t", "gaussian", STACK]
    assert STACK not in candidates(61)
    past, now = parted(world)
    choice = of.choose(past, world.routing)
    assert choice.method == STACK
    expected = backtested(STACK).fit(past, world.routing).estimate(world.routing.loads(now), world.routing)
    np.testing.assert_array_equal(choice.estimator.estimate(world.routing.loads(now), world.routing), expected)


@pytest.mark.parametrize(("name", "most"), [("abilene", 0.172), ("geant", 0.119)])
def test_real_networks_that_it_has_never_seen(name: str, most: float, real_data: Path) -> None:
    data = named_dataset(name)
    now = data.test[::24]
    loads = data.routing.loads(now)
    ours, alone = backtested(STACK), of.StudentTPosterior().fit(data.train)
    ours.adopt(data.train)
    error, before = (of.evaluate.tre(now, one.estimate(loads, data.routing)).mean() for one in (ours, alone))
    assert error < most
    assert error < before - 0.002


def test_worlds_are_a_function_of_the_seed() -> None:
    first, again = (list(varied_worlds(3, seed=5)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.demands, other.demands)
        assert one.noise == other.noise
        assert one.routing.links == other.routing.links
    assert len({len(one.routing.nodes) for one in first}) > 1
    labels.check_demands(first[0].demands)


def test_made_again_from_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = module.lessons_of_worlds(2, seed=3)
    assert len(groups) == 2  # one routing each
    monkeypatch.setattr(module, "lessons_of_worlds", lambda worlds, seed, told: groups)
    whole, stopped = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    module.make("stack", whole, worlds=2, members=2, steps=6, seed=3)
    trained = []

    def killed(task, *args, **options):
        if trained:
            raise KeyboardInterrupt
        trained.append(task)
        return train(task, *args, **options)

    train = module.train
    monkeypatch.setattr(module, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        module.make("stack", stopped, worlds=2, members=2, steps=6, seed=3)
    assert not stopped.exists()
    monkeypatch.setattr(module, "train", train)
    module.make("stack", stopped, worlds=2, members=2, steps=6, seed=3)
    one, other = read_model(whole), read_model(stopped)
    assert one.header == other.header
    assert one.header["made_by"]["snapshots"] == sum(len(group.truth) for group in groups)
    for name, value in one.tensors.items():
        np.testing.assert_array_equal(value, other.tensors[name])
