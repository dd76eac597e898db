"""Forecasting: several services of the nodes of a network at once, from little data."""

from odflow.forecast.base import Forecaster as Forecaster
from odflow.forecast.pooled import PooledRidge as PooledRidge
from odflow.forecast.pooled import PooledTrees as PooledTrees
from odflow.forecast.simple import EWMA as EWMA
from odflow.forecast.simple import HistoricalAverage as HistoricalAverage
from odflow.forecast.simple import LastValue as LastValue
from odflow.forecast.simple import SeasonalEWMA as SeasonalEWMA
from odflow.forecast.simple import SeasonalNaive as SeasonalNaive
