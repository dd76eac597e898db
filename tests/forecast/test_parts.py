"""Embedding, spatial attention, task attention, dropout, pieces, naive forecasts, heads."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from odflow.forecast.dropout import Dropout
from odflow.forecast.embedding import Embedding, TimeConv
from odflow.forecast.heads import Head, rising
from odflow.forecast.inputs import Geometry
from odflow.forecast.naive import CANDIDATES, candidates, last_known
from odflow.forecast.pieces import all_by_nodes, by_nodes
from odflow.forecast.spatial import SpatialAttention, neighbour_attention
from odflow.forecast.task_attention import TaskAttention, attend_between

from .mstnet_cases import neighbourhood, normal


@pytest.mark.parametrize("dilation", [1, 2])
def test_time_convolution_is_torchs(dilation: int) -> None:
    conv = TimeConv(3, 5, dilation)
    x = normal(2, 7, 3)
    kernel = conv.taps.weight.unflatten(1, (3, 3)).transpose(1, 2)
    expected = nn.functional.conv1d(x.mT, kernel, conv.taps.bias, padding=dilation, dilation=dilation).mT
    torch.testing.assert_close(conv(x), expected)


def test_embedding_adds_calendar_and_position_to_all_nodes_alike() -> None:
    embedding = Embedding(2, 4, 6, 8)
    tokens, calendar = normal(1, 3, 6, 2), normal(1, 6, 4, seed=1)
    moved = embedding(tokens, calendar) - embedding(tokens, torch.zeros_like(calendar))
    torch.testing.assert_close(moved, embedding.calendar(calendar)[:, None].expand_as(moved), rtol=1e-4, atol=1e-6)


def test_each_sample_its_own_neighbours() -> None:
    parts = [normal(2, 3, 2, 1, 4, seed=seed) for seed in range(3)]
    own = [
        Geometry(torch.tensor([[0, 1], [1, 2], [2, 0]]), torch.tensor([[1.0, 1.0], [1.0, 0.25], [1.0, 0.0]])),
        Geometry(torch.tensor([[0, 2], [1, 0], [2, 1]]), torch.tensor([[1.0, 0.5], [1.0, 0.1], [1.0, 1.0]])),
    ]
    both = Geometry(*(torch.stack(pair) for pair in zip(*own, strict=True)))
    out = neighbour_attention(*parts, torch.ones(1), both)
    for k, geometry in enumerate(own):
        alone = neighbour_attention(*(part[k : k + 1] for part in parts), torch.ones(1), geometry)
        torch.testing.assert_close(out[k : k + 1], alone)


def test_neighbours_count_by_weight_when_scores_are_alike() -> None:
    value = normal(1, 3, 2, 1, 4)
    geometry = Geometry(torch.tensor([[0, 1], [1, 2], [2, 0]]), torch.tensor([[1.0, 1.0], [1.0, 0.25], [1.0, 0.0]]))
    out = neighbour_attention(torch.zeros_like(value), normal(1, 3, 2, 1, 4, seed=1), value, torch.zeros(1), geometry)
    torch.testing.assert_close(out[:, 0], (value[:, 0] + value[:, 1]) / 2)
    torch.testing.assert_close(out[:, 1], 0.8 * value[:, 1] + 0.2 * value[:, 2])
    torch.testing.assert_close(out[:, 2], value[:, 2])
    out = neighbour_attention(torch.zeros_like(value), value, value, torch.tensor([3.0]).log(), geometry)
    torch.testing.assert_close(out[:, 0], 0.75 * value[:, 0] + 0.25 * value[:, 1])
    torch.testing.assert_close(out[:, 2], value[:, 2])


def test_neighbour_attention_is_dense_attention_with_a_mask() -> None:
    nodes, geometry = 700, neighbourhood(700, 5)  # in two pieces
    query, key, value = (normal(1, nodes, 2, 2, 3, seed=seed) for seed in range(3))
    bias = torch.full((nodes, nodes), -torch.inf)
    for column, weight in zip(geometry.near.T, geometry.weight.T, strict=True):
        entries = torch.full((nodes, nodes), -torch.inf)
        entries[torch.arange(nodes), column] = weight.log()
        bias = torch.logaddexp(bias, entries)
    parts = [part.permute(0, 2, 3, 1, 4) for part in (query, key, value)]
    dense = nn.functional.scaled_dot_product_attention(*parts, attn_mask=bias).permute(0, 3, 1, 2, 4)
    torch.testing.assert_close(
        neighbour_attention(query, key, value, torch.zeros(2), geometry), dense, rtol=1e-4, atol=1e-5
    )


def test_own_neighbours_only() -> None:
    attention = SpatialAttention(8, 2, Dropout(0.0, 0, 0))
    x = normal(1, 5, 3, 8).requires_grad_()
    alone = Geometry(torch.arange(5)[:, None].repeat(1, 2), torch.tensor([[1.0, 0.0]]).repeat(5, 1))
    (slope,) = torch.autograd.grad(attention(x, alone)[:, 2].square().sum(), x)
    touched = slope.abs().sum(dim=(0, 2, 3)) > 0
    assert touched.tolist() == [False, False, True, False, False]


def tasks(count: int, seed: int = 0) -> TaskAttention:
    attention = TaskAttention(count, 8, 2, Dropout(0.0, 0, 0))
    with torch.no_grad():
        for k, parameter in enumerate(attention.parameters()):
            parameter.add_(normal(*parameter.shape, seed=seed + k), alpha=0.3)
    return attention


def test_permuted_tasks_with_permuted_parameters() -> None:
    attention, order = tasks(3), [2, 0, 1]
    permuted = tasks(3)
    state = {}
    for name, value in attention.state_dict().items():
        if name.startswith("norms"):
            _, number, kind = name.split(".")
            state[f"norms.{order.index(int(number))}.{kind}"] = value
        elif name.startswith("dropout"):
            state[name] = value
        else:
            state[name] = value[:, order] if name == "ask" else value[order]
    permuted.load_state_dict(state)
    states = [normal(2, 5, 8, seed=seed) for seed in range(3)]
    expected = attention(*states)
    found = permuted(*(states[k] for k in order))
    for place, k in enumerate(order):
        torch.testing.assert_close(found[place], expected[k], rtol=1e-5, atol=1e-6)


def test_a_closed_gate_shares_nothing() -> None:
    attention = tasks(2)
    states = [normal(2, 5, 8, seed=seed) for seed in range(2)]
    assert (attention(*states)[0] - states[0]).abs().max() > 0.01
    with torch.no_grad():
        attention.gate.zero_()
        attention.gate_bias.fill_(-200.0)
    for before, after in zip(states, attention(*states), strict=True):
        assert torch.equal(before, after)


def test_attention_between_tasks_is_torchs() -> None:
    query, key, value = (normal(3, 5, 2, 4, seed=seed) for seed in range(3))
    parts = [part.permute(1, 2, 0, 3) for part in (query, key, value)]
    expected = nn.functional.scaled_dot_product_attention(*parts).permute(2, 0, 1, 3)
    torch.testing.assert_close(attend_between(query, key, value), expected)


def test_dropout_draws_from_its_seed_and_count() -> None:
    x, dropout = torch.ones(200, 3, 50), Dropout(0.3, 7, 0)
    state = torch.random.get_rng_state()
    first, second = dropout(x), dropout(x)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert abs(float((first == 0).float().mean()) - 0.3) < 0.02
    torch.testing.assert_close(first[first > 0], torch.full_like(first[first > 0], 1 / 0.7))
    assert torch.equal(first, first[:, :1].expand(-1, 3, -1))  # the same at all times
    assert not torch.equal(first, second)
    again = Dropout(0.3, 7, 0)
    again.load_state_dict({"calls": torch.tensor(1)})
    assert torch.equal(again(x), second)
    assert not torch.equal(Dropout(0.3, 7, 1)(x), first)
    assert torch.equal(dropout.eval()(x), x)


def test_pieces_are_put_together() -> None:
    x, y = normal(300, 5, 2), normal(300, 5, 2, seed=1)  # one node at a time
    seen: list[int] = []

    def function(a: torch.Tensor, b: torch.Tensor) -> list[torch.Tensor]:
        seen.append(a.shape[1])
        return [a + b, a * b]

    total, product = all_by_nodes(function, x, y)
    assert seen == [1] * 5
    assert torch.equal(total, x + y)
    assert torch.equal(product, x * y)
    assert torch.equal(by_nodes(torch.neg, x), -x)


def test_simple_forecasts() -> None:
    values, known = torch.tensor([[1.0, 2, 4]]), torch.tensor([[1.0, 1, 1]])
    seasonal = torch.tensor([[0.0, 1, 2, 5, 6], [1, 1, 1, 1, 1], [2, 2, 2, 2, 2]]).T[None]
    there = torch.ones(1, 5, 3)
    fast, off = (0.25 + 1 + 4) / 1.75, (0.25 * 1 + 0.5 * 1 + 2) / 1.75
    slow = (0.64 + 1.6 + 4) / 2.44
    found = candidates(values, known, seasonal, there)
    expected = [[4, fast, slow, s + off, s + off / 2, s, 1, 2] for s in (5, 6)]
    torch.testing.assert_close(found, torch.tensor([expected]))
    assert found.shape[-1] == CANDIDATES
    there[0, 4, 0], there[0, :3, 0] = 0.0, 0.0  # no mean of the second lead, nor of the window
    found = candidates(values, known, seasonal, there)
    expected = [[4, fast, slow, 5, 5, 5, 1, 2], [4, fast, slow, fast, fast, fast, 1, 2]]
    torch.testing.assert_close(found, torch.tensor([expected]))
    assert candidates(values, 0 * known, seasonal, 0 * there).tolist() == [[[0.0] * 8] * 2]


def test_last_known() -> None:
    values = torch.tensor([[1.0, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 0], [0, 0, 0, 0, 0, 0]])
    known = torch.tensor([[1.0, 1, 1, 1, 1, 1], [1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0]])
    assert last_known(values, known).tolist() == [[6.0], [5.0], [0.0]]


def test_quantiles_rise() -> None:
    raw = 5 * normal(100, 5)
    out = rising(raw, 2)
    assert (out.diff(dim=-1) >= 0).all()
    assert torch.equal(out[:, 2], raw[:, 2])
    soft = nn.functional.softplus(raw)
    torch.testing.assert_close(out[:, 0], raw[:, 2] - soft[:, 1] - soft[:, 0])
    torch.testing.assert_close(out[:, 4], raw[:, 2] + soft[:, 3] + soft[:, 4])


def test_head_mixes_simple_forecasts_and_adds() -> None:
    head = Head(8, 6, 4, 2, (0.25, 0.5, 0.75))
    states, window, start = normal(1, 3, 4, 8), normal(1, 3, 2, 6, seed=1), normal(1, 3, 2, 4, CANDIDATES, seed=2)
    out = head(states, window, start)
    torch.testing.assert_close(out[..., 1], start.mean(dim=-1).transpose(-1, -2))
    one = Head(8, 6, 4, 2, (0.25, 0.5, 0.75), mixture=False)(states, window, start[..., :1])
    torch.testing.assert_close(one[..., 1], start[..., 0].transpose(-1, -2))
    torch.testing.assert_close(out[..., 2] - out[..., 1], torch.full((1, 3, 4, 2), 0.31326), rtol=0, atol=1e-4)
    with torch.no_grad():
        head.window[1, 5, 3] = 2.0
    moved = head(states, window, start) - out
    torch.testing.assert_close(moved[0, :, 3, 1, 1], 2 * window[0, :, 1, 5])
    assert moved.count_nonzero() == 3 * 3  # of one service, at one time, all quantiles of three nodes
    with torch.no_grad():
        head.window.zero_()
        head.shares.bias[CANDIDATES + 3] = 100.0
    torch.testing.assert_close(head(states, window, start)[..., 1, 1], start[:, :, 1, :, 3])
