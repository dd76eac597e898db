"""Losses of forecasts, in which only measured targets count."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pinball(forecast: Tensor, target: Tensor, known: Tensor, quantiles: Sequence[float]) -> Tensor:
    """Pinball loss ``max(q (y - x), (q - 1) (y - x))``, mean over quantiles (Koenker and Bassett 1978).

    Parameters
    ----------
    forecast : Tensor, shape (..., Q)
    target : Tensor, shape (...)
        May be anything, NaN too, where not known.
    known : Tensor, shape (...)
        1 where the target was measured, else 0.
    quantiles : sequence of float
        Q; a single 0.5 gives half the absolute error.

    Returns
    -------
    Tensor, shape (...)
        0 where not known.
    """
    share = torch.tensor(quantiles, dtype=forecast.dtype, device=forecast.device)
    miss = torch.where(known > 0, target, 0.0)[..., None] - forecast
    return torch.maximum(share * miss, (share - 1) * miss).mean(dim=-1) * (known > 0)


def absolute(forecast: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Absolute error of point forecasts, all of one shape; 0 where not known, as in :func:`pinball`."""
    return (torch.where(known > 0, target, 0.0) - forecast).abs() * (known > 0)


def per_task(errors: Tensor, known: Tensor) -> Tensor:
    """Mean over what is known of each task: (..., S) to (S,); NaN for a task of which nothing is."""
    axes = tuple(range(errors.ndim - 1))
    return _mean(errors, known, axes)


def per_sample(errors: Tensor, known: Tensor) -> Tensor:
    """Mean over what is known of each sample and task: (B, ..., S) to (B, S); NaN where nothing is."""
    return _mean(errors, known, tuple(range(1, errors.ndim - 1)))


def weighted(losses: Tensor, weights: Tensor) -> Tensor:
    """Sum of weights times losses over the tasks, (..., S) to (...); tasks without a loss (NaN) add nothing."""
    return (weights * losses).nansum(dim=-1)


def _mean(errors: Tensor, known: Tensor, axes: tuple[int, ...]) -> Tensor:
    seen = (known > 0).sum(dim=axes)
    return torch.where(seen > 0, errors.sum(dim=axes) / seen.clamp(min=1), torch.nan)
