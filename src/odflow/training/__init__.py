"""One training loop for everything that is learnt: seeds, checkpoints, resuming, averages, early stop.

The configuration can be used without torch; the rest is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odflow.lazy import from_torch
from odflow.training.config import TrainingConfig
from odflow.training.data import data_hash

if TYPE_CHECKING:
    from odflow.training.loop import Trained as Trained
    from odflow.training.loop import train as train
    from odflow.training.seeds import generator_of as generator_of
    from odflow.training.task import Progress as Progress
    from odflow.training.task import Task as Task
    from odflow.training.task import Update as Update
    from odflow.training.task import adam as adam

_HOMES = {
    "Progress": "task",
    "Task": "task",
    "Trained": "loop",
    "Update": "task",
    "adam": "task",
    "generator_of": "seeds",
    "train": "loop",
}

__all__ = ["TrainingConfig", "data_hash", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'odflow.training' has no attribute '{name}'")
    return from_torch(f"odflow.training.{_HOMES[name]}", name, "training")
