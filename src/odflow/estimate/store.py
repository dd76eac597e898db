"""Saving and loading estimators as safetensors: arrays, and a JSON header."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import odflow
from odflow.errors import FormatError, NotFittedError, OdflowError
from odflow.estimate.base import Estimator, HistoryEstimator
from odflow.estimate.checks import check_noise
from odflow.estimate.gaussian import GaussianPosterior
from odflow.estimate.gravity import Gravity, Tomogravity
from odflow.estimate.kl import KLProjection
from odflow.estimate.priors import Spread
from odflow.files import readable, replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLASSES: dict[str, type[Estimator]] = {
    cls.__name__: cls for cls in (Gravity, Tomogravity, KLProjection, GaussianPosterior)
}


def save(estimator: Estimator, path: str | Path) -> None:
    """Write an estimator to a ``.safetensors`` file.

    Raises
    ------
    NotFittedError
        If it needs a history and has none.
    OdflowError
        If the file cannot be written.
    """
    from safetensors.numpy import save_file

    if isinstance(estimator, GaussianPosterior) and estimator.mean_ is None:
        raise NotFittedError("there is nothing to save yet: call fit(history) first")
    header: dict[str, Any] = {
        "estimator": type(estimator).__name__,
        "odflow": odflow.__version__,
        "parameters": {f.name: getattr(estimator, f.name) for f in fields(estimator) if f.init},
    }
    tensors: dict[str, NDArray[np.float64]] = {}
    if isinstance(estimator, HistoryEstimator) and estimator.mean_ is not None:
        header |= {"nodes": estimator.nodes_, "history_end": str(estimator.end_)}
        tensors["mean"] = estimator.mean_
    if isinstance(estimator, GaussianPosterior) and estimator.spread_ is not None:
        tensors |= {"factors": np.ascontiguousarray(estimator.spread_.factors), "own": estimator.spread_.own}
    with replacing(path) as temporary:
        save_file(tensors, str(temporary), metadata={"odflow": json.dumps(header)})


def load(path: str | Path) -> Estimator:
    """Restore what ``save`` wrote.

    Raises
    ------
    FormatError
        If the file is not a model of odflow.
    """
    from safetensors import SafetensorError, safe_open

    file = readable(path)
    try:
        with safe_open(str(file), framework="numpy") as content:
            header = json.loads((content.metadata() or {})["odflow"])
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        estimator = _CLASSES[header["estimator"]](**header["parameters"])
        check_noise(estimator.noise)
        if isinstance(estimator, HistoryEstimator) and "mean" in tensors:
            estimator.mean_ = tensors["mean"]
            estimator.nodes_ = tuple(header["nodes"])
            estimator.end_ = np.datetime64(header["history_end"])
            if estimator.mean_.shape != (len(estimator.nodes_) ** 2,):
                raise FormatError(file, "mean and nodes do not fit each other")
        if isinstance(estimator, GaussianPosterior):
            estimator.spread_ = Spread(tensors["factors"], tensors["own"])
            flows = len(estimator.nodes_) ** 2
            if estimator.spread_.factors.shape[:-1] != (flows,) or estimator.spread_.own.shape != (flows,):
                raise FormatError(file, "covariance and nodes do not fit each other")
        for name, tensor in tensors.items():
            if not np.isfinite(tensor).all() or (name != "factors" and (tensor < 0).any()):
                raise FormatError(file, f"'{name}' holds values that are negative or not finite; save the model again")
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise FormatError(file, f"is not a model saved by odflow ({type(error).__name__}: {error})") from error
    except OdflowError as error:
        raise FormatError(file, f"holds a model that does not fit: {error}") from error
    return estimator
