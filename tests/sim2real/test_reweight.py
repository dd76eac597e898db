from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from odflow.errors import DataError, UsageError
from odflow.sim2real import ReweightConfig, reweight
from odflow.sim2real.bilevel import gap_gradients, hypergradient, lower_level
from odflow.sim2real.weights import effective_share, spread_out

SOLVERS = ("unrolled", "cutting-plane")


def network(width: int = 6, inputs: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, 1))


def loss_of(module: nn.Module):
    def loss(params: dict[str, Tensor], batch: tuple[Tensor, ...]) -> Tensor:
        x, y = batch
        return (torch.func.functional_call(module, params, (x,))[:, 0] - y).square()

    return loss


@pytest.fixture
def small():
    randoms = torch.Generator().manual_seed(0)
    module = network().double()
    params = {name: 0.5 * torch.randn(p.shape, generator=randoms).double() for name, p in module.named_parameters()}
    simulated, real = (
        (torch.randn(count, 3, generator=randoms).double(), torch.randn(count, generator=randoms).double())
        for count in (20, 7)
    )
    logits = torch.randn(20, generator=randoms).double()
    return loss_of(module), params, simulated, real, logits


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_hypergradient_is_that_of_finite_differences(small, steps: int) -> None:
    loss, params, simulated, real, logits = small
    losses, truth = (lambda p: loss(p, simulated)), (lambda p: loss(p, real))
    slope, value, reached = hypergradient(losses, truth, params, logits, steps, 0.1)

    def upper(w: Tensor) -> float:
        return float(truth(lower_level(losses, params, w, steps, 0.1)).mean())

    assert float(value) == pytest.approx(upper(logits), rel=1e-12)
    assert float(truth(reached).mean()) == pytest.approx(upper(logits), rel=1e-12)
    step = 1e-5
    unit = torch.eye(20, dtype=torch.float64) * step
    numeric = torch.tensor([(upper(logits + e) - upper(logits - e)) / (2 * step) for e in unit], dtype=torch.float64)
    assert float((slope - numeric).norm() / numeric.norm()) < 1e-6


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_gradient_of_the_gap_is_that_of_finite_differences(small, steps: int) -> None:
    loss, params, simulated, _, logits = small
    losses = lambda p: loss(p, simulated)  # noqa: E731
    size, by_logit, by_param = gap_gradients(losses, params, logits, steps, 0.1)

    def gap(w: Tensor) -> float:
        reached = lower_level(losses, params, w, steps, 0.1)
        return float(sum((params[name] - reached[name]).square().sum() for name in params))

    assert float(size) == pytest.approx(gap(logits), rel=1e-12)
    step = 1e-5
    unit = torch.eye(20, dtype=torch.float64) * step
    numeric = torch.tensor([(gap(logits + e) - gap(logits - e)) / (2 * step) for e in unit], dtype=torch.float64)
    assert float((by_logit - numeric).norm() / numeric.norm()) < 1e-6
    reached = lower_level(losses, params, logits, steps, 0.1)
    for name in params:
        torch.testing.assert_close(by_param[name], 2 * (params[name] - reached[name]))


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
        steps=3000,
        batch=5,
        held_out=0.0,
        inner_rate=0.2,
        inner_steps=5,
        least_effective=0.0,
        weight_rate=0.02,
        gap=1e-10,
    )
    found = reweight(point_loss, {"at": torch.zeros(2).double()}, (points,), (target,), config)
    mean = (torch.from_numpy(found.weights)[:, None] * points).mean(dim=0)
    assert float((mean - target[0]).abs().max()) < 1e-3
    assert float((found.params["at"] - target[0]).abs().max()) < 1e-3
    assert np.isnan(found.real_loss)


def worlds_problem(seed: int = 0):
    """Real samples follow one rule; half of the simulated ones a wrong rule."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3600, 3))
    right = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]
    wrong = np.sin(2 * x[:, 0] + 2.0) - x[:, 1] * x[:, 2]
    bad = np.zeros(3600, dtype=bool)
    bad[:1500] = True
    y = np.where(bad, wrong, right) + 0.05 * rng.standard_normal(3600)
    as_tensors = lambda rows: (torch.from_numpy(x[rows]).float(), torch.from_numpy(y[rows]).float())  # noqa: E731
    return as_tensors(slice(0, 3000)), as_tensors(slice(3000, 3100)), as_tensors(slice(3100, 3600)), bad[:3000]


@pytest.mark.parametrize("solver", SOLVERS)
def test_wrong_samples_are_told_from_right_ones(solver: str) -> None:
    simulated, real, _, bad = worlds_problem()
    torch.manual_seed(0)
    module = network(32)
    params = {name: p.detach().clone() for name, p in module.named_parameters()}
    loss = loss_of(module)
    config = ReweightConfig(solver=solver, steps=1500, batch=256, weight_rate=0.3, inner_rate=0.1)
    found = reweight(loss, params, simulated, real, config)
    assert roc_auc_score(~bad, found.weights) > 0.95
    assert found.real_loss < 0.5 * found.equal_loss


@pytest.mark.parametrize("solver", SOLVERS)
def test_worlds(solver: str) -> None:
    simulated, real, _, bad = worlds_problem(1)
    worlds = np.where(bad, np.arange(3000) % 5, 5 + np.arange(3000) % 5)
    module = network(32)
    params = {name: p.detach().clone() for name, p in module.named_parameters()}
    config = ReweightConfig(solver=solver, steps=300, weight_rate=0.1, inner_rate=0.1)
    found = reweight(loss_of(module), params, simulated, real, config, worlds=worlds)
    assert found.world_weights.shape == (10,)
    assert found.world_weights[:5].max() < 0.5 * found.world_weights[5:].min()
    np.testing.assert_allclose(found.weights / found.weights[0], found.world_weights[worlds] / found.world_weights[0])
    assert found.effective >= 0.3 - 1e-9


def test_weights_do_not_concentrate() -> None:
    assert effective_share(torch.ones(7)) == pytest.approx(1.0)
    assert effective_share(torch.tensor([1.0, 0, 0, 0])) == pytest.approx(0.25)
    logits = torch.linspace(-20, 20, 101).double()
    assert effective_share(logits.sigmoid()) < 0.7
    kept = spread_out(logits, 0.9)
    assert effective_share(kept.sigmoid()) == pytest.approx(0.9, abs=1e-6)
    assert (kept.diff() > 0).all()
    assert float(kept.mean()) == pytest.approx(0.0, abs=1e-6)
    assert spread_out(logits, 0.1) is logits


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_stopped_run_goes_on_to_the_same_weights(solver: str, tmp_path: Path, monkeypatch) -> None:
    from odflow.sim2real.tasks import Unrolled

    simulated, real, _, _ = worlds_problem()
    module = network()
    params = {name: p.detach().clone() for name, p in module.named_parameters()}
    config = ReweightConfig(solver=solver, steps=40, checkpoint_every=10)
    whole = reweight(loss_of(module), params, simulated, real, config)
    real_rows = Unrolled._real
    calls = iter(range(100))

    def failing(self, generator):
        if next(calls) == 25:
            raise RuntimeError("power cut")
        return real_rows(self, generator)

    monkeypatch.setattr(Unrolled, "_real", failing)
    path = tmp_path / "run.safetensors"
    with pytest.raises(RuntimeError, match="power cut"):
        reweight(loss_of(module), params, simulated, real, config, checkpoint=path)
    monkeypatch.undo()
    resumed = reweight(loss_of(module), params, simulated, real, config, checkpoint=path, resume=True)
    np.testing.assert_array_equal(resumed.weights, whole.weights)
    for name, value in whole.params.items():
        assert torch.equal(resumed.params[name], value)


def test_bad_input() -> None:
    simulated, real, _, _ = worlds_problem()
    module = network()
    params = dict(module.named_parameters())
    with pytest.raises(DataError, match="there are no real samples"):
        reweight(loss_of(module), params, simulated, (real[0][:0], real[1][:0]))
    with pytest.raises(DataError, match="simulated arrays have 3000, 10 rows"):
        reweight(loss_of(module), params, (simulated[0], simulated[1][:10]), real)
    with pytest.raises(DataError, match="of different shapes"):
        reweight(loss_of(module), params, simulated, (real[0][:, :2], real[1]))
    with pytest.raises(DataError, match="expected a number from 0 for each of 3000 samples"):
        reweight(loss_of(module), params, simulated, real, worlds=np.zeros(5, dtype=np.int64))
    for change, message in (
        ({"solver": "newton"}, "solver is 'newton'"),
        ({"inner_rate": 0.0}, "inner_rate is 0.0, expected a positive number"),
        ({"least_effective": 1.0}, "least_effective is 1.0, expected a share"),
        ({"inner_steps": 0}, "inner_steps is 0"),
    ):
        with pytest.raises(UsageError, match=message):
            replace(ReweightConfig(), **change)  # type: ignore[arg-type]
