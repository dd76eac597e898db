"""Which forecaster is best on one's own history, and how sure its forecasts are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow.errors import DataError, MissingDependencyError, UsageError
from odflow.evaluate.conformal import Conformal, calibrated
from odflow.evaluate.rolling import Rolling, rolling
from odflow.forecast.base import Forecaster, check_series, middle_of
from odflow.forecast.blend import Blend
from odflow.forecast.features import floors
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.past import known_mean
from odflow.forecast.per_series import SeriesRidge
from odflow.forecast.pooled import PooledRidge, PooledTrees
from odflow.forecast.simple import EWMA, HistoricalAverage, LastValue, SeasonalEWMA, SeasonalNaive
from odflow.lazy import from_torch
from odflow.simulate.span import DAY_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

METHODS: dict[str, Callable[[int], Forecaster]] = {
    "last": lambda lead: LastValue(),
    "day-before": lambda lead: SeasonalNaive(1),
    "week-before": lambda lead: SeasonalNaive(7),
    "average": lambda lead: HistoricalAverage(),
    "ewma": lambda lead: EWMA(),
    "seasonal-ewma": lambda lead: SeasonalEWMA(),
    "ridge": lambda lead: PooledRidge(lead=lead, rows=20_000),
    "ridge-per-series": lambda lead: SeriesRidge(lead=lead, only=some_leads(lead)),
    "trees": lambda lead: PooledTrees(
        lead=lead, only=some_leads(lead), rows=20_000, trees=60, leaves=15, learning_rate=0.15
    ),
    "sim-mstnet": lambda lead: pretrained_network(lead),
    "blend": lambda lead: blend(lead),
}
_MOST_LEADS = 6
_TEST_DAYS = 7.0


def pretrained_network(lead: int) -> Forecaster:
    """The network that comes with odflow, as it learnt from simulation."""
    network: Forecaster = from_torch("odflow.forecast.sim_mstnet", "SimMSTNet")(fine_tune=False)
    if lead > MSTNetConfig().lead:
        raise DataError(f"sim-mstnet forecasts at most {MSTNetConfig().lead} intervals; {lead} were asked for")
    return network


def blend(lead: int) -> Forecaster:
    """The network that comes with odflow, mixed with what is best at other things."""
    members = ("sim-mstnet", "ewma", "ridge-per-series", "trees")
    return Blend({name: partial(METHODS[name], lead) for name in members}, some_leads(lead))


def some_leads(lead: int) -> tuple[int, ...]:
    """Leads from 1 to the last, at most a few of them, closer together at the beginning."""
    return tuple(sorted({round(lead**share) for share in np.linspace(0, 1, _MOST_LEADS)}))


@dataclass(frozen=True, eq=False)
class Choice:
    """What a back-test on the end of the history has shown.

    Parameters
    ----------
    method : str
        The best, by WAPE, mean over leads and services.
    wape : dict of str to dict of int to float
        By method and lead; methods that could not be fitted are missing.
    leads : tuple of int
    targets : int
        Intervals that were forecast.
    errors : dict of int to Conformal
        Of the best method, by lead.
    """

    method: str
    wape: dict[str, dict[int, float]]
    leads: tuple[int, ...]
    targets: int
    errors: dict[int, Conformal]


def choose(
    history: xr.DataArray,
    lead: int,
    methods: tuple[str, ...] = tuple(METHODS),
    *,
    progress: Callable[[str], None] | None = None,
) -> Choice:
    """Back-test methods on the last days of a history: a fifth of it, a week at most.

    Parameters
    ----------
    history : DataArray (time, node, service)
    lead : int
        Intervals to be forecast.
    methods : tuple of str
        Of `METHODS`.
    progress : callable, optional

    Raises
    ------
    UsageError
        If a method is unknown.
    DataError
        If the history is too short for any of them.
    """
    for name in methods:
        if name not in METHODS:
            raise UsageError(f"unknown method '{name}'; methods are {', '.join(METHODS)}")
    test = _last_days(history, lead)
    forecasters: dict[str, Forecaster] = {}
    for name in methods:
        if progress:
            progress(name)
        try:
            forecasters[name] = METHODS[name](lead).fit(test.history)
        except (DataError, MissingDependencyError):
            if len(methods) == 1:
                raise
    return _compared(test, forecasters)


def tried(history: xr.DataArray, lead: int, fitted: Mapping[str, Forecaster]) -> Choice:
    """The same with forecasters that are fitted already, if not on these very days."""
    return _compared(_last_days(history, lead), fitted)


def _last_days(history: xr.DataArray, lead: int) -> Rolling:
    series = check_series(history)
    steps = series.sizes["time"]
    length = int(min(steps // 5, _TEST_DAYS * DAY_S / float(series.attrs["interval_s"])))
    if length < 1 or steps - length - lead < 2:
        raise DataError(f"{steps} intervals are too few to try out forecasts of {lead} of them on")
    return rolling(series, series["time"].values[steps - length], some_leads(lead))


def _compared(test: Rolling, forecasters: Mapping[str, Forecaster]) -> Choice:
    quantiles = {name: test.quantiles(one) for name, one in forecasters.items()}
    wape = {name: _errors(found, test.truth) for name, found in quantiles.items()}
    wape = {name: found for name, found in wape.items() if np.isfinite(list(found.values())).all()}
    if not wape:
        raise DataError("no method can be tried out on this history; it holds too few values")
    best = min(wape, key=lambda name: float(np.mean(list(wape[name].values()))))
    floor = floors(known_mean(test.series.values))
    errors = {lead: calibrated(found, test.truth, floor) for lead, found in quantiles[best].items()}
    return Choice(best, wape, test.leads, len(test.targets), errors)


def _errors(quantiles: Mapping[int, Floats], truth: Floats) -> dict[int, float]:
    """WAPE by lead, mean over services, of targets that are known and could be forecast."""
    out = {}
    for lead, all_found in quantiles.items():
        found = middle_of(all_found)
        known = np.isfinite(truth) & np.isfinite(found)
        off = np.where(known, np.abs(found - truth), 0.0).sum(axis=(0, 1))
        volume = np.where(known, truth, 0.0).sum(axis=(0, 1))
        used = volume > 0
        out[lead] = float((off[used] / volume[used]).mean()) if used.any() else float("nan")
    return out


def with_quantiles(
    forecaster: Forecaster, recent: xr.DataArray, lead: int, choice: Choice, levels: tuple[float, ...]
) -> tuple[xr.DataArray, xr.DataArray]:
    """A forecast, and its quantiles by split conformal prediction: see :class:`~odflow.evaluate.conformal.Conformal`.

    Parameters
    ----------
    forecaster : Forecaster
        The method that was chosen.
    recent, lead
        As of :meth:`Forecaster.predict`.
    choice : Choice
    levels : tuple of float
        Between 0 and 1.

    Returns
    -------
    DataArray (time, node, service), DataArray (quantile, time, node, service)
        Leads between those of the back-test have the errors of the next longer one.

    Raises
    ------
    UsageError
        If the levels make no sense; and those of :meth:`Forecaster.predict`.
    """
    if not levels or min(levels) <= 0 or max(levels) >= 1:
        raise UsageError(f"quantiles {', '.join(map(str, levels))} make no sense; give numbers between 0 and 1")
    learnt = forecaster.predict_quantiles(recent, lead)
    found = learnt[..., 0].drop_vars("quantile").copy(data=middle_of(learnt.values))
    out = np.empty((len(levels), *found.shape))
    for k in range(lead):
        errors = choice.errors[min((one for one in choice.leads if one > k), default=choice.leads[-1])]
        for j, level in enumerate(levels):
            out[j, k] = errors.quantile(learnt.values[k], level)
    return found, found.expand_dims(quantile=list(levels)).copy(data=out).assign_attrs(found.attrs)
