"""Models as one safetensors file each: arrays, and a JSON header that says what they are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import odflow
from odflow.errors import FormatError
from odflow.files import readable, replacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEY = "odflow"


@dataclass(frozen=True, eq=False)
class ModelFile:
    """What a model file holds.

    Parameters
    ----------
    kind : str
        Name of the class that the model belongs to, such as ``"GaussianPosterior"``.
    header : dict
        Anything that JSON can hold: configuration, nodes, provenance. A file that was read also says
        which version of odflow wrote it, under ``"odflow"``.
    tensors : dict of str to array
        Numbers by name.
    """

    kind: str
    header: dict[str, Any]
    tensors: dict[str, NDArray[Any]]


def write_model(path: str | Path, model: ModelFile) -> None:
    """Write a ``.safetensors`` file; what was at `path` is replaced at once or, on an error, left alone.

    Raises
    ------
    OdflowError
        If the file cannot be written.
    """
    from safetensors.numpy import save_file

    header = {_KEY: odflow.__version__, **model.header, "kind": model.kind}
    tensors = {name: np.asarray(tensor, order="C") for name, tensor in model.tensors.items()}
    with replacing(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(tensors, str(temporary), metadata={_KEY: json.dumps(header)})
        temporary.chmod(mode)  # safetensors lets nobody but the owner read


def shipped_model(package: str, file: str) -> ModelFile:
    """A file of the folder ``weights`` that a package of odflow comes with."""
    with as_file(files(package) / "weights" / file) as path:
        return read_model(path)


def read_model(path: str | Path) -> ModelFile:
    """Read what :func:`write_model` wrote.

    Raises
    ------
    OdflowError
        If there is no such file, or it cannot be read.
    FormatError
        If it is not a model of odflow, is damaged, or holds numbers that are not finite.
    """
    from safetensors import SafetensorError, safe_open

    file = readable(path)
    try:
        with safe_open(str(file), framework="numpy") as content:
            header = json.loads((content.metadata() or {})[_KEY])
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        # "estimator" is what odflow 0.1 called the kind
        kind = header.pop("kind") if "kind" in header else header.pop("estimator")
        if not isinstance(kind, str):
            raise TypeError(f"kind is {kind!r}")
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(file, f"is not a model saved by odflow ({type(error).__name__}: {error})") from error
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise FormatError(file, f"'{name}' holds values that are negative or not finite; save the model again")
    return ModelFile(kind, header, tensors)
