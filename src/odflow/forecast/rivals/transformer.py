"""Transformer, encoder and decoder."""

from __future__ import annotations

from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.attention import DecoderLayer, EncoderLayer, positions
from odflow.forecast.rivals.head import Rival, by_node, by_time, features, placeholders, silent, steps
from odflow.forecast.rivals.size import RivalSize


class Transformer(Rival):
    """Transformer over the intervals of each node.

    Vaswani et al., "Attention Is All You Need", NeurIPS 2017: sinusoidal positions, layers normalised after the
    residual, masked attention in the decoder. The decoder is not fed with its own forecasts one by one: it takes
    placeholders with the calendar of the future, for which nothing was measured, and forecasts all leads at once.
    Nodes do not see each other.
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__(shape, size)
        one = size.width, size.heads, size.dropout
        self.embed = nn.Linear(features(shape), size.width)
        self.encoder = nn.Sequential(*(EncoderLayer(*one) for _ in range(size.layers)))
        self.decoder = nn.ModuleList(DecoderLayer(*one) for _ in range(size.layers))
        self.out = silent(size.width, shape.services * shape.outputs)

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        past, lead = self.shape.past, self.shape.lead
        seen, x = self.embed(by_node(steps(inputs))), self.embed(by_node(placeholders(inputs)))
        memory = self.encoder(seen + positions(0, past, seen))
        x = x + positions(past, lead, x)
        for layer in self.decoder:
            x = layer(x, memory)
        out = self.out(x).unflatten(-1, (self.shape.services, self.shape.outputs))
        return by_time(out, len(inputs.values))
