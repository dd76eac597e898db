"""AST-MTL: a shared perceptron in the middle, and each task's attention to its own past."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.attention import Attention
from odflow.forecast.rivals.graph import near, spread
from odflow.forecast.rivals.head import Rival, by_node, by_time, silent
from odflow.forecast.rivals.size import RivalSize

_EACH = 4  # channels of the convolutions for each interval


class Encode(nn.Module):
    """A task's beginning: two convolutions on the graph, whose channels are the intervals of the window, and a GRU."""

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__()
        self.convolve = nn.ModuleList(nn.Linear(count * shape.past, _EACH * shape.past) for count in (2, _EACH))
        self.run = nn.GRU(_EACH + 2 + shape.calendar, size.width, batch_first=True)

    def forward(self, seen: Tensor, calendar: Tensor, walk: Tensor) -> Tensor:
        """Values and whether known, (B, P, N, 2), and the calendar, (B, P, N, C), to states (B N, P, width)."""
        window = seen.permute(0, 2, 3, 1).flatten(2)
        for layer in self.convolve:
            window = functional.relu(layer(spread(walk, window)))
        convolved = window.unflatten(-1, (-1, _EACH)).transpose(1, 2)
        states: Tensor = self.run(by_node(torch.cat([convolved, seen, calendar], dim=-1)))[0]
        return states


class Decode(nn.Module):
    """A task's end: attention of what is shared to the task's own states, and a GRU over the leads."""

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__()
        self.attention = Attention(size.width, size.heads)
        self.run = nn.GRU(size.width + shape.calendar, size.width, batch_first=True)
        self.drop = nn.Dropout(size.dropout)
        self.out = silent(size.width, shape.outputs)

    def forward(self, asking: Tensor, states: Tensor, shared: Tensor, calendar: Tensor) -> Tensor:
        """Queries (B N, H, width), own states, last shared state (B N, width), and the calendar of the leads."""
        found = asking + self.attention(asking, states)
        leads, _ = self.run(torch.cat([found, calendar], dim=-1), shared[None].contiguous())
        out: Tensor = self.out(self.drop(leads))
        return out


class ASTMTL(Rival):
    """Attention-based multi-task learning.

    Buroni, Lebichot and Bontempi, "AST-MTL: An Attention-Based Multi-Task Learning Strategy for Traffic Forecasting",
    IEEE Access 9, 2021, for flow and speed of road traffic.

    *Known* (abstract and published code): per task two first-order graph convolutions whose channels are the
    intervals of the window, and a GRU; the tasks' states side by side go through a shared perceptron of three layers,
    narrow in the middle; per task, multi-head attention in which what is shared asks among the task's own states,
    around a residual; the result and the calendar of the future go through a second GRU per task, which starts from
    the last shared state, and a dropout and a linear layer give the forecasts.

    *Choices*: the convolutions have four channels for each interval instead of one, which a ReLU can shut for good;
    GRUs run at each node with common weights, since the published ones take all nodes as one vector and their
    parameters grow with them; they see the node's own values and the calendar beside what the convolutions give; a
    lead asks with the last shared state plus a linear map of its calendar, since windows and leads are not equally
    many here; one layer of GRU, whatever `layers` is.
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__(shape, size)
        width = size.width
        tasks = range(shape.services)
        self.encoders = nn.ModuleList(Encode(shape, size) for _ in tasks)
        self.decoders = nn.ModuleList(Decode(shape, size) for _ in tasks)
        self.shared = nn.Sequential(
            nn.Linear(shape.services * width, width),
            nn.ReLU(),
            nn.Linear(width, width // 2),
            nn.ReLU(),
            nn.Linear(width // 2, width),
        )
        self.ask = nn.Linear(width + shape.calendar, width)

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        batch, _, nodes, _ = inputs.values.shape
        past = inputs.past[:, :, None].expand(-1, -1, nodes, -1)
        future = by_node(inputs.future[:, :, None].expand(-1, -1, nodes, -1))
        seen = torch.stack([inputs.values, inputs.known], dim=-1).unbind(dim=3)
        walk = near(geometry)
        states = [encode(one, past, walk) for encode, one in zip(self.encoders, seen, strict=True)]
        shared = self.shared(torch.cat([own[:, -1] for own in states], dim=-1))
        leads = shared[:, None].expand(-1, self.shape.lead, -1)
        asking = leads + self.ask(torch.cat([leads, future], dim=-1))
        pairs = zip(self.decoders, states, strict=True)
        out = torch.stack([decode(asking, own, shared, future) for decode, own in pairs], dim=2)
        return by_time(out, batch)
