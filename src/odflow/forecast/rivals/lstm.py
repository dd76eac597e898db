"""Long short-term memory."""

from __future__ import annotations

from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.head import Direct, Rival, by_node, features, steps
from odflow.forecast.rivals.size import RivalSize


class LSTM(Rival):
    """Stacked LSTM over the window of each node; its last state gives all leads at once.

    Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9, 1997, with the forget gate of Gers et
    al. 2000. Nodes do not see each other.
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__(shape, size)
        dropout = size.dropout if size.layers > 1 else 0.0
        self.memory = nn.LSTM(features(shape), size.width, size.layers, batch_first=True, dropout=dropout)
        self.head = Direct(size.width, shape, shape.services)

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        states, _ = self.memory(by_node(steps(inputs)))
        return self.head(states[:, -1].unflatten(0, (len(inputs.values), -1)), inputs.future)
