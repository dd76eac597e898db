"""Checkpoints: resuming, refusing, interrupts, the loss log."""

from __future__ import annotations

import csv
import dataclasses
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

import odflow as of
from odflow.errors import FormatError, OdflowError, UsageError
from odflow.modelfile import ModelFile, read_model, write_model
from odflow.training import TrainingConfig, train

CONFIG = TrainingConfig(
    steps=40, batch=32, learning_rate=1e-2, ema=0.9, validate_every=10, patience=50, checkpoint_every=9
)


class DownError(Exception):
    """The machine goes down."""


def stop_at(step: int, how):
    def on_step(now: int) -> None:
        if now == step:
            how()

    return on_step


def stop() -> None:
    raise DownError


@pytest.fixture
def bytes_of(weights_of):
    return lambda task: {name: array.tobytes() for name, array in weights_of(task.modules).items()}


def rows(log: Path) -> list[list[str]]:
    with log.open(newline="") as file:
        return list(csv.reader(file))


def losses(log: Path) -> list[list[str]]:
    return [[row[0], *row[2:]] for row in rows(log)]


@pytest.fixture
def half_way(rivals, data: Tensor, validation: Tensor, tmp_path: Path) -> Path:
    """A checkpoint after 27 of 40 steps."""
    task, file = rivals(), tmp_path / "c.safetensors"
    task.on_step = stop_at(30, stop)
    with pytest.raises(DownError):
        train(task, data, CONFIG, validation=validation, checkpoint=file, identity={"history": "a" * 64})
    return file


def resume(rivals, data, validation, file: Path, config=CONFIG, history: str = "a" * 64):
    task = rivals()
    train(task, data, config, validation=validation, checkpoint=file, resume=True, identity={"history": history})
    return task


def test_any_part_may_be_repeated(rivals, data, validation, tmp_path: Path, bytes_of):
    whole = rivals()
    expected = train(whole, data, CONFIG, validation=validation, log=tmp_path / "whole.csv")
    file, log = tmp_path / "c.safetensors", tmp_path / "log.csv"
    for at in (3, 12, 20, 31, 39):
        task = rivals()
        task.on_step = stop_at(at, stop)
        with pytest.raises(DownError):
            train(task, data, CONFIG, validation=validation, checkpoint=file, resume=True, log=log)
    task = rivals()
    done = train(task, data, CONFIG, validation=validation, checkpoint=file, resume=True, log=log)
    assert bytes_of(task) == bytes_of(whole)
    assert dataclasses.replace(done, seconds=0) == dataclasses.replace(expected, seconds=0)
    assert losses(log) == losses(tmp_path / "whole.csv")
    seconds = [float(row[1]) for row in rows(log)[1:]]
    assert seconds == sorted(seconds)
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["c.safetensors", "log.csv", "whole.csv"]


def test_a_finished_training_is_only_restored(rivals, data, validation, tmp_path: Path, bytes_of):
    file = tmp_path / "c.safetensors"
    first, second = rivals(), rivals()
    done = train(first, data, CONFIG, validation=validation, checkpoint=file)
    second.on_step = lambda step: stop()
    assert train(second, data, CONFIG, validation=validation, checkpoint=file, resume=True) == done
    assert bytes_of(first) == bytes_of(second)


def test_a_stopped_training_stays_stopped(rivals, data, validation, tmp_path: Path, bytes_of):
    file, config = tmp_path / "c.safetensors", dataclasses.replace(CONFIG, steps=400, validate_every=5, patience=2)
    first, second = rivals(), rivals()
    done = train(first, data, config, validation=validation, checkpoint=file)
    assert done.stopped_early
    assert done.steps < 400
    second.on_step = lambda step: stop()
    assert train(second, data, config, validation=validation, checkpoint=file, resume=True) == done
    assert bytes_of(first) == bytes_of(second)


def test_what_changes_nothing_may_change(rivals, data, validation, half_way: Path, bytes_of):
    whole = rivals()
    train(whole, data, CONFIG, validation=validation)
    config = dataclasses.replace(CONFIG, checkpoint_every=5, device="auto")
    assert bytes_of(resume(rivals, data, validation, half_way, config)) == bytes_of(whole)


@dataclass(frozen=True, kw_only=True)
class OtherConfig(TrainingConfig):
    width: int = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": dataclasses.replace(CONFIG, batch=16)}, "batch is 32 there, 16 here"),
        ({"config": dataclasses.replace(CONFIG, learning_rate=0.02)}, "learning_rate is 0.01 there, 0.02 here"),
        ({"config": OtherConfig(**dataclasses.asdict(CONFIG))}, "kind of configuration is TrainingConfig there, Other"),
        ({"history": "b" * 64}, "the history differs"),
        ({"data": torch.ones(200, 3)}, "the training data differs"),
        ({"validation": torch.ones(50, 3)}, "the validation data differs"),
    ],
)
def test_a_checkpoint_of_another_training(rivals, data, validation, half_way: Path, change, message: str):
    before = half_way.read_bytes()
    arguments = {"data": data, "validation": validation, "file": half_way} | change
    with pytest.raises(OdflowError, match=f"c.safetensors: is the checkpoint of another training: {message}") as caught:
        resume(rivals, **arguments)
    assert "\n" not in str(caught.value)
    assert half_way.read_bytes() == before


def test_a_checkpoint_of_another_model(rivals, data, validation, half_way: Path):
    class Wider(rivals):
        def __init__(self) -> None:
            super().__init__()
            self.modules["more"] = nn.Linear(2, 2)

    with pytest.raises(OdflowError, match="the shape of the model differs"):
        resume(Wider, data, validation, half_way)


def test_a_truncated_checkpoint(rivals, data, validation, half_way: Path):
    whole = half_way.read_bytes()
    for size in np.linspace(1, len(whole) - 1, 25).astype(int):
        half_way.write_bytes(whole[:size])
        with pytest.raises(FormatError, match=r"c.safetensors: is not a model"):
            resume(rivals, data, validation, half_way)


def test_a_bit_that_changed_in_a_checkpoint(rivals, data, validation, half_way: Path, bytes_of):
    whole, rng = half_way.read_bytes(), np.random.default_rng(0)
    expected, refused = bytes_of(resume(rivals, data, validation, half_way)), 0
    for at in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(rng.integers(8))
        half_way.write_bytes(damaged)
        try:
            assert bytes_of(resume(rivals, data, validation, half_way)) == expected
        except OdflowError:
            refused += 1
    assert refused > 50


def test_other_files_are_no_checkpoints(rivals, data, validation, half_way: Path, tmp_path: Path):
    half_way.write_bytes(b"")
    with pytest.raises(OdflowError, match="is empty"):
        resume(rivals, data, validation, half_way)
    of.Gravity().save(half_way)
    with pytest.raises(FormatError, match="is a Gravity, expected the checkpoint of a training"):
        resume(rivals, data, validation, half_way)


def test_a_checkpoint_is_no_model(half_way: Path):
    with pytest.raises(FormatError, match="checkpoint of a training that can be resumed, not yet a model"):
        of.load(half_way)


def test_tensors_are_plain_arrays_without_a_device(half_way: Path):
    with safe_open(str(half_way), framework="numpy") as content:
        names = set(content.keys())
    assert {"weights/maker.0.weight", "average/maker.1.num_batches_tracked", "best/critic.0.bias"} <= names
    assert {"optimizers/maker/0/exp_avg_sq", "optimizers/critic/0/square_avg"} <= names
    assert read_model(half_way).header["standing"]["step"] == 27


@pytest.mark.parametrize("where", ["step", "progress"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_step_and_saves(
    rivals, data, validation, tmp_path: Path, bytes_of, where: str, number: int
):
    class Ended(BaseException):
        pass

    def end(*_: object) -> None:
        raise Ended

    file, log = tmp_path / "c.safetensors", tmp_path / "log.csv"
    task, expected = rivals(), Ended if number == signal.SIGTERM else KeyboardInterrupt
    told: list[int] = []

    def progress(done: int, total: int, losses: object) -> None:
        told.append(done)
        if where == "progress" and len(told) == 1:
            signal.raise_signal(number)

    if where == "step":
        task.on_step = stop_at(22, lambda: signal.raise_signal(number))
    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(expected):
            train(task, data, CONFIG, validation=validation, checkpoint=file, log=log, progress=progress)
        assert signal.getsignal(signal.SIGTERM) is end
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)
    saved = 23 if where == "step" else told[0] + 1
    assert read_model(file).header["standing"]["step"] == saved
    assert len(rows(log)) == 1 + saved
    whole, again = rivals(), rivals()
    train(whole, data, CONFIG, validation=validation)
    train(again, data, CONFIG, validation=validation, checkpoint=file, resume=True)
    assert bytes_of(again) == bytes_of(whole)


def test_a_second_interrupt_does_not_wait(rivals, data, tmp_path: Path):
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    task, file = rivals(), tmp_path / "c.safetensors"
    task.on_step = stop_at(12, twice)
    with pytest.raises(KeyboardInterrupt):
        train(task, data, CONFIG.__class__(steps=20, checkpoint_every=5), checkpoint=file)
    assert read_model(file).header["standing"]["step"] == 10


def test_an_interrupt_raised_by_the_caller_saves(rivals, data, tmp_path: Path):
    def progress(done: int, total: int, losses: object) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "c.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(rivals(), data, TrainingConfig(steps=20), checkpoint=file, progress=progress)
    assert read_model(file).header["standing"]["step"] == 1


def test_an_interrupt_amid_a_step_leaves_the_last_checkpoint(rivals, data, tmp_path: Path):
    def interrupt() -> None:
        raise KeyboardInterrupt

    task, file = rivals(), tmp_path / "c.safetensors"
    task.on_step = stop_at(12, interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(task, data, TrainingConfig(steps=20, checkpoint_every=5), checkpoint=file)
    assert read_model(file).header["standing"]["step"] == 10


def test_loss_log(line, data: Tensor, tmp_path: Path):
    log = tmp_path / "log.csv"
    log.write_text("something older\n")
    done = train(line(), data, TrainingConfig(steps=3), log=log)
    written = rows(log)
    assert written[0] == ["step", "seconds", "loss"]
    assert [row[0] for row in written[1:]] == ["1", "2", "3"]
    assert float(written[-1][2]) == done.losses["loss"]
    assert float(written[-1][1]) == pytest.approx(done.seconds, abs=1e-3)


def test_a_log_with_a_torn_end_is_continued(line, data: Tensor, tmp_path: Path):
    log, file = tmp_path / "log.csv", tmp_path / "c.safetensors"
    config = TrainingConfig(steps=20, checkpoint_every=4)

    class Stopping(line):
        def step(self, batch, step, generator, update):
            if step == 10:
                raise DownError
            return super().step(batch, step, generator, update)

    with pytest.raises(DownError):
        train(Stopping(), data, config, checkpoint=file, log=log)
    whole = tmp_path / "whole.csv"
    train(line(), data, config, log=whole)
    log.write_text(log.read_text() + "11,0.")
    train(line(), data, config, checkpoint=file, resume=True, log=log)
    assert losses(log) == losses(whole)


def test_a_log_that_is_none(line, data: Tensor, tmp_path: Path):
    log, file = tmp_path / "log.csv", tmp_path / "c.safetensors"
    train(line(), data, TrainingConfig(steps=3), checkpoint=file)
    log.write_text("time,link\n1,2\n")
    with pytest.raises(OdflowError, match=r"cannot continue the log .*log.csv: its first line"):
        train(line(), data, TrainingConfig(steps=3), checkpoint=file, resume=True, log=log)
    assert log.read_text() == "time,link\n1,2\n"
    with pytest.raises(OdflowError, match="cannot write"):
        train(line(), data, TrainingConfig(steps=3), log=tmp_path)


def test_losses_keep_their_names(data: Tensor, line, tmp_path: Path):
    class Changing(line):
        def step(self, batch, step, generator, update):
            return super().step(batch, step, generator, update) | ({"extra": torch.tensor(1.0)} if step == 2 else {})

    with pytest.raises(UsageError, match="loss 'extra' is new at step 3"):
        train(Changing(), data, TrainingConfig(steps=5), log=tmp_path / "log.csv")


def test_a_checkpoint_made_by_hand(rivals, data, validation, half_way: Path):
    model = read_model(half_way)
    for name in ("identity", "standing", "numbers", "checksum"):
        write_model(half_way, ModelFile(model.kind, {**model.header, name: None}, model.tensors))
        with pytest.raises(FormatError, match="its checksum is wrong"):
            resume(rivals, data, validation, half_way)
