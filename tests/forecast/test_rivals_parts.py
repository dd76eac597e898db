from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.nn import functional

from odflow.errors import UsageError
from odflow.forecast.inputs import Geometry, Inputs
from odflow.forecast.rivals import RivalSize, graph
from odflow.forecast.rivals.head import in_order, last_known, measured
from odflow.forecast.rivals.informer import Distil

NAN = float("nan")


def test_quantiles_in_order() -> None:
    raw = torch.tensor([0.0, -1.0, 2.0, 0.5, 3.0])
    steps = functional.softplus(raw).tolist()
    expected = [2.0 - steps[1] - steps[0], 2.0 - steps[1], 2.0, 2.0 + steps[3], 2.0 + steps[3] + steps[4]]
    torch.testing.assert_close(in_order(raw), torch.tensor(expected))
    assert in_order(raw[:1]).tolist() == [0.0]
    torch.testing.assert_close(in_order(raw[:2]), torch.tensor([0.0, steps[1]]))


def test_last_known() -> None:
    values = torch.tensor([[1.0, NAN, 3.0], [4.0, 5.0, NAN], [NAN, NAN, NAN]]).T[None, :, :, None]
    known = values.isfinite().float()
    empty = torch.zeros(1, 3, 0)
    nothing = torch.zeros(1, 3, 3, 1, 3)
    inputs = measured(Inputs(values, known, nothing, nothing, empty, empty))
    assert inputs.values[0, :, :, 0].T.tolist() == [[1.0, 0.0, 3.0], [4.0, 5.0, 0.0], [0.0, 0.0, 0.0]]
    assert last_known(inputs)[0, :, 0].tolist() == [3.0, 5.0, 0.0]


def test_means_over_neighbours() -> None:
    geometry = Geometry(
        torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 0]]),
        torch.tensor([[1.0, 0.5, 0.5], [1.0, 0.25, 0.0], [1.0, 0.0, 0.0]]),
    )
    weight = torch.tensor([[1.0, 0.5, 0.5], [0.0, 1.0, 0.25], [0.0, 0.0, 1.0]])
    off = weight - torch.eye(3)
    torch.testing.assert_close(graph.near(geometry).to_dense(), weight / weight.sum(1, keepdim=True))
    torch.testing.assert_close(graph.back(geometry).to_dense(), (weight / weight.sum(0)).T)
    torch.testing.assert_close(graph.others(geometry).to_dense(), off / off.sum(1, keepdim=True).clamp(min=1e-9))
    x = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    spread = graph.spread(graph.near(geometry), x)
    torch.testing.assert_close(spread, torch.einsum("nm,abmw->abnw", weight / weight.sum(1, keepdim=True), x))
    assert torch.autograd.grad(spread[:, :, 2].sum(), x)[0].sum(dim=(0, 1, 3)).tolist() == [0.0, 0.0, 40.0]


def test_matrices_grow_with_neighbours_only() -> None:
    geometry = Geometry(torch.randint(10_000, (10_000, 4)), torch.rand(10_000, 4))
    for matrix in (graph.near(geometry), graph.others(geometry), graph.back(geometry)):
        assert matrix.values().numel() <= 40_000


@pytest.mark.parametrize(("length", "left"), [(8, 4), (7, 4), (1, 1)])
def test_distilling_halves(length: int, left: int) -> None:
    assert Distil(4)(torch.randn(2, length, 4)).shape == (2, left, 4)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [({"width": 10}, "multiple of 4"), ({"width": 8, "heads": 3}, "heads"), ({"layers": 0}, "layers is 0")],
)
def test_impossible_sizes(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RivalSize(**sizes)  # type: ignore[arg-type]


def test_impossible_dropout() -> None:
    with pytest.raises(UsageError, match="dropout is 1"):
        RivalSize(dropout=1.0)


def test_sizes_need_no_torch() -> None:
    job = "import sys; from odflow.forecast.rivals import RivalSize; RivalSize(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", job], check=True)


def test_no_other_names() -> None:
    import odflow.forecast.rivals as rivals

    assert {name for name in rivals.__all__ if not hasattr(rivals, name)} == set()
    with pytest.raises(AttributeError, match="no attribute 'GRU'"):
        _ = rivals.GRU
