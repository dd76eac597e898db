"""All methods of the comparison, with one training budget for all networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from odflow.evaluate.forecasting import BLEND, METHODS, SIM_MSTNET
from odflow.forecast import rivals
from odflow.forecast.base import Forecaster
from odflow.forecast.learned import NetworkForecaster
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.rivals import RivalSize, SingleTask
from odflow.forecast.rivals.head import Rival

_SHORT = {"seasonal-ewma, untuned": "sae, untuned", "seasonal-ewma": "sae"}
RULES: dict[str, Callable[[int, int], Forecaster]] = {
    _SHORT.get(name, name): make for name, make in METHODS.items() if name not in (SIM_MSTNET, BLEND)
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

_SERIES = 256  # in a batch, about
_LEAST, _MOST = 4, 64  # windows in a batch


@dataclass(frozen=True)
class Tuned:
    """What is chosen for each network, on the validation parts.

    Parameters
    ----------
    adjusted : bool
        Rivals: seasonally adjusted values instead of the values themselves.
    learning_rate : float
    """

    adjusted: bool = False
    learning_rate: float = 4e-3


CHOICES = (Tuned(adjusted=False), Tuned(adjusted=True))


def budget(series: int, lead: int, seed: int, tuned: Tuned) -> MSTNetConfig:
    """How any network is trained on real data: at most 300 batches of about 256 series, stopped early."""
    return MSTNetConfig(
        steps=300,
        batch=min(_MOST, max(_LEAST, round(_SERIES / series))),
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
