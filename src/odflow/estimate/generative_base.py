"""What the estimators share that search a generator's noise for the TM that explains the loads (needs torch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from odflow import labels
from odflow.errors import DataError, NotFittedError, UsageError
from odflow.estimate.base import HistoryEstimator, as_demands
from odflow.estimate.checks import check_counts, check_noise, check_shares
from odflow.estimate.inversion import InversionConfig, decode_starts, invert
from odflow.estimate.meet import meet_loads
from odflow.generate import load_generator
from odflow.generate.base import TrafficGenerator
from odflow.generate.config import GeneratorConfig
from odflow.modelfile import ModelFile, write_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.descent import Decode
    from odflow.estimate.observe import Observed
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing
    from odflow.training import Progress

    Floats = NDArray[np.float64]

HALF_LIFE = 28.0  # days; 14 to 56 were alike in back-tests, and better than no ageing
_INVERSION = {f.name for f in fields(InversionConfig)}


@dataclass(kw_only=True, eq=False)
class GenerativeEstimator(HistoryEstimator):
    """Base of the estimators that invert a generator.

    Parameters
    ----------
    generator : TrafficGenerator or its config, optional
        A fitted generator is used as it is; otherwise :meth:`fit` trains one of this configuration. By default
        that of the class with settings that suit an estimation: flows weighted by their size, and TMs by their
        age, with a half-life of four weeks.
    project : bool
        Bring the generator's estimate to the loads, by relative entropy: exactly, or as far as
        their noise allows. Otherwise the estimate is the generator's own.
    sweeps : int
        Passes of the projection.
    floor : float
        Least demand before the projection, as a share of the history's mean: what the generator
        says is 0 could not be lifted.
    starts, draws, steps, learning_rate, decay, norm, prior, relax, best, patience, block, seed
        As :class:`~odflow.estimate.inversion.InversionConfig`.

    Notes
    -----
    The generator knows the absolute level of its history, so the own estimate is no multiple of the
    loads, and says that there is traffic where all loads are 0. The projected one is 0 there.
    """

    generator: TrafficGenerator | GeneratorConfig | None = field(default=None, repr=False)
    project: bool = True
    sweeps: int = 50
    floor: float = 0.01
    starts: int = 1000
    draws: int = 1
    steps: int = 150
    learning_rate: float = 0.2
    decay: Literal["cosine", "halving", "none"] = "cosine"
    norm: Literal["l1", "l2"] = "l1"
    prior: float = 2e-3
    relax: float = 2.0
    best: bool = False
    patience: int = 0
    block: int = 256
    seed: int = 0
    generator_: TrafficGenerator | None = field(default=None, init=False, repr=False)
    _pool: tuple[tuple[Any, ...], NDArray[np.float32]] | None = field(default=None, init=False, repr=False)

    generator_type: ClassVar[type[TrafficGenerator]]
    config_type: ClassVar[type[GeneratorConfig]]

    def __post_init__(self) -> None:
        check_counts(sweeps=self.sweeps)
        check_shares(floor=self.floor)
        self._inversion()
        if not isinstance(self.generator, self.generator_type | self.config_type | None):
            raise UsageError(
                f"{type(self).__name__} needs a {self.generator_type.__name__} or a {self.config_type.__name__}, "
                f"not a {type(self.generator).__name__}"
            )
        if isinstance(self.generator, TrafficGenerator) and self.generator.nodes_:
            self._adopt(self.generator)

    def fit(
        self,
        history: xr.DataArray | None = None,
        routing: Routing | RoutingEpochs | None = None,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        log: Path | None = None,
        progress: Progress | None = None,
        command: str = "",
    ) -> Self:
        """Train the generator on past TMs, unless a fitted one was given: then nothing is done.

        Parameters
        ----------
        history : DataArray (time, origin, destination)
            bit/s.
        routing : Routing, optional
            Not used.
        checkpoint, resume, log, progress, command
            As :meth:`odflow.generate.TrafficGenerator.fit`.

        Raises
        ------
        UsageError
            Without a history.
        DataError, LabelError, UnitError
            If the history does not fit or is too short.
        """
        given = self.generator
        if isinstance(given, TrafficGenerator):
            if given.nodes_:
                return self
            given = given.config
        if history is None:
            raise UsageError(f"{type(self).__name__} needs a history; without one use Tomogravity or KLProjection")
        fresh = self.generator_type(self._default_config() if given is None else given)
        fresh.fit(history, checkpoint=checkpoint, resume=resume, log=log, progress=progress, command=command)
        self._adopt(fresh)
        return self

    def _default_config(self, full: bool = False) -> GeneratorConfig:
        config = self.config_type.full() if full else self.config_type()
        return replace(config, scale_power=0.5, half_life=HALF_LIFE)

    def estimate(
        self,
        loads: xr.DataArray,
        routing: Routing | RoutingEpochs,
        *,
        known: xr.DataArray | None = None,
        known_error: float = 0.0,
        progress: Progress | None = None,
    ) -> xr.DataArray:
        """Estimate the TM of each interval: projected onto the loads, or with ``project=False`` the generator's own.

        Parameters
        ----------
        loads, routing, known, known_error
            As :meth:`odflow.estimate.Estimator.estimate`.
        progress : callable, optional
            Told of every step, see :func:`~odflow.estimate.inversion.invert`.

        Returns
        -------
        DataArray (time, origin, destination)
            bit/s.

        Raises
        ------
        LabelError, DataError, UnitError, UsageError, NotFittedError
            As there.
        """
        solve = partial(self._solve, report=self._report(loads, progress))
        run = self._over_blocks(loads, routing, known, known_error, solve)
        attrs = self._attrs(loads) | {"stage": "projected" if self.project else "own"}
        return labels.demands(run, loads["time"].values, routing.nodes, float(loads.attrs["interval_s"]), **attrs)

    def stages(
        self,
        loads: xr.DataArray,
        routing: Routing | RoutingEpochs,
        *,
        known: xr.DataArray | None = None,
        known_error: float = 0.0,
        progress: Progress | None = None,
    ) -> xr.DataArray:
        """The generator's own estimate and the projected one, from one inversion.

        Returns
        -------
        DataArray (stage, time, origin, destination)
            bit/s, stages ``"own"`` and ``"projected"``.
        """
        report = self._report(loads, progress)

        def solve(observed: Observed) -> Floats:
            own = self._own(observed, report)
            return np.stack([own, self._projected(observed, own)])

        run = self._over_blocks(loads, routing, known, known_error, solve)
        return as_demands(run, loads, routing, self._attrs(loads), stage=np.array(["own", "projected"]))

    def save(self, path: str | Path) -> None:
        """Write parameters and generator to one ``.safetensors`` file; :func:`odflow.load` reads it.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        OdflowError
            If the file cannot be written.
        """
        if self.generator_ is None:
            raise NotFittedError("there is nothing to save yet: call fit(history) first")
        inner = self.generator_.as_model()
        parameters = {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name != "generator"}
        header = {"parameters": parameters, "generator": {**inner.header, "kind": inner.kind}}
        write_model(path, ModelFile(type(self).__name__, header, inner.tensors))

    @classmethod
    def restore(cls, model: ModelFile) -> Self:
        """Rebuild from what :meth:`save` wrote.

        Raises
        ------
        DataError, UsageError
            If its parts do not fit each other.
        """
        try:
            header = dict(model.header["generator"])
            generator = load_generator(ModelFile(header.pop("kind"), header, model.tensors))
            estimator = cls(generator=generator, **model.header["parameters"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the model is incomplete or damaged: {type(error).__name__}: {error}") from error
        check_noise(estimator.noise)
        return estimator

    def _adopt(self, generator: TrafficGenerator) -> None:
        self.generator_, self._pool = generator, None
        self.mean_, self.nodes_, self.end_ = generator.mean_, generator.nodes_, generator.end_

    def _inversion(self) -> InversionConfig:
        """The inversion's part of the fields, checked."""
        return InversionConfig(**{f.name: getattr(self, f.name) for f in fields(self) if f.name in _INVERSION})

    def _decoder(self, generator: TrafficGenerator) -> tuple[Decode, tuple[int, ...], tuple[Any, ...]]:
        """How noise becomes a TM, the shape of the noise, and the fields that both depend on."""
        return generator.decode, generator.noise_shape, ()

    def _solve(self, observed: Observed, report: _Report | None = None) -> Floats:
        own = self._own(observed, report)
        return self._projected(observed, own) if self.project else own

    def _own(self, observed: Observed, report: _Report | None) -> Floats:
        columns = self._columns(observed.system.routing)
        generator = self.generator_
        assert generator is not None
        config = self._inversion()
        decode, shape, fixed = self._decoder(generator)
        key = (config.starts, config.seed, *fixed)
        if self._pool is None or self._pool[0] != key:
            self._pool = key, decode_starts(decode, shape, config, device=generator.device)
        # the generator's order of flows: its flow columns[j] is flow j of the routing
        matrix = csr_array(observed.system.matrix[:, np.argsort(columns)])
        loads = observed.values / generator.unit
        x = invert(decode, shape, matrix, loads, config, report, pool=self._pool[1], device=generator.device)
        if report is not None:
            report.done += len(observed) * config.draws * config.steps
        return x[:, columns] * generator.unit

    def _projected(self, observed: Observed, own: Floats) -> Floats:
        mean = self._mean(observed)
        lifted = np.maximum(own, self.floor * (mean + 1e-3 * mean.mean()))
        return meet_loads(observed, lifted * observed.system.carried, self.sweeps)

    def _report(self, loads: xr.DataArray, progress: Progress | None) -> _Report | None:
        if progress is None:
            return None
        return _Report(progress, labels.check_loads(loads).sizes["time"] * self.draws * self.steps)

    def _attrs(self, loads: xr.DataArray) -> dict[str, str | float]:
        attrs = super()._attrs(loads)
        if self.generator_ is not None:
            about = self.generator_.provenance_
            attrs |= {"generator_seed": about.get("seed", -1), "generator_data": about.get("data", "unknown")}
        return attrs | {"inversion_seed": self.seed}


@dataclass
class _Report:
    """Adds up the progress of several inversions."""

    progress: Progress
    total: int
    done: int = 0

    def __call__(self, done: int, total: int, losses: Mapping[str, float]) -> None:
        self.progress(self.done + done, self.total, losses)
