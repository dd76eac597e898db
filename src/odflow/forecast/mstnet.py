"""The network of Sim-MSTNet (Ma et al. 2026): several services of many nodes, over time and space."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import torch
from torch import Tensor, nn

from odflow.errors import UsageError
from odflow.forecast.decoder import Decoder
from odflow.forecast.dropout import Dropout
from odflow.forecast.embedding import ConvBlock, Embedding
from odflow.forecast.heads import Head
from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.naive import last_known, naive
from odflow.forecast.pieces import all_by_nodes, by_nodes
from odflow.forecast.spatial import SpatialAttention
from odflow.forecast.task_attention import TaskAttention

__all__ = ["MSTNet"]


class MSTNet(nn.Module):
    """Multi-task spatio-temporal network: convolutions and spatial attention, Informer decoders, task attention.

    Each task has a branch of its own: an encoder, whose layers convolve along time and attend to neighbouring nodes,
    a decoder and a head. After each layer of the encoders, attention between tasks selects what they share. With hard
    sharing one branch sees all tasks, and only its last layer tells them apart.

    An untrained network forecasts what ``naive`` does, with quantiles around it; initial weights are drawn from
    torch's global generator, as those of all modules.

    Parameters
    ----------
    shape : Shape
    config : MSTNetConfig

    Raises
    ------
    UsageError
        If shape and configuration do not fit.
    """

    def __init__(self, shape: Shape, config: MSTNetConfig) -> None:
        super().__init__()
        _check(shape, config)
        self.shape, self.config = shape, config
        self.groups = [[*range(shape.services)]] if config.sharing == "hard" else [[k] for k in range(shape.services)]
        numbers = count()

        def dropout() -> Dropout:
            return Dropout(config.dropout, config.seed, next(numbers))

        self.branches = nn.ModuleList(Branch(shape, config, len(group), dropout) for group in self.groups)
        attentions = config.layers if config.tasks_attend and shape.services > 1 else 0
        self.between = nn.ModuleList(
            TaskAttention(shape.services, config.width, config.heads, dropout()) for _ in range(attentions)
        )

    def forward(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """Forecast.

        Parameters
        ----------
        inputs : Inputs
            What stands in `values` where nothing is known has no influence.
        geometry : Geometry
            Columns beyond the configuration's `neighbours` are not used.

        Returns
        -------
        Tensor, shape (B, H, N, S, Q)
            Quantiles in rising order.
        """
        near = Geometry(*(part[:, : self.config.neighbours] for part in geometry))
        known = inputs.known.movedim(1, -1)
        values = torch.where(known > 0, inputs.values.movedim(1, -1), 0.0)
        parts = [(values[:, :, group], known[:, :, group]) for group in self.groups]
        branches: list[Branch] = list(self.branches)  # type: ignore[arg-type]
        states = [branch.embed(*part, inputs.past) for branch, part in zip(branches, parts, strict=True)]
        for layer in range(self.config.layers):
            states = [branch.layers[layer](x, near) for branch, x in zip(branches, states, strict=True)]
            if self.between:
                states = all_by_nodes(self.between[layer], *states)
        forecasts = [
            by_nodes(lambda *nodes, to=branch: to(*nodes, inputs.past, inputs.future), *part, x)
            for branch, part, x in zip(branches, parts, states, strict=True)
        ]
        return torch.cat(forecasts, dim=3).transpose(1, 2)


class Branch(nn.Module):
    """Encoder, decoder and head of one task, or of all that share them.

    Parameters
    ----------
    shape : Shape
    config : MSTNetConfig
    services : int
        G.
    dropout : callable
        Makes a dropout.
    """

    def __init__(self, shape: Shape, config: MSTNetConfig, services: int, dropout: Callable[[], Dropout]) -> None:
        super().__init__()
        self.lead, self.season, self.start = shape.lead, config.season, config.start
        width, heads = config.width, config.heads
        self.embedding = Embedding(services, shape.calendar, shape.past, width)
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, 2**k, config.spatial_attention, dropout) for k in range(config.layers)
        )
        self.decoder = Decoder(
            Embedding(services, shape.calendar, config.start + shape.lead, width),
            shape.past,
            shape.lead,
            config.start,
            width,
            heads,
            config.decoder_layers,
            config.probsparse,
            dropout,
        )
        self.head = Head(width, shape.past, shape.lead, services, config.quantiles)

    def embed(self, values: Tensor, known: Tensor, past: Tensor) -> Tensor:
        """Windows (B, N, G, P) and their calendar (B, P, C) to states (B, N, P, D)."""
        windows = values.transpose(-1, -2), known.transpose(-1, -2)
        return by_nodes(lambda *nodes: self.embedding(*nodes, past), *windows)

    def forward(self, values: Tensor, known: Tensor, memory: Tensor, past: Tensor, future: Tensor) -> Tensor:
        """Forecast from windows (B, N, G, P) and their encoded states (B, N, P, D); shape (B, N, H, G, Q)."""
        begin = naive(values, known, self.lead, self.season)
        cut = values.shape[-1] - self.start
        tokens = torch.cat([values[..., cut:], begin], dim=-1).transpose(-1, -2)
        marks = torch.cat([known[..., cut:], torch.zeros_like(begin)], dim=-1).transpose(-1, -2)
        states = self.decoder(tokens, marks, torch.cat([past[:, cut:], future], dim=1), memory)
        window = torch.where(known > 0, values - last_known(values, known), 0.0)
        out: Tensor = self.head(states, window, begin)
        return out


class EncoderLayer(nn.Module):
    """Convolution along time, then attention between neighbours; (B, N, P, D) to the same shape."""

    def __init__(self, width: int, heads: int, dilation: int, spatial: bool, dropout: Callable[[], Dropout]) -> None:
        super().__init__()
        self.conv = ConvBlock(width, dilation, dropout())
        self.spatial = SpatialAttention(width, heads, dropout()) if spatial else None

    def forward(self, x: Tensor, geometry: Geometry) -> Tensor:
        """States that know more of what is around them."""
        x = by_nodes(self.conv, x)
        return x if self.spatial is None else self.spatial(x, geometry)


def _check(shape: Shape, config: MSTNetConfig) -> None:
    for name, found, asked in (
        ("past", shape.past, config.past),
        ("lead", shape.lead, config.lead),
        ("outputs", shape.outputs, len(config.quantiles)),
    ):
        if found != asked:
            raise UsageError(f"{name} of the shape is {found}, the configuration asks for {asked}")
