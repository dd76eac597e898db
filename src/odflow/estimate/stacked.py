"""One estimate of many, by a small network that is shared by all flows (needs torch)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
import xarray as xr

import odflow
from odflow import labels
from odflow.errors import NotFittedError, OdflowError, UsageError
from odflow.estimate.base import HistoryEstimator, Posterior
from odflow.estimate.calibration import Calibration, Tried, calibrated
from odflow.estimate.candidates import Candidates, Seen
from odflow.estimate.checks import check_counts, check_noise
from odflow.estimate.meet import meet_loads
from odflow.estimate.priors import History
from odflow.estimate.stack_network import Paths, Snapshots, StackConfig, StackNetwork, paths_of, snapshots_of
from odflow.estimate.stack_training import Lesson, StackTask, fresh_network, lessons_of, without_block
from odflow.estimate.store import calibration_in, calibration_numbers
from odflow.modelfile import ModelFile, write_model
from odflow.training import data_hash, train

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.observe import Observed
    from odflow.estimate.stack_training import Lessons
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing
    from odflow.training import Progress

    Floats = NDArray[np.float64]

_AT_ONCE = 64


@dataclass(kw_only=True, eq=False)
class StackedEstimator(HistoryEstimator, Posterior):
    """What a small network, shared by all flows, makes of the estimates of several methods.

    It sees of each flow how the candidates differ, how sure the Student-t posterior is, how the flow has varied, and
    how far the loads of its path are from what was expected, all as logarithms of ratios: nothing that tells which flow
    or network it is. Two stages change the Student-t estimate, a step towards the loads follows each, and the result is
    projected onto the loads. It learns from back-tests inside the history: weeks, one from each day on, estimated from
    what was known before, by the least absolute error. The estimate is the mean over `members`, each of which has left
    out some of the time; how far off they were there makes the quantiles, as in :meth:`GaussianPosterior.calibrate`.
    Joint draws are those of the Student-t posterior, moved as its estimate is, and projected onto the loads.

    Parameters
    ----------
    members : int
        Networks.
    config : StackConfig
    sweeps : int
        Passes of the final projection.

    Notes
    -----
    Wolpert, "Stacked generalization", Neural Networks 5, 1992. Sizes and training were chosen on the last three
    training weeks of Abilene and GEANT, learnt from the weeks before.
    """

    members: int = 3
    config: StackConfig = field(default_factory=StackConfig)
    sweeps: int = 50
    candidates_: Candidates | None = field(default=None, init=False, repr=False)
    networks_: list[StackNetwork] = field(default_factory=list, init=False, repr=False)
    calibration_: Calibration | None = field(default=None, init=False, repr=False)
    provenance_: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_counts(members=self.members, sweeps=self.sweeps)

    def fit(
        self,
        history: xr.DataArray | None = None,
        routing: Routing | RoutingEpochs | None = None,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
        command: str = "",
    ) -> Self:
        """Learn from past TMs, dims (time, origin, destination), bit/s, and their routing.

        Parameters
        ----------
        history : DataArray (time, origin, destination)
        routing : Routing or RoutingEpochs
        checkpoint : Path, optional
            Of the training; each member has a file beside it, numbered.
        resume : bool
            Go on from these.
        progress : callable, optional
            Is told how far the training is.
        command : str
            The command line that asked for it, for the provenance.

        Raises
        ------
        UsageError
            Without a history or a routing.
        DataError, LabelError, UnitError
            If the history does not fit, is too short, or never measures a flow.
        """
        if history is None or routing is None:
            raise UsageError("StackedEstimator learns from a history and its routing: fit(history, routing)")
        past, started, digest = History.of(history), time.perf_counter(), data_hash(history)
        lessons = lessons_of(history, routing, self.config, self.noise)
        count = min(self.members, len(lessons))
        last = data_hash(routing.loads(history[-1:]))
        identity = {"history": digest, "last loads": last, "noise": str(self.noise)}
        self.networks_ = [
            self._member(
                without_block(lessons, k, count)[1],
                k,
                _told(progress, k, count),
                checkpoint=None if checkpoint is None else member_file(checkpoint, k),
                resume=resume,
                identity=identity,
            )
            for k in range(count)
        ]
        self.candidates_ = Candidates().fit(history)
        assert self.candidates_.base.mean_ is not None
        self._remember(past, self.candidates_.base.mean_)
        tried = [
            _tried(one, network, self.sweeps)
            for k, network in enumerate(self.networks_)
            for one in without_block(lessons, k, count)[0]
        ]
        columns = self._columns(routing)
        self.calibration_ = calibrated(tried, self._fitted_mean()[columns]).select(np.argsort(columns))
        self.provenance_ = {
            "data": digest,
            "first": str(past.time[0]),
            "end": str(past.end),
            "tms": len(past.time),
            "learnt_from": sum(len(one.truth) for one in lessons),
            "seed": self.config.seed,
            "odflow": odflow.__version__,
            "command": command,
            "seconds": round(time.perf_counter() - started, 3),
        }
        return self

    def _member(
        self, lessons: list[Lessons], number: int, progress: Progress | None = None, **options: Any
    ) -> StackNetwork:
        network, config = fresh_network(self.config, number), replace(self.config, seed=self.config.seed + number)
        task = StackTask(network, [part for one in lessons for part in one.parts], config)
        train(task, task.data, config, progress=progress, **options)
        return network.cpu().double().eval()

    def save(self, path: str | Path) -> None:
        """Write parameters and all that was learnt to one ``.safetensors`` file; :func:`odflow.load` reads it.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        OdflowError
            If the file cannot be written.
        """
        if self.candidates_ is None or self.calibration_ is None:
            raise NotFittedError("there is nothing to save yet: call fit(history, routing) first")
        parameters = {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name != "config"}
        header: dict[str, Any] = {"parameters": parameters, "config": asdict(self.config), "nodes": self.nodes_}
        tensors = self.candidates_.numbers() | calibration_numbers(self.calibration_)
        for k, network in enumerate(self.networks_):
            tensors |= {f"network {k}.{name}": value.float().numpy() for name, value in network.state_dict().items()}
        header |= {"history_end": str(self.end_), "networks": len(self.networks_), "provenance": self.provenance_}
        write_model(path, ModelFile(type(self).__name__, header, tensors))

    @classmethod
    def restore(cls, model: ModelFile) -> Self:
        """Rebuild from what :meth:`save` wrote.

        Raises
        ------
        KeyError, TypeError, OdflowError
            If its parts do not fit each other.
        """
        header, tensors = model.header, model.tensors
        estimator = cls(config=StackConfig(**header["config"]), **header["parameters"])
        check_noise(estimator.noise)
        estimator.nodes_, estimator.end_ = tuple(header["nodes"]), labels.as_times([header["history_end"]])[0]
        estimator.candidates_ = Candidates().restore(tensors, estimator.nodes_, header["history_end"])
        estimator.mean_, estimator.provenance_ = estimator.candidates_.base.mean_, dict(header["provenance"])
        estimator.calibration_ = calibration_in(tensors, len(estimator.nodes_) ** 2)
        if estimator.calibration_ is None:
            raise OdflowError("its calibration is missing")
        for k in range(header["networks"]):
            start, network = f"network {k}.", StackNetwork(estimator.config)
            own = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
            try:
                network.load_state_dict({name: torch.from_numpy(value) for name, value in own.items()})
            except RuntimeError as error:
                raise OdflowError(f"its network {k} is incomplete or of another size") from error
            estimator.networks_.append(network.double().eval())
        return estimator

    def _solve(self, observed: Observed) -> Floats:
        return _estimated(self._seen(observed), observed, self.networks_, self.sweeps)

    def _quantiles(self, observed: Observed, p: Floats) -> Floats:
        seen = self._seen(observed)
        x = _estimated(seen, observed, self.networks_, self.sweeps)
        assert self.calibration_ is not None
        calibration = self.calibration_.select(self._columns(observed.system.routing))
        return calibration.quantiles(x, seen.spread, self._fitted().base._surprise(observed), p)

    def _unfinished_draws(self, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        seen = self._seen(observed)
        x = _estimated(seen, observed, self.networks_, self.sweeps)
        factor = x / np.maximum(seen.base, np.finfo(float).tiny)
        for draw in self._fitted().base._draws(observed, n, rng):
            yield draw * factor

    def _finish_draws(self, draws: Floats, observed: Observed) -> Floats:
        return meet_loads(observed, draws, self.sweeps)

    def _seen(self, observed: Observed) -> Seen:
        return self._fitted().see(observed)

    def _fitted(self) -> Candidates:
        if self.candidates_ is None:
            raise NotFittedError("StackedEstimator needs past TMs; call fit(history, routing) first")
        return self.candidates_


def member_file(checkpoint: Path, number: int) -> Path:
    """Where the checkpoint of a member is."""
    return checkpoint.with_suffix(f".{number}{checkpoint.suffix}")


def _told(progress: Progress | None, number: int, count: int) -> Progress | None:
    """Progress of a member as a part of that of all."""
    if progress is None:
        return None

    def told(done: int, total: int, losses: Mapping[str, float]) -> None:
        progress(number * total + done, count * total, losses)

    return told


def _estimated(seen: Seen, observed: Observed, networks: list[StackNetwork], sweeps: int) -> Floats:
    """The mean of what the networks say, projected onto the loads, bit/s."""
    snapshots, unit = snapshots_of(seen, observed, torch.float64)
    paths = paths_of(observed, torch.float64)
    x = np.mean([_said(network, snapshots, paths) for network in networks], axis=0) * unit
    return meet_loads(observed, np.maximum(x, 0.0) * observed.system.carried, sweeps)


def _said(network: StackNetwork, snapshots: Snapshots, paths: Paths) -> Floats:
    with torch.no_grad():
        parts = [network(snapshots.take(rows), paths) for rows in torch.arange(len(snapshots.base)).split(_AT_ONCE)]
    return np.asarray(torch.cat(parts).numpy())


def _tried(lessons: Lessons, network: StackNetwork, sweeps: int) -> Tried:
    """How a network did on a back-test that it has not learnt from."""
    base = lessons.candidates.base

    def said(part: Lesson) -> Floats:
        return _estimated(part.seen, part.observed, [network], sweeps)

    first = lessons.parts[0].observed
    return Tried(
        lessons.truth,
        np.concatenate([said(part) for part in lessons.parts]),
        np.concatenate([part.seen.spread for part in lessons.parts]),
        np.concatenate([base._surprise(part.observed) for part in lessons.parts]),
        base._mean(first),
    )
