from __future__ import annotations

import pytest
import torch

from odflow.forecast.loss_weights import LossWeights, balanced, smoothed
from odflow.forecast.losses import absolute, per_sample, per_task, pinball, weighted

from .mstnet_cases import normal

NAN = float("nan")


def test_pinball() -> None:
    forecast = torch.tensor([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
    errors = pinball(forecast, torch.tensor([3.0, 0.0, NAN]), torch.tensor([1.0, 1.0, 0.0]), (0.1, 0.9))
    torch.testing.assert_close(errors, torch.tensor([(0.2 + 0.9) / 2, (0.9 + 0.2) / 2, 0.0]))


def test_pinball_of_the_median_is_half_the_absolute_error() -> None:
    forecast, target, known = normal(4, 3), normal(4, 3, seed=1), (normal(4, 3, seed=2) > 0).float()
    expected = absolute(forecast, target, known) / 2
    torch.testing.assert_close(pinball(forecast[..., None], target, known, (0.5,)), expected)


def test_the_best_quantile_has_the_least_pinball_loss() -> None:
    sample = torch.arange(101.0)
    guesses = torch.arange(101.0)[:, None, None].expand(-1, 101, 1)
    losses = pinball(guesses, sample.expand(101, -1), torch.ones(101, 101), (0.8,)).mean(dim=1)
    assert int(losses.argmin()) == 80


def test_means_of_what_is_known() -> None:
    target = torch.tensor([[[1.0, NAN], [5.0, NAN]], [[NAN, NAN], [6.0, NAN]]])
    known = target.isfinite().float()
    errors = absolute(torch.zeros_like(target).requires_grad_(), target, known)
    torch.testing.assert_close(per_task(errors, known), torch.tensor([4.0, NAN]), equal_nan=True)
    torch.testing.assert_close(per_sample(errors, known), torch.tensor([[3.0, NAN], [6.0, NAN]]), equal_nan=True)


def test_gradients_where_nothing_is_known() -> None:
    forecast = normal(2, 3, 2, 3).requires_grad_()
    target = normal(2, 3, 2, seed=1)
    target[..., 1], target[0, 0, 0] = NAN, NAN
    known = target.isfinite().float()
    losses = per_task(pinball(forecast, target, known, (0.1, 0.5, 0.9)), known)
    loss = weighted(losses, torch.tensor([2.0, 5.0]))
    torch.testing.assert_close(loss, 2 * losses[0])
    loss.backward()
    assert forecast.grad is not None
    assert forecast.grad.isfinite().all()
    assert (forecast.grad[..., 0, :].abs().sum(-1) > 0).sum() == 5
    assert not forecast.grad[..., 1, :].any()


def test_smoothing() -> None:
    relative, first = torch.tensor([1.0, 1.0, 0.4, 1.0]), torch.tensor([2.0, 4.0, 1.0, 0.0])
    out = smoothed(relative, torch.tensor([1.0, 8.0, NAN, 3.0]), first, 0.9)
    torch.testing.assert_close(out, torch.tensor([0.95, 1.1, 0.4, 1.0]))


def test_weights_are_a_softmax() -> None:
    weights = balanced(torch.tensor([1.0, 0.5]), 0.5)
    share = 1 / (1 + torch.exp(torch.tensor(-1.0)))
    torch.testing.assert_close(weights, torch.stack([2 * share, 2 - 2 * share]))
    torch.testing.assert_close(balanced(torch.tensor([1.0, 0.5]), 1e9), torch.ones(2))


def test_the_task_that_learns_less_weighs_more() -> None:
    weights = LossWeights(3, smoothing=0.5, temperature=0.5)
    course = [weights.update(torch.tensor([10.0 * 0.5**k, 0.1, NAN])) for k in range(4)]
    assert torch.equal(course[0], torch.ones(3))
    # of task 0: 1, then (1 + 1/2) / 2, (3/4 + 1/4) / 2, (1/2 + 1/8) / 2
    torch.testing.assert_close(weights.relative, torch.tensor([0.3125, 1.0, 1.0]))
    torch.testing.assert_close(course[-1], 3 * torch.tensor([0.625, 2.0, 2.0]).softmax(0))
    for step in course:
        assert float(step.sum()) == pytest.approx(3.0)
    assert [float(step[0]) for step in course] == sorted((float(step[0]) for step in course), reverse=True)


def test_a_task_that_is_first_measured_later() -> None:
    weights = LossWeights(2, 0.5, 1.0)
    weights.update(torch.tensor([1.0, NAN]))
    weights.update(torch.tensor([1.0, 8.0]))
    assert weights.first.tolist() == [1.0, 8.0]
    weights.update(torch.tensor([1.0, 4.0]))
    torch.testing.assert_close(weights.relative, torch.tensor([1.0, 0.75]))


def test_weights_resume() -> None:
    losses = [torch.tensor([3.0, 1.0]), torch.tensor([2.0, 1.0]), torch.tensor([1.0, 2.0])]
    through, first = LossWeights(2, 0.9, 0.5), LossWeights(2, 0.9, 0.5)
    for loss in losses:
        through.update(loss)
    first.update(losses[0])
    resumed = LossWeights(2, 0.9, 0.5)
    resumed.load_state_dict(first.state_dict())
    for loss in losses[1:]:
        resumed.update(loss)
    assert torch.equal(resumed.weights(), through.weights())
    assert not torch.equal(resumed.weights(), torch.ones(2))


def test_fixed_weights() -> None:
    weights = LossWeights(2, 0.5, 0.5, dynamic=False)
    weights.update(torch.tensor([1.0, 1.0]))
    assert torch.equal(weights.update(torch.tensor([1.0, 0.1])), torch.ones(2))
    assert float(weights.relative[1]) < 0.6  # still followed, for the record
