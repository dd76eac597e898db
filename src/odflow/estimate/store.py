"""Saving estimators, and loading models of any kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odflow import labels
from odflow.errors import FormatError, NotFittedError, OdflowError
from odflow.estimate.base import Estimator, HistoryEstimator
from odflow.estimate.calibration import Calibration
from odflow.estimate.checks import check_noise
from odflow.estimate.gaussian import GaussianPosterior
from odflow.estimate.gravity import Gravity, Tomogravity
from odflow.estimate.kl import KLProjection
from odflow.estimate.moments import MomentPosterior
from odflow.estimate.priors import Spread
from odflow.estimate.simulated_prior import SimulatedPrior
from odflow.estimate.student_t import StudentTPosterior
from odflow.generate import KINDS as _GENERATORS
from odflow.generate import load_generator
from odflow.lazy import needs_torch
from odflow.modelfile import ModelFile, read_model, write_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLASSICAL: dict[str, type[Estimator]] = {
    cls.__name__: cls for cls in (Gravity, Tomogravity, KLProjection, GaussianPosterior, StudentTPosterior)
}
_GENERATIVE = ("DDPMTME", "VAETME", "WGANTME")
_BACKTESTED = ("StackedEstimator", "DiffusionPosterior")
_FORECASTER = "SimMSTNet"
_CALIBRATION = "calibration."


def save(estimator: Estimator, path: str | Path) -> None:
    """Write an estimator to a ``.safetensors`` file.

    Raises
    ------
    NotFittedError
        If it needs a history and has none.
    OdflowError
        If the file cannot be written.
    """
    if isinstance(estimator, GaussianPosterior) and estimator.mean_ is None:
        raise NotFittedError("there is nothing to save yet: call fit(history) first")
    header: dict[str, Any] = {
        "parameters": {f.name: getattr(estimator, f.name) for f in fields(estimator) if f.init},
    }
    if isinstance(estimator, HistoryEstimator) and estimator.mean_ is not None:
        header |= {"nodes": estimator.nodes_, "history_end": str(estimator.end_)}
    write_model(path, ModelFile(type(estimator).__name__, header, numbers_of(estimator)))


def numbers_of(estimator: Estimator) -> dict[str, NDArray[Any]]:
    """What a classical estimator has learnt, as arrays."""
    tensors: dict[str, NDArray[Any]] = {}
    if isinstance(estimator, HistoryEstimator) and estimator.mean_ is not None:
        tensors["mean"] = estimator.mean_
    if isinstance(estimator, GaussianPosterior) and estimator.spread_ is not None:
        tensors |= {"factors": estimator.spread_.factors, "own": estimator.spread_.own}
        if estimator.calibration_ is not None:
            tensors |= calibration_numbers(estimator.calibration_)
    return tensors


def calibration_numbers(calibration: Calibration) -> dict[str, NDArray[Any]]:
    """A calibration as arrays."""
    return {f"{_CALIBRATION}{f.name}": getattr(calibration, f.name) for f in fields(calibration)}


def calibration_in(tensors: Mapping[str, NDArray[Any]], flows: int) -> Calibration | None:
    """The calibration among arrays, if there is one.

    Raises
    ------
    OdflowError
        If it is of another number of flows.
    """
    if f"{_CALIBRATION}group" not in tensors:
        return None
    found = Calibration(*(tensors[f"{_CALIBRATION}{f.name}"] for f in fields(Calibration)))
    if found.group.shape != (flows,) or found.floor.shape != (flows,):
        raise OdflowError("calibration and nodes do not fit each other")
    return found


def load(path: str | Path) -> Any:
    """Restore what any ``save`` of odflow wrote, on the CPU.

    Returns
    -------
    Estimator, TrafficGenerator or SimMSTNet
        As its file says.

    Raises
    ------
    OdflowError
        If there is no such file.
    FormatError
        If the file is not a model of odflow, or one that does not fit together.
    MissingDependencyError
        If the model needs torch and it is not installed.
    """
    model = read_model(path)
    if model.kind in (*_GENERATORS, *_GENERATIVE, *_BACKTESTED, _FORECASTER) and not find_spec("torch"):
        raise needs_torch(f"{path}: {model.kind}")
    try:
        return _restored(model)
    except (LookupError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise FormatError(path, f"is not a model saved by odflow ({type(error).__name__}: {error})") from error
    except OdflowError as error:
        raise FormatError(path, f"holds a model that does not fit: {error}") from error


def _restored(model: ModelFile) -> Any:
    if model.kind in _CLASSICAL:
        return _classical(model)
    if model.kind in _GENERATORS:
        return load_generator(model)
    if model.kind in _BACKTESTED:
        import odflow.estimate

        return getattr(odflow.estimate, model.kind).restore(model)
    for kind in (MomentPosterior, SimulatedPrior):
        if model.kind == kind.__name__:
            return kind.restore(model)
    if model.kind in _GENERATIVE:
        from odflow.estimate.generative import restore

        return restore(model)
    if model.kind == _FORECASTER:
        from odflow.forecast.saved import restored

        return restored(model)
    if model.kind == "TrainingCheckpoint":
        raise OdflowError("it is the checkpoint of a training that can be resumed, not yet a model")
    raise OdflowError(f"its kind, {model.kind}, is unknown to this version of odflow")


def _classical(model: ModelFile) -> Estimator:
    header, tensors = model.header, model.tensors
    estimator = _CLASSICAL[model.kind](**header["parameters"])
    check_noise(estimator.noise)
    if isinstance(estimator, GaussianPosterior) or (isinstance(estimator, HistoryEstimator) and "mean" in tensors):
        remember(estimator, tensors, header["nodes"], header["history_end"])
    return estimator


def remember(estimator: HistoryEstimator, tensors: Mapping[str, NDArray[Any]], nodes: Sequence[str], end: str) -> None:
    """Give a classical estimator back what :func:`numbers_of` has taken down.

    Raises
    ------
    OdflowError
        If arrays do not fit each other or the nodes.
    """
    estimator.mean_, estimator.nodes_, estimator.end_ = tensors["mean"], tuple(nodes), labels.as_times([end])[0]
    flows = len(estimator.nodes_) ** 2
    if estimator.mean_.shape != (flows,):
        raise OdflowError("mean and nodes do not fit each other")
    if isinstance(estimator, GaussianPosterior):
        estimator.spread_ = Spread(tensors["factors"], tensors["own"])
        if estimator.spread_.factors.shape[:-1] != (flows,) or estimator.spread_.own.shape != (flows,):
            raise OdflowError("covariance and nodes do not fit each other")
        estimator.calibration_ = calibration_in(tensors, flows)
    for name in ("mean", "own"):
        if name in tensors and (tensors[name] < 0).any():
            raise OdflowError(f"'{name}' holds values that are negative or not finite; save the model again")
