"""From states of the horizon to forecasts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

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
    """Forecast of the services of a branch: naive forecast plus what the states and the window say.

    What states (through a linear layer) and windows (through a linear layer for each service, on what the window holds
    beyond its last known value: NLinear, Zeng et al., AAAI 2023) add is 0 at first. So an untrained network's median
    is the naive forecast.

    Parameters
    ----------
    width, past, lead, services : int
        D, P, H and G.
    quantiles : tuple of float
    """

    def __init__(self, width: int, past: int, lead: int, services: int, quantiles: tuple[float, ...]) -> None:
        super().__init__()
        self.middle = min(range(len(quantiles)), key=lambda k: abs(quantiles[k] - 0.5))
        self.states = nn.Linear(width, services * len(quantiles))
        self.window = nn.Parameter(torch.zeros(services, past, lead))
        self.outputs = len(quantiles)
        nn.init.zeros_(self.states.weight)
        with torch.no_grad():
            bias = self.states.bias.view(services, self.outputs)
            bias.fill_(_STEP)
            bias[:, self.middle] = 0.0

    def forward(self, states: Tensor, window: Tensor, start: Tensor) -> Tensor:
        """Forecast.

        Parameters
        ----------
        states : Tensor, shape (B, N, H, D)
        window : Tensor, shape (B, N, G, P)
            Differences from the last known value, 0 where not known.
        start : Tensor, shape (B, N, G, H)
            The naive forecast.

        Returns
        -------
        Tensor, shape (B, N, H, G, Q)
        """
        centre = start + torch.einsum("bngp,gph->bngh", window, self.window)
        raw = self.states(states).unflatten(-1, (-1, self.outputs))
        return rising(raw, self.middle) + centre.transpose(-1, -2)[..., None]
