from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from odflow.errors import UsageError
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
    SingleTask,
    STAEformer,
    Transformer,
    graph,
    parameter_count,
)
from odflow.forecast.rivals.head import Rival

ALL = [LSTM, Transformer, Informer, ITransformer, ConvLSTM, STGCN, DCRNN, STAEformer, MTTC, ASTMTL, CSLSL]
ON_GRAPHS = [ConvLSTM, STGCN, DCRNN, MTTC, ASTMTL]
SMALL = RivalSize(width=8, heads=2, dropout=0.0)
SHAPE = Shape(past=6, lead=3, services=2, calendar=3, outputs=3)
Network = type[Rival]

every = pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)


def built(make: Network, shape: Shape = SHAPE, size: RivalSize = SMALL, learned: bool = True) -> Rival:
    """A network, by default with something in the place of each 0 that it starts from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make(shape, size).eval()
        for parameter in network.parameters():
            if learned and not parameter.any():
                nn.init.normal_(parameter, std=0.3)
    return network


def windows(shape: Shape = SHAPE, batch: int = 4, nodes: int = 5, seed: int = 0) -> Inputs:
    """Three quarters of all values are known."""
    g = torch.Generator().manual_seed(seed)
    values = torch.randn(batch, shape.past, nodes, shape.services, generator=g)
    known = (torch.rand(values.shape, generator=g) < 0.75).float()
    past = torch.randn(batch, shape.past, shape.calendar, generator=g)
    future = torch.randn(batch, shape.lead, shape.calendar, generator=g)
    seasonal = torch.randn(batch, shape.past + shape.lead, nodes, shape.services, 3, generator=g)
    there = (torch.rand(seasonal.shape, generator=g) < 0.75).float()
    return Inputs(values * known, known, seasonal * there, there, past, future)


def places(nodes: int = 5, seed: int = 0) -> Geometry:
    """Each node, two others, and one that is there to fill up."""
    g = torch.Generator().manual_seed(seed)
    others = [[i, *[int(j) + (j >= i) for j in torch.randperm(nodes - 1, generator=g)[:3]]] for i in range(nodes)]
    weight = torch.rand(nodes, 4, generator=g) + 0.1
    weight[:, 0], weight[:, 3] = 1.0, 0.0
    return Geometry(torch.tensor(others), weight)


def learns(network: nn.Module) -> bool:
    return any(parameter.grad is not None and bool(parameter.grad.any()) for parameter in network.parameters())


def forecast(network: nn.Module, inputs: Inputs, geometry: Geometry | None = None) -> Tensor:
    with torch.no_grad():
        out: Tensor = network(inputs, geometry or places(inputs.values.shape[2]))
    return out


@every
def test_shape_and_order_for_any_number_of_nodes(make: Network) -> None:
    network = built(make)
    for nodes in (4, 7):
        out = forecast(network, windows(nodes=nodes))
        assert out.shape == (4, 3, nodes, 2, 3)
        assert (out.diff(dim=-1) > 0).all()
        assert out.std(dim=0).min() > 1e-4  # each window another forecast


@every
def test_starts_from_the_last_known_value(make: Network) -> None:
    inputs = windows()
    inputs.known[0, :, 1] = 0.0
    last = torch.zeros(4, 5, 2)
    for t in range(SHAPE.past):
        last = torch.where(inputs.known[:, t] > 0, inputs.values[:, t], last)
    last[0, 1] = 0.0
    out = forecast(built(make, learned=False), inputs)
    assert torch.equal(out[..., 1], last[:, None].expand(-1, 3, -1, -1))


@every
def test_what_was_not_measured_is_not_seen(make: Network) -> None:
    network, inputs = built(make), windows()
    before = forecast(network, inputs)
    for content in (1e6, float("nan")):
        values = torch.where(inputs.known > 0, inputs.values, content)
        assert torch.equal(forecast(network, inputs._replace(values=values)), before)


@every
def test_not_measured_is_not_zero(make: Network) -> None:
    network, inputs = built(make), windows()
    zero = inputs._replace(known=torch.ones_like(inputs.known))
    zero.values[:, 2] = 0.0
    gone = zero._replace(known=zero.known.clone())
    gone.known[:, 2] = 0.0
    assert (forecast(network, zero) - forecast(network, gone)).abs().amax(dim=(1, 2, 3, 4)).min() > 1e-4


@every
def test_permuted_nodes_permute_the_forecast(make: Network) -> None:
    network, inputs, geometry = built(make), windows(), places()
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = Inputs(*(part[:, :, order] if part.ndim > 3 else part for part in inputs))
    there = Geometry(order.argsort()[geometry.near[order]], geometry.weight[order])
    expected = forecast(network, inputs, geometry)[:, :, order]
    torch.testing.assert_close(forecast(network, moved, there), expected, rtol=1e-5, atol=1e-5)


@every
def test_windows_of_a_batch_are_apart(make: Network) -> None:
    network, inputs = built(make), windows()
    alone = forecast(network, Inputs(*(part[2:3] for part in inputs)))
    torch.testing.assert_close(alone[0], forecast(network, inputs)[2], rtol=1e-5, atol=1e-5)


@every
def test_the_calendar_of_a_lead_matters(make: Network) -> None:
    network, inputs = built(make), windows()
    future = inputs.future.clone()
    future[:, 1] += 1.0
    change = (forecast(network, inputs._replace(future=future)) - forecast(network, inputs)).abs()
    assert change[:, 1].amax(dim=(1, 2, 3)).min() > 1e-4


@every
def test_every_weight_learns(make: Network) -> None:
    network = built(make)
    network(windows(), places()).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@every
def test_smallest_shape(make: Network) -> None:
    shape = Shape(past=1, lead=1, services=1, calendar=0)
    inputs = windows(shape, batch=2, nodes=1)
    alone = Geometry(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1))
    out = forecast(built(make, shape, RivalSize(width=4, heads=1, layers=1)), inputs, alone)
    assert out.shape == (2, 1, 1, 1, 1)
    assert out.isfinite().all()


@every
def test_an_empty_window_has_a_forecast(make: Network) -> None:
    inputs = windows()
    inputs = inputs._replace(known=torch.zeros_like(inputs.known))
    assert forecast(built(make), inputs).isfinite().all()


@every
def test_hundreds_of_nodes(make: Network) -> None:
    network, inputs = built(make), windows(batch=1, nodes=300)
    out = forecast(network, inputs)
    assert out.isfinite().all()
    assert out.std(dim=2).min() > 1e-4  # each node another forecast


@pytest.mark.parametrize("make", ON_GRAPHS, ids=lambda make: make.__name__)
def test_neighbours_matter_and_what_fills_up_does_not(make: Network) -> None:
    network, inputs, geometry = built(make), windows(), places()
    before = forecast(network, inputs, geometry)
    near = geometry.near.clone()
    near[:, 3] = torch.arange(5)
    torch.testing.assert_close(forecast(network, inputs, Geometry(near, geometry.weight)), before)
    cut = geometry.weight * torch.tensor([1.0, 0.0, 0.0, 0.0])
    change = (forecast(network, inputs, Geometry(geometry.near, cut)) - before).abs().amax(dim=(0, 1, 3, 4))
    assert change.min() > 1e-4


@pytest.mark.parametrize("make", [LSTM, Transformer, Informer, CSLSL], ids=lambda make: make.__name__)
def test_nodes_do_not_see_each_other(make: Network) -> None:
    network, inputs = built(make), windows()
    other = inputs._replace(values=inputs.values.clone())
    other.values[:, :, 2] *= -1.0
    change = (forecast(network, other) - forecast(network, inputs)).abs().amax(dim=(0, 1, 3, 4))
    assert change[2] > 1e-3
    assert change[[0, 1, 3, 4]].max() < 1e-6


@pytest.mark.parametrize("make", [MTTC, ASTMTL, CSLSL], ids=lambda make: make.__name__)
def test_services_see_each_other(make: Network) -> None:
    inputs = windows()
    values = inputs.values.requires_grad_()
    median = built(make)(inputs._replace(values=values), places())[..., 1]
    slope = torch.autograd.grad(median[..., 1].sum(), values)[0]
    assert slope[..., 0].abs().sum() > 1e-3


def test_the_chain_has_a_direction() -> None:
    network = built(CSLSL)
    network(windows(), places())[..., 0, :].sum().backward()
    last = network.capturers[1]  # type: ignore[index]
    assert not learns(last)


def test_a_table_for_known_nodes() -> None:
    network = STAEformer(SHAPE, SMALL, nodes=5)
    assert network.table.shape == (6, 5, 4)
    inputs, order = windows(), torch.tensor([3, 0, 4, 1, 2])
    nn.init.normal_(network.head.out.weight)
    moved = Inputs(*(part[:, :, order] if part.ndim > 3 else part for part in inputs))
    assert (forecast(network, moved) - forecast(network, inputs)[:, :, order]).abs().max() > 1e-4
    with pytest.raises(UsageError, match="for 5"):
        network(windows(nodes=4), places(4))


@pytest.mark.parametrize("make", [LSTM, STGCN, ITransformer], ids=lambda make: make.__name__)
def test_single_task_keeps_services_apart(make: Network) -> None:
    network = SingleTask(lambda one: built(make, one), SHAPE)
    inputs = windows()
    values = inputs.values.requires_grad_()
    out = network(inputs._replace(values=values), places())
    assert out.shape == (4, 3, 5, 2, 3)
    for a, b in ((0, 1), (1, 0)):
        slope = torch.autograd.grad(out[..., a, :].square().sum(), values, retain_graph=True)[0]
        assert slope[..., a].any()
        assert not slope[..., b].any()
    out[..., 0, :].sum().backward()
    assert learns(network.tasks[0])
    assert not learns(network.tasks[1])


def test_single_task_is_one_network_per_service() -> None:
    one = Shape(past=6, lead=3, services=1, calendar=3, outputs=3)
    network = SingleTask(lambda shape: built(LSTM, shape), SHAPE)
    assert parameter_count(network) == 2 * parameter_count(LSTM(one, SMALL))
    inputs = windows()
    alone = inputs._replace(
        values=inputs.values[..., 1:],
        known=inputs.known[..., 1:],
        seasonal=inputs.seasonal[..., 1:, :],
        seasonal_known=inputs.seasonal_known[..., 1:, :],
    )
    torch.testing.assert_close(forecast(network, inputs)[..., 1:, :], forecast(network.tasks[1], alone))


def test_parameters_of_the_lstm() -> None:
    width, seen, lead, calendar, part = 8, 2 * 2 + 3, 3, 3, 2
    layers = 4 * width * (seen + width + 2) + 4 * width * (width + width + 2)
    head = (width + 1) * lead * part + (part + calendar + 1) * width + (width + 1) * 2 * 3
    assert parameter_count(LSTM(SHAPE, SMALL)) == layers + head


@pytest.mark.parametrize("services", [1, 3])
@every
def test_default_sizes(make: Network, services: int) -> None:
    shape = Shape(past=24, lead=12, services=services, calendar=4, outputs=3)
    assert 17_000 < parameter_count(make(shape, RivalSize())) < 102_000


@every
def test_seasonally_adjusted(make: Network) -> None:
    size = RivalSize(width=8, heads=2, dropout=0.0, adjusted=True)
    inputs = windows()
    inputs = inputs._replace(seasonal_known=torch.ones_like(inputs.seasonal_known))
    mean = inputs.seasonal[..., 0]
    start = forecast(built(make, size=size, learned=False), inputs)[..., 1]
    off = forecast(built(make, learned=False), inputs._replace(values=inputs.values - mean[:, :6]))[..., 1]
    torch.testing.assert_close(start, off + mean[:, 6:])  # untrained: the mean of the day, corrected
    network = built(make, size=size)
    raised = inputs._replace(values=(inputs.values + 3.0) * inputs.known, seasonal=inputs.seasonal + 3.0)
    torch.testing.assert_close(forecast(network, raised), forecast(network, inputs) + 3.0, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", ON_GRAPHS, ids=lambda make: make.__name__)
def test_sparse_and_dense_matrices_are_one(make: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    network, inputs = built(make), windows()
    dense = forecast(network, inputs)
    monkeypatch.setattr(graph, "_FEW", 4)
    torch.testing.assert_close(forecast(network, inputs), dense)
