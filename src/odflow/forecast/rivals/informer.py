"""Informer: attention of the few queries that matter, an encoder that halves its input, a generative decoder.

Zhou et al., "Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting", AAAI 2021.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.probsparse import probsparse
from odflow.forecast.rivals.attention import DecoderLayer, EncoderLayer, positions
from odflow.forecast.rivals.head import Rival, by_node, by_time, features, placeholders, silent, steps
from odflow.forecast.rivals.size import RivalSize


class Distil(nn.Module):
    """Half as many intervals: convolution, ELU, maximum of three at every second place (equation 5)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, L, width) to (B, L / 2 rounded up, width)."""
        y = functional.elu(self.convolution(x.transpose(1, 2)))
        return functional.max_pool1d(y, 3, stride=2, padding=1).transpose(1, 2)


class Informer(Rival):
    """Informer over the intervals of each node.

    Tokens by a convolution of width 3, ProbSparse attention in encoder and decoder with a :class:`Distil` between the
    layers of the encoder, and a generative decoder: it takes the second half of the window as start token, followed
    by placeholders for the leads, and forecasts all at once. Nodes do not see each other. Left out: the replicas of
    the encoder on shorter inputs.
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__(shape, size)
        one = size.width, size.heads, size.dropout
        self.tokens = nn.Conv1d(features(shape), size.width, 3, padding=1)
        sparse = partial(probsparse, factor=size.factor)
        parts: list[nn.Module] = [EncoderLayer(*one, sparse)]
        for _ in range(size.layers - 1):
            parts += [Distil(size.width), EncoderLayer(*one, sparse)]
        self.encoder = nn.Sequential(*parts)
        later = partial(sparse, causal=True)
        self.decoder = nn.ModuleList(DecoderLayer(*one, later) for _ in range(size.layers))
        self.out = silent(size.width, shape.services * shape.outputs)

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        past, lead = self.shape.past, self.shape.lead
        seen, coming = by_node(steps(inputs)), by_node(placeholders(inputs))
        start = (past + 1) // 2
        memory = self.encoder(self._embed(seen, 0))
        x = self._embed(torch.cat([seen[:, past - start :], coming], dim=1), past - start)
        for layer in self.decoder:
            x = layer(x, memory)
        out = self.out(x[:, -lead:]).unflatten(-1, (self.shape.services, self.shape.outputs))
        return by_time(out, len(inputs.values))

    def _embed(self, x: Tensor, first: int) -> Tensor:
        tokens: Tensor = self.tokens(x.transpose(1, 2)).transpose(1, 2)
        return tokens + positions(first, x.shape[1], tokens)
