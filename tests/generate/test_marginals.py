from __future__ import annotations

import pytest
import torch
from torch import Tensor

from odflow.generate.marginals import SHIFT, Marginals


def bursts(rows: int = 20_000) -> Tensor:
    """A lognormal flow, an exponential one that is often 0, one that never changes and one without traffic."""
    generator = torch.Generator().manual_seed(0)
    lognormal = torch.exp(0.5 * torch.randn(rows, generator=generator))
    idle = torch.rand(rows, generator=generator) < 0.3
    waiting = torch.where(idle, 0.0, -torch.log(torch.rand(rows, generator=generator)))
    return torch.stack([lognormal, waiting, torch.full((rows,), 0.7), torch.zeros(rows)], dim=1)


def fitted(traffic: Tensor, share: float) -> Marginals:
    module = Marginals(traffic.shape[1])
    module.fit(traffic, share)
    return module


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_there_and_back(share: float) -> None:
    traffic = bursts()
    module = fitted(traffic, share)
    torch.testing.assert_close(module.inverse(module(traffic)), traffic, rtol=1e-4, atol=1e-4)
    beyond = traffic.amax(dim=0, keepdim=True) * torch.tensor([[1.5], [3.0]])
    torch.testing.assert_close(module.inverse(module(beyond)), beyond, rtol=1e-3, atol=1e-4)


def test_quantiles_make_scores_normal() -> None:
    traffic = bursts()
    module = fitted(traffic, 1.0)
    scores = (module(traffic) / module.weight)[:, 0]
    levels = torch.tensor([0.01, 0.1, 0.5, 0.9, 0.99])
    normal = torch.distributions.Normal(0.0, 1.0).icdf(levels)
    torch.testing.assert_close(scores.quantile(levels), normal, rtol=0.06, atol=0.02)  # LEAST_SLOPE narrows them


def test_a_line_is_the_logarithm() -> None:
    traffic = bursts()
    module = fitted(traffic, 0.0)
    scores = (module(traffic) / module.weight)[:, 0]
    logs = (traffic[:, 0] + SHIFT * traffic[:, 0].mean()).log()
    assert float(torch.corrcoef(torch.stack([scores, logs]))[0, 1]) == pytest.approx(1, abs=1e-3)
    assert float(scores.std()) == pytest.approx(1, abs=0.06)


def test_normal_scores_give_back_the_distribution() -> None:
    traffic = bursts()
    module = fitted(traffic, 1.0)
    drawn = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(1)) * module.weight
    demands = module.inverse(drawn).relu()
    levels = torch.tensor([0.1, 0.5, 0.9, 0.99])
    torch.testing.assert_close(demands[:, 0].quantile(levels), traffic[:, 0].quantile(levels), rtol=0.08, atol=0.0)
    torch.testing.assert_close(demands[:, 1].quantile(levels), traffic[:, 1].quantile(levels), rtol=0.1, atol=0.02)
    assert (demands[:, 2] / 0.7 - 1).abs().max() < 0.15
    assert demands[:, 3].max() < 1e-3


def test_the_map_back_is_monotone_differentiable_and_ends() -> None:
    module = fitted(bursts(2000), 1.0)
    scores = torch.linspace(-6, 60, 1000)[:, None] * module.weight
    scores.requires_grad_()
    demands = module.inverse(scores)
    assert torch.isfinite(demands).all()
    assert (demands.diff(dim=0) >= 0).all()
    demands[:150].sum().backward()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()
    assert (scores.grad[:150, :2] > 0).all()


def test_flows_with_two_levels_keep_their_mean() -> None:
    randoms = torch.Generator().manual_seed(3)
    high = torch.rand(20000, 1, generator=randoms) < 0.05
    demands = torch.where(high, 5000.0, 50.0) * torch.exp(0.2 * torch.randn(20000, 1, generator=randoms))
    module = fitted(demands, 1.0)
    drawn = 0.9 * torch.randn(20000, 1, generator=randoms) * module.weight
    module.calibrate(drawn)
    assert float(module.inverse(drawn).mean()) == pytest.approx(float(demands.mean()), rel=0.03)
