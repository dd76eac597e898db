"""CSLSL: tasks in a chain, each with a memory for the long and one for the short term."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.head import Direct, Rival, by_node, features, steps
from odflow.forecast.rivals.size import RivalSize


class Capturer(nn.Module):
    """Long- and short-term capturer: a GRU over the history, whose last state another starts from over the present."""

    def __init__(self, inputs: int, size: RivalSize) -> None:
        super().__init__()
        dropout = size.dropout if size.layers > 1 else 0.0
        self.long = nn.GRU(inputs, size.width, size.layers, batch_first=True, dropout=dropout)
        self.short = nn.GRU(inputs, size.width, size.layers, batch_first=True, dropout=dropout)

    def forward(self, history: Tensor, present: Tensor, state: Tensor) -> Tensor:
        """Last state, shape (layers, B N, width), given the state to start from."""
        captured: Tensor = self.short(present, self.long(history, state)[1])[1]
        return captured


class CSLSL(Rival):
    """Causal and spatial-constrained long and short-term learner, with services in the place of its tasks.

    Huang et al., "Human Mobility Prediction with Causal and Spatial-constrained Multi-task Network", EPJ Data
    Science 13, 2024, which predicts a person's next place as *when, then what, then where*.

    *Known* (paper and published code): every task has a capturer of two recurrent networks, one over the history
    and one over the current session, which goes on from its last state; a task's capturer starts from the state of the
    task before, and its prediction, through a linear layer, is put beside the next task's state; all tasks see all
    inputs.

    *Choices*: the chain is the order of the services, and a service is told all leads and quantiles that the one
    before it forecasts; the history is the window without its last quarter, which is the present, and a window of one
    interval is both; GRUs run at each node with common weights; a direct head per service. *Left out*: the spatial
    constraint, a loss on the distance between predicted and actual destinations, for a forecast of traffic has none.
    Nodes do not see each other.
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__(shape, size)
        width, tasks = size.width, range(shape.services)
        self.capturers = nn.ModuleList(Capturer(features(shape), size) for _ in tasks)
        self.heads = nn.ModuleList(Direct(2 * width if s else width, shape, 1) for s in tasks)
        told = shape.lead * shape.outputs
        self.tell = nn.ModuleList(nn.Linear(told, width) for _ in tasks[1:])

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        batch, past, nodes, _ = inputs.values.shape
        seen = by_node(steps(inputs))
        present = max(1, past // 4)
        history = seen[:, : max(1, past - present)]
        state = seen.new_zeros(self.size.layers, batch * nodes, self.size.width)
        changes: list[Tensor] = []
        for s, (capturer, head) in enumerate(zip(self.capturers, self.heads, strict=True)):
            state = capturer(history, seen[:, -present:], state)
            own = state[-1].unflatten(0, (batch, nodes))
            if changes:
                before = changes[-1].permute(0, 2, 1, 3, 4).flatten(2)
                own = torch.cat([own, self.tell[s - 1](before)], dim=-1)
            changes.append(head(own, inputs.future))
        return torch.cat(changes, dim=3)
