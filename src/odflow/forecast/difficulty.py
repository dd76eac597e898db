"""How hard a series is to forecast: the error of the best simple forecast (needs torch)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from odflow.forecast.naive import candidates

if TYPE_CHECKING:
    from odflow.forecast.windows import Scale, Windows

_LEAST = 0.02  # of the mean over leads
_AT_ONCE = 32


def difficulty(windows: Windows, origins: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error of the best simple forecast of each service at each lead, in scaled units.

    Losses relative to it count a lead and a world that are easy to forecast as much as one that is not.

    Parameters
    ----------
    windows : Windows
    origins : int Tensor, shape (R,)
    weight : Tensor, shape (N, S)
        Of the series.

    Returns
    -------
    Tensor, shape (H, S)
        Above 0; 1 where nothing is known.
    """
    total, count = torch.zeros(()), torch.zeros(())
    for part in origins.split(_AT_ONCE):
        inputs = windows.inputs(part)
        target, known = windows.targets(part)
        simple = candidates(
            inputs.values.movedim(1, -1),
            inputs.known.movedim(1, -1),
            inputs.seasonal.movedim(1, -2),
            inputs.seasonal_known.movedim(1, -2),
        ).permute(0, 3, 1, 2, 4)
        heavy = known * weight
        total = total + ((simple - target[..., None]).abs() * heavy[..., None]).sum(dim=(0, 2))
        count = count + heavy.sum(dim=(0, 2))
    seen = count > 0
    error = total.amin(dim=-1) / torch.where(seen, count, 1.0)
    usual = torch.where(seen, error, 0.0).sum(dim=0) / seen.sum(dim=0).clamp(min=1)
    error = torch.where(seen, torch.maximum(error, _LEAST * usual), 1.0)
    return torch.where(error > 0, error, 1.0)


def loss_weights(windows: Windows, origins: Tensor, scale: Scale) -> Tensor:
    """Weights of leads and series in a loss, (H, N, S): what a series means in traffic, over the difficulty."""
    importance = torch.from_numpy(scale.importance).float()
    return importance / difficulty(windows, origins, importance)[:, None]
