"""Can they learn what they are made for? Small networks, a second or two each."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals import (
    ASTMTL,
    CSLSL,
    DCRNN,
    LSTM,
    MTTC,
    STGCN,
    ConvLSTM,
    Informer,
    ITransformer,
    RivalSize,
    STAEformer,
    Transformer,
)
from odflow.forecast.rivals.head import Rival

ALL = [LSTM, Transformer, Informer, ITransformer, ConvLSTM, STGCN, DCRNN, STAEformer, MTTC, ASTMTL, CSLSL]
SIZE = RivalSize(width=16, heads=2, layers=1, dropout=0.0, hops=1)
Network = type[Rival]
Pairs = tuple[Tensor, Tensor]  # windows (B, P, N, S) and what follows them (B, H, N, S)

every = pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)


def pairs(series: Tensor, past: int, lead: int) -> Pairs:
    """All windows of series (T, N, S)."""
    whole = series.unfold(0, past + lead, 1).movedim(-1, 1)
    return whole[:, :past], whole[:, past:]


def forecast(network: nn.Module, past: Tensor, lead: int, geometry: Geometry) -> Tensor:
    calendar = past.new_zeros(len(past), past.shape[1] + lead, 0)
    known = torch.ones_like(past)
    nothing = past.new_zeros(len(past), past.shape[1] + lead, *past.shape[2:], 3)
    inputs = Inputs(past, known, nothing, nothing, calendar[:, : past.shape[1]], calendar[:, past.shape[1] :])
    out: Tensor = network(inputs, geometry)[..., 0]
    return out


def error(network: nn.Module, data: Pairs, geometry: Geometry, nodes: list[int]) -> float:
    with torch.no_grad():
        miss = forecast(network, data[0], data[1].shape[1], geometry) - data[1]
    return float(miss[:, :, nodes].abs().mean())


def trained(make: Network, data: Pairs, geometry: Geometry, nodes: list[int], steps: int, batch: int = 16) -> Rival:
    past, lead, services = data[0].shape[1], data[1].shape[1], data[0].shape[3]
    g = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make(Shape(past=past, lead=lead, services=services, calendar=0), SIZE)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for _ in range(steps):
        rows = torch.randperm(len(data[0]), generator=g)[:batch]
        miss = forecast(network, data[0][rows], lead, geometry) - data[1][rows]
        optimizer.zero_grad()
        miss[:, :, nodes].abs().mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return network


def ring(nodes: int) -> Geometry:
    near = torch.stack([torch.arange(nodes), (torch.arange(nodes) + 1) % nodes], dim=1)
    return Geometry(near, torch.tensor([1.0, 0.5]).expand(nodes, 2))


def sines() -> Pairs:
    """Two services of two nodes, each with its phase, of period 6, and noise with a mean absolute value of 0.08."""
    g = torch.Generator().manual_seed(1)
    time = torch.arange(312.0)[:, None, None]
    phase = 2 * torch.pi * torch.rand(2, 2, generator=g)
    return pairs(torch.sin(2 * torch.pi * time / 6 + phase) + 0.1 * torch.randn(312, 2, 2, generator=g), 8, 2)


@every
def test_beats_the_naive_forecasts(make: Network) -> None:
    past, future = sines()
    seen, unseen = (past[:240], future[:240]), (past[260:], future[260:])
    season = float((past[260:, :2] - future[260:]).abs().mean())  # a season of 8 where the period is 6
    last = float((past[260:, -1:] - future[260:]).abs().mean())
    assert min(season, last) > 0.7
    steps = {LSTM: 350, STAEformer: 300, ASTMTL: 200, STGCN: 200, ConvLSTM: 150}.get(make, 100)
    assert error(trained(make, seen, ring(2), [0, 1], steps), unseen, ring(2), [0, 1]) < 0.4 * min(season, last)


@every
def test_learns_a_few_windows_by_heart(make: Network) -> None:
    past, future = sines()
    few = past[:30:10], future[:30:10]
    g = torch.Generator().manual_seed(2)
    few = few[0], few[1] + torch.randn(few[1].shape, generator=g)  # nothing but the window tells the future
    steps = 150
    assert error(trained(make, few, ring(2), [0, 1], steps), few, ring(2), [0, 1]) < 0.2


@pytest.mark.parametrize(
    ("make", "steps"), [(ConvLSTM, 200), (STGCN, 100), (DCRNN, 100), (MTTC, 200), (ASTMTL, 900)], ids=lambda x: str(x)
)
def test_learns_from_a_neighbour(make: Network, steps: int) -> None:
    g = torch.Generator().manual_seed(3)
    series = torch.randn(302, 2, 1, generator=g)
    series[2:, 1] = series[:-2, 0]
    past, future = pairs(series[2:], 6, 2)
    seen, unseen = (past[:230], future[:230]), (past[240:], future[240:])
    near = torch.tensor([[0, 0], [1, 0]])
    joined, cut = (Geometry(near, torch.tensor([[1.0, 0.0], [1.0, weight]])) for weight in (0.9, 0.0))
    assert error(trained(make, seen, joined, [1], steps, 32), unseen, joined, [1]) < 0.3
    assert error(trained(make, seen, cut, [1], 60, 32), unseen, cut, [1]) > 0.7  # 0.8 is the mean size of noise
