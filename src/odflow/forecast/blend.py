"""A mixture of forecasters, weighed by a back-test on one's own history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

import numpy as np

from odflow.errors import DataError, MissingDependencyError, UsageError
from odflow.forecast.base import Forecaster, check_series, middle_of
from odflow.forecast.features import floors
from odflow.forecast.past import known_mean

if TYPE_CHECKING:
    import xarray as xr

    from odflow.forecast.base import Floats, Ints, Times

FIRST = 0.7  # of the weight, before anything is known
_SHARE, _DAYS = 4, 7  # of the history to try forecasts out on: a quarter, a week at most
_MOST_ORIGINS, _MOST_VALUES = 500, 100_000
_STEPS, _RATE = 400, 2.0


class Blend(Forecaster):
    """Forecasts of several methods, weighed; weights are at least 0, their sum is 1, and each lead has its own.

    (Bates and Granger 1969.) Members are tried out on the end of the history, fitted on what is before it; the weights
    that make the absolute error least there are found, held back towards the first member the less the end of the
    history can tell. Then all are fitted on the whole history.

    Parameters
    ----------
    members : mapping of str to callable
        Makers of forecasters; one that cannot be fitted, on a short history or without its packages, is left out. The
        first is the one to rely on; its quantiles, if it learns any, are moved to the mixture.
    leads : tuple of int
        Leads to find weights for; others take those of the next longer one. The last is the longest to be forecast.
    seed : int
        Of the draw of values to find weights by, where there are very many.

    Attributes
    ----------
    weights_ : dict of int to dict of str to float
        By lead and member.
    """

    def __init__(self, members: Mapping[str, Callable[[], Forecaster]], leads: tuple[int, ...], seed: int = 0) -> None:
        if not members or not leads or min(leads) < 1:
            raise UsageError("a blend needs members, and leads from 1 on")
        self.members, self.leads, self.seed = dict(members), tuple(sorted(leads)), seed

    def fit(self, history: xr.DataArray) -> Self:
        """Learn; see :meth:`Forecaster.fit`.

        Raises
        ------
        DataError, MissingDependencyError
            If no member can be fitted.
        """
        super().fit(history)
        series = check_series(history)
        x = series.values.astype(float)
        self.fitted_ = self._fitted(series)
        self.levels = next(iter(self.fitted_.values())).levels
        self.floor_ = floors(known_mean(x))
        prior = _prior(len(self.fitted_))
        self.weights_ = {lead: dict(zip(self.fitted_, prior.tolist(), strict=True)) for lead in self.leads}
        last = len(x) - self.leads[-1]
        length = min(last // _SHARE, _DAYS * self.day)
        if length >= 1 and len(self.fitted_) > 1:
            self._weigh(series, np.arange(last - length + 1, last + 1))
        return self

    def _weigh(self, series: xr.DataArray, possible: Ints) -> None:
        """Try members out at these origins, fitted on what is before the first."""
        origins = possible[:: -(-len(possible) // _MOST_ORIGINS)]
        try:
            tried = self._fitted(series[: origins[0]])
        except DataError:
            return
        found = [one.predict_at(series, origins, self.leads[-1], only=self.leads) for one in tried.values()]
        for k, lead in enumerate(self.leads):
            held_back = lead / len(possible)  # by how little of the back-test is independent
            forecasts, truth = np.stack([one[:, k] for one in found]), series.values[origins + lead - 1]
            weights = _weights(forecasts, truth, _prior(len(tried)), held_back, self.seed)
            self.weights_[lead] = {**dict.fromkeys(self.fitted_, 0.0), **dict(zip(tried, weights, strict=True))}

    def _fitted(self, history: xr.DataArray) -> dict[str, Forecaster]:
        """Members that can be fitted."""
        out: dict[str, Forecaster] = {}
        failed: Exception | None = None
        for name, make in self.members.items():
            try:
                out[name] = make().fit(history)
            except (DataError, MissingDependencyError) as error:
                failed = error
        if failed and not out:
            raise failed
        return out

    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """See :class:`Forecaster`."""
        return self._some(x, time, origins, lead, tuple(range(1, lead + 1)))

    def _some(self, x: Floats, time: Times, origins: Ints, lead: int, only: tuple[int, ...]) -> Floats:
        return self._mixed([one._some(x, time, origins, lead, only) for one in self.fitted_.values()], only)

    def _quantiles(self, x: Floats, time: Times, origins: Ints, lead: int, only: tuple[int, ...]) -> Floats:
        first, *rest = self.fitted_.values()
        learnt = first._quantiles(x, time, origins, lead, only)
        own = middle_of(learnt)
        middle = self._mixed([own, *(one._some(x, time, origins, lead, only) for one in rest)], only)
        moved = (middle + self.floor_) / (own + self.floor_)
        floor = self.floor_[..., None]
        return np.asarray(np.maximum((learnt + floor) * moved[..., None] - floor, 0.0))

    def _mixed(self, found: list[Floats], only: tuple[int, ...]) -> Floats:
        """Forecasts (n, len(only), N, S) of all members to one."""
        if max(only) > self.leads[-1]:
            raise UsageError(f"lead is {max(only)}, this blend was made for at most {self.leads[-1]}")
        place = np.searchsorted(self.leads, only)
        weights = np.array([[self.weights_[self.leads[k]][name] for k in place] for name in self.fitted_])
        return np.asarray(sum(w[:, None, None] * one for w, one in zip(weights, found, strict=True)))


def _prior(count: int) -> Floats:
    return np.array([FIRST if count > 1 else 1.0, *[(1 - FIRST) / max(1, count - 1)] * (count - 1)])


def _weights(forecasts: Floats, truth: Floats, prior: Floats, held_back: float, seed: int) -> list[float]:
    """Weights of least relative error, mean over services, plus so much of their divergence from the prior.

    Found by exponentiated gradients (Kivinen and Warmuth 1997). Forecasts (M, n, N, S), truth (n, N, S).
    """
    known = np.isfinite(truth) & np.isfinite(forecasts).all(axis=0)
    service = np.broadcast_to(np.arange(truth.shape[2]), truth.shape)[known]
    x, y = forecasts[:, known], truth[known]
    if len(y) > _MOST_VALUES:
        drawn = np.random.default_rng(seed).choice(len(y), _MOST_VALUES, replace=False)
        x, y, service = x[:, drawn], y[drawn], service[drawn]
    volume = np.bincount(service, y, truth.shape[2])
    used = volume[service] > 0
    x, y = x[:, used], y[used]
    heavy = 1 / volume[service[used]]
    weights, total = prior.copy(), np.zeros(len(prior))
    usual = float((heavy * np.abs(prior @ x - y)).sum())
    if not usual > 0:
        return [float(one) for one in prior]
    for step in range(_STEPS):
        slope = x @ (heavy * np.sign(weights @ x - y)) / usual
        slope += held_back * np.log(np.maximum(weights, 1e-9) / prior)
        weights = weights * np.exp(-_RATE / (1 + step / 20) * (slope - slope @ weights))
        weights /= weights.sum()
        total += weights * (step >= _STEPS // 2)
    return [float(one) for one in total / total.sum()]
