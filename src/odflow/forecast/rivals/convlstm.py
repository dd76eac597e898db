"""ConvLSTM on a graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.graph import others, spread
from odflow.forecast.rivals.head import Rival, features, placeholders, silent, steps
from odflow.forecast.rivals.size import RivalSize

State = tuple[Tensor, Tensor]  # hidden and cell, (B, N, width) each


class ConvLSTMCell(nn.Module):
    """LSTM cell whose products with matrices are convolutions, with peepholes (equation 3 of the paper).

    The kernel has two taps, which do not depend on where the nodes lie: the node itself, and the weighted mean of its
    neighbours. Peepholes are one number per channel.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.convolution = nn.Linear(2 * (inputs + width), 4 * width)
        self.peep = nn.Parameter(torch.zeros(3, width))

    def forward(self, x: Tensor, state: State, around: Tensor) -> State:
        """One interval x, shape (B, N, inputs), given the matrix that takes means of neighbours."""
        hidden, cell = state
        here = torch.cat([x, hidden], dim=-1)
        gates = self.convolution(torch.cat([here, spread(around, here)], dim=-1))
        enter, keep, show, new = gates.chunk(4, dim=-1)
        cell = (keep + self.peep[1] * cell).sigmoid() * cell + (enter + self.peep[0] * cell).sigmoid() * new.tanh()
        return (show + self.peep[2] * cell).sigmoid() * cell.tanh(), cell


class ConvLSTM(Rival):
    """Encoding network over the window and forecasting network over the leads, both of stacked ConvLSTM cells.

    Shi et al., "Convolutional LSTM Network: A Machine Learning Approach for Precipitation Nowcasting", NeurIPS 2015,
    sections 3.1 and 3.2: the forecasting network starts from the states of the encoding one, and a 1 x 1 convolution
    of all its hidden states is the forecast. *Not as in the paper*: nodes need not lie on a grid, so that the
    convolution is one on the graph of nearest neighbours, see :class:`ConvLSTMCell`. The forecasting network, which
    has no input there, takes the calendar of each lead.
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__(shape, size)
        self.encoder = self._stack()
        self.forecaster = self._stack()
        self.drop = nn.Dropout(size.dropout)
        self.out = silent(size.layers * size.width, shape.services * shape.outputs)

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        nothing = inputs.values.new_zeros(len(inputs.values), inputs.values.shape[2], self.size.width)
        around = others(geometry)
        states: list[State] = [(nothing, nothing)] * self.size.layers
        for x in steps(inputs).unbind(dim=1):
            states = self._step(self.encoder, x, states, around)
        leads = []
        for x in placeholders(inputs).unbind(dim=1):
            states = self._step(self.forecaster, x, states, around)
            leads.append(torch.cat([hidden for hidden, _ in states], dim=-1))
        changes: Tensor = self.out(torch.stack(leads, dim=1))
        return changes.unflatten(-1, (self.shape.services, self.shape.outputs))

    def _stack(self) -> nn.ModuleList:
        width = self.size.width
        inputs = [features(self.shape)] + [width] * (self.size.layers - 1)
        return nn.ModuleList(ConvLSTMCell(count, width) for count in inputs)

    def _step(self, cells: nn.ModuleList, x: Tensor, states: list[State], around: Tensor) -> list[State]:
        after: list[State] = []
        for cell, state in zip(cells, states, strict=True):
            after.append(cell(x, state, around))
            x = self.drop(after[-1][0])
        return after
