"""Forecasting: several services of the nodes of a network at once, from little data.

``SimMSTNet`` and what makes it need torch; the rest does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odflow.forecast.base import Forecaster
from odflow.forecast.blend import Blend
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.per_series import SeriesRidge
from odflow.forecast.pooled import PooledRidge, PooledTrees
from odflow.forecast.simple import EWMA, HistoricalAverage, LastValue, SeasonalEWMA, SeasonalNaive
from odflow.lazy import from_torch

if TYPE_CHECKING:
    from odflow.forecast.learned import NetworkForecaster as NetworkForecaster
    from odflow.forecast.sim_mstnet import SimMSTNet as SimMSTNet

_LEARNED = {"NetworkForecaster": "odflow.forecast.learned", "SimMSTNet": "odflow.forecast.sim_mstnet"}

__all__ = [
    "EWMA",
    "Blend",
    "Forecaster",
    "HistoricalAverage",
    "LastValue",
    "MSTNetConfig",
    "PooledRidge",
    "PooledTrees",
    "SeasonalEWMA",
    "SeasonalNaive",
    "SeriesRidge",
    *_LEARNED,
]


def __getattr__(name: str) -> Any:
    if name not in _LEARNED:
        raise AttributeError(f"module 'odflow.forecast' has no attribute '{name}'")
    return from_torch(_LEARNED[name], name)
