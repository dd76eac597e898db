"""Learning to forecast from many small networks at once, simulated ones as a rule (needs torch)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from odflow.errors import DataError
from odflow.forecast.base import check_series
from odflow.forecast.difficulty import loss_weights
from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.losses import pinball
from odflow.forecast.mstnet import MSTNet
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.naive import last_known
from odflow.forecast.surroundings import CALENDAR, geometry_of
from odflow.forecast.windows import Scale, Windows
from odflow.simulate.span import DAY_S
from odflow.training import Progress, Update, train
from odflow.training.task import adam

if TYPE_CHECKING:
    import xarray as xr

    from odflow.forecast.base import Ints

    Network = Callable[[Inputs, Geometry], Tensor]

_SCALED_ON = 0.5  # part of a world, its beginning, that is the history its scales are fitted on
_DRAWN = 1009  # stream of random numbers
_LEVELS = 0.1, 10.0  # traffic relative to the usual one, by which windows count


class Pool:
    """Windows of many small networks ("worlds"), of which batches are drawn.

    Parameters
    ----------
    worlds : iterable of DataArray (time, node, service)
        Of any interval, length, nodes and services; those of alike numbers of nodes and services are quicker together.
    config : MSTNetConfig
    origins : int
        Origins of each world at most, drawn at random.
    seed : int
    real : DataArray (time, node, service), optional
        A history, whose windows are kept apart.

    Attributes
    ----------
    rows : int Tensor, shape (R, 3)
        A sample each: kind (number of nodes and services), world among those of its kind, index.
    worlds : int array, shape (R,)
        Number of the world that each is of.
    real_rows : int Tensor, shape (R', 3)
        All windows of the history.

    Raises
    ------
    DataError
        If there are no worlds, or one is too short.
    """

    def __init__(
        self,
        worlds: Iterable[xr.DataArray],
        config: MSTNetConfig,
        *,
        origins: int = 48,
        seed: int = 0,
        real: xr.DataArray | None = None,
    ) -> None:
        self.config = config
        self._parts: dict[tuple[int, int], list[_World]] = {}
        rng = np.random.default_rng((seed, _DRAWN))
        rows, numbers = [], []
        for number, world in enumerate(worlds):
            series = check_series(world)
            steps = series.sizes["time"]
            if steps < config.past + config.lead:
                raise DataError(f"a world of {steps} intervals is too short for {config.past} and {config.lead}")
            possible = np.arange(config.past, steps - config.lead + 1)
            chosen = np.sort(rng.choice(possible, min(origins, len(possible)), replace=False))
            rows.append(self._add(series, chosen, max(2, round(_SCALED_ON * steps))))
            numbers.append(np.full(len(chosen), number))
        if not rows:
            raise DataError("there are no worlds to learn from")
        self.rows, self.worlds = torch.cat(rows), np.concatenate(numbers)
        self.real_rows = self.rows[:0]
        if real is not None:
            series = check_series(real)
            steps = series.sizes["time"]
            self.real_rows = self._add(series, np.arange(min(config.past, steps // 4), steps), steps)
        self._kinds = [_joined(kind) for kind in self._parts.values()]

    def _add(self, series: xr.DataArray, origins: Ints, scaled_on: int) -> Tensor:
        """Take note of a world, its scales fitted on its beginning; rows of these origins."""
        x, config = series.values.astype(float), self.config
        scale = Scale.of(x[:scaled_on])
        day = max(1, round(DAY_S / float(series.attrs["interval_s"])))
        time = series["time"].values
        later = time[-1] + (time[1] - time[0]) * np.arange(1, config.lead + 1)
        windows = Windows(scale.scaled(x), np.concatenate([time, later]), config.past, config.lead, day)
        importance = loss_weights(windows, torch.from_numpy(origins), scale) * _by_lead(config.lead)
        kind = self._parts.setdefault(x.shape[1:], [])
        number = list(self._parts).index(x.shape[1:])
        begin = sum(one.windows.span for one in kind) + config.past
        rows = np.stack([np.full(len(origins), number), np.full(len(origins), len(kind)), begin + origins], axis=1)
        spread = torch.from_numpy(scale.spread).float()
        kind.append(_World(windows, geometry_of(series, config.neighbours), importance, spread))
        return torch.from_numpy(rows)

    def losses(self, network: Network, rows: Tensor) -> Tensor:
        """Pinball loss of each row (B, 3), relative to the best simple forecast's error in its world; shape (B,).

        Errors count by what they mean in traffic: series by their size, windows by the last value, known beforehand;
        and those of short leads more than those of long ones, by the root of the lead.
        """
        out = torch.zeros(len(rows), device=rows.device)
        for kind in rows[:, 0].unique().tolist():
            place = torch.nonzero(rows[:, 0] == kind)[:, 0]
            _, world, index = rows[place].cpu().unbind(dim=1)
            windows, geometry, importance, spread, ends = self._kinds[kind]
            inputs = Inputs(*(part.to(rows.device) for part in windows.inputs(index)))
            target, known = (part.to(rows.device) for part in windows.targets(index, ends[world]))
            near = Geometry(*(part[world].to(rows.device) for part in geometry))
            errors = pinball(network(inputs, near), target, known, self.config.quantiles)
            last = last_known(inputs.values.movedim(1, -1), inputs.known.movedim(1, -1))[..., 0]
            level = torch.exp(spread[world].to(rows.device) * last).clamp(*_LEVELS)
            weight = importance[world].to(rows.device) * level[:, None] * (known > 0)
            mean = (errors * weight).sum(dim=(1, 2, 3)) / (known > 0).sum(dim=(1, 2, 3)).clamp(min=1)
            out = out.index_put((place,), mean)
        return out


class _World(NamedTuple):
    """One world: its windows, its geometry, weights of its leads and series (H, N, S), spread of its series (N, S)."""

    windows: Windows
    geometry: Geometry
    importance: Tensor
    spread: Tensor


def _by_lead(lead: int) -> Tensor:
    """Weights of leads, (H, 1, 1), mean 1."""
    weight = torch.arange(1, lead + 1)[:, None, None] ** -0.5
    return weight / weight.mean()


def _joined(kind: list[_World]) -> tuple[Windows, Geometry, Tensor, Tensor, Tensor]:
    """Worlds of a kind one after the other; where each ends."""
    near = Geometry(*(_stacked([getattr(world.geometry, part) for world in kind]) for part in Geometry._fields))
    ends = torch.tensor([world.windows.span for world in kind]).cumsum(dim=0) - kind[0].windows.lead
    importance, spread = (torch.stack([getattr(world, part) for world in kind]) for part in ("importance", "spread"))
    return Windows.joined([world.windows for world in kind]), near, importance, spread, ends


def _stacked(parts: list[Tensor]) -> Tensor:
    """Tensors (N, K) of different K one above the other; missing weights are 0, missing neighbours the node itself."""
    most = max(part.shape[1] for part in parts)

    def filled(part: Tensor) -> Tensor:
        rest = part[:, :1].expand(-1, most - part.shape[1])
        return torch.cat([part, torch.zeros_like(rest) if part.is_floating_point() else rest], dim=1)

    return torch.stack([filled(part) for part in parts])


class _Pretraining:
    """Learns a network from rows of a pool."""

    def __init__(self, network: MSTNet, pool: Pool, config: MSTNetConfig) -> None:
        self.network, self.pool = network, pool
        self.modules: dict[str, torch.nn.Module] = {"network": network}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "network": adam(network.parameters(), config.learning_rate)
        }

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """See :class:`odflow.training.task.Task`."""
        loss = self.pool.losses(self.network, batch).mean()
        update("network", loss)
        return {"loss": loss.detach()}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Mean loss."""
        return float(torch.cat([self.pool.losses(self.network, part) for part in data.split(64)]).mean())


def tied_network(config: MSTNetConfig) -> MSTNet:
    """An untrained network that takes any number of services."""
    config = replace(config, sharing="tied")
    shape = Shape(past=config.past, lead=config.lead, services=1, calendar=CALENDAR, outputs=len(config.quantiles))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return MSTNet(shape, config)


def pretrain(
    pool: Pool,
    config: MSTNetConfig,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    log: Path | None = None,
    progress: Progress | None = None,
) -> MSTNet:
    """Train a tied network on all worlds of a pool, uniformly.

    Parameters
    ----------
    pool : Pool
    config : MSTNetConfig
        `batch` counts windows of one world each.
    checkpoint, resume, log, progress
        As :func:`odflow.training.train`.
    """
    network = tied_network(config)
    train(
        _Pretraining(network, pool, config),
        pool.rows,
        config,
        checkpoint=checkpoint,
        resume=resume,
        log=log,
        progress=progress,
    )
    return network
