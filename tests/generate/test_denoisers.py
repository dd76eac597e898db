from __future__ import annotations

import pytest
import torch
from torch import nn

from odflow.errors import UsageError
from odflow.generate.denoisers import ResidualMLP, UNet1d, sinusoids


def seeded(make: type[nn.Module], *args: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make(*args)
        for parameter in network.parameters():  # the last layer of ResidualMLP starts at 0
            if not parameter.any():
                nn.init.normal_(parameter, std=0.1)
    return network.eval()


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


CASES = [(UNet1d, (64,)), (UNet1d, (8,)), (UNet1d, (40,)), (ResidualMLP, (64, 32, 2)), (ResidualMLP, (9, 16, 1))]


@pytest.mark.parametrize(("make", "args"), CASES)
def test_shape_and_time(make: type[nn.Module], args: tuple[int, ...]) -> None:
    network = seeded(make, *args)
    x = torch.randn(5, args[0], generator=torch.Generator().manual_seed(1))
    t = torch.tensor([0, 1, 10, 500, 999])
    with torch.no_grad():
        out = network(x, t)
        assert out.shape == x.shape
        same_row = network(x[:1].expand(5, -1), t)
        assert (torch.pdist(same_row) > 1e-3).all()  # each diffusion step another answer
        one_step = network(x, t[:1])
        torch.testing.assert_close(one_step, network(x, t[:1].expand(5)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one_step[0], out[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network(x[2:3], t[2:3])[0], out[2], rtol=1e-4, atol=1e-5)  # rows are apart


@pytest.mark.parametrize(("make", "args"), CASES)
def test_every_weight_learns(make: type[nn.Module], args: tuple[int, ...]) -> None:
    network = seeded(make, *args)
    network(
        torch.randn(4, args[0], generator=torch.Generator().manual_seed(2)), torch.arange(4)
    ).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any() or "ask" in name, name  # one position alone has no one to ask


@pytest.mark.parametrize("size", [64, 128, 256])
def test_size_of_the_published_network(size: int) -> None:
    assert count(UNet1d(size)) == 1_091_816


def test_size_of_the_mlp() -> None:
    width, size, blocks, time = 256, 128, 4, 128
    block = 2 * width + 2 * (width * width + width) + time * width + width
    ends = size * width + width + 2 * width + width * size + size + time * time + time
    assert count(ResidualMLP(size, width, blocks)) == blocks * block + ends


@pytest.mark.parametrize("args", [(12, 32), (64, 20)])
def test_unet_needs_multiples_of_eight(args: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="multiples of 8"):
        UNet1d(*args)


def test_sinusoids() -> None:
    table = sinusoids(torch.tensor([0, 3]), 4)
    torch.testing.assert_close(table[0], torch.tensor([0.0, 0.0, 1.0, 1.0]))
    angles = torch.tensor([3.0, 0.03])
    torch.testing.assert_close(table[1], torch.cat([angles.sin(), angles.cos()]))
