"""What all rivals share: what they see, where their forecasts start from, and quantiles in order."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.forecast import naive
from odflow.forecast.heads import rising
from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.rivals.size import RivalSize


class Rival(nn.Module, ABC):
    """A network that forecasts changes; the forecast is the last known value of each series plus the change.

    All rivals start alike: their last layer starts at 0, so that the median of an untrained one is the last known
    value (0, the mean of a scaled series, where the window holds none), or, for one that is seasonally adjusted, the
    mean of the same time of day plus how far the last known value was off it. What was not measured is set to 0 before
    any network sees it, and whether it was measured is an input beside every value.

    Parameters
    ----------
    shape : Shape
    size : RivalSize
    """

    def __init__(self, shape: Shape, size: RivalSize) -> None:
        super().__init__()
        self.shape, self.size = shape, size

    def forward(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """Forecast, shape (B, H, N, S, Q), quantiles in rising order."""
        seen = measured(inputs)
        changes = in_order(self.change(adjusted(seen) if self.size.adjusted else seen, geometry))
        start = last_known(adjusted(seen))[:, None] + mean_day(seen)[:, self.shape.past :]
        return changes + (start if self.size.adjusted else last_known(seen)[:, None])[..., None]

    @abstractmethod
    def change(self, inputs: Inputs, geometry: Geometry) -> Tensor:
        """Numbers for :func:`in_order`, shape (B, H, N, S, Q)."""


class Direct(nn.Module):
    """From the state of a node to all leads at once, with the calendar of each.

    A linear layer gives every lead its own part of the state, of width / 4 numbers; with the calendar of the lead it
    goes through a perceptron that all leads share.

    Parameters
    ----------
    width : int
        Of the state.
    shape : Shape
    services : int
        For how many the state stands.
    """

    def __init__(self, width: int, shape: Shape, services: int) -> None:
        super().__init__()
        self.lead, self.form = shape.lead, (services, shape.outputs)
        part = max(1, width // 4)
        self.apart = nn.Linear(width, shape.lead * part)
        self.blend = nn.Linear(part + shape.calendar, width)
        self.out = silent(width, services * shape.outputs)

    def forward(self, state: Tensor, future: Tensor) -> Tensor:
        """States (B, N, width) and the future calendar (B, H, C) to changes (B, H, N, services, Q)."""
        parts = functional.gelu(self.apart(state)).unflatten(-1, (self.lead, -1)).transpose(1, 2)
        calendar = future[:, :, None].expand(-1, -1, state.shape[1], -1)
        hidden = functional.gelu(self.blend(torch.cat([parts, calendar], dim=-1)))
        changes: Tensor = self.out(hidden).unflatten(-1, self.form)
        return changes


def silent(width: int, outputs: int) -> nn.Linear:
    """Last layer that gives 0 until it has learned something."""
    layer = nn.Linear(width, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def measured(inputs: Inputs) -> Inputs:
    """The same with 0 where nothing was measured, whatever stood there."""
    return inputs._replace(values=torch.where(inputs.known > 0, inputs.values, 0.0))


def mean_day(inputs: Inputs) -> Tensor:
    """Mean of the same time of day, (B, P + H, N, S); 0, the mean of a scaled series, where it is not known."""
    return torch.where(inputs.seasonal_known[..., 0] > 0, inputs.seasonal[..., 0], 0.0)


def adjusted(inputs: Inputs) -> Inputs:
    """The same with differences from the mean of the same time of day for values."""
    past = inputs.values.shape[1]
    return inputs._replace(values=(inputs.values - mean_day(inputs)[:, :past]) * inputs.known)


def last_known(inputs: Inputs) -> Tensor:
    """Last measured value of each series, 0 where the window has none; (B, P, N, S) to (B, N, S)."""
    return naive.last_known(inputs.values.movedim(1, -1), inputs.known.movedim(1, -1))[..., 0]


def in_order(raw: Tensor) -> Tensor:
    """Any numbers (..., Q) to rising ones: the middle one as it is, and steps of at least 0 up and down from it.

    A step is the softplus of a number, so that quantiles cannot cross. An even Q has its middle below the centre.
    """
    return rising(raw, (raw.shape[-1] - 1) // 2)


def steps(inputs: Inputs) -> Tensor:
    """What is seen of each interval of the window at each node: values, whether known, calendar; (B, P, N, 2S + C)."""
    calendar = inputs.past[:, :, None].expand(-1, -1, inputs.values.shape[2], -1)
    return torch.cat([inputs.values, inputs.known, calendar], dim=-1)


def placeholders(inputs: Inputs) -> Tensor:
    """Intervals to forecast in the same form, with nothing measured; (B, H, N, 2S + C)."""
    calendar = inputs.future[:, :, None].expand(-1, -1, inputs.values.shape[2], -1)
    nothing = calendar.new_zeros(*calendar.shape[:3], 2 * inputs.values.shape[3])
    return torch.cat([nothing, calendar], dim=-1)


def features(shape: Shape) -> int:
    """Numbers that :func:`steps` gives for an interval at a node: 2S + C."""
    return 2 * shape.services + shape.calendar


def by_node(x: Tensor) -> Tensor:
    """Nodes as part of the batch: (B, L, N, F) to (B N, L, F)."""
    return x.transpose(1, 2).flatten(0, 1)


def by_time(x: Tensor, batch: int) -> Tensor:
    """Undo :func:`by_node`."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2)


def parameter_count(network: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
