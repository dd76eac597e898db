"""From values to states: convolutions along time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.forecast.dropout import Dropout

_KERNEL = 3
_POSITION = 0.02  # spread of learnt positions at first


class TimeConv(nn.Module):
    """Convolution of three taps along time, zeros beyond both ends; (..., T, before) to (..., T, after).

    A window is known as a whole, so taps reach both ways.

    Parameters
    ----------
    before, after : int
        Channels.
    dilation : int
        Intervals between taps.
    """

    def __init__(self, before: int, after: int, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        self.taps = nn.Linear(_KERNEL * before, after)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        length, reach = x.shape[-2], self.dilation
        wide = functional.pad(x, (0, 0, reach, reach))
        shifted = [wide.narrow(-2, tap * reach, length) for tap in range(_KERNEL)]
        out: Tensor = self.taps(torch.cat(shifted, dim=-1))
        return out


class Embedding(nn.Module):
    """States of intervals from what is known of them, and the calendar.

    Parameters
    ----------
    channels : int
        F, numbers of an interval.
    calendar : int
        C.
    length : int
        L, intervals; each has a learnt position.
    width : int
        D.
    """

    def __init__(self, channels: int, calendar: int, length: int, width: int) -> None:
        super().__init__()
        self.values = TimeConv(channels, width)
        self.calendar = nn.Linear(calendar, width, bias=False)
        self.position = nn.Parameter(torch.empty(length, width))
        nn.init.normal_(self.position, std=_POSITION)

    def forward(self, tokens: Tensor, calendar: Tensor) -> Tensor:
        """Embed tokens (B, N, L, F) with the calendar (B, L, C); shape (B, N, L, D)."""
        own: Tensor = self.values(tokens)
        common: Tensor = self.calendar(calendar) + self.position
        return own + common[:, None]


class ConvBlock(nn.Module):
    """Residual block: normalise, convolve along time, mix channels; (..., T, D) to the same shape."""

    def __init__(self, width: int, dilation: int, dropout: Dropout) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.along = TimeConv(width, width, dilation)
        self.mix = nn.Linear(width, width)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """States that know of the intervals around them."""
        inner = functional.gelu(self.along(self.norm(x)))
        return torch.add(x, self.dropout(self.mix(inner)))
