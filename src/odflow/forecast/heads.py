"""From states of the horizon to forecasts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from odflow.forecast.naive import CANDIDATES

_STEP = -1.0  # before the softplus, of the distance between quantiles at first: 0.31 of a series' spread


def rising(raw: Tensor, middle: int) -> Tensor:
    """Quantiles in rising order from any numbers.

    Parameters
    ----------
    raw : Tensor, shape (..., Q)
        The quantile number `middle`, and before the softplus the distances from one quantile to the next.
    middle : int

    Returns
    -------
    Tensor, shape (..., Q)
    """
    steps = functional.softplus(raw)
    centre = raw[..., middle : middle + 1]
    above = centre + steps[..., middle + 1 :].cumsum(dim=-1)
    below = centre - steps[..., :middle].flip(-1).cumsum(dim=-1).flip(-1)
    return torch.cat([below, centre, above], dim=-1)


class Head(nn.Module):
    """Forecast of the services of a branch: a mixture of simple forecasts plus what the states and the window say.

    Shares of the mixture come from the states through a softmax, all alike at first. What states (through a linear
    layer) and windows (through a linear layer for each service: NLinear, Zeng et al., AAAI 2023) add is 0 at first. So
    an untrained network's median is the mean of the simple forecasts.

    Parameters
    ----------
    width, past, lead, services : int
        D, P, H and G.
    quantiles : tuple of float
    mixture : bool
        False: there is one simple forecast.
    """

    def __init__(
        self, width: int, past: int, lead: int, services: int, quantiles: tuple[float, ...], mixture: bool = True
    ) -> None:
        super().__init__()
        self.middle = min(range(len(quantiles)), key=lambda k: abs(quantiles[k] - 0.5))
        self.states = nn.Linear(width, services * len(quantiles))
        self.shares = nn.Linear(width, services * CANDIDATES) if mixture else None
        self.window = nn.Parameter(torch.zeros(services, past, lead))
        self.outputs = len(quantiles)
        for layer in (self.states, self.shares):
            if layer is not None:
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
        with torch.no_grad():
            bias = self.states.bias.view(services, self.outputs)
            bias[:, [k for k in range(self.outputs) if k != self.middle]] = _STEP

    def forward(self, states: Tensor, window: Tensor, starts: Tensor) -> Tensor:
        """Forecast.

        Parameters
        ----------
        states : Tensor, shape (B, N, H, D)
        window : Tensor, shape (B, N, G, P)
            Differences from the last known value, 0 where not known.
        starts : Tensor, shape (B, N, G, H, K)
            Simple forecasts, all of CANDIDATES or one.

        Returns
        -------
        Tensor, shape (B, N, H, G, Q)
        """
        start = starts.transpose(2, 3)
        if self.shares is not None:
            start = self.shares(states).unflatten(-1, (-1, CANDIDATES)).softmax(dim=-1) * start
        start = start.sum(dim=-1)
        centre = start + torch.einsum("bngp,gph->bnhg", window, self.window)
        raw = self.states(states).unflatten(-1, (-1, self.outputs))
        return rising(raw, self.middle) + centre[..., None]
