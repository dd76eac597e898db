"""Forecasts by simple rules, which are hard to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.forecast.base import Forecaster
from odflow.forecast.features import floors
from odflow.forecast.past import at_leads, before, known_mean, last_value, same_slot, smoothed

if TYPE_CHECKING:
    from odflow.forecast.base import Floats, Ints, Times

WEEK_DAYS = 7
_ALPHAS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
_ORIGINS = 400
_SHARES = (0.0, 0.25, 0.5, 0.65, 0.75, 0.85, 0.95, 1.0)


@dataclass
class LastValue(Forecaster):
    """The last known value, for all leads."""

    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """See :class:`Forecaster`."""
        return last_value(x, origins, lead)


@dataclass
class SeasonalNaive(Forecaster):
    """The latest known value of the same time of day, or of the week.

    Parameters
    ----------
    days : int
        Of the season: 1 or 7. Where nothing is known so long ago: the same time of day, else the last value.
    """

    days: int = 1

    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """See :class:`Forecaster`."""
        found = last_value(x, origins, lead)
        for days in sorted({1, self.days}):
            for back in range(4, 0, -1):  # the latest one wins
                latest = _one_back(x, origins, lead, days * self.day, back)
                found = np.where(np.isfinite(latest), latest, found)
        return found


def _one_back(x: Floats, origins: Ints, lead: int, period: int, back: int) -> Floats:
    steps = np.arange(lead)
    index = origins[:, None] + steps - (steps // period + back) * period
    return np.where((index >= 0)[..., None, None], x[np.maximum(index, 0)], np.nan)


@dataclass
class HistoricalAverage(Forecaster):
    """Mean of the same time of day over the past days that are known, four weeks at most; else the last value."""

    days: int = 28

    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """See :class:`Forecaster`."""
        mean = same_slot(x, origins, lead, self.day, self.days)
        return np.where(np.isfinite(mean), mean, last_value(x, origins, lead))


@dataclass
class EWMA(Forecaster):
    """Exponentially weighted mean, for all leads; its memory is the best for one step ahead in the history.

    Attributes
    ----------
    alpha_ : array, shape (S,)
        Weight of the newest value, by service.
    """

    def _learn(self, x: Floats, time: Times) -> None:
        errors = [known_mean(np.abs(x[1:] - smoothed(x, alpha)[:-1]), (0, 1)) for alpha in _ALPHAS]
        self.alpha_ = np.array(_ALPHAS)[np.argmin(errors, axis=0)]

    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """See :class:`Forecaster`."""
        return np.repeat(before(by_service(x, self.alpha_), origins)[:, None], lead, axis=1)


def by_service(x: Floats, alpha: Floats) -> Floats:
    """Smoothed series, each service with its own weight of the newest value."""
    return np.concatenate([smoothed(x[:, :, [k]], float(a)) for k, a in enumerate(alpha)], axis=2)


@dataclass
class SeasonalEWMA(Forecaster):
    """Seasonally adjusted EWMA: the recent mean of the same time of day, corrected by how far it is off now.

    In logarithms, a hundredth of the series' mean added: ``R(t + h) + a (EWMA(t) - R(t))``, R the mean of the same time
    of day over up to seven past days. The correction's share a by lead, and the memory, are the best in the history,
    by service.

    Parameters
    ----------
    tune : bool
        False, and with less than a week of history: alpha 0.5 and a share of 0.75 at all leads.
    days : int
        Past days in R.

    Attributes
    ----------
    floor_ : array, shape (N, S)
        What is added before the logarithm is taken.
    alpha_ : array, shape (S,)
    share_ : array, shape (leads, S)
        Of the leads up to half a day that the history could tell; the last one also beyond.
    """

    tune: bool = True
    days: int = WEEK_DAYS

    def _learn(self, x: Floats, time: Times) -> None:
        services = x.shape[2]
        self.mean_ = known_mean(x)
        self.floor_ = floors(self.mean_)
        self.alpha_, self.share_ = np.full(services, 0.5), np.full((1, services), 0.75)
        leads = min(self.day // 2, (len(x) - self.day) // 4)
        if not self.tune or len(x) < WEEK_DAYS * self.day:
            return
        losses = self._losses(x, leads)  # (alphas, shares, leads, S)
        chosen = losses.min(axis=1).mean(axis=1).argmin(axis=0)
        shares = [losses[chosen[k], :, :, k].argmin(axis=0) for k in range(services)]
        self.alpha_ = np.array(_ALPHAS)[chosen]
        self.share_ = np.array(_SHARES)[np.stack(shares, axis=1)]

    def _losses(self, x: Floats, leads: int) -> Floats:
        """Mean absolute error relative to the series' mean, by alpha, share, lead and service."""
        log = self._log(x)
        origins = np.arange(self.day + 1, len(x) - leads + 1, max(1, len(x) // _ORIGINS))
        truth = x[at_leads(origins, leads)]
        base = same_slot(log, origins, leads, self.day, self.days)
        usual = np.maximum(self.mean_, self.floor_)
        out = np.empty((len(_ALPHAS), len(_SHARES), leads, x.shape[2]))
        for i, alpha in enumerate(_ALPHAS):
            off = self._off(log, origins, np.full(x.shape[2], alpha))[:, None]
            for j, share in enumerate(_SHARES):
                out[i, j] = known_mean(np.abs(self._back(base + share * off) - truth) / usual, (0, 2))
        return out

    def _log(self, x: Floats) -> Floats:
        return np.asarray(np.log(np.maximum(x, 0.0) + self.floor_))

    def _back(self, log: Floats) -> Floats:
        return np.maximum(np.exp(log) - self.floor_, 0.0)

    def _off(self, log: Floats, origins: Ints, alpha: Floats) -> Floats:
        """How far the level is from the usual one of the same time, (n, N, S); 0 where that is not known."""
        usual = same_slot(log, origins - 1, 1, self.day, self.days)[:, 0]
        return np.nan_to_num(before(by_service(log, alpha), origins) - usual)

    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """See :class:`Forecaster`."""
        log = self._log(x)
        base = same_slot(log, origins, lead, self.day, self.days)
        share = self.share_[np.minimum(np.arange(lead), len(self.share_) - 1)]
        found = self._back(base + share[None, :, None] * self._off(log, origins, self.alpha_)[:, None])
        return np.where(np.isfinite(found), found, last_value(x, origins, lead))
