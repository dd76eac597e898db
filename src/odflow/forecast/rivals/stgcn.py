"""STGCN: gated convolutions in time around convolutions on the graph."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.graph import near, spread
from odflow.forecast.rivals.head import Direct, Rival, features, steps
from odflow.forecast.rivals.size import RivalSize


class TemporalGate(nn.Module):
    """Convolution in time without padding, gated, around a residual (section 3.3): ``(P + x) * sigmoid(Q)``."""

    def __init__(self, inputs: int, width: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, 2 * width, (kernel, 1))
        self.across = nn.Conv2d(inputs, width, 1) if inputs != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, inputs, L, N) to (B, width, L - kernel + 1, N)."""
        new, gate = self.convolution(x).chunk(2, dim=1)
        kept: Tensor = self.across(x)[:, :, -new.shape[2] :]
        return (new + kept) * gate.sigmoid()


class Block(nn.Module):
    """Gate in time, convolution on the graph, gate in time, normalisation (section 3.4).

    The convolution is the first-order one (section 3.2, equation 5), around a residual, with weights normalised by row
    in place of the symmetric normalisation, since nearest neighbours need not be mutual.
    """

    def __init__(self, inputs: int, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.before = TemporalGate(inputs, width, kernel)
        self.mix = nn.Linear(width, width)
        self.after = TemporalGate(width, width, kernel)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, walk: Tensor) -> Tensor:
        """Shape (B, inputs, L, N) to (B, width, L - 2 (kernel - 1), N), given one step of a walk as a matrix."""
        x = self.before(x)
        mixed = self.mix(spread(walk, x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        x = self.after(functional.relu(x + mixed))
        y: Tensor = self.drop(self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        return y


class STGCN(Rival):
    """Spatio-temporal graph convolutional network.

    Yu, Yin and Zhu, "Spatio-Temporal Graph Convolutional Networks: A Deep Learning Framework for Traffic Forecasting",
    IJCAI 2018: blocks of :class:`Block`, then a gate over all intervals that are left. *Choices*: a kernel is shorter
    where the window would not last for all blocks; all leads are forecast at once, where the paper goes step by step;
    the normalisation is over channels only.
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__(shape, size)
        kernel = min(size.kernel, 1 + (shape.past - 1) // (2 * size.layers))
        inputs = [features(shape)] + [size.width] * (size.layers - 1)
        self.blocks = nn.ModuleList(Block(count, size.width, kernel, size.dropout) for count in inputs)
        self.last = TemporalGate(size.width, size.width, shape.past - 2 * size.layers * (kernel - 1))
        self.head = Direct(size.width, shape, shape.services)

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        walk = near(geometry)
        x = steps(inputs).permute(0, 3, 1, 2)
        for block in self.blocks:
            x = block(x, walk)
        return self.head(self.last(x)[:, :, 0].transpose(1, 2), inputs.future)
