"""STAEformer: a plain transformer in time, then among nodes, on embeddings that adapt to places and times."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from odflow.errors import UsageError
from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.attention import EncoderLayer
from odflow.forecast.rivals.head import Direct, Rival, by_node, by_time
from odflow.forecast.rivals.size import RivalSize


class STAEformer(Rival):
    """Spatio-temporal adaptive embedding transformer.

    Liu et al., "STAEformer: Spatio-Temporal Adaptive Embedding Makes Vanilla Transformer SOTA for Traffic
    Forecasting", CIKM 2023: embeddings of values, of the calendar and of place and time are put side by side; layers
    of attention among the intervals of a node, then layers of attention among all nodes of an interval, then a
    regression on everything that is left of a node.

    The adaptive embedding of the paper is a table of intervals x nodes x channels, learned, and means something for
    the nodes it was learned for only. It is in use where `nodes` says how many these are; the order of nodes then
    matters, and the number of parameters depends on theirs. Without (0), the embedding is a learned part for each
    interval plus a part for each node that a linear layer makes of its window.

    *Choices*: the calendar is embedded by a linear layer instead of tables; the regression is a linear layer followed
    by the head that all rivals have, which sees the calendar of the leads. Distances between nodes are not used, and
    time grows with the square of the nodes, as in the paper.

    Parameters
    ----------
    shape : Shape
    size : RivalSize
    nodes : int
        Number of nodes, if always the same and in the same order; 0 = any.

    Raises
    ------
    UsageError
        In a forecast, if there are not as many nodes.
    """

    def __init__(self, shape: Shape, size: RivalSize, nodes: int = 0) -> None:
        super().__init__(shape, size)
        self.nodes = nodes
        quarter = size.width // 4
        self.embed = nn.Linear(2 * shape.services, quarter)
        self.embed_calendar = nn.Linear(shape.calendar, quarter) if shape.calendar else None
        adaptive = size.width - quarter * (2 if shape.calendar else 1)
        self.table = nn.Parameter(0.02 * torch.randn(shape.past, max(1, nodes), adaptive))
        self.derive = None if nodes else nn.Linear(2 * shape.services * shape.past, adaptive)
        one = size.width, size.heads, size.dropout
        self.in_time = nn.Sequential(*(EncoderLayer(*one) for _ in range(size.layers)))
        self.in_space = nn.Sequential(*(EncoderLayer(*one) for _ in range(size.layers)))
        self.regress = nn.Linear(shape.past * size.width, size.width)
        self.head = Direct(size.width, shape, shape.services)

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        batch, nodes = len(inputs.values), inputs.values.shape[2]
        if self.nodes and nodes != self.nodes:
            raise UsageError(
                f"{nodes} nodes, but this STAEformer has learned embeddings for {self.nodes}: build another"
            )
        x = self._embed(inputs)
        x = by_time(self.in_time(by_node(x)), batch)
        x = self.in_space(x.flatten(0, 1)).unflatten(0, (batch, -1))
        return self.head(self.regress(x.transpose(1, 2).flatten(2)), inputs.future)

    def _embed(self, inputs: Inputs) -> Tensor:
        seen = torch.cat([inputs.values, inputs.known], dim=-1)
        nodes = seen.shape[2]
        parts = [self.embed(seen)]
        if self.embed_calendar is not None:
            parts.append(self.embed_calendar(inputs.past)[:, :, None].expand(-1, -1, nodes, -1))
        adaptive = self.table.expand(len(seen), -1, nodes, -1)
        if self.derive is not None:
            adaptive = adaptive + self.derive(seen.transpose(1, 2).flatten(2))[:, None]
        return torch.cat([*parts, adaptive], dim=-1)
