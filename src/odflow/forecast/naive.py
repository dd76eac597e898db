"""What a forecast starts from: the last value, or the one of a season before."""

from __future__ import annotations

import torch
from torch import Tensor


def last_known(values: Tensor, known: Tensor) -> Tensor:
    """Last known value of windows (..., P), shape (..., 1); 0 where none is known."""
    places = torch.arange(values.shape[-1], device=values.device)
    last = torch.where(known > 0, places, 0).amax(dim=-1, keepdim=True)
    return values.gather(-1, last) * (known.gather(-1, last) > 0)


def naive(values: Tensor, known: Tensor, lead: int, season: int) -> Tensor:
    """Repeat the window's last season, or its last known value.

    Parameters
    ----------
    values, known : Tensor, shape (..., P)
    lead : int
        H.
    season : int
        From 1 to P: each interval is forecast by the value a season before, or as many seasons as it takes to lie in
        the window; where that is not known, by the last known value. 0 = by the last known value.

    Returns
    -------
    Tensor, shape (..., H)
        0, the mean of scaled values, where nothing is known.
    """
    last = last_known(values, known)
    if not season:
        return last.expand(*values.shape[:-1], lead)
    length = values.shape[-1]
    before = [length - season + h % season for h in range(lead)]
    return torch.where(known[..., before] > 0, values[..., before], last)
