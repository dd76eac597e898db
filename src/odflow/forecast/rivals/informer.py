"""Informer: attention of the few queries that matter, an encoder that halves its input, a generative decoder.

Zhou et al., "Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting", AAAI 2021.
"""

from __future__ import annotations

from functools import partial
from math import ceil, log

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.attention import DecoderLayer, EncoderLayer, positions
from odflow.forecast.rivals.head import Rival, by_node, by_time, features, placeholders, silent, steps
from odflow.forecast.rivals.size import RivalSize

_GOLDEN = 0.6180339887498949  # its multiples, modulo 1, are spread evenly whatever their number


def judging_keys(queries: int, keys: int, count: int) -> Tensor:
    """Keys that each query is judged by, shape (queries, count), rising.

    The paper draws them at random. Here they are spread evenly, shifted from query to query, so that the same input
    gives the same forecast.
    """
    shift = torch.arange(queries, dtype=torch.float64) * _GOLDEN % 1
    place = (torch.arange(count) + shift[:, None]) * (keys / count)
    return place.long().clamp(max=keys - 1)


def peakedness(query: Tensor, key: Tensor, factor: int) -> Tensor:
    """How far a query's attention is from even, by some keys: their highest score less their mean; (B, heads, L).

    Max-mean measurement, equation 4 and section 3.1; without the scale, which does not change the order.
    """
    asked, known = query.shape[2], key.shape[2]
    chosen = judging_keys(asked, known, _few(known, factor)).to(query.device)
    highest, total = query.new_full(query.shape[:3], -torch.inf), query.new_zeros(query.shape[:3])
    for column in chosen.T:  # one by one, because all together take much memory
        score = (query * key[:, :, column]).sum(dim=-1)
        highest, total = torch.maximum(highest, score), total + score
    return highest - total / chosen.shape[1]


def prob_sparse(query: Tensor, key: Tensor, value: Tensor, factor: int, causal: bool = False) -> Tensor:
    """ProbSparse attention; all (B, heads, L, size).

    The queries whose attention is most peaked ask (equation 3); for the others attention is taken as even, and the
    answer is the mean of the values. Where later ones must not be seen, it is the mean of those up to the query (the
    published code takes their sum, which grows with the place).
    """
    asked, known = query.shape[2], key.shape[2]
    with torch.no_grad():
        top = peakedness(query, key, factor).topk(_few(asked, factor)).indices[..., None]
    allowed = torch.arange(known, device=top.device) <= top if causal else None
    rows = top.expand(-1, -1, -1, query.shape[3])
    answers = functional.scaled_dot_product_attention(query.gather(2, rows), key, value, attn_mask=allowed)
    if causal:
        counts = torch.arange(1, known + 1, device=value.device)[:, None]
        even = value.cumsum(dim=2) / counts
    else:
        even = value.mean(dim=2, keepdim=True).expand_as(query)
    return even.scatter(2, rows, answers)


def _few(length: int, factor: int) -> int:
    return min(length, max(1, ceil(factor * log(length))))


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
        sparse = partial(prob_sparse, factor=size.factor)
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
