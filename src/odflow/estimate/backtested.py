"""Estimators of which networks, shared by all flows, learn from back-tests inside the history (needs torch)."""

from __future__ import annotations

import copy
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias, get_args

import numpy as np
import torch
import xarray as xr
from torch import nn

import odflow
from odflow import labels
from odflow.errors import NotFittedError, OdflowError, UsageError
from odflow.estimate.base import HistoryEstimator, Posterior
from odflow.estimate.calibration import Calibration, Tried, calibrated, calibrated_draws
from odflow.estimate.candidates import Candidates, Seen
from odflow.estimate.checks import check_counts, check_noise
from odflow.estimate.lessons import LessonConfig, check_enough, fresh_network, grouped, lessons_of, without_block
from odflow.estimate.meet import meet_exactly, meet_loads
from odflow.estimate.networks import network_numbers, networks_in
from odflow.estimate.pretrained import pretrained
from odflow.estimate.priors import History
from odflow.estimate.snapshots import Paths, Snapshots, paths_of, snapshots_of
from odflow.estimate.store import calibration_in, calibration_numbers
from odflow.modelfile import ModelFile, write_model
from odflow.training import data_hash, train

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from odflow.estimate.lessons import Lessons, LessonTask
    from odflow.estimate.observe import Observed
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing
    from odflow.training import Progress

    Floats = NDArray[np.float64]

Weights: TypeAlias = Literal["pretrained", "fine-tuned", "own"]
_AT_ONCE = 64
_FEW = {"most": 8, "overlapping": 2}  # back-tests, where they are for calibration only


@dataclass(kw_only=True, eq=False)
class BacktestedEstimator(HistoryEstimator, Posterior):
    """Starts from the Student-t estimate and lets networks, shared by all flows, change it.

    They see features of the flows that do not depend on the network (:class:`odflow.estimate.candidates.Candidates`).
    Those that come with odflow have learnt from simulated networks, and learn on from back-tests inside the history.
    Each member has left out some of the time; how far off it was there makes the quantiles, as in
    :meth:`GaussianPosterior.calibrate`. Joint draws take their marginals from these, and how
    flows go together from the draws of a model (:func:`odflow.estimate.calibration.calibrated_draws`); they are then
    projected onto the loads.

    Parameters
    ----------
    weights : {"pretrained", "fine-tuned", "own"}
        What to begin from: the networks that come with odflow, trained on simulated networks alone, as they are; the
        same trained further on the back-tests; or networks that learn from these alone (`config` may then ask for other
        sizes, and should ask for more steps at a higher learning rate: see :mod:`odflow.estimate.pretraining`).
    members : int
        Networks; the estimate is the mean of theirs.
    config : LessonConfig
    sweeps : int
        Passes of the final projection.
    """

    weights: Weights = "fine-tuned"
    members: int = 3
    config: LessonConfig
    sweeps: int = 50
    candidates_: Candidates | None = field(default=None, init=False, repr=False)
    networks_: list[nn.Module] = field(default_factory=list, init=False, repr=False)
    calibration_: Calibration | None = field(default=None, init=False, repr=False)
    provenance_: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    shipped: ClassVar[str]  # file of networks
    network: ClassVar[type[nn.Module]]
    task: ClassVar[type[LessonTask]]
    configuration: ClassVar[type[LessonConfig]]

    def __post_init__(self) -> None:
        check_counts(members=self.members, sweeps=self.sweeps)
        if self.weights not in get_args(Weights):
            raise UsageError(f"weights is {self.weights!r}, expected one of {', '.join(get_args(Weights))}")

    @abstractmethod
    def _said(self, network: nn.Module, seen: Snapshots, paths: Paths) -> Tensor:
        """The estimate of a network, (T, flows), in the unit of the snapshots."""

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
            raise UsageError(f"{type(self).__name__} learns from a history and its routing: fit(history, routing)")
        started, digest = time.perf_counter(), data_hash(history)
        past = self.adopt(history)
        if self.weights == "pretrained":
            lessons = lessons_of(history, routing, self.config, self.noise, **_FEW)
            tried = [self._tried(one, self.networks_) for one in lessons]
        else:
            lessons = lessons_of(history, routing, self.config, self.noise)
            check_enough(lessons)
            last = data_hash(routing.loads(history[-1:]))
            identity = {"history": digest, "last loads": last, "noise": str(self.noise)}
            tried = self._train(lessons, progress, checkpoint=checkpoint, resume=resume, identity=identity)
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

    def adopt(self, history: xr.DataArray) -> History:
        """Take the networks that come with odflow for a history, without back-tests: estimates, but no quantiles yet.

        Raises
        ------
        UsageError
            If the networks are to have other sizes.
        DataError, LabelError, UnitError
            If the history does not fit, or never measures a flow.
        """
        past = History.of(history)
        self.networks_ = []
        if self.weights != "own":
            found = pretrained(self.shipped, self.network, self.config)
            self.networks_ = [found[k % len(found)].double() for k in range(self.members)]
        self.candidates_, self.calibration_ = Candidates().fit(history), None
        assert self.candidates_.base.mean_ is not None
        self._remember(past, self.candidates_.base.mean_)
        return past

    def _train(
        self, lessons: list[Lessons], progress: Progress | None, *, checkpoint: Path | None, **options: Any
    ) -> list[Tried]:
        """Train the members, each on all but a span of time, and try it there."""
        count, cls, tried = min(self.members, len(lessons)), type(self), []
        starts, self.networks_ = self.networks_, []
        for k in range(count):
            block, rest = without_block(lessons, k, count)
            groups = grouped(part for one in rest for part in one.parts)
            config = replace(self.config, seed=self.config.seed + k)
            network = copy.deepcopy(starts[k]).float() if starts else fresh_network(cls.network, self.config, k, groups)
            task = cls.task(network, groups, config)
            file = None if checkpoint is None else member_file(checkpoint, k)
            train(task, task.data, config, progress=_told(progress, k, count), checkpoint=file, **options)
            self.networks_.append(network.cpu().double().eval())
            tried += [self._tried(one, self.networks_[-1:]) for one in block]
        return tried

    def _tried(self, lessons: Lessons, networks: Sequence[nn.Module]) -> Tried:
        """How networks did on a back-test that they have not learnt from."""
        base = lessons.candidates.base
        return Tried(
            lessons.truth,
            np.concatenate([self._estimated(part.seen, part.observed, networks) for part in lessons.parts]),
            np.concatenate([part.seen.spread for part in lessons.parts]),
            np.concatenate([base._surprise(part.observed) for part in lessons.parts]),
            base._mean(lessons.parts[0].observed),
            lessons.last,
        )

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
        tensors |= network_numbers(self.networks_)
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
        estimator = cls(config=cls.configuration(**header["config"]), **header["parameters"])
        check_noise(estimator.noise)
        estimator.nodes_, estimator.end_ = tuple(header["nodes"]), labels.as_times([header["history_end"]])[0]
        estimator.candidates_ = Candidates().restore(tensors, estimator.nodes_, header["history_end"])
        estimator.mean_, estimator.provenance_ = estimator.candidates_.base.mean_, dict(header["provenance"])
        estimator.calibration_ = calibration_in(tensors, len(estimator.nodes_) ** 2)
        if estimator.calibration_ is None:
            raise OdflowError("its calibration is missing")
        networks = networks_in(tensors, header["networks"], cls.network, estimator.config)
        estimator.networks_ = [network.double() for network in networks]
        return estimator

    def _solve(self, observed: Observed) -> Floats:
        return self._estimated(self._seen(observed), observed, self.networks_)

    def _quantiles(self, observed: Observed, p: Floats) -> Floats:
        return self._calibrated(self._seen(observed), observed, p)

    def _calibrated(self, seen: Seen, observed: Observed, p: Floats) -> Floats:
        if self.calibration_ is None:
            raise NotFittedError(f"{type(self).__name__} has no quantiles yet; call fit(history, routing) first")
        calibration = self.calibration_.select(self._columns(observed.system.routing))
        x = self._estimated(seen, observed, self.networks_)
        return calibration.quantiles(x, seen.spread, self._fitted().base._surprise(observed), p)

    def _estimated(self, seen: Seen, observed: Observed, networks: Sequence[nn.Module]) -> Floats:
        """The mean of what networks say, projected onto the loads, bit/s."""
        snapshots, unit = snapshots_of(seen, observed, torch.float64)
        paths = paths_of(observed, torch.float64)

        def mean(some: Snapshots, _: Tensor) -> Tensor:
            return torch.stack([self._said(network, some, paths) for network in networks]).mean(0)

        x = in_parts(snapshots, mean) * unit
        return meet_exactly(observed, np.maximum(x, 0.0) * observed.system.carried, self.sweeps)

    @abstractmethod
    def _raw_draws(self, seen: Seen, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Joint draws, each of shape (T, flows), of which only the order matters."""

    def _unfinished_draws(self, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """The calibrated quantiles of each demand, in the order of its raw draws."""
        seen = self._seen(observed)
        yield from calibrated_draws(
            lambda count: self._raw_draws(seen, observed, count, rng),
            lambda p: self._calibrated(seen, observed, p).clip(observed.least, observed.most),
            n,
        )

    def _finish_draws(self, draws: Floats, observed: Observed) -> Floats:
        return meet_loads(observed, draws, self.sweeps)

    def _seen(self, observed: Observed) -> Seen:
        return self._fitted().see(observed)

    def _fitted(self) -> Candidates:
        if self.candidates_ is None:
            raise NotFittedError(f"{type(self).__name__} needs past TMs; call fit(history, routing) first")
        return self.candidates_


def in_parts(snapshots: Snapshots, say: Callable[[Snapshots, Tensor], Tensor]) -> Floats:
    """What is said of some snapshots at a time and their rows, (T, flows)."""
    with torch.no_grad():
        parts = [say(snapshots.take(rows), rows) for rows in torch.arange(len(snapshots.base)).split(_AT_ONCE)]
    return np.asarray(torch.cat(parts).numpy())


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
