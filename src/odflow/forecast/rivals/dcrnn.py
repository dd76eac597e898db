"""DCRNN: recurrent network whose matrices are diffusions on the graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.graph import back, near, spread
from odflow.forecast.rivals.head import Rival, features, last_known, silent, steps
from odflow.forecast.rivals.size import RivalSize

Walks = tuple[Tensor, Tensor]  # one step forth and one back, as matrices


class Diffusion(nn.Module):
    """Diffusion convolution (equation 2): a matrix for each number of steps of a random walk, forth and back."""

    def __init__(self, inputs: int, outputs: int, hops: int) -> None:
        super().__init__()
        self.hops = hops
        self.mix = nn.Linear((1 + 2 * hops) * inputs, outputs)

    def forward(self, x: Tensor, walks: Walks) -> Tensor:
        """Shape (B, N, inputs) to (B, N, outputs)."""
        reached, forth, backward = [x], x, x
        for _ in range(self.hops):
            forth, backward = spread(walks[0], forth), spread(walks[1], backward)
            reached += [forth, backward]
        mixed: Tensor = self.mix(torch.cat(reached, dim=-1))
        return mixed


class DCGRU(nn.Module):
    """Gated recurrent unit with diffusion convolutions (section 2.3)."""

    def __init__(self, inputs: int, width: int, hops: int) -> None:
        super().__init__()
        self.gates = Diffusion(inputs + width, 2 * width, hops)
        self.new = Diffusion(inputs + width, width, hops)

    def forward(self, x: Tensor, state: Tensor, walks: Walks) -> Tensor:
        """One interval x, shape (B, N, inputs); states (B, N, width)."""
        reset, keep = self.gates(torch.cat([x, state], dim=-1), walks).sigmoid().chunk(2, dim=-1)
        new = self.new(torch.cat([x, reset * state], dim=-1), walks).tanh()
        return keep * state + (1 - keep) * new


class DCRNN(Rival):
    """Diffusion convolutional recurrent neural network, encoder and decoder.

    Li, Yu, Shahabi and Liu, "Diffusion Convolutional Recurrent Neural Network: Data-Driven Traffic Forecasting", ICLR
    2018. **Recursive**: the decoder starts from the last known values and takes its own median of each lead, with
    the calendar, to the next. It does so in training too; scheduled sampling, which would show it the truth at times
    and needs the targets, is left out.
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__(shape, size)
        self.encoder = self._stack(features(shape))
        self.decoder = self._stack(shape.services + shape.calendar)
        self.drop = nn.Dropout(size.dropout)
        self.out = silent(size.width, shape.services * shape.outputs)

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        batch, _, nodes, services = inputs.values.shape
        walks = near(geometry), back(geometry)
        states = [inputs.values.new_zeros(batch, nodes, self.size.width)] * self.size.layers
        for x in steps(inputs).unbind(dim=1):
            states = self._step(self.encoder, x, states, walks)
        start = value = last_known(inputs)
        leads = []
        for calendar in inputs.future.unbind(dim=1):
            x = torch.cat([value, calendar[:, None].expand(-1, nodes, -1)], dim=-1)
            states = self._step(self.decoder, x, states, walks)
            leads.append(self.out(states[-1]).unflatten(-1, (services, self.shape.outputs)))
            value = start + leads[-1][..., (self.shape.outputs - 1) // 2]
        return torch.stack(leads, dim=1)

    def _stack(self, inputs: int) -> nn.ModuleList:
        width, hops = self.size.width, self.size.hops
        return nn.ModuleList(DCGRU(width if k else inputs, width, hops) for k in range(self.size.layers))

    def _step(self, cells: nn.ModuleList, x: Tensor, states: list[Tensor], walks: Walks) -> list[Tensor]:
        after: list[Tensor] = []
        for cell, state in zip(cells, states, strict=True):
            after.append(cell(x, state, walks))
            x = self.drop(after[-1])
        return after
