"""A training that is killed again and again: ``python killed.py FOLDER`` (run by test_kill.py)."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import safetensors.numpy

from conftest import LEARNING_RATE, Rivals, arrays, points
from odflow.training import TrainingConfig, train

STEPS = 100
CONFIG = TrainingConfig(
    steps=STEPS, batch=32, learning_rate=LEARNING_RATE, ema=0.99, validate_every=10, patience=100, checkpoint_every=7
)
Hook = Callable[[Rivals], object]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(folder: Path, hook: Hook) -> None:
    """Train, or go on training, in this process."""
    folder.mkdir(exist_ok=True)
    task = Rivals()
    hook(task)
    checkpoint, log = folder / "checkpoint.safetensors", folder / "log.csv"
    train(task, points(), CONFIG, validation=points(50, 2), checkpoint=checkpoint, resume=True, log=log)
    safetensors.numpy.save_file(arrays(task.modules), folder / "weights.safetensors")


def child(folder: Path, hook: Hook = lambda task: None) -> int:
    """Start `run` in a process of its own; nothing of torch has run in this one, so it can be forked."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            run(folder, hook)
            code = 0
        finally:
            os._exit(code)
    return pid


def killed_after(pid: int, seconds: float) -> bool:
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def between_optimizers(task: Rivals) -> None:
    """Die when the critic has learnt and the maker has not."""
    task.on_step = lambda step: die() if step == 53 else None


def in_checkpoint(count: int) -> Hook:
    """Die with a checkpoint half-written."""
    written = [0]
    whole = safetensors.numpy.save_file

    def half(tensors: dict, file: str, metadata: dict) -> None:
        whole(tensors, file, metadata=metadata)
        written[0] += 1
        if written[0] == count:
            data = Path(file).read_bytes()
            Path(file).write_bytes(data[: len(data) // 2])
            die()

    def hook(task: Rivals) -> None:
        safetensors.numpy.save_file = half

    return hook


def finish(folder: Path) -> None:
    _, status = os.waitpid(child(folder), 0)
    assert status == 0, status


def main(folder: Path) -> None:
    import_module("torch._dynamo")  # which the first optimizer imports: once, here, and not in every child
    start = time.perf_counter()
    finish(folder / "whole")
    duration = time.perf_counter() - start
    kills: dict[str, int] = {}
    for name, hook in (("between", between_optimizers), ("first", in_checkpoint(1)), ("fourth", in_checkpoint(4))):
        _, status = os.waitpid(child(folder / name, hook), 0)
        kills[name] = int(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL)
        finish(folder / name)
    rng = np.random.default_rng(0)
    for repeat in range(3):
        name = f"random-{repeat}"
        kills[name] = sum(killed_after(child(folder / name), rng.uniform(0.1, 0.6) * duration) for _ in range(2))
        finish(folder / name)
    print(json.dumps(kills))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
