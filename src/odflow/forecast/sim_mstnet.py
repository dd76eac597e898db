"""Sim-MSTNet: learn from simulated networks, then from the little that was measured (needs torch)."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from odflow.errors import DataError, UsageError
from odflow.forecast.base import check_series
from odflow.forecast.export import export_onnx
from odflow.forecast.inputs import Shape
from odflow.forecast.learned import ForecastTask, NetworkForecaster
from odflow.forecast.mstnet import MSTNet, untied
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.pretrained import pretrained
from odflow.forecast.pretraining import Pool, pretrain
from odflow.forecast.weighing import REWEIGHTING, some_nodes, weigh, with_parameters
from odflow.sim2real import ReweightConfig, Reweighted
from odflow.traffic.series import DIMS
from odflow.training import Progress, Trained

if TYPE_CHECKING:
    import xarray as xr

    from odflow.forecast.windows import Windows

PRETRAINING_STEPS, PRETRAINING_BATCH, PRETRAINING_RATE = 1500, 32, 3e-3
_SIZES = ("past", "start", "width", "heads", "layers", "decoder_layers", "quantiles", "mixture", "spatial_attention")
_HARM = 1.2  # loss on what is held out, relative to that before, from which on learning is undone


class SimMSTNet(NetworkForecaster):
    """Forecasts several services of a network together, from little real data and much simulated one.

    Ma et al. 2026: a network learns from simulated worlds first, then worlds are weighed by how well what is learnt
    from them does on the real data (bilevel optimisation), then it learns from the real data. Here the network comes
    with odflow, trained on randomised worlds of many kinds, for any number of nodes and services and any interval;
    with worlds of one's own it is trained on those.

    Parameters
    ----------
    config : MSTNetConfig, optional
        Of the network, and of the training on real data. `lead` may be less than the network's.
    start : MSTNet, optional
        A network with tied branches to start from instead, see :func:`~odflow.forecast.pretraining.pretrain`.
    fine_tune : bool
        False: real data only scale the forecasts of what was learnt from simulation.
    blend : float
        How far to go from the parameters that were learnt from simulation to the fine-tuned ones (WiSE-FT: Wortsman et
        al., CVPR 2022). Half way does better than either on all validation parts that were looked at.
    reweighting : ReweightConfig, optional
        Of the search for weights of one's own worlds; None = they count alike.
    uniform : bool
        True: the control, trained on one's own worlds as long as the other but with equal weights.
    pretraining_steps : int, optional
        To train a new network on one's own worlds; 0 = go on with the one that comes with odflow, or `start`. By
        default 0 if that one is what `config` asks for, otherwise 1,500.

    Attributes
    ----------
    network_ : MSTNet
    start_ : MSTNet or None
        What it was before it learnt from the history.
    names_ : dict of str to list of str
        Names of ``node`` and ``service`` in the history.
    start_loss_, loss_ : float or None
        Losses on what is held out of the history, before it was learnt from and after. If learning made it a fifth
        worse, the network stays as it was.
    reweighted_ : Reweighted or None
        Weights of the worlds.
    """

    network_: MSTNet
    start_: MSTNet | None
    names_: dict[str, list[str]]
    start_loss_: float | None = None
    loss_: float | None = None
    reweighted_: Reweighted | None = None

    def __init__(
        self,
        config: MSTNetConfig | None = None,
        *,
        start: MSTNet | None = None,
        fine_tune: bool = True,
        blend: float = 0.5,
        reweighting: ReweightConfig | None = REWEIGHTING,
        uniform: bool = False,
        pretraining_steps: int | None = None,
    ) -> None:
        super().__init__(self._begin, config or MSTNetConfig())
        if not 0 < blend <= 1:
            raise UsageError(f"blend is {blend}, expected a share above 0, 1 at most")
        self.start, self.fine_tune, self.blend = start, fine_tune, blend
        self.reweighting, self.uniform, self.pretraining_steps = reweighting, uniform, pretraining_steps

    def fit(
        self,
        history: xr.DataArray,
        simulated: Iterable[xr.DataArray] | None = None,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        log: Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Learn.

        Parameters
        ----------
        history : DataArray (time, node, service)
            What was measured; NaN = missing.
        simulated : iterable of DataArray (time, node, service), optional
            Worlds to learn from first, such as :func:`~odflow.forecast.worlds.varied_worlds` makes; none (``[]``) =
            learn from the history only.
        checkpoint, resume, log, progress
            As :func:`odflow.training.train`. What is done with simulated worlds has files of its own, the name with
            ``-simulated`` and ``-weights`` before the suffix.

        Raises
        ------
        UsageError, DataError
            As :class:`~odflow.forecast.base.Forecaster`; and if the network that comes with odflow cannot do what
            `config` asks for.
        """
        self.names_ = _names(history)
        self.start_ = self.start
        worlds = None if simulated is None else list(simulated)
        if worlds:
            files = {"resume": resume, "progress": progress}
            self._simulate(worlds, history, checkpoint, log, files)
        elif worlds is None and self.start is None:
            self.start_ = pretrained()
            self._check_start(self.start_.config)
        if self.start_ is not None:
            self.config = replace(self.config, lead=self.start_.config.lead)
        return super().fit(history, checkpoint=checkpoint, resume=resume, log=log, progress=progress)

    def _simulate(
        self,
        worlds: list[xr.DataArray],
        history: xr.DataArray,
        checkpoint: Path | None,
        log: Path | None,
        options: dict[str, Any],
    ) -> None:
        """Learn from one's own worlds: a network that fits, then weights."""
        config, steps = self.config, self.pretraining_steps
        start = self.start or pretrained()
        if steps is None:
            steps = 0 if not _differs(config, start.config) else PRETRAINING_STEPS
        if not steps:
            config = replace(config, lead=start.config.lead)
        pool = Pool(worlds, config, seed=config.seed, real=some_nodes(history, config.seed))
        if steps:
            many = replace(
                config,
                steps=steps,
                batch=PRETRAINING_BATCH,
                learning_rate=PRETRAINING_RATE,
                final_learning_rate=PRETRAINING_RATE / 30,
                patience=0,
                ema=0.998,
            )
            kept = _beside(checkpoint, "simulated")
            start = pretrain(pool, many, checkpoint=kept, log=_beside(log, "simulated"), **options)
        if self.reweighting is not None:
            found = weigh(start, pool, self.reweighting, checkpoint=_beside(checkpoint, "weights"), **options)
            start = with_parameters(start, found.equal_params if self.uniform else found.params)
            self.reweighted_ = found
        self.start_ = start

    def predict_quantiles(self, recent: xr.DataArray, lead: int) -> xr.DataArray:
        """See :meth:`Forecaster.predict_quantiles`. Nodes and services have to be those of the history."""
        self._check_names(recent)
        return super().predict_quantiles(recent, lead)

    def save(self, path: str | Path) -> None:
        """Write it, see :func:`~odflow.forecast.saved.save_forecaster`."""
        from odflow.forecast.saved import save_forecaster

        save_forecaster(self, path)

    def export_onnx(self, path: str | Path) -> None:
        """Write the network as ONNX, a function of plain tensors: see :class:`~odflow.forecast.export.Plain`.

        Windows of one origin and of the nodes and services of the history, on the scale of :attr:`scale_`.

        Raises
        ------
        MissingDependencyError
            Without the packages onnx and onnxscript.
        """
        export_onnx(self, path)

    def _check_names(self, recent: xr.DataArray) -> None:
        self._check_fitted(check_series(recent), 1)
        for name, known in self.names_.items():
            given = _names(recent)[name]
            if given != known:
                first = next((one for one in given if one not in known), None)
                what = "in another order" if first is None else f"such as '{first}'"
                raise DataError(f"{name}s differ from those learnt from, {what}")

    def _begin(self, shape: Shape) -> torch.nn.Module:
        if self.start_ is None:
            return MSTNet(shape, self.config)
        self._check_start(self.start_.config)
        if self.config.sharing == "soft" and self.fine_tune:
            return untied(self.start_, shape.services, self.config)
        return copy.deepcopy(self.start_)

    def _train(self, windows: Windows) -> None:
        if self.fine_tune:
            super()._train(windows)
        else:
            self.network_.eval()

    def _fitted(self, task: ForecastTask, kept: Tensor, later: Tensor | None) -> Trained:
        """Train, and stop half way: parameters between those that were learnt from simulation and those found."""
        if self.start_ is None or later is None:
            return super()._fitted(task, kept, later)
        before = copy.deepcopy(self.network_.state_dict())
        with torch.no_grad():
            self.start_loss_ = task.validate(later, torch.Generator())
        trained = super()._fitted(task, kept, later)
        after = self.network_.state_dict()
        real = [name for name, value in before.items() if value.is_floating_point()]
        middle = {name: before[name] + self.blend * (after[name] - before[name]) for name in real}
        self.network_.load_state_dict(after | middle)
        with torch.no_grad():
            self.loss_ = task.validate(later, torch.Generator())
        if self.loss_ > _HARM * self.start_loss_:
            self.network_.load_state_dict(before)
        return trained

    def _check_start(self, other: MSTNetConfig) -> None:
        name = _differs(self.config, other)
        if name:
            own, given = getattr(self.config, name), getattr(other, name)
            raise UsageError(f"{name} is {own}, the network to start from has {given}")


def _differs(config: MSTNetConfig, other: MSTNetConfig) -> str:
    """What makes networks different, if anything; a longer lead than asked for does not."""
    names = [name for name in _SIZES if getattr(config, name) != getattr(other, name)]
    return names[0] if names else "lead" if config.lead > other.lead else ""


def _names(series: xr.DataArray) -> dict[str, list[str]]:
    return {name: [str(one) for one in series[name].values] for name in DIMS[1:]}


def _beside(path: Path | None, what: str) -> Path | None:
    return None if path is None else path.with_stem(f"{path.stem}-{what}")
