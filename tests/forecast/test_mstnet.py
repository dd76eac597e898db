from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from odflow.errors import UsageError
from odflow.forecast.export import Plain
from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.losses import absolute, per_task, pinball, weighted
from odflow.forecast.mstnet import MSTNet
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.naive import candidates
from odflow.training.seeds import generator_of

from .mstnet_cases import CALENDAR, built, neighbourhood, normal, small, windows

SWITCHES: list[dict[str, Any]] = [
    {},
    {"sharing": "hard"},
    {"sharing": "none"},
    {"task_attention": False},
    {"spatial_attention": False},
    {"quantiles": (0.5,)},
    {"start": 0, "layers": 1, "decoder_layers": 2},
    {"sharing": "tied"},
    {"mixture": False},
    {"probsparse": 1},
]


def count(network: MSTNet) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def influence(network: MSTNet, inputs: Inputs, geometry: Geometry, chosen: tuple[slice | int, ...]) -> Tensor:
    """Size of the gradient of some forecasts with respect to the values, shape (N, S)."""
    values = inputs.values.clone().requires_grad_()
    forecast = network(inputs._replace(values=values), geometry)
    (slope,) = torch.autograd.grad(forecast[chosen].square().sum(), values)
    return slope.abs().sum(dim=(0, 1))


@pytest.mark.parametrize("changes", SWITCHES)
def test_shape_order_and_finiteness(changes: dict[str, Any]) -> None:
    config = small(**changes)
    out = built(config, services=3)(windows(5, 3), neighbourhood(5, 3))
    assert out.shape == (2, 4, 5, 3, len(config.quantiles))
    assert out.isfinite().all()
    assert (out.diff(dim=-1) >= 0).all()
    assert float(out[..., 0].detach().std()) > 0.1


@pytest.mark.parametrize("changes", SWITCHES)
def test_what_stands_for_missing_values_has_no_influence(changes: dict[str, Any]) -> None:
    network, inputs, geometry = built(small(**changes)), windows(5, 2, missing=0.4), neighbourhood(5, 3)
    garbage = torch.where(inputs.known > 0, inputs.values, torch.nan)
    assert garbage.isnan().sum() > 30
    expected = network(inputs, geometry)
    assert torch.equal(network(inputs._replace(values=garbage), geometry), expected)
    assert not torch.equal(network(inputs._replace(values=1.1 * inputs.values), geometry), expected)


def test_nothing_known_at_all() -> None:
    inputs = windows(3, 2)
    nothing = inputs._replace(known=torch.zeros_like(inputs.known))
    assert built(small())(nothing, neighbourhood(3, 2)).isfinite().all()


@pytest.mark.parametrize("changes", SWITCHES)
def test_permuted_nodes(changes: dict[str, Any]) -> None:
    network, inputs, geometry = built(small(**changes)), windows(9, 2), neighbourhood(9, 3)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3))
    place = order.argsort()
    permuted = Geometry(place[geometry.near[order]], geometry.weight[order])
    moved = Inputs(*(part[:, :, order] if part.ndim > 3 else part for part in inputs))
    expected = network(inputs, geometry)[:, :, order]
    torch.testing.assert_close(network(moved, permuted), expected, rtol=1e-5, atol=1e-5)


def test_a_node_hears_its_neighbours_neighbours_after_two_layers() -> None:
    near = torch.tensor([[k, (k + 1) % 6] for k in range(6)])
    ring = Geometry(near, torch.ones(6, 2))
    network, inputs = built(small(neighbours=2)), windows(6, 2)
    heard = influence(network, inputs, ring, (slice(None), slice(None), 1)).sum(dim=1) > 0
    assert heard.tolist() == [False, True, True, True, False, False]
    fewer = built(small(neighbours=1))  # columns beyond are not used
    heard = influence(fewer, inputs, ring, (slice(None), slice(None), 1)).sum(dim=1) > 0
    assert heard.tolist() == [False, True, False, False, False, False]


def test_without_spatial_attention_nodes_are_independent() -> None:
    network, inputs, geometry = built(small(spatial_attention=False)), windows(5, 2), neighbourhood(5, 3)
    heard = influence(network, inputs, geometry, (slice(None), slice(None), 3)).sum(dim=1) > 0
    assert heard.tolist() == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("changes", "independent"),
    [
        ({}, False),
        ({"sharing": "hard"}, False),
        ({"sharing": "hard", "task_attention": False}, False),
        ({"sharing": "none"}, True),
        ({"task_attention": False}, True),
    ],
)
def test_which_tasks_hear_each_other(changes: dict[str, Any], independent: bool) -> None:
    network, inputs, geometry = built(small(**changes), services=3), windows(4, 3), neighbourhood(4, 3)
    heard = influence(network, inputs, geometry, (slice(None), slice(None), slice(None), 1)).sum(dim=0)
    assert heard[1] > 0
    assert (heard[[0, 2]] == 0).all() == independent
    if not independent:
        assert (heard > 0).all()


def test_hard_sharing_has_one_branch() -> None:
    soft, hard, alone = (built(small(sharing=sharing), services=3) for sharing in ("soft", "hard", "none"))
    assert (len(soft.branches), len(hard.branches), len(alone.branches)) == (3, 1, 3)
    assert count(built(small(sharing="tied"), services=3)) == count(soft) / 3
    assert count(hard) < count(alone) / 2 < count(soft) / 2
    without = built(small(task_attention=False), services=3)
    assert count(without) == count(alone)
    one = built(small(), services=1)  # has no others to attend to
    assert not one.between


def simple(inputs: Inputs) -> Tensor:
    """All simple forecasts, (B, H, N, S, K)."""
    seasonal = inputs.seasonal.movedim(1, -2), inputs.seasonal_known.movedim(1, -2)
    return candidates(inputs.values.movedim(1, -1), inputs.known.movedim(1, -1), *seasonal).movedim(-2, 1)


@pytest.mark.parametrize("mixture", [True, False])
def test_an_untrained_network_is_naive(mixture: bool) -> None:
    network, inputs = built(small(mixture=mixture), stir=False), windows(4, 2)
    out = network(inputs, neighbourhood(4, 3))
    start = simple(inputs).mean(dim=-1) if mixture else simple(inputs)[..., 0]
    torch.testing.assert_close(out[..., 1], start)
    torch.testing.assert_close(out[..., 2] - out[..., 1], torch.full_like(start, 0.31326), rtol=0, atol=1e-4)


def test_number_of_parameters() -> None:
    d, heads, past, lead, start, services, quantiles = 40, 2, 24, 24, 12, 3, 3
    norm, square = 2 * d, d * d
    embeddings = 2 * (3 * 8 * d + d + CALENDAR * d) + (past + start + lead) * d
    encoder = (norm + 3 * square + d + square + d) + (norm + 3 * square + heads + square + d)
    decoder = past * lead + 3 * norm + 2 * (4 * square + d) + (4 * square + 3 * d) + norm
    head = (d + 1) * (quantiles + 8) + past * lead
    between = norm + 5 * square + 2 * d
    expected = services * (embeddings + 2 * encoder + decoder + head + 2 * between)
    assert count(built(MSTNetConfig(), services=3)) == expected == 205_581
    assert 4 < count(built(MSTNetConfig.full(), services=3)) / expected < 30


@pytest.mark.parametrize("changes", SWITCHES)
def test_every_parameter_learns(changes: dict[str, Any]) -> None:
    network = built(small(**changes))
    network(windows(5, 2), neighbourhood(5, 3)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_same_numbers_from_a_saved_state() -> None:
    network, inputs, geometry = built(small()), windows(5, 2), neighbourhood(5, 3)
    again = built(small(), stir=False)
    assert not torch.equal(again(inputs, geometry), network(inputs, geometry))
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(inputs, geometry), network(inputs, geometry))


def test_training_draws_nothing_from_the_global_generator() -> None:
    network, inputs, geometry = built(small(dropout=0.3)).train(), windows(5, 2), neighbourhood(5, 3)
    state = torch.random.get_rng_state()
    first, second = network(inputs, geometry), network(inputs, geometry)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.equal(first, second)
    again = built(small(dropout=0.3)).train()
    assert torch.equal(again(inputs, geometry), first)


def test_per_sample_losses_can_be_differentiated_twice() -> None:
    """As reweighting of samples does: a step of gradient descent, and what its result depends on."""
    network, inputs, geometry = built(small(dropout=0.2)).train(), windows(3, 2), neighbourhood(3, 2)
    target, known = normal(2, 4, 3, 2, seed=5), torch.ones(2, 4, 3, 2)
    params = {name: value.detach() for name, value in network.named_parameters()}

    def losses(params: dict[str, Tensor]) -> Tensor:
        forecast = functional_call(network.eval(), params, (inputs, geometry))
        return pinball(forecast, target, known, network.config.quantiles).mean(dim=(1, 2, 3))

    def reached(weights: Tensor) -> Tensor:
        slope = torch.func.grad(lambda p: (weights * losses(p)).sum())(params)
        return losses({name: value - 0.1 * slope[name] for name, value in params.items()}).mean()

    weights, step = torch.tensor([0.5, 0.5]), 1e-2
    slope = torch.func.grad(reached)(weights)
    ahead, behind = reached(weights + torch.tensor([step, 0])), reached(weights - torch.tensor([step, 0]))
    assert float(slope[0]) == pytest.approx(float((ahead - behind) / (2 * step)), rel=0.02)


@pytest.mark.parametrize("name", ["past", "lead", "outputs"])
def test_shape_and_configuration_have_to_fit(name: str) -> None:
    shape = Shape(past=8, lead=4, services=2, calendar=CALENDAR, outputs=3)
    with pytest.raises(UsageError, match=f"{name} of the shape is 7"):
        MSTNet(replace(shape, **{name: 7}), small())


def series(length: int, nodes: int, seed: int) -> Tensor:
    """Two services per node: noisy sines of period 8, the second the first's level two intervals later."""
    phase = 6.28 * torch.rand(nodes, generator=generator_of(seed, 1))
    level = normal(length, nodes, seed=seed + 1).cumsum(0) * 0.1
    first = torch.sin(torch.arange(length)[:, None] * (2 * torch.pi / 8) + phase) + level
    return torch.stack([first, 0.5 * first.roll(2, 0)], dim=-1) + 0.3 * normal(length, nodes, 2, seed=seed + 2)


def cut(data: Tensor, begins: Tensor, config: MSTNetConfig) -> tuple[Inputs, Tensor]:
    rows = data[begins[:, None] + torch.arange(config.past + config.lead)]
    values, target = rows[:, : config.past], rows[:, config.past :]
    angle = (begins[:, None] + torch.arange(config.past + config.lead)) * (2 * torch.pi / 8)
    calendar = torch.stack([angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos()], dim=-1)
    parts = calendar[:, : config.past], calendar[:, config.past :]
    before = begins[:, None] + torch.arange(config.past + config.lead) - 8
    seasonal = data[before.clamp(min=0)][..., None].expand(*rows.shape, 3)
    seasonal_known = (before >= 0).float()[:, :, None, None, None].expand_as(seasonal)
    return Inputs(values, torch.ones_like(values), seasonal * seasonal_known, seasonal_known, *parts), target


def trained(network: MSTNet, data: Tensor, geometry: Geometry, begins: int, steps: int, rate: float) -> list[float]:
    optimizer, course = torch.optim.Adam(network.train().parameters(), lr=rate), []
    for step in range(steps):
        chosen = torch.randint(begins, (16,), generator=generator_of(0, step))
        inputs, target = cut(data, chosen, network.config)
        known = torch.ones_like(target)
        errors = pinball(network(inputs, geometry), target, known, network.config.quantiles)
        loss = weighted(per_task(errors, known), torch.ones(2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        course.append(float(loss.detach()))
    network.eval()
    return course


def test_learns_a_few_windows_by_heart() -> None:
    network, data = built(small(dropout=0.0), stir=False), normal(15, 2, 2)
    course = trained(network, data, neighbourhood(2, 2), 4, 150, 1e-2)
    assert course[0] > 0.5
    assert max(course[-10:]) < 0.1 * course[0]


def test_beats_the_seasonal_naive_forecast() -> None:
    config = small(past=16, width=16)
    network, data, geometry = built(config, stir=False), series(600, 4, 0), neighbourhood(4, 3)
    trained(network, data, geometry, 400 - 20, 150, 5e-3)
    inputs, target = cut(data, torch.arange(400, 580), config)
    known = torch.ones_like(target)
    with torch.no_grad():
        forecast = network(inputs, geometry)
    start = simple(inputs)[..., 6]
    error = per_task(absolute(forecast[..., 1], target, known), known)
    seasonal = per_task(absolute(start, target, known), known)
    assert (error < 0.85 * seasonal).all()
    inside = ((target > forecast[..., 0]) & (target < forecast[..., 2])).float().mean()
    assert 0.7 < float(inside) < 0.9


@pytest.mark.parametrize("switch", ["task_attention", "spatial_attention"])
def test_attention_carries_what_cannot_be_forecast_without(switch: str) -> None:
    """A random walk, and what follows it two intervals later: another service, or the same one of another node."""
    noise = normal(800, 2, 1).cumsum(dim=0)
    if switch == "task_attention":
        data, geometry = (
            torch.cat([noise, noise.roll(2, 0)], dim=2),
            Geometry(torch.arange(2)[:, None], torch.ones(2, 1)),
        )
        follower: tuple[Any, ...] = (slice(None), slice(0, 2), slice(None), 1)
    else:
        data = torch.cat([noise[:, :1], noise[:, :1].roll(2, 0)], dim=1).expand(-1, -1, 2)
        geometry = Geometry(torch.tensor([[0, 1], [1, 0]]), torch.ones(2, 2))
        follower = (slice(None), slice(0, 2), 1)
    errors = {}
    for on in (True, False):
        network = built(small(dropout=0.0, width=16, quantiles=(0.5,), mixture=False, **{switch: on}), stir=False)
        trained(network, data, geometry, 580, 200 if on else 60, 1e-2)
        inputs, target = cut(data, torch.arange(600, 788), network.config)
        with torch.no_grad():
            errors[on] = float((network(inputs, geometry)[..., 0] - target)[follower].abs().mean())
    assert errors[False] > 0.9  # 0.96 is the mean change
    assert errors[True] < 0.75


def test_a_thousand_cells_in_a_second() -> None:
    network = built(MSTNetConfig(), services=3)
    inputs, geometry = windows(1000, 3, batch=1, past=24, lead=24), neighbourhood(1000, 4)
    with torch.no_grad():
        network(inputs, geometry)
        begin = time.process_time()
        assert network(inputs, geometry).shape == (1, 24, 1000, 3, 3)
        assert time.process_time() - begin < 1.0


def test_export() -> None:
    """The graph that torch.onnx.export starts from; the rest of it needs onnxscript."""
    inputs, geometry = windows(5, 2), neighbourhood(5, 3)
    plain = Plain(built(small(probsparse=1)))
    program = torch.export.export(plain, (*inputs, *geometry))
    torch.testing.assert_close(program.module()(*inputs, *geometry), plain(*inputs, *geometry))
