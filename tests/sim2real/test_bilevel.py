"""Gradients of the two levels against finite differences; cuts and floors by hand."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from odflow.sim2real.bilevel import gap_gradients, hypergradient, lower_level
from odflow.sim2real.planes import Planes
from odflow.sim2real.weights import effective_share, spread_out

STEP = 1e-5


@pytest.fixture
def small():
    """A network in float64, where it starts, another place, 20 simulated and 7 real samples, logits."""
    randoms = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    shapes = {name: p.shape for name, p in module.named_parameters()}
    start, other = (
        {name: 0.5 * torch.randn(shape, generator=randoms).double() for name, shape in shapes.items()} for _ in range(2)
    )
    simulated, real = (
        (torch.randn(count, 3, generator=randoms).double(), torch.randn(count, generator=randoms).double())
        for count in (20, 7)
    )

    def losses(of: tuple[Tensor, Tensor]):
        return lambda p: (torch.func.functional_call(module, p, (of[0],))[:, 0] - of[1]).square()

    return losses(simulated), losses(real), start, other, torch.randn(20, generator=randoms).double()


def numeric(function, at: Tensor) -> Tensor:
    unit = torch.eye(len(at), dtype=torch.float64) * STEP
    return torch.tensor([(function(at + e) - function(at - e)) / (2 * STEP) for e in unit], dtype=torch.float64)


def test_one_step_of_the_lower_level_by_hand() -> None:
    points, logits = torch.tensor([1.0, 2.0, 6.0]).double(), torch.tensor([0.0, 2.0, -1.0]).double()
    losses = lambda p: 0.5 * (p["at"] - points).square()  # noqa: E731
    weights = logits.sigmoid()
    mean = float((weights * points).sum() / weights.sum())
    reached = lower_level(losses, {"at": torch.tensor(10.0).double()}, logits, 1, 0.25)
    assert float(reached["at"]) == pytest.approx(10 - 0.25 * (10 - mean))


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_hypergradient_is_that_of_finite_differences(small, steps: int) -> None:
    losses, real, start, _, logits = small
    slope, value, reached = hypergradient(losses, real, start, logits, steps, 0.1)

    def upper(w: Tensor) -> float:
        return float(real(lower_level(losses, start, w, steps, 0.1)).mean())

    assert float(value) == pytest.approx(upper(logits), rel=1e-12)
    assert float(real(reached).mean()) == pytest.approx(upper(logits), rel=1e-12)
    expected = numeric(upper, logits)
    assert float((slope - expected).norm() / expected.norm()) < 1e-6


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_gradient_of_the_gap_is_that_of_finite_differences(small, steps: int) -> None:
    losses, _, start, params, logits = small
    size, by_logit, by_param, reached = gap_gradients(losses, start, params, logits, steps, 0.1)

    def gap(w: Tensor) -> float:
        there = lower_level(losses, start, w, steps, 0.1)
        return float(sum((params[name] - there[name]).square().sum() for name in params))

    assert float(size) == pytest.approx(gap(logits), rel=1e-12)
    expected = numeric(gap, logits)
    assert float((by_logit - expected).norm() / expected.norm()) < 1e-6
    there = lower_level(losses, start, logits, steps, 0.1)
    for name in params:
        torch.testing.assert_close(reached[name], there[name])
        torch.testing.assert_close(by_param[name], 2 * (params[name] - there[name]))


def test_cuts() -> None:
    planes = Planes(2, 1, 1, torch.float64)
    one = torch.ones(1).double()
    planes.add(3 * one, -one, torch.tensor(4.0).double(), 1.0)  # 3 of 4 too much
    planes.ascend(0.8)
    assert planes.multiplier.tolist() == pytest.approx([0.6, 0.0])
    pull_on_logits, pull_on_params = planes.pull()
    assert (float(pull_on_logits), float(pull_on_params)) == pytest.approx((1.8, -0.6))
    planes.follow(-2 * one, one)  # 3 - 6 - 1
    assert planes.value.tolist() == pytest.approx([-4.0, 0.0])
    planes.ascend(0.2)
    assert planes.multiplier.tolist() == pytest.approx([0.4, 0.0])
    planes.ascend(1.0)
    assert planes.multiplier.tolist() == [0.0, 0.0]


def test_cuts_in_use_stay_and_the_oldest_makes_room() -> None:
    planes = Planes(3, 1, 1, torch.float64)
    for k in range(3):
        planes.add(torch.full((1,), k + 1.0).double(), torch.ones(1).double(), torch.tensor(1.0).double(), 0.0)
        planes.ascend(1.0)
    assert sorted(planes.a[:, 0].tolist()) == [1.0, 2.0, 3.0]
    planes.add(torch.full((1,), 4.0).double(), torch.ones(1).double(), torch.tensor(1.0).double(), 0.0)
    assert sorted(planes.a[:, 0].tolist()) == [2.0, 3.0, 4.0]
    planes.ascend(1.0)
    planes.multiplier[planes.a[:, 0] == 3.0] = 0.0
    planes.add(torch.full((1,), 5.0).double(), torch.ones(1).double(), torch.tensor(1.0).double(), 0.0)
    assert sorted(planes.a[:, 0].tolist()) == [2.0, 4.0, 5.0]


def test_effective_share() -> None:
    assert effective_share(torch.ones(7)) == pytest.approx(1.0)
    assert effective_share(torch.tensor([1.0, 0, 0, 0])) == pytest.approx(0.25)
    assert effective_share(torch.tensor([3.0, 1.0])) == pytest.approx(0.8)


@pytest.mark.parametrize("middle", [-30.0, 0.0, 3.0])
def test_weights_do_not_concentrate(middle: float) -> None:
    logits = middle + torch.linspace(-20, 20, 101).double()
    assert effective_share(logits.sigmoid()) < 0.7
    kept = spread_out(logits, 0.9)
    assert effective_share(kept.sigmoid()) == pytest.approx(0.9, abs=1e-6)
    torch.testing.assert_close(kept - logits, (kept - logits)[:1].expand(101))
    assert float(kept[0] - logits[0]) > 0
    assert spread_out(kept, 0.8) is kept
