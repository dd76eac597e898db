"""What a forecast starts from: the last value, recent levels, the same time of day before."""

from __future__ import annotations

import torch
from torch import Tensor

CANDIDATES = 8
_FAST, _SLOW = 0.5, 0.2  # weights of the newest value
_HALF = 0.5


def last_known(values: Tensor, known: Tensor) -> Tensor:
    """Last known value of windows (..., P), shape (..., 1); 0 where none is known."""
    places = torch.arange(values.shape[-1], device=values.device)
    last = torch.where(known > 0, places, 0).amax(dim=-1, keepdim=True)
    return values.gather(-1, last) * (known.gather(-1, last) > 0)


def level(values: Tensor, known: Tensor, alpha: float) -> Tensor:
    """Exponentially weighted mean of what is known in windows (..., P), shape (..., 1); 0 where nothing is."""
    age = torch.arange(values.shape[-1] - 1, -1, -1, device=values.device)
    weight = known * (1 - alpha) ** age
    total = weight.sum(dim=-1, keepdim=True)
    return (weight * values).sum(dim=-1, keepdim=True) / torch.where(total > 0, total, 1.0)


def candidates(values: Tensor, known: Tensor, seasonal: Tensor, seasonal_known: Tensor) -> Tensor:
    """Simple forecasts, of which a network takes a mixture.

    The last known value; two exponentially weighted means of the window; the mean of the same time of day over some
    days, corrected by all, half and nothing of how far the series is off it now; the day before and the week before.
    Where a seasonal one is not known, the faster mean stands in.

    Parameters
    ----------
    values, known : Tensor, shape (..., P)
    seasonal, seasonal_known : Tensor, shape (..., P + H, 3)
        As in :class:`~odflow.forecast.inputs.Inputs`.

    Returns
    -------
    Tensor, shape (..., H, CANDIDATES)
    """
    past = values.shape[-1]
    fast, slow = level(values, known, _FAST), level(values, known, _SLOW)
    both = known * seasonal_known[..., :past, 0]
    off = level(values - seasonal[..., :past, 0], both, _FAST)
    mean = seasonal[..., past:, 0]
    ahead = torch.stack([mean + off, mean + _HALF * off, *seasonal[..., past:, :].unbind(dim=-1)], dim=-1)
    there = seasonal_known[..., past:, [0, 0, 0, 1, 2]]
    ahead = torch.where(there > 0, ahead, fast[..., None])
    levels = torch.cat([last_known(values, known), fast, slow], dim=-1)[..., None, :]
    return torch.cat([levels.expand(*ahead.shape[:-1], -1), ahead], dim=-1)
