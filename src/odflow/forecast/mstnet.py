"""The network of Sim-MSTNet (Ma et al. 2026): several services of many nodes, over time and space."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
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
from odflow.forecast.naive import candidates, last_known
from odflow.forecast.pieces import all_by_nodes, by_nodes
from odflow.forecast.spatial import SpatialAttention
from odflow.forecast.task_attention import TaskAttention

__all__ = ["MSTNet", "untied"]

_CHANNELS = 8  # of an interval and a service: value, three seasonal ones, and whether each is known


class MSTNet(nn.Module):
    """Multi-task spatio-temporal network: convolutions and spatial attention, Informer decoders, task attention.

    Each task has a branch of its own: an encoder, whose layers convolve along time and attend to neighbouring nodes,
    a decoder and a head. After each layer of the encoders, attention between tasks selects what they share. With hard
    sharing one branch sees all tasks, and only its last layer tells them apart. With tied sharing each task has a
    branch, but all branches the same parameters: such a network takes any number of services.

    All is relative to the last known value of each series, so that the level of traffic does not matter. A forecast is
    a mixture of simple ones, see :func:`~odflow.forecast.naive.candidates`, with shares that depend on what was seen,
    plus corrections. That of an untrained network is their mean, with quantiles around it. Initial weights are drawn
    from torch's global generator, as those of all modules.

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
        numbers = count()

        def dropout() -> Dropout:
            return Dropout(config.dropout, config.seed, next(numbers))

        together = shape.services if config.sharing == "hard" else 1
        copies = shape.services if config.sharing in ("soft", "none") else 1
        self.branches = nn.ModuleList(Branch(shape, config, together, dropout) for _ in range(copies))
        attentions = config.layers if config.tasks_attend and (shape.services > 1 or config.sharing == "tied") else 0
        self.between = nn.ModuleList(
            TaskAttention(copies, config.width, config.heads, dropout()) for _ in range(attentions)
        )

    def forward(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """Forecast.

        Parameters
        ----------
        inputs : Inputs
            What stands in `values` and `seasonal` where nothing is known has no influence.
        geometry : Geometry
            Columns beyond the configuration's `neighbours` are not used.

        Returns
        -------
        Tensor, shape (B, H, N, S, Q)
            Quantiles in rising order.
        """
        near = Geometry(*(part[..., : self.config.neighbours] for part in geometry))
        last, starts, past, future = _relative(inputs, self.config.mixture)
        services = past.shape[2]
        groups = [slice(0, services)] if self.config.sharing == "hard" else [slice(k, k + 1) for k in range(services)]
        found: list[Branch] = list(self.branches)  # type: ignore[arg-type]
        branches = found * len(groups) if len(found) < len(groups) else found
        tokens = [(_channels(past[:, :, group]), _channels(future[:, :, group])) for group in groups]
        states = [branch.embed(window, inputs.past) for branch, (window, _) in zip(branches, tokens, strict=True)]
        for layer in range(self.config.layers):
            states = [branch.layers[layer](x, near) for branch, x in zip(branches, states, strict=True)]
            if self.between:
                states = all_by_nodes(self.between[layer], *states)
        forecasts = [
            by_nodes(
                lambda *nodes, to=branch: to(*nodes, inputs.past, inputs.future),
                *part,
                x,
                past[:, :, group, :, 0],
                starts[:, :, group],
            )
            for branch, group, part, x in zip(branches, groups, tokens, states, strict=True)
        ]
        return (torch.cat(forecasts, dim=3) + last[:, :, None]).transpose(1, 2)


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
        self.start = config.start
        width, heads, channels = config.width, config.heads, _CHANNELS * services
        self.embedding = Embedding(channels, shape.calendar, shape.past, width)
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, 2**k, config.spatial_attention, dropout) for k in range(config.layers)
        )
        self.decoder = Decoder(
            Embedding(channels, shape.calendar, config.start + shape.lead, width),
            shape.past,
            shape.lead,
            config.start,
            width,
            heads,
            config.decoder_layers,
            config.probsparse,
            dropout,
        )
        self.head = Head(width, shape.past, shape.lead, services, config.quantiles, config.mixture)

    def embed(self, tokens: Tensor, past: Tensor) -> Tensor:
        """Windows (B, N, P, channels) and their calendar (B, P, C) to states (B, N, P, D)."""
        return by_nodes(lambda nodes: self.embedding(nodes, past), tokens)

    def forward(
        self,
        window: Tensor,
        coming: Tensor,
        memory: Tensor,
        values: Tensor,
        starts: Tensor,
        past: Tensor,
        future: Tensor,
    ) -> Tensor:
        """Forecast, relative to the last value, shape (B, N, H, G, Q).

        Parameters
        ----------
        window, coming : Tensor, shape (B, N, P, channels) and (B, N, H, channels)
        memory : Tensor, shape (B, N, P, D)
            The encoded window.
        values : Tensor, shape (B, N, G, P)
        starts : Tensor, shape (B, N, G, H, K)
        past, future : Tensor, shape (B, P, C) and (B, H, C)
        """
        cut = window.shape[2] - self.start
        tokens = torch.cat([window[:, :, cut:], coming], dim=2)
        states = self.decoder(tokens, torch.cat([past[:, cut:], future], dim=1), memory)
        out: Tensor = self.head(states, values, starts)
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


def untied(network: MSTNet, services: int, config: MSTNetConfig) -> MSTNet:
    """The same network with a branch for each of so many services, all alike at first; from a tied one."""
    if services == 1:  # its attention is to itself, which a network made for one service has not
        return copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        free = MSTNet(replace(network.shape, services=services), config)
    tied = network.state_dict()
    for name, value in free.state_dict().items():
        value.copy_(tied[_tied_name(name)].expand_as(value))
    return free.to(next(network.parameters()).device)


def _tied_name(name: str) -> str:
    """Name in a tied network of a parameter of a soft one."""
    parts = name.split(".")
    if parts[0] == "branches":
        parts[1] = "0"
    elif parts[2] == "norms":
        parts[3] = "0"
    return ".".join(parts)


def _relative(inputs: Inputs, mixture: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What branches see, all relative to the last known value.

    Returns
    -------
    Tensor (B, N, S, 1)
        Last known values.
    Tensor (B, N, S, H, K)
        Simple forecasts; without `mixture` the last value only, 0 that is.
    Tensor (B, N, S, P, channels), Tensor (B, N, S, H, channels)
        Window and what is to come. In the place of values to come stands the seasonal mean, corrected.
    """
    known, seasonal_known = inputs.known.movedim(1, -1), inputs.seasonal_known.movedim(1, -2)
    values = torch.where(known > 0, inputs.values.movedim(1, -1), 0.0)
    last = last_known(values, known)
    values = (values - last) * known
    seasonal = torch.where(seasonal_known > 0, inputs.seasonal.movedim(1, -2) - last[..., None], 0.0)
    starts = candidates(values, known, seasonal, seasonal_known)
    length = values.shape[-1]
    seen = torch.cat([seasonal, seasonal_known], dim=-1)
    past = torch.cat([values[..., None], known[..., None], seen[..., :length, :]], dim=-1)
    begin = starts[..., 3:4]
    future = torch.cat([begin, torch.zeros_like(begin), seen[..., length:, :]], dim=-1)
    return last, starts if mixture else starts[..., :1], past, future


def _channels(tokens: Tensor) -> Tensor:
    """Services side by side: (B, N, G, L, channels) to (B, N, L, G * channels)."""
    return tokens.transpose(2, 3).flatten(-2)


def _check(shape: Shape, config: MSTNetConfig) -> None:
    for name, found, asked in (
        ("past", shape.past, config.past),
        ("lead", shape.lead, config.lead),
        ("outputs", shape.outputs, len(config.quantiles)),
    ):
        if found != asked:
            raise UsageError(f"{name} of the shape is {found}, the configuration asks for {asked}")
