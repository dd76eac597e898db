"""Estimators of which networks learn from back-tests: the stack, and the diffusion."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import odflow as of
from odflow import labels
from odflow.errors import DataError, FormatError, NotFittedError, UsageError
from odflow.estimate.backtested import BacktestedEstimator
from odflow.estimate.candidates import FEATURES, Candidates
from odflow.estimate.denoiser import DenoisingConfig
from odflow.estimate.lessons import lessons_of, without_block
from odflow.estimate.observe import observe
from odflow.estimate.snapshots import Paths, Snapshots, meet, paths_of, snapshots_of
from odflow.estimate.stack_network import StackConfig, StackNetwork
from odflow.modelfile import ModelFile, read_model, write_model
from odflow.network.routing import Routing
from odflow.testing import check_estimator
from odflow.training import data_hash

SMALL = StackConfig(steps=60, snapshots=40, width=16, learning_rate=1e-2)
SMALL_DENOISER = DenoisingConfig(steps=150, snapshots=40, width=24, dropout=0.05, learning_rate=5e-3)
KINDS = {
    "stacked": (partial(of.StackedEstimator, weights="own"), SMALL),
    "diffusion": (partial(of.DiffusionPosterior, weights="own"), SMALL_DENOISER),
}


def phased(nodes: tuple[str, ...], weeks: int) -> xr.DataArray:
    """Each flow with a strong daily cycle of its own phase, bit/s."""
    rng = np.random.default_rng(0)
    times = np.datetime64("2026-01-05", "h") + np.arange(weeks * 168)
    phase, size = rng.uniform(0, 2 * np.pi, len(nodes) ** 2), rng.lognormal(0, 0.7, len(nodes) ** 2)
    hour = np.arange(len(times))[:, None] % 24
    cycle = np.exp(1.2 * np.sin(2 * np.pi * hour / 24 + phase))
    return labels.demands(1e6 * size * cycle * rng.lognormal(0, 0.1, cycle.shape), times, nodes, 3600)


@pytest.fixture(scope="module")
def past(diamond_routing: Routing) -> xr.DataArray:
    return phased(diamond_routing.nodes, 5)


@pytest.fixture(scope="module", params=KINDS)
def learned(request: pytest.FixtureRequest, past: xr.DataArray, diamond_routing: Routing) -> BacktestedEstimator:
    kind, config = KINDS[request.param]
    return kind(members=2, config=config).fit(past[: 4 * 168], diamond_routing)


@pytest.mark.parametrize("name", KINDS)
def test_promises(name: str) -> None:
    kind, config = KINDS[name]
    check_estimator(kind(members=2, config=replace(config, steps=60)), exact=True, tolerance=1e-3)


def test_learns_what_its_candidates_do_not_know(
    learned: BacktestedEstimator, past: xr.DataArray, diamond_routing: Routing
) -> None:
    truth = past[4 * 168 :]
    loads = diamond_routing.loads(truth)
    alone = of.StudentTPosterior().fit(past[: 4 * 168]).estimate(loads, diamond_routing)
    ours = learned.estimate(loads, diamond_routing)
    assert of.evaluate.tre(truth, ours).mean() < 0.7 * of.evaluate.tre(truth, alone).mean()
    low, high = learned.quantiles(loads, diamond_routing, (0.05, 0.95)).values
    assert 0.84 < ((truth.values >= low) & (truth.values <= high)).mean() < 0.96
    draws = learned.sample(loads[:40], diamond_routing, 100, seed=1)
    np.testing.assert_allclose(diamond_routing.matrix @ draws.values[0, 0].ravel(), loads.values[0], rtol=2e-3)
    low, high = draws.quantile((0.05, 0.95), "sample").values
    assert 0.75 < ((truth.values[:40] >= low) & (truth.values[:40] <= high)).mean() < 0.96
    (few,) = learned.sample(loads[:40], diamond_routing, 1, seed=1).values  # one draw is a draw, not a median
    one = truth[:40].copy(data=few)
    assert of.evaluate.tre(truth[:40], ours[:40]).mean() < 0.9 * of.evaluate.tre(truth[:40], one).mean()


def test_saved_and_restored(
    learned: BacktestedEstimator, past: xr.DataArray, diamond_routing: Routing, tmp_path: Path
) -> None:
    loads = diamond_routing.loads(past[-30:])
    learned.save(tmp_path / "stack.safetensors")
    again = of.load(tmp_path / "stack.safetensors")
    assert (again.members, again.config) == (learned.members, learned.config)
    about = again.provenance_
    assert about == learned.provenance_
    assert (about["data"], about["end"], about["tms"]) == (data_hash(past[: 4 * 168]), str(learned.end_), 4 * 168)
    np.testing.assert_array_equal(again.estimate(loads, diamond_routing), learned.estimate(loads, diamond_routing))
    np.testing.assert_array_equal(again.quantiles(loads, diamond_routing), learned.quantiles(loads, diamond_routing))
    model = read_model(tmp_path / "stack.safetensors")
    for name, message in (
        (next(name for name in model.tensors if name.startswith("network 1.")), "network 1 is incomplete"),
        ("day", "day"),
        ("0.mean", "mean"),
        ("calibration.group", "calibration is missing"),
    ):
        rest = {key: value for key, value in model.tensors.items() if key != name}
        write_model(tmp_path / "less.safetensors", ModelFile(model.kind, model.header, rest))
        with pytest.raises(FormatError, match=message):
            of.load(tmp_path / "less.safetensors")


def test_a_snapshot_alone_is_the_batch(
    learned: BacktestedEstimator, past: xr.DataArray, diamond_routing: Routing
) -> None:
    loads = diamond_routing.loads(past[-8:])
    batch = learned.estimate(loads, diamond_routing).values
    for t in range(8):
        one = learned.estimate(loads[t : t + 1], diamond_routing).values[0]
        np.testing.assert_allclose(one, batch[t], rtol=1e-8, atol=1e-3)


def test_features_do_not_depend_on_unit_or_order(past: xr.DataArray, diamond_routing: Routing) -> None:
    def seen(history: xr.DataArray, now: xr.DataArray, routing: Routing) -> tuple[np.ndarray, np.ndarray]:
        ((_, observed),) = observe(routing.loads(now), routing)
        found = Candidates().fit(history).see(observed)
        n = len(routing.nodes)
        return found.features.reshape(-1, n, n, FEATURES), found.spread.reshape(-1, n, n)

    features, spread = seen(past[:336], past[336:340], diamond_routing)
    assert np.isfinite(features).all()
    assert (features.std(axis=(0, 1, 2)) > 1e-3).all()
    larger, wider = seen(1e3 * past[:336], 1e3 * past[336:340], diamond_routing)
    np.testing.assert_allclose(larger, features, atol=1e-5)
    np.testing.assert_allclose(wider, 1e3 * spread, rtol=1e-4)


def test_steps_towards_the_loads(past: xr.DataArray, diamond_routing: Routing) -> None:
    gaps = diamond_routing.loads(past[336:340]).copy()
    gaps[1, 0] = np.nan
    ((_, observed),) = observe(gaps, diamond_routing)
    seen = Candidates().fit(past[:336]).see(observed)
    snapshots, unit = snapshots_of(seen, observed, torch.float64)
    paths = paths_of(observed, torch.float64)
    start = snapshots.base * (1 + 0.05 * torch.rand(snapshots.base.shape, dtype=torch.float64))
    met = meet(start, snapshots, paths, 1)
    loads = (met.numpy() * unit) @ observed.system.matrix.toarray().T
    there = np.isfinite(observed.values)
    np.testing.assert_allclose(loads[there], observed.values[there], rtol=1e-4)
    assert snapshots.measured[1, 0] == 0


def test_network_of_zero_keeps_the_base() -> None:
    network = StackNetwork(SMALL).eval()
    matrix = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    base = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    M = (matrix * base) @ matrix.T
    features, loads = torch.randn(1, 4, FEATURES), base @ matrix.T
    seen = Snapshots(features, base, base, loads, torch.ones(1, 2), torch.linalg.inv(M)[None])
    with torch.no_grad():
        torch.testing.assert_close(network(seen, Paths(matrix, matrix)), base)


def test_back_tests_see_only_the_past(past: xr.DataArray, diamond_routing: Routing) -> None:
    lessons = lessons_of(past, diamond_routing, SMALL)
    assert len(lessons) == 3 * 7 + 1
    for k, one in enumerate(lessons):
        first = past["time"].values[-168 - 24 * k]
        assert one.candidates.base.end_ == first
        assert first <= one.first < one.last < first + np.timedelta64(7, "D")
        assert 31 <= len(one.truth) <= 34  # each fifth of 168 hours


def test_members_leave_out_some_of_the_time(past: xr.DataArray, diamond_routing: Routing) -> None:
    lessons = lessons_of(past, diamond_routing, SMALL)
    assert [one for k in range(4) for one in without_block(lessons, k, 4)[0]] == lessons
    block, kept = without_block(lessons, 0, 4)  # the latest
    assert len(kept) == len(lessons) - len(block) - 6
    assert max(one.last for one in kept) < min(one.first for one in block)
    block, kept = without_block(lessons, 0, 2)  # too few would be left
    assert kept == [one for one in lessons if one not in block]


def test_too_little_or_nothing_to_learn_from(past: xr.DataArray, diamond_routing: Routing) -> None:
    with pytest.raises(UsageError, match="history and its routing"):
        of.StackedEstimator().fit(past)
    with pytest.raises(UsageError, match="members"):
        of.StackedEstimator(members=0)
    with pytest.raises(UsageError, match="width"):
        StackConfig(width=0)
    with pytest.raises(UsageError, match="expected one of pretrained, fine-tuned, own"):
        of.StackedEstimator(weights="shipped")
    with pytest.raises(DataError, match="too short"):
        of.StackedEstimator().fit(past[:3], diamond_routing)
    for ask in ("estimate", "quantiles"):
        with pytest.raises(NotFittedError, match="past TMs"):
            getattr(of.StackedEstimator(), ask)(diamond_routing.loads(past[:2]), diamond_routing)
    with pytest.raises(NotFittedError, match="nothing to save"):
        of.StackedEstimator().save("unused.safetensors")
