"""Informer decoder: the whole horizon at once (Zhou et al., AAAI 2021, "generative style decoder")."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from odflow.forecast.dropout import Dropout
from odflow.forecast.embedding import Embedding
from odflow.forecast.probsparse import MultiHead


class Decoder(nn.Module):
    """From the last part of the window and placeholders of the horizon to states of the horizon.

    Placeholders are a simple forecast, marked as not known, plus a mixture of the window's states, which is learnt for
    each interval of the horizon. Informer's are zeros, but attention takes long to find out which interval of the
    window tells about which one of the horizon.

    Parameters
    ----------
    embedding : Embedding
        Of start and horizon, L = start + H intervals.
    past, lead, start : int
    width, heads, layers, factor : int
        Of :class:`DecoderLayer`.
    dropout : callable
        Makes the dropouts of the layers.
    """

    def __init__(
        self,
        embedding: Embedding,
        past: int,
        lead: int,
        start: int,
        width: int,
        heads: int,
        layers: int,
        factor: int,
        dropout: Callable[[], Dropout],
    ) -> None:
        super().__init__()
        self.embedding, self.start = embedding, start
        self.mixture = nn.Linear(past, lead, bias=False)
        self.layers = nn.ModuleList(DecoderLayer(width, heads, factor, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, calendar: Tensor, memory: Tensor) -> Tensor:
        """Decode.

        Parameters
        ----------
        tokens : Tensor, shape (B, N, L, F)
        calendar : Tensor, shape (B, L, C)
        memory : Tensor, shape (B, N, P, D)
            The encoded window.

        Returns
        -------
        Tensor, shape (B, N, H, D)
        """
        window = memory.flatten(0, 1)
        x = self.embedding(tokens, calendar).flatten(0, 1)
        ahead = x[:, self.start :] + self.mixture(window.transpose(-1, -2)).transpose(-1, -2)
        x = torch.cat([x[:, : self.start], ahead], dim=1)
        for number, layer in enumerate(self.layers, 1):
            x = layer(x, window, self.start if number == len(self.layers) else 0)
        out: Tensor = self.norm(x).unflatten(0, memory.shape[:2])
        return out


class DecoderLayer(nn.Module):
    """Causal ProbSparse attention among the states, full attention to the window, a perceptron; each a residual.

    Parameters
    ----------
    width, heads : int
    factor : int
        c of ProbSparse attention.
    dropout : callable
        Makes a dropout.
    """

    def __init__(self, width: int, heads: int, factor: int, dropout: Callable[[], Dropout]) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.own = MultiHead(width, heads, factor, causal=True)
        self.window = MultiHead(width, heads, _ALL)
        self.deep = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropouts = nn.ModuleList(dropout() for _ in range(3))

    def forward(self, x: Tensor, memory: Tensor, skip: int) -> Tensor:
        """States (B, L, D) and window (B, P, D) to states (B, L - skip, D): the first are used, not renewed."""
        known = self.norms[0](x)
        x = torch.add(x, self.dropouts[0](self.own(known, known)))[:, skip:]
        x = x + self.dropouts[1](self.window(self.norms[1](x), memory))
        return torch.add(x, self.dropouts[2](self.deep(self.norms[2](x))))


_ALL = 10**6  # a factor that keeps all queries
