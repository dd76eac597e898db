"""Scaled series, cut into windows (needs torch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from odflow.forecast.features import floors, logs
from odflow.forecast.inputs import Inputs
from odflow.forecast.past import lagged_mean
from odflow.forecast.surroundings import calendar

if TYPE_CHECKING:
    from odflow.forecast.base import Floats, Times

SEASONAL = 3  # the mean of several days, the day before, the week before
_WEEK = 7
_LEAST_SPREAD = 0.02  # of logarithms; a series that does not vary is not blown up


@dataclass(frozen=True, eq=False)
class Scale:
    """Scale of each series: logarithms above a floor, to mean 0 and spread 1 in the history; arrays (N, S)."""

    floor: Floats
    middle: Floats
    spread: Floats
    mean: Floats

    @classmethod
    def of(cls, x: Floats) -> Self:
        """Of a history (T, N, S), NaN = missing."""
        known = np.isfinite(x)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, x, 0.0).sum(axis=0) / count
        floor = floors(mean)
        log = np.where(known, logs(np.nan_to_num(x), floor), 0.0)
        middle = log.sum(axis=0) / count
        off = np.where(known, log - middle, 0.0)
        return cls(floor, middle, np.maximum(np.sqrt((off**2).sum(axis=0) / count), _LEAST_SPREAD), mean)

    def scaled(self, x: Floats) -> Floats:
        """From (T, N, S) to the same; NaN stays."""
        return np.asarray((logs(x, self.floor) - self.middle) / self.spread)

    @property
    def importance(self) -> Floats:
        """What an error of scaled values means in traffic, relative to the mean series of each service, (N, S)."""
        size = self.mean * self.spread
        mean = size.mean(axis=0)
        return np.asarray(np.where(mean > 0, size / np.where(mean > 0, mean, 1.0), 1.0))

    def back(self, z: Floats) -> Floats:
        """From scaled values, shape (..., N, S, Q)."""
        log = z * self.spread[..., None] + self.middle[..., None]
        return np.asarray(np.maximum(np.exp(log) - self.floor[..., None], 0.0))


class Windows:
    """Scaled series on the CPU, cut into windows.

    Parameters
    ----------
    scaled : array, shape (T, N, S)
        NaN = missing.
    time : datetime64, shape (at least T,)
    past, lead : int
    day : int
        Intervals of a day.
    """

    def __init__(self, scaled: Floats, time: Times, past: int, lead: int, day: int) -> None:
        self.past, self.lead = past, lead
        self.known, self.values = _tensors(scaled)
        self.seasonal_known, self.seasonal = _tensors(_seasonal(scaled, lead, day))
        self.calendar = torch.from_numpy(calendar(time)).float()

    @classmethod
    def joined(cls, parts: Sequence[Windows]) -> Windows:
        """All one after the other, with nothing known in between: see :attr:`span`."""
        joined = object.__new__(cls)
        joined.past, joined.lead = parts[0].past, parts[0].lead
        for name in ("values", "known", "seasonal", "seasonal_known", "calendar"):
            setattr(joined, name, torch.cat([part._apart(getattr(part, name)) for part in parts]))
        return joined

    @property
    def span(self) -> int:
        """Intervals that it takes up among joined ones: its own, `past` before them, and `lead` after them."""
        return self.past + len(self.values) + self.lead

    def _apart(self, x: Tensor) -> Tensor:
        out = x.new_zeros(self.span, *x.shape[1:])
        own = x[: len(self.values) + self.lead]
        out[self.past : self.past + len(own)] = own
        return out

    def inputs(self, origins: Tensor) -> Inputs:
        """What networks see at origins (B,); what is before the beginning counts as missing."""
        index = origins[:, None] + torch.arange(-self.past, self.lead)
        past = index[:, : self.past].clamp(min=0)
        there = (index[:, : self.past] >= 0).float()[:, :, None, None]
        both = index.clamp(0, len(self.seasonal) - 1)
        inside = ((index >= 0) & (index < len(self.seasonal))).float()[:, :, None, None, None]
        days = self.calendar[index.clamp(0, len(self.calendar) - 1)]
        return Inputs(
            self.values[past] * there,
            self.known[past] * there,
            self.seasonal[both] * inside,
            self.seasonal_known[both] * inside,
            days[:, : self.past],
            days[:, self.past :],
        )

    def targets(self, origins: Tensor, until: Tensor | int | None = None) -> tuple[Tensor, Tensor]:
        """What came (B, H, N, S), and where it is known; nothing from the index `until`, or (B,) such, on."""
        index = origins[:, None] + torch.arange(self.lead)
        end = torch.as_tensor(len(self.values) if until is None else until).reshape(-1, 1)
        inside = (index < end).float()[:, :, None, None]
        place = index.clamp(max=len(self.values) - 1)
        return self.values[place], self.known[place] * inside


def _seasonal(scaled: Floats, lead: int, day: int) -> Floats:
    """Seasonal values of all intervals up to the last that can be forecast, shape (T + lead, N, S, 3).

    Only what lies at least `lead` intervals back, so that it is known at any origin.
    """
    days, weeks = -(-lead // day), -(-lead // (_WEEK * day))
    parts = [
        lagged_mean(scaled, day, days, _WEEK),
        lagged_mean(scaled, day, days, 1),
        lagged_mean(scaled, _WEEK * day, weeks, 1),
    ]
    out = np.full((len(scaled) + lead, *scaled.shape[1:], SEASONAL), np.nan)
    for k, part in enumerate(parts):
        used = min(len(part), len(out))
        out[:used, ..., k] = part[:used]
    return out


def _tensors(x: Floats) -> tuple[Tensor, Tensor]:
    known = np.isfinite(x)
    return torch.from_numpy(known).float(), torch.from_numpy(np.where(known, x, 0.0)).float()
