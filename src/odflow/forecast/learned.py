"""Any network as a forecaster: scaled windows, masked quantile losses, the training loop (needs torch)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor, nn

from odflow.errors import DataError, UsageError
from odflow.forecast.base import Forecaster, check_series
from odflow.forecast.features import floors, logs
from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.loss_weights import LossWeights
from odflow.forecast.losses import per_task, pinball, weighted
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.surroundings import CALENDAR, calendar, geometry_of
from odflow.training import Progress, Update, train
from odflow.training.task import adam

if TYPE_CHECKING:
    import xarray as xr

    from odflow.forecast.base import Floats, Ints, Times

_AT_ONCE = 64  # windows in a forecast
_HELD_OUT = 6  # one origin of so many, the last ones, to stop early by
_SMALL = 1e-6


class Windows:
    """Scaled series on the CPU, cut into windows.

    Parameters
    ----------
    scaled : array, shape (T, N, S)
        NaN = missing.
    time : datetime64, shape (at least T,)
    past, lead : int
    """

    def __init__(self, scaled: Floats, time: Times, past: int, lead: int) -> None:
        self.known = torch.from_numpy(np.isfinite(scaled)).float()
        self.values = torch.from_numpy(np.nan_to_num(scaled)).float()
        self.calendar = torch.from_numpy(calendar(time)).float()
        self.past, self.lead = past, lead

    def inputs(self, origins: Tensor) -> Inputs:
        """What networks see at origins (B,); what is before the beginning counts as missing."""
        index = origins[:, None] - self.past + torch.arange(self.past)
        there = (index >= 0).float()[:, :, None, None]
        place = index.clamp(min=0)
        ahead = (origins[:, None] + torch.arange(self.lead)).clamp(max=len(self.calendar) - 1)
        return Inputs(self.values[place] * there, self.known[place] * there, self.calendar[place], self.calendar[ahead])

    def targets(self, origins: Tensor) -> tuple[Tensor, Tensor]:
        """What came (B, H, N, S), and where it is known."""
        index = origins[:, None] + torch.arange(self.lead)
        inside = (index < len(self.values)).float()[:, :, None, None]
        place = index.clamp(max=len(self.values) - 1)
        return self.values[place], self.known[place] * inside


class _Task:
    """Learns a network from origins, a loss for each service, weighted."""

    def __init__(self, network: nn.Module, windows: Windows, geometry: Geometry, config: MSTNetConfig) -> None:
        self.network, self.windows, self.geometry, self.config = network, windows, geometry, config
        services = windows.values.shape[2]
        self.weights = LossWeights(services, config.smoothing, config.temperature, config.dynamic_weights)
        self.modules: dict[str, nn.Module] = {"network": network, "weights": self.weights}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "network": adam(network.parameters(), config.learning_rate)
        }

    def losses(self, origins: Tensor) -> Tensor:
        """Mean pinball loss by service, (S,)."""
        device = self.weights.first.device
        inputs = Inputs(*(part.to(device) for part in self.windows.inputs(origins.cpu())))
        target, known = (part.to(device) for part in self.windows.targets(origins.cpu()))
        geometry = Geometry(*(part.to(device) for part in self.geometry))
        return per_task(pinball(self.network(inputs, geometry), target, known, self.config.quantiles), known)

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """See :class:`odflow.training.task.Task`."""
        losses = self.losses(batch)
        weights = self.weights.update(losses)
        update("network", weighted(losses, weights))
        named = {f"loss {k}": torch.nan_to_num(loss.detach()) for k, loss in enumerate(losses)}
        return named | {f"weight {k}": weight for k, weight in enumerate(weights)}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Mean loss over services, all alike."""
        parts = [self.losses(part) for part in data.split(_AT_ONCE)]
        return float(torch.stack(parts).nanmean())


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
        sixth of the origins is held out to stop early by.

    Attributes
    ----------
    network_ : Module
    parameters_ : int
        Numbers learnt.
    """

    def __init__(self, build: Callable[[Shape], nn.Module], config: MSTNetConfig) -> None:
        self.build, self.config = build, config

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
        config = self.config
        self._fit_scale(x)
        windows = Windows(self._scaled(x), time, config.past, config.lead)
        first, last = min(config.past, max(1, len(x) // 2)), len(x) - config.lead
        if last <= first:
            raise DataError(f"{len(x)} intervals are too few for windows of {config.past} and {config.lead} of them")
        origins = torch.arange(first, last + 1)
        shape = Shape(
            past=config.past,
            lead=config.lead,
            services=x.shape[2],
            calendar=CALENDAR,
            outputs=len(config.quantiles),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network_ = self.build(shape)
        self.parameters_ = sum(p.numel() for p in self.network_.parameters())
        held = max(1, len(origins) // _HELD_OUT) if config.patience else 0
        task = _Task(self.network_, windows, self.geometry_, config)
        kept, later = origins[: len(origins) - held], origins[len(origins) - held :]
        train(task, kept, config, validation=later if held else None, **self._options)  # type: ignore[arg-type]

    def _fit_scale(self, x: Floats) -> None:
        known = np.isfinite(x)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, x, 0.0).sum(axis=0) / count
        self.floor_ = floors(mean)
        log = np.where(known, logs(np.nan_to_num(x), self.floor_), 0.0)
        self.middle_ = log.sum(axis=0) / count
        off = np.where(known, log - self.middle_, 0.0)
        self.spread_ = np.maximum(np.sqrt((off**2).sum(axis=0) / count), _SMALL)

    def _scaled(self, x: Floats) -> Floats:
        return np.asarray((logs(x, self.floor_) - self.middle_) / self.spread_)

    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """See :class:`Forecaster`."""
        levels = np.abs(np.array(self.config.quantiles) - 0.5)
        return self.quantiles_ahead(x, time, origins, lead)[..., int(levels.argmin())]

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
        if x.shape[1:] != self.floor_.shape:
            raise DataError(f"{x.shape[1:]} nodes and services, learnt from {self.floor_.shape}")
        windows = Windows(self._scaled(x), time, self.config.past, self.config.lead)
        device = next(self.network_.parameters()).device
        geometry = Geometry(*(part.to(device) for part in self.geometry_))
        out = np.empty((len(origins), lead, *x.shape[1:], len(self.config.quantiles)))
        with torch.no_grad():
            for begin in range(0, len(origins), _AT_ONCE):
                part = torch.from_numpy(origins[begin : begin + _AT_ONCE])
                inputs = Inputs(*(one.to(device) for one in windows.inputs(part)))
                found = self.network_(inputs, geometry)[:, :lead].double().cpu().numpy()
                log = found * self.spread_[..., None] + self.middle_[..., None]
                out[begin : begin + _AT_ONCE] = np.maximum(np.exp(log) - self.floor_[..., None], 0.0)
        return out
