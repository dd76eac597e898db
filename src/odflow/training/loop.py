"""The training loop: the same weights, bit for bit, whether it was interrupted or not."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from odflow.errors import OdflowError, TrainingError, UsageError
from odflow.training.average import Average, assign
from odflow.training.checkpoint import Standing, identity_of, read, save
from odflow.training.config import TrainingConfig
from odflow.training.interrupts import deferred
from odflow.training.log import LossLog
from odflow.training.seeds import generator_of
from odflow.training.task import Progress, Task

_STEP, _EPOCH, _VALIDATION = 7001, 7002, 7003  # streams of random numbers
_TELL_S = 0.1  # between two reports of progress


@dataclass(frozen=True)
class Trained:
    """How a training went.

    Parameters
    ----------
    steps : int
        Steps done.
    losses : dict of str to float
        Of the last step.
    best_validation : float, optional
        Lowest validation loss, if there was a validation.
    stopped_early : bool
    seconds : float
        Spent on training, by all runs of it together.
    """

    steps: int
    losses: dict[str, float]
    best_validation: float | None
    stopped_early: bool
    seconds: float


def train(
    task: Task,
    data: Tensor,
    config: TrainingConfig,
    *,
    validation: Tensor | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    identity: Mapping[str, str] | None = None,
    log: Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train; afterwards the modules hold the averaged weights (with early stop, the best of them), in eval mode.

    All randomness of a step comes from the seed and the number of the step, and the batches from
    one permutation of the data per epoch (what does not fill a batch is left for the next), so a
    training that was stopped, even by ``kill -9``, goes on from its checkpoint to the same result.

    Parameters
    ----------
    task : Task
    data : Tensor, shape (N, ...)
        Moved to the device as a whole.
    config : TrainingConfig
    validation : Tensor, shape (M, ...), optional
        Data to validate on; needed for early stop (``config.patience``).
    checkpoint : Path, optional
        Written every ``config.checkpoint_every`` steps, at the end, and before an interrupt.
    resume : bool
        Go on from the checkpoint if there is one.
    identity : mapping of str to str, optional
        What else must be the same for a checkpoint to be continued, such as a hash of the history.
    log : Path, optional
        CSV file with the losses of every step.
    progress : Progress, optional

    Returns
    -------
    Trained

    Raises
    ------
    UsageError
        If the arguments do not fit each other.
    TrainingError
        If a loss or a weight is not finite.
    OdflowError
        If the checkpoint cannot be read or is of another training.
    """
    _check(data, config, validation, checkpoint, resume)
    return _Run(task, data, config, validation, checkpoint, resume, identity or {}).train(log, progress)


def device_of(name: str) -> torch.device:
    """The device of a configuration.

    Raises
    ------
    UsageError
        If it is not there.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UsageError("device is 'cuda', but torch finds no GPU; use 'cpu' or 'auto'")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def _check(
    data: Tensor, config: TrainingConfig, validation: Tensor | None, checkpoint: Path | None, resume: bool
) -> None:
    if not len(data):
        raise UsageError("there is no data to train on")
    if validation is not None and not len(validation):
        raise UsageError("there is no data to validate on")
    if config.patience and validation is None:
        raise UsageError(f"patience is {config.patience}, but there is no validation data to stop early by")
    if resume and checkpoint is None:
        raise UsageError("resume needs the checkpoint to resume from")
    if checkpoint is not None and (checkpoint.is_dir() or not os.access(checkpoint.parent, os.W_OK)):
        raise OdflowError(f"cannot write {checkpoint}: it is a folder, or in a folder that cannot be written to")


class _Run:
    def __init__(
        self,
        task: Task,
        data: Tensor,
        config: TrainingConfig,
        validation: Tensor | None,
        checkpoint: Path | None,
        resume: bool,
        identity: Mapping[str, str],
    ) -> None:
        self.task, self.config, self.checkpoint = task, config, checkpoint
        device = device_of(config.device)
        for module in task.modules.values():
            module.to(device)
        self.data = data.to(device)
        self.validation = None if validation is None else validation.to(device)
        self.weights = {
            f"{name}.{key}": tensor
            for name, module in task.modules.items()
            for key, tensor in module.state_dict().items()
        }
        self.identity = identity_of(config, data, validation, self.weights, identity) if checkpoint else {}
        self.average = Average(self.weights, config.ema) if config.ema else None
        self.best: dict[str, Tensor] = {}
        self.first_rates = {
            name: [group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups]
            for name, optimizer in task.optimizers.items()
        }
        self.batch = min(config.batch, len(data))
        self.epoch, self.order = -1, torch.empty(0)
        self.standing = Standing()
        if resume and checkpoint is not None and checkpoint.exists():
            self._restore(checkpoint)

    def train(self, log: Path | None, progress: Progress | None) -> Trained:
        config, standing = self.config, self.standing
        started, told = time.perf_counter() - standing.seconds, 0.0
        self._mode(training=True)
        whole = True  # whether the weights are those at the end of a step
        with deferred() as interrupts, LossLog(log, standing.step) if log else nullcontext() as losses:
            try:
                while standing.step < config.steps and not standing.stopped:
                    whole = False
                    self._step()
                    standing.seconds = time.perf_counter() - started
                    if losses:
                        losses.write(standing.step, standing.seconds, standing.losses)
                    whole = True
                    last = standing.step == config.steps or standing.stopped
                    if last or interrupts or standing.step % config.checkpoint_every == 0:
                        self._save(losses)
                    if interrupts:
                        break
                    if progress and (last or time.perf_counter() - told > _TELL_S):
                        told = time.perf_counter()
                        progress(standing.step, config.steps, standing.losses)
            except KeyboardInterrupt:
                if whole and not interrupts:
                    self._save(losses)
                raise
        assign(self.weights, self.best or self._averaged())
        self._mode(training=False)
        return Trained(standing.step, dict(standing.losses), standing.best, standing.stopped, standing.seconds)

    def _step(self) -> None:
        step = self.standing.step
        for name, optimizer in self.task.optimizers.items():
            for group, first in zip(optimizer.param_groups, self.first_rates[name], strict=True):
                group["lr"] = first * self.config.decay(step)
        losses = self.task.step(self._rows(step), step, generator_of(self.config.seed, _STEP, step), self._update)
        self.standing.losses = {name: float(loss) for name, loss in losses.items()}
        self.standing.step = step + 1
        for name, value in self.standing.losses.items():
            if not math.isfinite(value):
                raise self._diverged(f"loss '{name}' is {value}")
        if self.average:
            self.average.update(step)
        due = self.standing.step % self.config.validate_every == 0 or self.standing.step == self.config.steps
        if due and self.validation is not None:
            self._validate(self.validation)

    def _rows(self, step: int) -> Tensor:
        epoch, place = divmod(step, len(self.data) // self.batch)
        if epoch != self.epoch:
            order = torch.randperm(len(self.data), generator=generator_of(self.config.seed, _EPOCH, epoch))
            self.epoch, self.order = epoch, order.to(self.data.device)
        return self.data[self.order[place * self.batch : (place + 1) * self.batch]]

    def _update(self, optimizer: str, loss: Tensor) -> None:
        everything = [p for group in self.task.optimizers[optimizer].param_groups for p in group["params"]]
        for parameter in everything:
            parameter.grad = None
        learning = [p for p in everything if p.requires_grad]
        loss.backward(inputs=learning)
        if self.config.clip:
            torch.nn.utils.clip_grad_norm_(learning, self.config.clip, foreach=True)
        self.task.optimizers[optimizer].step()

    def _mode(self, training: bool) -> None:
        for module in self.task.modules.values():
            module.train(training)

    def _validate(self, data: Tensor) -> None:
        standing, patience = self.standing, self.config.patience
        self._mode(training=False)
        with torch.no_grad(), self.average.applied() if self.average else nullcontext():
            loss = float(self.task.validate(data, generator_of(self.config.seed, _VALIDATION)))
        self._mode(training=True)
        if not math.isfinite(loss):
            raise self._diverged(f"the validation loss is {loss}")
        if standing.best is None or loss < standing.best:
            standing.best, standing.worse = loss, 0
            if patience:
                self.best = {name: tensor.clone() for name, tensor in self._averaged().items()}
        else:
            standing.worse += 1
            standing.stopped = 0 < patience <= standing.worse

    def _averaged(self) -> dict[str, Tensor]:
        return self.average.values if self.average else self.weights

    def _diverged(self, what: str) -> TrainingError:
        rate = self.config.learning_rate * self.config.decay(self.standing.step - 1)
        return TrainingError(
            f"training stopped at step {self.standing.step}: {what}; lower learning_rate (it was {rate:.3g} there) "
            f"or clip ({self.config.clip:g}), and look for extreme values in the data"
        )

    def _save(self, losses: LossLog | None) -> None:
        for name, tensor in self.weights.items():
            if not torch.isfinite(tensor).all():
                raise self._diverged(f"weights '{name}' are no longer finite")
        if losses:
            losses.flush()
        if self.checkpoint:
            average = self.average.values if self.average else {}
            tensors = {"weights": self.weights, "average": average, "best": self.best}
            save(self.checkpoint, self.identity, self.standing, tensors, self.task.optimizers)

    def _restore(self, path: Path) -> None:
        found = read(path, self.identity)
        self.standing = found.standing
        assign(self.weights, found.tensors["weights"])
        if self.average:
            assign(self.average.values, found.tensors["average"])
        self.best = {name: tensor.to(self.data.device) for name, tensor in found.tensors["best"].items()}
        for name, optimizer in self.task.optimizers.items():
            optimizer.load_state_dict({**optimizer.state_dict(), "state": found.optimizers[name]})
