"""Weights with a known answer, the networks they make, checkpoints, limits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from odflow.errors import DataError, OdflowError, TrainingError, UsageError
from odflow.sim2real import ReweightConfig, Reweighted, reweight
from odflow.sim2real.example import BUSY_HOURS, INPUTS, OUTPUTS, half_wrong, windows
from odflow.sim2real.networks import Networks
from odflow.sim2real.solvers import Upper
from odflow.training import train

SOLVERS = ("cutting-plane", "unrolled")
CONFIG = ReweightConfig(
    steps=1600,
    inner_rate=0.3,
    network_steps=1000,
    learning_rate=1e-2,
    final_learning_rate=1e-3,
    held_out=0.2,
)


def network(width: int = 16) -> tuple[nn.Module, dict[str, Tensor]]:
    randoms = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(INPUTS, width), nn.Tanh(), nn.Linear(width, OUTPUTS))
    start = {
        name: torch.randn(p.shape, generator=randoms) / (p.shape[-1] ** 0.5 if p.ndim > 1 else 10)
        for name, p in module.named_parameters()
    }
    return module, start


def loss_of(module: nn.Module):
    def loss(params: dict[str, Tensor], batch: tuple[Tensor, ...]) -> Tensor:
        inputs, targets = batch
        return (torch.func.functional_call(module, params, (inputs,)) - targets).square().mean(dim=1)

    return loss


def tensors(samples) -> tuple[Tensor, ...]:
    return tuple(map(torch.from_numpy, samples))


@cache
def known():
    return half_wrong(test=4000)


@cache
def found(solver: str) -> Reweighted:
    problem, (module, start) = known(), network()
    config = replace(CONFIG, solver=solver)
    return reweight(loss_of(module), start, tensors(problem.simulated), tensors(problem.real), config)


def test_loss(params) -> float:
    return float(loss_of(network()[0])(params, tensors(known().test)).mean())


test_loss.__test__ = False  # type: ignore[attr-defined]


@cache
def loss_of_right_half() -> float:
    """Test loss of a network trained in the same way on the right half alone."""
    problem, (module, start) = known(), network()
    weights = torch.from_numpy(problem.right).float()
    config = replace(CONFIG, steps=CONFIG.network_steps)
    task = Networks(loss_of(module), start, tensors(problem.simulated), weights, config)
    train(task, torch.arange(len(weights)), config)
    return test_loss(task.params("weighted"))


@pytest.mark.parametrize("solver", SOLVERS)
def test_wrong_samples_are_told_from_right_ones(solver: str) -> None:
    assert roc_auc_score(known().right, found(solver).weights) >= 0.95
    assert found(solver).weights.mean() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(found(solver).world_weights, found(solver).weights, rtol=1e-5)
    assert found(solver).effective >= CONFIG.least_effective - 1e-6


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_network_is_as_good_as_one_of_right_samples_alone(solver: str) -> None:
    assert test_loss(found(solver).params) <= 1.05 * loss_of_right_half()
    assert test_loss(found(solver).equal_params) > 2 * loss_of_right_half()


@pytest.mark.parametrize("solver", SOLVERS)
def test_losses_on_held_out_samples_tell_the_same(solver: str) -> None:
    result = found(solver)
    assert result.real_loss == pytest.approx(test_loss(result.params), rel=0.4)
    assert result.equal_loss == pytest.approx(test_loss(result.equal_params), rel=0.4)
    assert "3200 weights of samples, effectively" in str(result)
    assert f"{result.equal_loss:.4g} with equal weights" in str(result)


def point_loss(params: dict[str, Tensor], batch: tuple[Tensor, ...]) -> Tensor:
    return 0.5 * (params["at"] - batch[0]).square().sum(dim=1)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_quadratic_problem_with_a_known_solution(solver: str) -> None:
    # the lower level's solution is the weighted mean of the points; that of the upper level is the real point,
    # which the weights can reach
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [1.0, 1.0]]).double()
    target = torch.tensor([[0.3, 0.25]]).double()
    config = ReweightConfig(
        solver=solver,
        steps=800,
        network_steps=500,
        batch=5,
        held_out=0.0,
        inner_rate=0.2,
        inner_steps=3,
        least_effective=0.0,
        reach=20.0,
        learning_rate=1e-2,
        final_learning_rate=1e-4,
        gap=1e-10,
    )
    result = reweight(point_loss, {"at": torch.zeros(2).double()}, (points,), (target,), config)
    mean = (torch.from_numpy(result.weights)[:, None] * points).mean(dim=0)
    assert float((mean - target[0]).abs().max()) < 1e-3
    assert float((result.params["at"] - target[0]).abs().max()) < 1e-3
    assert float((result.equal_params["at"] - 0.2).abs().max()) < 1e-3
    assert np.isnan(result.real_loss)


@cache
def worlds_problem():
    """Each world has its own busy hours."""
    rng = np.random.default_rng(0)
    hours = np.stack([rng.uniform(14, 26, 40), rng.uniform(6, 12, 40)], axis=1)
    worlds = np.repeat(np.arange(40), 40)
    simulated = windows(hours[worlds], rng)
    return hours, worlds, tensors(simulated), tensors(windows(np.tile(BUSY_HOURS, (160, 1)), rng))


@pytest.mark.parametrize(("solver", "least"), [("cutting-plane", 0.3), ("unrolled", 0.3), ("cutting-plane", 0.6)])
def test_worlds_near_the_real_one_get_the_weight(solver: str, least: float) -> None:
    hours, worlds, simulated, real = worlds_problem()
    module, start = network()
    config = replace(CONFIG, solver=solver, steps=600, network_steps=200, batch=256, least_effective=least)
    result = reweight(loss_of(module), start, simulated, real, config, worlds=worlds)
    assert result.world_weights.shape == (40,)
    np.testing.assert_allclose(result.weights, result.world_weights[worlds], rtol=1e-5)
    # without a floor a third of the worlds or less would be left
    assert least - 1e-6 <= result.effective < least + 0.1
    shares = result.world_weights / result.world_weights.sum()
    np.testing.assert_allclose(shares @ hours, BUSY_HOURS, atol=0.6)
    assert abs(hours.mean(axis=0) - BUSY_HOURS)[0] < 1.0
    spread = np.sqrt(shares @ (hours - shares @ hours) ** 2)
    assert spread[0] < 0.8 * hours[:, 0].std()


def test_equal_weights_where_the_floor_leaves_no_choice() -> None:
    _, worlds, simulated, real = worlds_problem()
    module, start = network()
    config = replace(CONFIG, steps=50, network_steps=5, least_effective=0.999999)
    result = reweight(loss_of(module), start, simulated, real, config, worlds=worlds)
    np.testing.assert_allclose(result.world_weights, 1.0, atol=0.02)


@pytest.mark.parametrize("stop", [25, 53])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_stopped_run_goes_on_to_the_same_weights(solver: str, stop: int, tmp_path: Path, monkeypatch) -> None:
    problem, (module, start) = known(), network()
    simulated, real = tensors(problem.simulated), tensors(problem.real)
    config = replace(CONFIG, solver=solver, steps=40, network_steps=30, checkpoint_every=10)
    told: list[tuple[int, int]] = []
    whole = reweight(
        loss_of(module), start, simulated, real, config, progress=lambda done, total, _: told.append((done, total))
    )
    assert told[-1] == (70, 70)
    assert (40, 70) in told

    path, steps = tmp_path / "run.safetensors", iter(range(100))
    for kind in (Upper, Networks):

        def failing(self, *arguments, step=kind.step):
            if next(steps) == stop:
                raise RuntimeError("power cut")
            return step(self, *arguments)

        monkeypatch.setattr(kind, "step", failing)
    with pytest.raises(RuntimeError, match="power cut"):
        reweight(loss_of(module), start, simulated, real, config, checkpoint=path)
    monkeypatch.undo()
    assert (tmp_path / "run-networks.safetensors").exists() == (stop > 50)
    log = tmp_path / "losses.csv"
    resumed = reweight(loss_of(module), start, simulated, real, config, checkpoint=path, resume=True, log=log)
    np.testing.assert_array_equal(resumed.weights, whole.weights)
    for name, value in whole.params.items():
        assert torch.equal(resumed.params[name], value)
        assert torch.equal(resumed.equal_params[name], whole.equal_params[name])
        assert not torch.equal(value, start[name])
    assert (tmp_path / "losses-networks.csv").read_text().splitlines()[0].endswith("weighted,equal")
    other = (real[0] + 1, real[1])
    with pytest.raises(OdflowError, match="another training: the real differs"):
        reweight(loss_of(module), start, simulated, other, config, checkpoint=path, resume=True)


def test_bad_input() -> None:
    simulated, real = tensors(known().simulated), tensors(known().real)
    module, start = network()
    loss = loss_of(module)
    with pytest.raises(DataError, match="there are no real samples"):
        reweight(loss, start, simulated, (real[0][:0], real[1][:0]))
    with pytest.raises(DataError, match="simulated arrays have 3200, 10 rows"):
        reweight(loss, start, (simulated[0], simulated[1][:10]), real)
    with pytest.raises(DataError, match="of different shapes"):
        reweight(loss, start, simulated, (real[0][:, :2], real[1]))
    for worlds in (np.zeros(5, dtype=np.int64), np.zeros(3200), np.full(3200, -1)):
        with pytest.raises(DataError, match="expected a whole number from 0 for each of 3200 samples"):
            reweight(loss, start, simulated, real, worlds=worlds)
    with pytest.raises(DataError, match="world 1 has no samples"):
        reweight(loss, start, simulated, real, worlds=np.arange(3200) % 2 * 2)
    with pytest.raises(TrainingError, match="the search for weights diverged; lower inner_rate \\(it is 1e\\+06\\)"):
        reweight(loss, start, simulated, real, replace(CONFIG, inner_rate=1e6, steps=30))
    with pytest.raises(DataError, match="loss gives shape \\(\\), expected one loss for each of 300 samples"):
        reweight(lambda p, b: loss(p, b).mean(), start, simulated, real)
    with pytest.raises(DataError, match="there are no parameters"):
        reweight(loss, {}, simulated, real)
    for change, message in (
        ({"solver": "newton"}, "solver is 'newton'"),
        ({"inner_rate": 0.0}, "inner_rate is 0.0, expected a positive number"),
        ({"least_effective": 1.0}, "least_effective is 1.0, expected a share"),
        ({"inner_steps": 0}, "inner_steps is 0"),
        ({"network_steps": 0}, "network_steps is 0"),
    ):
        with pytest.raises(UsageError, match=message):
            replace(ReweightConfig(), **change)  # type: ignore[arg-type]
