"""The denoiser of flows, and the flow from noise to TMs that meet the loads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from odflow.errors import UsageError
from odflow.estimate.candidates import FEATURES
from odflow.estimate.denoiser import DenoisingConfig, FlowDenoiser, Ratios
from odflow.estimate.diffusion import drawn, levels
from odflow.estimate.snapshots import Paths, Snapshots

CONFIG = DenoisingConfig(width=8, evaluations=40)
NODES = 3


def snapshots(count: int, matrix: Tensor, spread: float) -> tuple[Snapshots, Paths]:
    """Flows of a ninth each, and loads of these."""
    flows = matrix.shape[1]
    base = torch.full((count, flows), 1 / flows, dtype=torch.float64)
    inverse = torch.linalg.pinv((matrix / flows) @ matrix.T).expand(count, -1, -1)
    features = torch.zeros(count, flows, FEATURES, dtype=torch.float64)
    loads = base @ matrix.T
    return Snapshots(features, base, spread * base, loads, torch.ones_like(loads), inverse), Paths(matrix, matrix)


def random_denoiser() -> FlowDenoiser:
    torch.manual_seed(0)
    network = FlowDenoiser(CONFIG).double().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network


class Exact(nn.Module):
    """The denoiser of normal v with this mean and deviation."""

    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.mean, self.variance = mean, deviation**2

    def forward(self, v: Tensor, level: Tensor, *_: Tensor) -> Tensor:
        share = (self.variance / (self.variance + level**2))[:, None]
        return self.mean + share * (v - self.mean)


def test_levels_fall_to_zero() -> None:
    found = levels(DenoisingConfig(evaluations=3, most_noise=8.0, least_noise=1.0))
    np.testing.assert_allclose(found, [8.0, 1.5**3, 1.0, 0.0])
    with pytest.raises(UsageError, match="evaluations"):
        DenoisingConfig(evaluations=1)


def test_ratios_count_standard_deviations() -> None:
    seen, _ = snapshots(1, torch.zeros(1, 9, dtype=torch.float64), 0.5)
    ratios = Ratios.about(seen)
    np.testing.assert_allclose(ratios.of(1.5 * seen.base), 1.0, rtol=2e-3)
    np.testing.assert_allclose(ratios.of(seen.base), 0.0, atol=1e-12)
    x = seen.base * torch.linspace(0.2, 5, 9, dtype=torch.float64)
    np.testing.assert_allclose(ratios.back(ratios.of(x)), x, rtol=1e-9)
    assert float(ratios.of(torch.zeros_like(x)).max()) == -8.0


def test_other_order_of_nodes_other_order_of_flows() -> None:
    network, rng = random_denoiser(), torch.Generator().manual_seed(1)
    v, before, scale = (torch.rand(2, NODES**2, generator=rng, dtype=torch.float64) for _ in range(3))
    features = torch.randn(2, NODES**2, FEATURES, generator=rng, dtype=torch.float64)
    level = torch.tensor([0.3, 2.0], dtype=torch.float64)
    order = torch.arange(NODES**2).reshape(NODES, NODES)[[2, 0, 1]][:, [2, 0, 1]].ravel()
    with torch.no_grad():
        found = network(v, level, before, features, scale)
        other = network(v[:, order], level, before[:, order], features[:, order], scale[:, order])
    np.testing.assert_allclose(other, found[:, order], atol=1e-12)
    assert float(found.std()) > 0.1
    changed = features.clone()
    changed[:, 0] += 1.0  # another flow of the same origin
    with torch.no_grad():
        assert (network(v, level, before, changed, scale) - found)[:, 1].abs().min() > 1e-6


def test_without_noise_nothing_is_changed() -> None:
    v = torch.linspace(-2, 2, NODES**2, dtype=torch.float64)[None]
    with torch.no_grad():
        found = random_denoiser()(
            v, torch.tensor([1e-6], dtype=torch.float64), v, torch.zeros(1, NODES**2, FEATURES).double(), v.exp()
        )
    np.testing.assert_allclose(found, v, atol=1e-4)


def test_draws_are_those_of_the_denoiser() -> None:
    seen, paths = snapshots(1000, torch.zeros(1, NODES**2, dtype=torch.float64), 0.5)
    normal = torch.randn(seen.base.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    config = DenoisingConfig(evaluations=60, most_noise=20.0, least_noise=0.01)
    v = Ratios.about(seen).of(drawn(Exact(0.4, 0.5), seen, paths, normal, config))
    assert float(v.mean()) == pytest.approx(0.4, abs=0.02)
    assert float(v.std()) == pytest.approx(0.5, abs=0.04)
    from_zero = Ratios.about(seen).of(drawn(Exact(0.4, 0.5), seen, paths, 0 * normal, config))
    np.testing.assert_allclose(from_zero, float(v.median()), atol=0.03)


def test_draws_meet_the_loads() -> None:
    matrix = torch.zeros(2, NODES**2, dtype=torch.float64)
    matrix[0, :5], matrix[1, 3:] = 1.0, 1.0
    seen, paths = snapshots(200, matrix, 0.5)
    normal = torch.randn(seen.base.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = drawn(Exact(0.0, 1.0), seen, paths, normal, CONFIG)
    off = (x @ matrix.T / seen.loads - 1).abs()
    assert float(off.max()) < 1e-3
    assert float(off.median()) < 1e-9
    assert float(x.std(dim=0).min()) > 0.005
    flexible = seen._replace(inverse=0.5 * seen.inverse)  # noise as large as what is not known of the loads
    y = drawn(Exact(0.0, 1.0), flexible, paths, normal, CONFIG) @ matrix.T
    assert 0.01 < float((y / seen.loads - 1).abs().max()) < 1
