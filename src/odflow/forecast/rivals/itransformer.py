"""iTransformer: series as tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.attention import EncoderLayer
from odflow.forecast.rivals.head import Direct, Rival
from odflow.forecast.rivals.size import RivalSize


class ITransformer(Rival):
    """Transformer encoder whose tokens are whole series: one for each node and service.

    Liu et al., "iTransformer: Inverted Transformers Are Effective for Time Series Forecasting", ICLR 2024: a window
    is embedded by one linear layer, attention runs among the series, and a token gives all leads of its series. As in
    the published code, each calendar feature is a token too, here with the future that is known of it.
    *Choices*: whether values are known is embedded beside them; a learned mark tells services apart; the residual
    from the last known value stands in for the normalisation of every window.

    The tokens are N S + C, and time grows with the square of that; memory does not, as far as PyTorch's attention
    works in blocks.
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__(shape, size)
        self.embed = nn.Linear(2 * shape.past, size.width)
        self.mark = nn.Parameter(0.02 * torch.randn(shape.services, size.width))
        self.embed_calendar = nn.Linear(shape.past + shape.lead, size.width)
        self.drop = nn.Dropout(size.dropout)
        one = size.width, size.heads, size.dropout
        self.encoder = nn.Sequential(*(EncoderLayer(*one) for _ in range(size.layers)))
        self.head = Direct(size.width, shape, 1)

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        nodes, services = inputs.values.shape[2:]
        windows = torch.cat([inputs.values, inputs.known], dim=1).permute(0, 2, 3, 1)
        calendar = torch.cat([inputs.past, inputs.future], dim=1).transpose(1, 2)
        tokens = [(self.embed(windows) + self.mark).flatten(1, 2), self.embed_calendar(calendar)]
        x = self.encoder(self.drop(torch.cat(tokens, dim=1)))
        changes = self.head(x[:, : nodes * services], inputs.future)
        return changes[:, :, :, 0].unflatten(2, (nodes, services))
