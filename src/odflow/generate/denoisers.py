"""Networks that estimate the noise in a noisy latent, given the diffusion step.

Both take x, shape (B, size), and t, shape (B,) or, where all rows share it, (1,).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.errors import UsageError

CHANNELS = 8  # UNet1d sees a latent of `size` as 8 channels of size / 8 positions
_TIME = 128  # length of the embedded diffusion step in ResidualMLP
_GROUPS = 8  # of channels normalised together in UNet1d
_HEADS, _HEAD = 4, 32  # of attention, and channels of each


def sinusoids(t: Tensor, size: int) -> Tensor:
    """Sines and cosines of diffusion steps (B,) at `size` / 2 frequencies, shape (B, size).

    Vaswani et al., "Attention Is All You Need", 2017, section 3.5.
    """
    rates = torch.exp(torch.arange(size // 2, device=t.device) * (-log(10000) / (size // 2)))
    angles = t[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class ResidualMLP(nn.Module):
    """Residual blocks of two linear layers; the diffusion step is added inside each.

    Parameters
    ----------
    size : int
        Length of the latent.
    width : int
        Length of the hidden state.
    blocks : int
    """

    def __init__(self, size: int, width: int = 512, blocks: int = 4) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(_TIME, _TIME), nn.SiLU())
        self.first = nn.Linear(size, width)
        self.blocks = nn.ModuleList(_LinearBlock(width) for _ in range(blocks))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, size))
        nn.init.zeros_(self.last[-1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Estimate the noise, shape (B, size)."""
        time = self.time(sinusoids(t, _TIME))
        h = self.first(x)
        for block in self.blocks:
            h = block(h, time)
        out: Tensor = self.last(h)
        return out


class _LinearBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.time = nn.Linear(_TIME, width)
        self.second = nn.Linear(width, width)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        inner = self.first(functional.silu(self.norm(h))) + self.time(time)
        return torch.add(h, self.second(functional.silu(inner)))


class UNet1d(nn.Module):
    """U-Net over the latent seen as 8 channels of size / 8 positions.

    Levels of two residual convolution blocks, halved between levels on the way down and doubled on the
    way up, with skips across and attention in the middle: the one-dimensional form of the network of
    Ho et al. 2020 (appendix B), in the width of the published DDPM-TME.

    Parameters
    ----------
    size : int
        Length of the latent, a multiple of 8.
    width : int
        Channels of the first level, a multiple of 8.
    multipliers : sequence of int
        Channels of each level, as multiples of `width`.

    Raises
    ------
    UsageError
        If size or width is not a multiple of 8.
    """

    def __init__(self, size: int, width: int = 32, multipliers: Sequence[int] = (1, 2, 4)) -> None:
        super().__init__()
        if size % CHANNELS or width % _GROUPS:
            raise UsageError(f"UNet1d of size {size} and width {width}: both have to be multiples of 8")
        self.width, time = width, 4 * width
        pairs = list(pairwise([width, *(width * m for m in multipliers)]))
        deep = pairs[-1][1]
        self.time = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time), nn.SiLU())
        self.first = nn.Conv1d(CHANNELS, width, 7, padding=3)
        strides = [2] * (len(pairs) - 1) + [1]
        self.down = nn.ModuleList(_Down(*pair, time, stride) for pair, stride in zip(pairs, strides, strict=True))
        self.before = _ConvBlock(deep, deep, time)
        self.attention = _Attention(deep)
        self.after = _ConvBlock(deep, deep, time)
        self.up = nn.ModuleList(_Up(high, low, time) for low, high in reversed(pairs))
        self.last = _ConvBlock(2 * width, width, time)
        self.out = nn.Conv1d(width, CHANNELS, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Estimate the noise, shape (B, size)."""
        time = self.time(sinusoids(t, self.width))
        start = h = self.first(x.unflatten(1, (CHANNELS, -1)))
        skips: list[Tensor] = []
        for down in self.down:
            h = down(h, time, skips)
        h = self.after(self.attention(self.before(h, time)), time)
        for up in self.up:
            h = up(h, time, skips)
        h = self.last(torch.cat([h, start], dim=1), time)
        return torch.flatten(self.out(h), 1)


class _Down(nn.Module):
    """Two blocks, each of which leaves its result for the way up, then fewer positions and more channels."""

    def __init__(self, low: int, high: int, time: int, stride: int) -> None:
        super().__init__()
        self.first = _ConvBlock(low, low, time)
        self.second = _ConvBlock(low, low, time)
        self.shrink = nn.Conv1d(low, high, 3, padding=1, stride=stride)

    def forward(self, h: Tensor, time: Tensor, skips: list[Tensor]) -> Tensor:
        first = self.first(h, time)
        second = self.second(first, time)
        skips += [first, second]
        fewer: Tensor = self.shrink(second)
        return fewer


class _Up(nn.Module):
    """As many positions as across, two blocks that also take what :class:`_Down` left, then fewer channels."""

    def __init__(self, high: int, low: int, time: int) -> None:
        super().__init__()
        self.first = _ConvBlock(high + low, high, time)
        self.second = _ConvBlock(high + low, high, time)
        self.grow = nn.Conv1d(high, low, 3, padding=1)

    def forward(self, h: Tensor, time: Tensor, skips: list[Tensor]) -> Tensor:
        second, first = skips.pop(), skips.pop()
        if h.shape[-1] != second.shape[-1]:
            h = functional.interpolate(h, size=second.shape[-1])
        h = self.first(torch.cat([h, second], dim=1), time)
        h = self.second(torch.cat([h, first], dim=1), time)
        fewer: Tensor = self.grow(h)
        return fewer


class _ConvBlock(nn.Module):
    """Two convolutions around a residual; the diffusion step scales and shifts in between."""

    def __init__(self, before: int, after: int, time: int) -> None:
        super().__init__()
        self.time = nn.Linear(time, 2 * after)
        self.first = nn.Conv1d(before, after, 3, padding=1)
        self.second = nn.Conv1d(after, after, 3, padding=1)
        self.first_norm = nn.GroupNorm(_GROUPS, after)
        self.second_norm = nn.GroupNorm(_GROUPS, after)
        self.across = nn.Conv1d(before, after, 1) if before != after else nn.Identity()

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.time(time)[:, :, None].chunk(2, dim=1)
        inner = functional.silu(self.first_norm(self.first(h)) * (1 + scale) + shift)
        return torch.add(functional.silu(self.second_norm(self.second(inner))), self.across(h))


class _Attention(nn.Module):
    """Self-attention between positions, with a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.ask = nn.Conv1d(width, 3 * _HEADS * _HEAD, 1, bias=False)
        self.answer = nn.Conv1d(_HEADS * _HEAD, width, 1)

    def forward(self, h: Tensor) -> Tensor:
        parts = self.ask(self.norm(h)).unflatten(1, (3, _HEADS, _HEAD)).transpose(-1, -2)
        mixed = functional.scaled_dot_product_attention(parts[:, 0], parts[:, 1], parts[:, 2])
        return torch.add(h, self.answer(mixed.transpose(-1, -2).flatten(1, 2)))
