"""All methods of the comparison, with one training budget for all networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from odflow.forecast import rivals
from odflow.forecast.base import Forecaster
from odflow.forecast.learned import NetworkForecaster
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.per_series import SeriesRidge
from odflow.forecast.pooled import PooledRidge, PooledTrees
from odflow.forecast.rivals import RivalSize, SingleTask
from odflow.forecast.rivals.head import Rival
from odflow.forecast.simple import EWMA, HistoricalAverage, LastValue, SeasonalEWMA, SeasonalNaive

RULES: dict[str, Callable[[int, int], Forecaster]] = {
    "last": lambda lead, seed: LastValue(),
    "day-before": lambda lead, seed: SeasonalNaive(1),
    "week-before": lambda lead, seed: SeasonalNaive(7),
    "average": lambda lead, seed: HistoricalAverage(),
    "ewma": lambda lead, seed: EWMA(),
    "sae, untuned": lambda lead, seed: SeasonalEWMA(tune=False),
    "sae": lambda lead, seed: SeasonalEWMA(),
    "ridge": lambda lead, seed: PooledRidge(lead=lead, only=(1,), seed=seed),
    "ridge per series": lambda lead, seed: SeriesRidge(lead=lead, only=(1,), seed=seed),
    "trees": lambda lead, seed: PooledTrees(lead=lead, only=(1,), trees=150, seed=seed),
}
SINGLE_TASK = {
    "lstm": rivals.LSTM,
    "transformer": rivals.Transformer,
    "informer": rivals.Informer,
    "itransformer": rivals.ITransformer,
    "convlstm": rivals.ConvLSTM,
    "stgcn": rivals.STGCN,
    "dcrnn": rivals.DCRNN,
    "staeformer": rivals.STAEformer,
}
MULTI_TASK = {"mttc": rivals.MTTC, "ast-mtl": rivals.ASTMTL, "cslsl": rivals.CSLSL}
RIVALS: dict[str, type[Rival]] = {**SINGLE_TASK, **MULTI_TASK}

SERIES = 256  # in a batch, about
LEAST, MOST = 4, 64  # windows in a batch


@dataclass(frozen=True)
class Tuned:
    """What is chosen for each network, on the validation parts.

    Parameters
    ----------
    adjusted : bool
        Rivals: seasonally adjusted values instead of the values themselves.
    learning_rate : float
    anchor : float
        Sim-MSTNet: penalty on the way from the pre-trained weights.
    """

    adjusted: bool = False
    learning_rate: float = 4e-3
    anchor: float = 0.0


CHOICES = (Tuned(adjusted=False), Tuned(adjusted=True))


def budget(series: int, lead: int, seed: int, tuned: Tuned) -> MSTNetConfig:
    """How any network is trained on real data: at most 300 batches of about 256 series, stopped early."""
    return MSTNetConfig(
        steps=300,
        batch=min(MOST, max(LEAST, round(SERIES / series))),
        learning_rate=tuned.learning_rate,
        final_learning_rate=tuned.learning_rate / 10,
        validate_every=20,
        patience=4,
        ema=0.0,
        past=24,
        lead=lead,
        neighbours=4,
        seed=seed,
    )


def rival(name: str, series: int, services: int, lead: int, seed: int, tuned: Tuned) -> NetworkForecaster:
    """A rival; those of single tasks have a network for each service."""
    size, kind = RivalSize(adjusted=tuned.adjusted), RIVALS[name]
    config = budget(series, lead, seed, tuned)
    if name in SINGLE_TASK and services > 1:
        return NetworkForecaster(lambda shape: SingleTask(lambda one: kind(one, size), shape), config)
    return NetworkForecaster(lambda shape: kind(shape, size), config)


def shortened(config: MSTNetConfig, steps: int) -> MSTNetConfig:
    """The same with fewer steps, for tests."""
    return replace(config, steps=steps)
