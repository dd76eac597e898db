"""Checkpoints: all that a training needs to go on as if it had never stopped."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from odflow.errors import FormatError, OdflowError
from odflow.modelfile import ModelFile, read_model, write_model
from odflow.training.config import TrainingConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Named = Mapping[str, Tensor]
    Optimizers = Mapping[str, torch.optim.Optimizer]

_KIND = "TrainingCheckpoint"
_PARTS = ("weights", "average", "best")
_FREE = ("device", "checkpoint_every")  # change nothing of what is learnt


@dataclass
class Standing:
    """How far a training is."""

    step: int = 0
    seconds: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)
    best: float | None = None
    worse: int = 0  # validations since the best one
    stopped: bool = False


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds: named tensors of each part, and the state of each optimizer by parameter."""

    standing: Standing
    tensors: dict[str, dict[str, Tensor]]
    optimizers: dict[str, dict[int, dict[str, Any]]]


def identity_of(
    config: TrainingConfig, data: Tensor, validation: Tensor | None, weights: Named, identity: Mapping[str, str]
) -> dict[str, str]:
    """What must be the same for a checkpoint to be continued: text by name."""
    shapes = json.dumps([[name, [*tensor.shape], str(tensor.dtype)] for name, tensor in weights.items()])
    return {
        "kind of configuration": type(config).__name__,
        **identity,
        **{f.name: repr(getattr(config, f.name)) for f in fields(config) if f.name not in _FREE},
        "training data": _hash(data),
        "validation data": "none" if validation is None else _hash(validation),
        "shape of the model": hashlib.sha256(shapes.encode()).hexdigest(),
    }


def _hash(tensor: Tensor) -> str:
    array = np.ascontiguousarray(tensor.detach().cpu().numpy())
    digest = hashlib.sha256(f"{array.shape} {array.dtype}".encode())
    digest.update(array.data)
    return digest.hexdigest()


def save(
    path: Path,
    identity: Mapping[str, str],
    standing: Standing,
    tensors: Mapping[str, Named],
    optimizers: Optimizers,
) -> None:
    """Write a checkpoint; the one before stays until this one is whole.

    Raises
    ------
    OdflowError
        If the file cannot be written.
    """
    named = {f"{part}/{name}": tensor for part, values in tensors.items() for name, tensor in values.items()}
    numbers: dict[str, float] = {}
    for name, optimizer in optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                place = f"optimizers/{name}/{index}/{key}"
                if isinstance(value, Tensor):
                    named[place] = value
                else:
                    numbers[place] = value
    arrays = {name: np.asarray(tensor.detach().cpu().numpy(), order="C") for name, tensor in named.items()}
    header = {"identity": dict(identity), "standing": asdict(standing), "numbers": numbers}
    write_model(path, ModelFile(_KIND, {**header, "checksum": _checksum(header, arrays)}, arrays))


def read(path: Path, identity: Mapping[str, str]) -> Checkpoint:
    """Read a checkpoint of the same training.

    Raises
    ------
    FormatError
        If it is damaged or no checkpoint.
    OdflowError
        If it cannot be read, or is of another configuration or other data.
    """
    model = read_model(path)
    if model.kind != _KIND:
        raise FormatError(path, f"is a {model.kind}, expected the checkpoint of a training")
    header: dict[str, Any] = {name: model.header.get(name) for name in ("identity", "standing", "numbers")}
    if _checksum(header, model.tensors) != model.header.get("checksum"):
        raise FormatError(path, "is a damaged checkpoint, its checksum is wrong; train again without resuming")
    try:
        _check_identity(path, dict(header["identity"]), identity)
        standing = Standing(**header["standing"])
        tensors: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
        optimizers: dict[str, dict[int, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
        for place, value in (*model.tensors.items(), *header["numbers"].items()):
            part, _, rest = place.partition("/")
            found = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
            if part == "optimizers":
                name, index, key = rest.rsplit("/", 2)
                optimizers[name][int(index)][key] = found
            else:
                tensors[part][rest] = found
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(path, f"is a checkpoint that does not fit together ({error})") from error
    return Checkpoint(standing, tensors, optimizers)


def _checksum(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> int:
    value = zlib.crc32(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        value = zlib.crc32(np.ascontiguousarray(arrays[name]).data, zlib.crc32(name.encode(), value))
    return value


def _check_identity(path: Path, there: Mapping[str, str], here: Mapping[str, str]) -> None:
    different = [name for name in {**here, **there} if there.get(name) != here.get(name)]
    if not different:
        return
    before, now = (values.get(different[0], "not set") for values in (there, here))
    digests = len(before) == 64 or len(now) == 64
    what = f"the {different[0]} differs" if digests else f"{different[0]} is {before} there, {now} here"
    raise OdflowError(f"{path}: is the checkpoint of another training: {what}; do not resume, or name another file")
