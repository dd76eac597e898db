"""Checkpoints: all that a training needs to go on as if it had never stopped."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from odflow.errors import FormatError, OdflowError
from odflow.modelfile import ModelFile, read_model, write_model
from odflow.training.config import TrainingConfig

_KIND = "TrainingCheckpoint"
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


def identity_of(
    config: TrainingConfig, data: Tensor, validation: Tensor | None, identity: Mapping[str, str]
) -> dict[str, str]:
    """What must be the same for a checkpoint to be continued, by name."""
    settings = {f.name: repr(getattr(config, f.name)) for f in fields(config) if f.name not in _FREE}
    tensors = {"training data": _hash(data), "validation data": "none" if validation is None else _hash(validation)}
    return {"configuration": type(config).__name__, **settings, **identity, **tensors}


def _hash(tensor: Tensor) -> str:
    array = tensor.detach().cpu().contiguous()
    return hashlib.sha256(f"{tuple(array.shape)} {array.dtype}".encode() + array.numpy().tobytes()).hexdigest()[:16]


def state_of(
    weights: Mapping[str, Tensor], extra: Mapping[str, Mapping[str, Tensor]], optimizers: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """All tensors and all plain numbers of a training, by name."""
    tensors = {f"weights/{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"{kind}/{name}": tensor for kind, values in extra.items() for name, tensor in values.items()}
    numbers: dict[str, float] = {}
    for name, optimizer in optimizers.items():
        for index, values in optimizer.state_dict()["state"].items():
            for key, value in values.items():
                place = f"optimizers/{name}/{index}/{key}"
                if isinstance(value, Tensor):
                    tensors[place] = value
                elif value is not None:
                    numbers[place] = value
    return tensors, numbers


def save(
    path: Path,
    standing: Standing,
    identity: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    numbers: dict[str, float],
) -> None:
    """Write a checkpoint; the one before stays until this one is whole."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    header = {"standing": asdict(standing), "identity": dict(identity), "numbers": numbers}
    write_model(path, ModelFile(_KIND, header | {"checksum": _checksum(header, arrays)}, arrays))


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds."""

    standing: Standing
    tensors: dict[str, Tensor]
    numbers: dict[str, float]

    def under(self, place: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `place`, by the rest of it."""
        return {name.removeprefix(place): tensor for name, tensor in self.tensors.items() if name.startswith(place)}


def read(path: Path, identity: Mapping[str, str]) -> Checkpoint:
    """Read a checkpoint of the same training.

    Raises
    ------
    FormatError
        If it is damaged or no checkpoint.
    OdflowError
        If it is of another configuration or other data.
    """
    model = read_model(path)
    if model.kind != _KIND:
        raise FormatError(path, f"is a {model.kind}, expected a checkpoint of a training")
    try:
        header = {name: model.header[name] for name in ("standing", "identity", "numbers")}
        whole = _checksum(header, model.tensors) == model.header["checksum"]
        if not whole:
            raise ValueError("its checksum is another")
        standing = Standing(**header["standing"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(path, f"is a damaged checkpoint ({error}); train again without resuming") from error
    _check_identity(path, header["identity"], identity)
    tensors = {name: torch.from_numpy(array) for name, array in model.tensors.items()}
    return Checkpoint(standing, tensors, header["numbers"])


def _checksum(header: Mapping[str, Any], arrays: Mapping[str, Any]) -> int:
    value = zlib.crc32(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        value = zlib.crc32(arrays[name].tobytes(), zlib.crc32(name.encode(), value))
    return value


def _check_identity(path: Path, there: Mapping[str, str], here: Mapping[str, str]) -> None:
    names = [name for name in (*here, *there) if there.get(name) != here.get(name)]
    if not names:
        return
    name = names[0]
    what = (
        f"its {name} is another"
        if name.endswith("data")
        else f"{name} is {there.get(name, 'not set')} there and {here.get(name, 'not set')} here"
    )
    raise OdflowError(
        f"{path}: is a checkpoint of another training: {what}; train without resuming, or name another file"
    )
