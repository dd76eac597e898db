"""What all generators share: history, training, draws, files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor, nn

import odflow
from odflow import labels
from odflow.errors import DataError, LabelError, NotFittedError
from odflow.generate.config import GeneratorConfig, at_least
from odflow.generate.past import Past
from odflow.generate.scaling import FlowScaling
from odflow.generate.weights import filled, weights_of
from odflow.modelfile import ModelFile, write_model
from odflow.training import Progress, Task, train
from odflow.training.data import data_hash
from odflow.training.seeds import generator_of

_BLOCK_BYTES = 64 << 20  # noise of the draws decoded at once
_DRAWS = 7  # stream of the random numbers that sample() uses, apart from those of the training


class TrafficGenerator(ABC):
    """Learns from past TMs and draws new ones.

    A subclass states its networks (:meth:`_networks`), how they are trained (:meth:`_task`), the shape
    of the noise behind one TM (:attr:`noise_shape`) and how noise becomes a TM (:meth:`decode`).

    Attributes
    ----------
    nodes_ : tuple of str
    interval_s_ : float
    end_ : datetime64
        End of the history.
    mean_ : array, shape (flows,)
        Mean TM of the history, bit/s, float64.
    networks_ : dict of str to Module
        In evaluation mode.
    scaling_ : FlowScaling
    provenance_ : dict
        Hash and span of the data, seed, version, command, steps and seconds of the training.
    """

    config_type: ClassVar[type[GeneratorConfig]]
    config: GeneratorConfig
    nodes_: tuple[str, ...] = ()
    interval_s_: float
    end_: np.datetime64
    mean_: NDArray[np.float64]
    networks_: dict[str, nn.Module]
    scaling_: FlowScaling
    provenance_: dict[str, Any]

    def __init__(self, config: GeneratorConfig | None = None) -> None:
        self.config = self.config_type() if config is None else config

    @abstractmethod
    def _networks(self, flows: int) -> dict[str, nn.Module]:
        """Untrained networks; initialised from torch's default generator, which the caller has seeded."""

    @abstractmethod
    def _task(self, networks: dict[str, nn.Module], config: GeneratorConfig) -> Task:
        """The training of these networks on scaled TMs, shape (B, flows); `config` has its final number of steps."""

    def _inputs(self, networks: dict[str, nn.Module], scaled: Tensor, kept: int) -> Tensor:
        """What :meth:`_task` trains on, made of scaled TMs; statistics may be learnt from the first `kept`."""
        return scaled

    @property
    @abstractmethod
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the standard normal noise behind one TM."""

    @abstractmethod
    def decode(self, noise: Tensor) -> Tensor:
        """Turn noise into TMs, differentiably.

        Parameters
        ----------
        noise : Tensor, shape (B, *noise_shape)
            float32, standard normal, on :attr:`device`.

        Returns
        -------
        Tensor, shape (B, flows)
            float32, not negative, in units of :attr:`unit` bit/s.
        """

    def fit(
        self,
        history: xr.DataArray,
        *,
        checkpoint: Path | None = None,
        resume: bool = False,
        log: Path | None = None,
        progress: Progress | None = None,
        command: str = "",
    ) -> Self:
        """Learn from past TMs.

        Parameters
        ----------
        history : DataArray (time, origin, destination)
            bit/s. TMs without some demand (NaN) are left out.
        checkpoint, resume, log, progress
            As :func:`odflow.training.train`.
        command : str
            The command line that asked for it, for the provenance.

        Warns
        -----
        OdflowWarning
            If TMs are left out.

        Raises
        ------
        DataError, LabelError, UnitError
            If the history does not fit or is too short.
        """
        past = Past.of(history)
        unit = past.values.mean()
        kept = max(2, round(len(past.values) * (1 - self.config.holdout)))
        config = self.config.for_rows(kept)
        scaled = torch.from_numpy(past.values / unit).float()
        scaled[:kept] = scaled[past.by_age(kept, config.half_life)]
        scaling = FlowScaling.of(scaled[:kept].double().mean(dim=0), config.scale_power)
        scaled = scaling.forward(scaled)
        flows = scaled.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(config.seed)
            networks = self._networks(flows)
        inputs = self._inputs(networks, scaled, kept)
        digest = data_hash(history)
        trained = train(
            self._task(networks, config),
            inputs[:kept],
            config,
            validation=inputs[kept:] if kept < len(inputs) else None,
            checkpoint=checkpoint,
            resume=resume,
            identity={"model": type(self).__name__, "past data": digest},
            log=log,
            progress=progress,
        )
        provenance = {
            "data": digest,
            "first": str(past.first),
            "end": str(past.end),
            "tms": kept,
            "left_out": past.left_out,
            "seed": config.seed,
            "odflow": odflow.__version__,
            "command": command,
            "steps": trained.steps,
            "losses": trained.losses,
            "seconds": round(trained.seconds, 3),
        }
        self._adopt(past.nodes, past.interval_s, past.end, past.values.mean(axis=0), networks, scaling, provenance)
        self._finish()
        return self

    def _finish(self) -> None:  # noqa: B027  (nothing to do for most)
        """Whatever is learnt from the trained networks, at the end of :meth:`fit`."""

    def _adopt(
        self,
        nodes: tuple[str, ...],
        interval_s: float,
        end: np.datetime64,
        mean: NDArray[np.float64],
        networks: dict[str, nn.Module],
        scaling: FlowScaling,
        provenance: dict[str, Any],
    ) -> None:
        for network in networks.values():
            network.eval().requires_grad_(False)
        self.networks_, self.provenance_ = networks, provenance
        self.scaling_ = scaling.to(next(weights for net in networks.values() for weights in net.parameters()).device)
        self.nodes_, self.interval_s_, self.end_, self.mean_ = nodes, interval_s, end, mean

    def _check_fitted(self) -> None:
        if not self.nodes_:
            raise NotFittedError(f"{type(self).__name__} has learnt nothing yet: call fit(history)")

    @property
    def unit(self) -> float:
        """Bit/s of one model unit: the mean demand of the history."""
        self._check_fitted()
        return float(self.mean_.mean())

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        self._check_fitted()
        return self.scaling_.scale.device

    def _traffic(self, scaled: Tensor) -> Tensor:
        """Output of a network, in model units, to traffic that is not negative, in units of :attr:`unit`."""
        return self.scaling_.inverse(scaled).relu()

    def sample(self, n: int, *, seed: int = 0, start: Any = None) -> xr.DataArray:
        """Draw new TMs, independently of each other.

        Parameters
        ----------
        n : int
        seed : int
        start : datetime-like, optional
            Time of the first; by default the end of the history. The others follow at its interval. The
            times are labels only: a TM does not depend on its time nor on the one before.

        Returns
        -------
        DataArray (time, origin, destination)
            bit/s; a pure function of the model, `n` and `seed`.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        """
        self._check_fitted()
        at_least(1, n=n)
        randoms = generator_of(seed, _DRAWS)
        block = max(1, _BLOCK_BYTES // (4 * prod(self.noise_shape)))
        parts = []
        with torch.no_grad():
            for begin in range(0, n, min(block, 1024)):
                size = min(block, 1024, n - begin)
                noise = torch.randn((size, *self.noise_shape), generator=randoms)
                parts.append(self.decode(noise.to(self.device)).double().cpu().numpy())
        first = self.end_ if start is None else labels.as_times([start])[0]
        times = first + np.arange(n) * np.timedelta64(round(self.interval_s_ * 1e9), "ns")
        attrs = {"method": type(self).__name__, "seed": seed, "note": "draws are independent of each other"}
        return labels.demands(np.concatenate(parts) * self.unit, times, self.nodes_, self.interval_s_, **attrs)

    def as_model(self) -> ModelFile:
        """All that is needed to restore it: configuration, labels, provenance, weights.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        """
        self._check_fitted()
        header = {
            "config": asdict(self.config),
            "nodes": list(self.nodes_),
            "interval_s": self.interval_s_,
            "history_end": str(self.end_),
            "provenance": self.provenance_,
        }
        tensors = {"mean": self.mean_, "scale": self.scaling_.scale.cpu().numpy()} | weights_of(self.networks_)
        return ModelFile(type(self).__name__, header, tensors)

    def save(self, path: str | Path) -> None:
        """Write to one ``.safetensors`` file; :func:`odflow.load` reads it.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        OdflowError
            If the file cannot be written.
        """
        write_model(path, self.as_model())

    @classmethod
    def restore(cls, model: ModelFile) -> Self:
        """Rebuild from what :meth:`save` wrote, on the CPU.

        Raises
        ------
        DataError
            If weights, labels and configuration do not fit each other.
        """
        try:
            header, tensors = model.header, model.tensors
            generator = cls(cls.config_type(**header["config"]))
            nodes, interval_s = tuple(str(node) for node in header["nodes"]), float(header["interval_s"])
            end = labels.as_times([header["history_end"]])[0]
            mean, scale = tensors["mean"].astype(np.float64), tensors["scale"].astype(np.float32)
            flows = len(nodes) ** 2
            if mean.shape != (flows,) or scale.shape != (flows,) or not flows or len(set(nodes)) < len(nodes):
                raise ValueError("mean, scale and nodes do not fit each other")
            if not (mean >= 0).all() or not mean.any() or not (scale > 0).all():
                raise ValueError("mean or scale hold values that cannot be")
            if not 0 < interval_s < np.inf or np.isnat(end):
                raise ValueError("interval or end of the history cannot be")
            networks = filled(generator._networks, flows, tensors)
            scaling = FlowScaling(torch.from_numpy(scale))
            generator._adopt(nodes, interval_s, end, mean, networks, scaling, dict(header["provenance"]))
        except (KeyError, TypeError, ValueError, RuntimeError, OverflowError, LabelError) as error:
            what = f"{type(error).__name__}: {str(error)[:200]}"
            raise DataError(f"the model is incomplete or damaged ({what}); save it again") from error
        return generator
