from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from odflow.errors import UsageError
from odflow.forecast.probsparse import MultiHead, kept, probsparse, sparsity

from .mstnet_cases import normal

CASES = [False, True]


def three(length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return normal(3, 2, length, 4, seed=1), normal(3, 2, length, 4, seed=2), normal(3, 2, length, 5, seed=3)


@pytest.mark.parametrize("causal", CASES)
def test_is_full_attention_when_all_queries_are_kept(causal: bool) -> None:
    parts = three(20)
    assert kept(20, 7) == 20
    full = functional.scaled_dot_product_attention(*parts, is_causal=causal)
    torch.testing.assert_close(probsparse(*parts, 7, causal), full, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("causal", CASES)
def test_some_queries_attend_and_the_others_get_the_mean(causal: bool) -> None:
    query, key, value = three(40)
    assert kept(40, 2) == 8
    out = probsparse(query, key, value, 2, causal)
    full = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    mean = value.cumsum(2) / torch.arange(1, 41)[:, None] if causal else value.mean(2, keepdim=True).expand_as(full)
    attends = torch.isclose(out, full, rtol=0, atol=1e-6).all(-1)
    lazy = torch.isclose(out, mean, rtol=0, atol=1e-6).all(-1)
    assert (attends | lazy).all()
    if causal:  # the first position has but one value to attend to
        attends, lazy = attends[..., 1:], lazy[..., 1:]
    assert (attends.sum(-1) <= 8).all()
    assert (attends.sum(-1) >= 7).all()
    assert (lazy == ~attends).all()


def test_the_queries_that_tell_keys_apart_attend() -> None:
    query = 0.01 * normal(1, 40, 4, seed=1)
    told = torch.tensor([3, 11, 30])
    query[0, told] = 5.0 * normal(3, 4, seed=4)
    key, value = normal(1, 40, 4, seed=2), normal(1, 40, 4, seed=3)
    out = probsparse(query, key, value, 2)
    full = functional.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(out[:, told], full[:, told])
    assert (out[0] - value.mean(1)).norm(dim=-1).topk(3).indices.sort().values.tolist() == told.tolist()


def test_sparsity() -> None:
    query, key = torch.tensor([[2.0], [0.0]]), torch.tensor([[1.0], [9.0], [3.0]])
    measure = sparsity(query, key, torch.tensor([0, 2]))
    torch.testing.assert_close(measure, torch.tensor([6.0 - 4.0, 0.0]))
    three_queries = torch.tensor([[2.0], [1.0], [-1.0]])
    measure = sparsity(three_queries, key, torch.tensor([0, 1]), causal=True)
    torch.testing.assert_close(measure, torch.tensor([2.0 - 2.0, 9.0 - 5.0, -1.0 + 5.0]))


@pytest.mark.parametrize("factor", [1, 100])
def test_causal_queries_do_not_see_what_comes_later(factor: int) -> None:
    query, key, value = three(30)
    later = value.clone()
    later[:, :, 20:] = 77.0
    before, after = probsparse(query, key, value, factor, True), probsparse(query, key, later, factor, True)
    torch.testing.assert_close(before[:, :, :20], after[:, :, :20], rtol=0, atol=0)
    assert not torch.isclose(before[:, :, 20:], after[:, :, 20:]).all(-1).any()


def test_causal_needs_as_many_keys_as_queries() -> None:
    with pytest.raises(UsageError, match="3 queries to 4 keys"):
        probsparse(normal(3, 2), normal(4, 2), normal(4, 2), 1, True)


@pytest.mark.parametrize(("length", "factor", "expected"), [(1, 5, 1), (24, 5, 20), (24, 100, 24), (96, 5, 25)])
def test_how_many_are_kept(length: int, factor: int, expected: int) -> None:
    assert kept(length, factor) == expected


def test_two_orders_of_derivatives() -> None:
    attention = MultiHead(4, 2, 1, causal=True).double()
    x = normal(1, 6, 4).double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: attention(x, x).square(), (x,))
