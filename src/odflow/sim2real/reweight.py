"""The front door: weights of simulated samples or worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from odflow.errors import DataError
from odflow.sim2real.bilevel import Params, lower_level
from odflow.sim2real.config import ReweightConfig
from odflow.sim2real.tasks import Batch, CuttingPlane, LossFunction, Unrolled
from odflow.sim2real.weights import effective_share
from odflow.training import Progress, train
from odflow.training.seeds import generator_of

_EQUAL = 41  # stream of random numbers


@dataclass(frozen=True, eq=False)
class Reweighted:
    """What came out.

    Parameters
    ----------
    weights : array, shape (N,)
        Of the simulated samples, mean 1.
    world_weights : array, shape (G,)
        Of the worlds, mean 1; those of the samples if there were no worlds.
    params : dict of str to Tensor
        The network at the end.
    effective : float
        Effective share of samples or worlds, 1 = all alike.
    real_loss, equal_loss : float
        On real samples that were held out: of the network, and of one that was trained as long with equal weights.
        NaN if none were held out.
    """

    weights: NDArray[np.float64]
    world_weights: NDArray[np.float64]
    params: Params
    effective: float
    real_loss: float
    equal_loss: float


def reweight(
    loss: LossFunction,
    params: Params,
    simulated: Sequence[Tensor],
    real: Sequence[Tensor],
    config: ReweightConfig | None = None,
    *,
    worlds: NDArray[np.int64] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    log: Path | None = None,
    progress: Progress | None = None,
) -> Reweighted:
    """Weigh simulated samples by how well a network trained on them does on real ones.

    Solves ``min_w G(phi*(w))``, G the mean real loss and phi* the network of least weighted simulated loss
    (Sim-MSTNet, Ma et al. 2026), with ``phi*`` replaced by K gradient steps.

    Parameters
    ----------
    loss : callable
        ``loss(params, batch)``: losses of the samples of a batch, shape (B,); a function of its arguments alone, such
        as one that uses ``torch.func.functional_call``.
    params : dict of str to Tensor
        Where the network starts.
    simulated, real : sequences of Tensor
        Arrays with one row for each sample, such as inputs and targets.
    config : ReweightConfig, optional
    worlds : ints, shape (N,), optional
        Number of the simulated world that each sample is of, from 0: one weight for each world then.
    checkpoint, resume, log, progress
        As :func:`odflow.training.train`.

    Raises
    ------
    DataError
        If the arrays do not fit each other.
    """
    config = config or ReweightConfig()
    parts, truth = tuple(simulated), tuple(real)
    _check(parts, truth, worlds)
    kept = max(1, round(len(truth[0]) * (1 - config.held_out)))
    order = torch.randperm(len(truth[0]), generator=generator_of(config.seed, _EQUAL, 0))
    seen, held = (tuple(part[rows] for part in truth) for rows in (order[:kept], order[kept:]))
    groups = None if worlds is None else torch.from_numpy(np.ascontiguousarray(worlds, dtype=np.int64))
    kind = Unrolled if config.solver == "unrolled" else CuttingPlane
    task = kind(loss, params, parts, seen, groups, config)
    rows = torch.arange(len(parts[0]))
    train(task, rows, config, checkpoint=checkpoint, resume=resume, log=log, progress=progress)
    logits = task.state.logits
    of_worlds = logits.sigmoid()
    of_samples = of_worlds[task.worlds]
    found = {name: value.clone() for name, value in task.state.params.items()}
    real_loss = equal_loss = float("nan")
    if len(held[0]):
        equal = _trained_alike(loss, params, parts, config)
        real_loss, equal_loss = (float(loss(each, held).mean()) for each in (found, equal))
    return Reweighted(
        weights=(of_samples / of_samples.mean()).double().numpy(),
        world_weights=(of_worlds / of_worlds.mean()).double().numpy(),
        params=found,
        effective=effective_share(of_worlds),
        real_loss=real_loss,
        equal_loss=equal_loss,
    )


def _trained_alike(loss: LossFunction, params: Params, simulated: Batch, config: ReweightConfig) -> Params:
    """The control: as many steps of the lower level with equal weights."""
    found = dict(params)
    count = len(simulated[0])
    for step in range(config.steps):
        chosen = torch.randperm(count, generator=generator_of(config.seed, _EQUAL, 1, step))[: config.batch]
        batch = tuple(part[chosen] for part in simulated)
        rate = config.inner_rate * config.decay(step)
        logits = torch.zeros(len(chosen), dtype=next(iter(params.values())).dtype)
        reached = lower_level(lambda p, batch=batch: loss(p, batch), found, logits, config.inner_steps, rate)
        found = {name: value.detach() for name, value in reached.items()}
    return found


def _check(simulated: Batch, real: Batch, worlds: NDArray[np.int64] | None) -> None:
    for what, arrays in (("simulated", simulated), ("real", real)):
        if not arrays or not len(arrays[0]):
            raise DataError(f"there are no {what} samples")
        if len({len(part) for part in arrays}) > 1:
            raise DataError(
                f"{what} arrays have {', '.join(str(len(part)) for part in arrays)} rows, expected as many each"
            )
    if len(simulated) != len(real) or any(a.shape[1:] != b.shape[1:] for a, b in zip(simulated, real, strict=False)):
        raise DataError("simulated and real samples are of different shapes")
    if worlds is not None and (worlds.shape != (len(simulated[0]),) or worlds.min() < 0):
        raise DataError(
            f"worlds of shape {worlds.shape}, expected a number from 0 for each of {len(simulated[0])} samples"
        )
