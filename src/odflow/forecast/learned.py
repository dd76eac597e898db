"""Any network as a forecaster: scaled windows, masked quantile losses, the training loop (needs torch)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor, nn

from odflow.errors import DataError, UsageError
from odflow.forecast.base import Forecaster, check_series, middle_of
from odflow.forecast.difficulty import loss_weights
from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.loss_weights import LossWeights
from odflow.forecast.losses import per_task, pinball, weighted
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.surroundings import CALENDAR, geometry_of
from odflow.forecast.windows import Scale, Windows
from odflow.training import Progress, Trained, Update, train
from odflow.training.task import adam

if TYPE_CHECKING:
    import xarray as xr

    from odflow.forecast.base import Floats, Ints, Times

_AT_ONCE = 64  # windows in a forecast
_SERIES = 20_000  # series in them at most
_TRIED = 500  # origins that simple forecasts are tried on
_HELD_OUT = 6  # one origin of so many, the last ones, to stop early by
_HELD_SERIES = 20_000  # series of the held out origins looked at, about, each time


class ForecastTask:
    """Learns a network from origins, a loss for each service, weighted.

    Parameters
    ----------
    network : Module
    windows : Windows
    importance : Tensor, shape (H, N, S)
        Weights of leads and series.
    geometry : Geometry
    config : MSTNetConfig
    until : int
        Nothing from this index on is a target of training; validation has what is after it.
    """

    def __init__(
        self,
        network: nn.Module,
        windows: Windows,
        importance: Tensor,
        geometry: Geometry,
        config: MSTNetConfig,
        until: int,
    ) -> None:
        self.network, self.windows, self.config, self.until = network, windows, config, until
        self.geometry, self.importance = geometry, importance
        services = windows.values.shape[2]
        self.weights = LossWeights(services, config.smoothing, config.temperature, config.dynamic_weights)
        self.modules: dict[str, nn.Module] = {"network": network, "weights": self.weights}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "network": adam(network.parameters(), config.learning_rate)
        }
        self.start = [parameter.detach().clone() for parameter in network.parameters()] if config.anchor else []

    def losses(self, origins: Tensor, until: int | None = None) -> Tensor:
        """Mean pinball loss by service, (S,)."""
        device = self.weights.first.device
        inputs = Inputs(*(part.to(device) for part in self.windows.inputs(origins.cpu())))
        target, known = (part.to(device) for part in self.windows.targets(origins.cpu(), until))
        geometry = Geometry(*(part.to(device) for part in self.geometry))
        errors = pinball(self.network(inputs, geometry), target, known, self.config.quantiles)
        return per_task(errors * self.importance.to(device), known)

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """See :class:`odflow.training.task.Task`."""
        with torch.random.fork_rng(devices=[]):  # for layers that draw from torch's global generator, as rivals' do
            torch.manual_seed(generator.initial_seed())
            losses = self.losses(batch, self.until)
        weights = self.weights.update(losses)
        update("network", weighted(losses, weights) + self.config.anchor * self._distance())
        named = {f"loss {k}": torch.nan_to_num(loss.detach()) for k, loss in enumerate(losses)}
        return named | {f"weight {k}": weight for k, weight in enumerate(weights)}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Mean loss over services, all alike."""
        parts = [self.losses(part) for part in data.split(_AT_ONCE)]
        return float(torch.stack(parts).nanmean())

    def _distance(self) -> Tensor | float:
        if not self.start:
            return 0.0
        pairs = zip(self.network.parameters(), self.start, strict=True)
        return torch.stack([(now - then.to(now.device)).square().sum() for now, then in pairs]).sum()


class NetworkForecaster(Forecaster):
    """A network of :mod:`odflow.forecast` behind the interface of all forecasters.

    Series are scaled one by one: logarithms, a hundredth of the mean added, to mean 0 and spread 1 in the history. The
    point forecast is the middle quantile. A training that is interrupted goes on from its checkpoint.

    Parameters
    ----------
    build : callable
        Of a :class:`~odflow.forecast.inputs.Shape` to a network: ``lambda shape: MSTNet(shape, config)``.
    config : MSTNetConfig
        Windows, quantiles, loss weights and training; the rest is the network's own affair. With ``patience`` the last
        sixth of the origins is held out to stop early by; of many, evenly spread ones.

    Attributes
    ----------
    network_ : Module
    parameters_ : int
        Numbers learnt.
    trained_ : Trained
        How the training went.
    """

    trained_ = Trained(0, {}, None, False, 0.0)

    def __init__(self, build: Callable[[Shape], nn.Module], config: MSTNetConfig) -> None:
        self.build, self.config, self.levels = build, config, config.quantiles

    def fit(
        self,
        history: xr.DataArray,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        log: Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn; the options are those of :func:`odflow.training.train`, errors those of :class:`Forecaster`."""
        self._options = {"checkpoint": checkpoint, "resume": resume, "log": log, "progress": progress}
        self.geometry_ = geometry_of(check_series(history), self.config.neighbours)
        return super().fit(history)

    def _learn(self, x: Floats, time: Times) -> None:
        self.scale_ = Scale.of(x)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            self.network_ = self.build(self.shape(x.shape[2]))
        self.parameters_ = sum(p.numel() for p in self.network_.parameters())
        self._train(self._windows(x, time))

    def shape(self, services: int) -> Shape:
        """Sizes of a network for so many services."""
        config = self.config
        return Shape(
            past=config.past, lead=config.lead, services=services, calendar=CALENDAR, outputs=len(config.quantiles)
        )

    def _train(self, windows: Windows) -> None:
        config, steps = self.config, len(windows.values)
        origins = torch.arange(max(1, min(config.past, steps // 4)), steps)
        if len(origins) < _HELD_OUT:
            raise DataError(f"{steps} intervals are too few to learn from")
        held = len(origins) // _HELD_OUT if config.patience else 0
        kept, later = origins[: len(origins) - held], origins[len(origins) - held :]
        later = later[:: max(1, held * windows.values[0].numel() // _HELD_SERIES)]
        importance = loss_weights(windows, origins[:: max(1, len(origins) // _TRIED)], self.scale_)
        task = ForecastTask(self.network_, windows, importance, self.geometry_, config, steps - held)
        self.trained_ = self._fitted(task, kept, later if held else None)

    def _fitted(self, task: ForecastTask, kept: Tensor, later: Tensor | None) -> Trained:
        return train(task, kept, self.config, validation=later, **self._options)  # type: ignore[arg-type]

    def _windows(self, x: Floats, time: Times) -> Windows:
        return Windows(self.scale_.scaled(x), time, self.config.past, self.config.lead, self.day)

    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """See :class:`Forecaster`."""
        return middle_of(self.quantiles_ahead(x, time, origins, lead))

    def _quantiles(self, x: Floats, time: Times, origins: Ints, lead: int, only: tuple[int, ...]) -> Floats:
        return self.quantiles_ahead(x, time, origins, lead)[:, np.array(only) - 1]

    def quantiles_ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """All quantiles, (n, lead, N, S, Q), with the arguments of :meth:`ahead`.

        Raises
        ------
        UsageError
            If `lead` is beyond what was learnt.
        DataError
            For other nodes or services than in the history.
        """
        if lead > self.config.lead:
            raise UsageError(f"lead is {lead}, this network was made for at most {self.config.lead}")
        if x.shape[1:] != self.scale_.floor.shape:
            raise DataError(f"{x.shape[1:]} nodes and services, learnt from {self.scale_.floor.shape}")
        windows = self._windows(x, time)
        device = next(self.network_.parameters()).device
        geometry = Geometry(*(part.to(device) for part in self.geometry_))
        out = np.empty((len(origins), lead, *x.shape[1:], len(self.config.quantiles)))
        size = max(1, min(_AT_ONCE, _SERIES // (x.shape[1] * x.shape[2])))
        with torch.no_grad():
            for begin in range(0, len(origins), size):
                part = torch.from_numpy(origins[begin : begin + size])
                inputs = Inputs(*(one.to(device) for one in windows.inputs(part)))
                found = self.network_(inputs, geometry)[:, :lead].double().cpu().numpy()
                out[begin : begin + size] = self.scale_.back(found)
        return out
