"""MTTC: base stations that depend on each other, and services that depend on each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.attention import Attention
from odflow.forecast.rivals.head import Direct, Rival
from odflow.forecast.rivals.size import RivalSize

_TINY = 1e-12


class Views(nn.Module):
    """How strongly each node depends on its neighbours, seen from every service and put together.

    A view compares embedded windows of one service, as attention does; views count as learned weights say.
    """

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.ask = nn.ModuleList(nn.Linear(2 * shape.past, width) for _ in range(shape.services))
        self.know = nn.ModuleList(nn.Linear(2 * shape.past, width) for _ in range(shape.services))
        self.importance = nn.Parameter(torch.zeros(shape.services))

    def forward(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """Shares of neighbours, the node itself among them, shape (B, N, K); where the weight is 0, they are 0."""
        windows = torch.cat([inputs.values, inputs.known], dim=1).permute(3, 0, 2, 1)
        nearness = geometry.weight.clamp(min=_TINY).log().masked_fill(geometry.weight <= 0, -torch.inf)
        views = []
        for window, ask, know in zip(windows, self.ask, self.know, strict=True):
            queries, keys = ask(window), know(window)
            columns = [(queries * keys[:, others]).sum(dim=-1) for others in geometry.near.T]
            scores = torch.stack(columns, dim=-1) / queries.shape[-1] ** 0.5
            views.append((scores + nearness).softmax(dim=-1))
        return torch.einsum("s,sbnk->bnk", self.importance.softmax(dim=0), torch.stack(views))


class GraphGateLSTM(nn.Module):
    """LSTM cell with one more gate, which lets in what neighbours see and remember."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gates = nn.Linear(2 * (inputs + width), 5 * width)
        self.bring = nn.Linear(inputs + width, width)

    def forward(self, here: Tensor, around: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """A node's interval beside its hidden state, and their mean over neighbours, (B, N, inputs + width) each."""
        enter, keep, show, open_, new = self.gates(torch.cat([here, around], dim=-1)).chunk(5, dim=-1)
        cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh() + open_.sigmoid() * self.bring(around).tanh()
        return show.sigmoid() * cell.tanh(), cell


class MTTC(Rival):
    """Forecasts of SMS, calls and internet by dependence between base stations and between services.

    *What this is.* The paper on Sim-MSTNet names a multi-task baseline MTTC without saying more that is at hand. It
    is taken to be "Telecommunication Traffic Forecasting via Multi-task Learning", WSDM 2023, which has the same
    services and the same data; that is an inference. Of that paper its abstract is known: dependence between base
    stations, aggregated from the views of several services; a graph gate LSTM that unites base stations which depend
    on each other strongly; dependence between the services of a base station, extracted by an attention network and
    used in the final prediction.

    *Choices*, that is everything else: views compare windows by scaled products, among nearest neighbours only
    (:class:`Views`); the gate lets into the cell what neighbours see and remember (:class:`GraphGateLSTM`); one such
    LSTM per service, in one layer, whatever `layers` is; multi-head attention among the services' last states, put
    beside each; a direct head per service.
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__(shape, size)
        self.views = Views(shape, size.width)
        tasks = range(shape.services)
        self.cells = nn.ModuleList(GraphGateLSTM(2 + shape.calendar, size.width) for _ in tasks)
        self.attention = Attention(size.width, size.heads)
        self.drop = nn.Dropout(size.dropout)
        self.heads = nn.ModuleList(Direct(2 * size.width, shape, 1) for _ in tasks)

    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """See :class:`Rival`."""
        shares = self.views(inputs, geometry)
        own = torch.stack([self._run(s, inputs, geometry, shares) for s in range(self.shape.services)], dim=2)
        batch = own.flatten(0, 1)
        found = self.attention(batch, batch).view_as(own)
        states = torch.cat([own, self.drop(found)], dim=-1).unbind(dim=2)
        pairs = zip(self.heads, states, strict=True)
        return torch.cat([head(state, inputs.future) for head, state in pairs], dim=3)

    def _run(self, s: int, inputs: Inputs, geometry: Geometry, shares: Tensor) -> Tensor:
        batch, past, nodes, _ = inputs.values.shape
        hidden = cell = inputs.values.new_zeros(batch, nodes, self.size.width)
        for t in range(past):
            calendar = inputs.past[:, t, None].expand(-1, nodes, -1)
            seen = torch.stack([inputs.values[:, t, :, s], inputs.known[:, t, :, s]], dim=-1)
            here = torch.cat([seen, calendar, hidden], dim=-1)
            around = torch.zeros_like(here)
            for k in range(shares.shape[2]):
                around = torch.addcmul(around, here[:, geometry.near[:, k]], shares[:, :, k, None])
            hidden, cell = self.cells[s](here, around, cell)
        return hidden
