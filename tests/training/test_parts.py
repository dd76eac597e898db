"""Configuration, seeds, data hashes and averages."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import odflow as of
from odflow.errors import UsageError
from odflow.training import TrainingConfig, data_hash, generator_of
from odflow.training.average import Average, assign


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps is 0, expected a whole number of at least 1"),
        ({"steps": 1.5}, "steps is 1.5, expected a whole"),
        ({"batch": "many"}, "batch is 'many', expected a whole"),
        ({"batch": True}, "batch is True, expected a whole"),
        ({"validate_every": -3}, "validate_every is -3"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
        ({"patience": -1}, "patience is -1, expected a whole number of at least 0"),
        ({"seed": -1}, "seed is -1"),
        ({"clip": float("nan")}, "clip is nan, expected a number of 0 or more"),
        ({"clip": None}, "clip is None"),
        ({"ema": 1.0}, "ema is 1.0, expected a decay below 1"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"final_learning_rate": 0}, "final_learning_rate 0; expected both above 0"),
        ({"learning_rate": 1e-6}, "the final one not above the first"),
        ({"device": "gpu"}, "device is 'gpu', expected one of cpu, cuda, auto"),
        ({"device": ["cpu"]}, "device is"),
    ],
)
def test_values_that_make_no_sense(values, message: str):
    with pytest.raises(UsageError, match=message):
        TrainingConfig(**values)


def test_a_configuration_inherits():
    @dataclass(frozen=True, kw_only=True)
    class Wide(TrainingConfig):
        batch: int = 32
        width: int = 8

    assert (Wide().batch, Wide().steps, Wide(seed=4).seed) == (32, 4000, 4)
    with pytest.raises(UsageError, match="steps is 0"):
        Wide(steps=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Wide().batch = 3  # type: ignore[misc]


def test_decay_is_exponential():
    config = TrainingConfig(steps=101, learning_rate=1e-3, final_learning_rate=1e-5)
    np.testing.assert_allclose([config.decay(k) for k in (0, 50, 100)], [1, 0.1, 0.01], rtol=1e-12)
    assert TrainingConfig(steps=1).decay(0) == 1


def test_streams_are_their_own():
    def draw(seed: int, *stream: int) -> tuple[float, ...]:
        return tuple(torch.rand(3, generator=generator_of(seed, *stream)).tolist())

    assert draw(0, 1) == draw(0, 1)
    seen = {draw(0), draw(1), draw(0, 0), draw(0, 1), draw(1, 0), draw(0, 0, 1), draw(0, 1, 0), draw(-1), draw(2**70)}
    assert len(seen) == 9
    many = torch.stack([torch.randn(2, generator=generator_of(3, k)) for k in range(4000)])
    np.testing.assert_allclose(many.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(many.T), np.eye(2), atol=0.08)
    np.testing.assert_allclose(np.corrcoef(many[:-1, 0], many[1:, 0])[0, 1], 0, atol=0.06)


@pytest.fixture
def history() -> xr.DataArray:
    values = np.random.default_rng(0).uniform(1e6, 2e6, (6, 3, 3)).astype("f4")
    values[2, 0, 1] = np.nan
    return of.demands(values, np.datetime64("2026-01-01") + np.arange(6) * np.timedelta64(300, "s"), list("abc"), 300)


def test_a_hash_knows_values_labels_and_units(history: xr.DataArray):
    whole = data_hash(history)
    assert len(whole) == 64
    changed = history.copy()
    changed[0, 0, 0] = np.nextafter(np.float32(changed[0, 0, 0]), np.float32(0))
    others = [
        changed,
        history[:-1],
        history.assign_coords(time=history["time"] + np.timedelta64(1, "s")),
        history.assign_coords(origin=list("abd")),
        history.assign_attrs(units="Mbit/s"),
        history.assign_attrs(interval_s=600),
        history.transpose("time", "destination", "origin"),
    ]
    assert len({whole, *(data_hash(other) for other in others)}) == 8


def test_a_hash_does_not_know_the_format(history: xr.DataArray, tmp_path: Path):
    whole = data_hash(history)
    assert data_hash(history.astype("f8")) == data_hash(history.assign_attrs(interval_s=300.0)) == whole
    assert data_hash(history.copy(data=np.asfortranarray(history.values))) == whole
    assert data_hash(history.assign_coords(time=history["time"].astype("datetime64[s]"))) == whole
    for suffix in ("nc", "csv", "parquet"):
        of.write(history.astype("f8"), tmp_path / f"tm.{suffix}")
        assert data_hash(of.read_demands(tmp_path / f"tm.{suffix}")) == whole


def test_average_follows_floats_and_copies_the_rest():
    weights = {
        "single": torch.tensor([1.0, 2.0]),
        "double": torch.tensor([1.0], dtype=torch.float64),
        "count": torch.tensor(7),
        "flag": torch.tensor([True, False]),
    }
    average = Average(weights, 0.2)
    for step, factor in enumerate((3.0, 5.0)):
        weights["single"].fill_(factor)
        weights["double"].fill_(factor)
        weights["count"].add_(1)
        weights["flag"].logical_not_()
        average.update(step)
    first = 0.1 * np.array([1, 2]) + 0.9 * 3  # min(0.2, 1 / 10)
    share = 2 / 11  # below 0.2
    np.testing.assert_allclose(average.values["single"], share * first + (1 - share) * 5, rtol=1e-6)
    np.testing.assert_allclose(average.values["double"], share * first[0] + (1 - share) * 5, rtol=1e-14)
    assert (average.values["count"].item(), average.values["flag"].tolist()) == (9, [True, False])
    average.update(2)
    np.testing.assert_allclose(average.values["double"], 0.2 * (share * first[0] + (1 - share) * 5) + 0.8 * 5)


def test_average_is_put_in_place_for_a_while():
    weights = {"w": torch.tensor([1.0])}
    average = Average(weights, 0.9)
    average.values["w"].fill_(4.0)
    with average.applied():
        assert weights["w"].item() == 4
    assert weights["w"].item() == 1
    assign(weights, average.values)
    assert weights["w"].item() == 4
