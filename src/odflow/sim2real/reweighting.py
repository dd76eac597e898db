"""The front door: weights of simulated samples or worlds, and the network that they make."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from odflow.errors import DataError, TrainingError
from odflow.sim2real.bilevel import Params
from odflow.sim2real.config import ReweightConfig
from odflow.sim2real.networks import Networks
from odflow.sim2real.solvers import Batch, CuttingPlane, LossFunction, Unrolled
from odflow.sim2real.weights import effective_share
from odflow.training import Progress, train
from odflow.training.seeds import generator_of

_HELD_OUT = 41  # stream of random numbers


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
        The network trained with these weights.
    equal_params : dict of str to Tensor
        The control: trained in the same way with equal weights.
    effective : float
        Effective share of samples or worlds, 1 = all alike.
    real_loss, equal_loss : float
        Of the two networks on the real samples that were held out; NaN if none were.
    """

    weights: NDArray[np.float64]
    world_weights: NDArray[np.float64]
    params: Params
    equal_params: Params
    effective: float
    real_loss: float
    equal_loss: float

    def __str__(self) -> str:
        """Whether it was worth it, in two lines."""
        kind = "samples" if len(self.world_weights) == len(self.weights) else "worlds"
        return (
            f"{len(self.world_weights)} weights of {kind}, effectively {self.effective:.0%} of them\n"
            f"loss on held-out real samples: {self.real_loss:.4g} weighted, {self.equal_loss:.4g} with equal weights"
        )


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
    """Weigh simulated samples by how well a network trained on them does on real ones, and train that network.

    Solves ``min_w G(phi*(w))``, G the mean real loss and phi* the network of least weighted simulated loss
    (Sim-MSTNet, Ma et al. 2026), with ``phi*`` replaced by K gradient steps. Then a network is trained from `params`
    with the weights found, and another one in the same way with equal weights.

    Parameters
    ----------
    loss : callable
        ``loss(params, batch)``: losses of the samples of a batch, shape (B,); a function of its arguments alone, such
        as one that uses ``torch.func.functional_call``.
    params : dict of str to Tensor
        Where every network starts.
    simulated, real : sequences of Tensor
        Arrays with one row for each sample, such as inputs and targets. Batches of them are moved to the device.
    config : ReweightConfig, optional
    worlds : ints, shape (N,), optional
        Number of the simulated world that each sample is of, from 0: one weight for each world then.
    checkpoint, resume, log, progress
        As :func:`odflow.training.train`. The two networks have a checkpoint and a log of their own, the name with
        ``-networks`` before the suffix.

    Returns
    -------
    Reweighted

    Raises
    ------
    DataError
        If the arrays do not fit each other, or the loss is not one for each sample.
    UsageError, TrainingError, OdflowError
        As :func:`odflow.training.train`.
    """
    config = config or ReweightConfig()
    parts, truth = tuple(simulated), tuple(real)
    _check(parts, truth, worlds)
    _check_loss(loss, params, truth)
    seen, held = _split(truth, config)
    groups = torch.arange(len(parts[0])) if worlds is None else torch.from_numpy(np.array(worlds, dtype=np.int64))
    rows = torch.arange(len(parts[0]))
    identity = _identity({"simulated": parts, "real": seen, "start": tuple(params.values()), "worlds": (groups,)})
    solver = CuttingPlane if config.solver == "cutting-plane" else Unrolled
    task = solver(loss, params, parts, seen, groups, config)
    both = config.steps + config.network_steps
    try:
        train(
            task,
            rows,
            config,
            checkpoint=checkpoint,
            resume=resume,
            identity=identity,
            log=log,
            progress=_shifted(progress, 0, both),
        )
    except TrainingError as error:
        raise TrainingError(
            f"the search for weights diverged; lower inner_rate (it is {config.inner_rate:g}), and look for extreme "
            "values in the data"
        ) from error
    of_worlds = task.weights.logits.sigmoid().cpu()
    of_worlds = of_worlds / of_worlds[groups].mean()
    networks = Networks(loss, params, parts, of_worlds[groups], config)
    train(
        networks,
        rows,
        replace(config, steps=config.network_steps),
        checkpoint=_beside(checkpoint),
        resume=resume,
        identity=identity | _identity({"weights": (of_worlds,)}),
        log=_beside(log),
        progress=_shifted(progress, config.steps, both),
    )
    weighted, equal = networks.params("weighted"), networks.params("equal")
    return Reweighted(
        weights=of_worlds[groups].double().numpy(),
        world_weights=(of_worlds / of_worlds.mean()).double().numpy(),
        params=weighted,
        equal_params=equal,
        effective=effective_share(of_worlds),
        real_loss=_mean_loss(loss, weighted, held),
        equal_loss=_mean_loss(loss, equal, held),
    )


def _split(real: Batch, config: ReweightConfig) -> tuple[Batch, Batch]:
    count = len(real[0])
    order = torch.randperm(count, generator=generator_of(config.seed, _HELD_OUT))
    kept = max(1, round(count * (1 - config.held_out)))
    return tuple(part[order[:kept]] for part in real), tuple(part[order[kept:]] for part in real)


@torch.no_grad()
def _mean_loss(loss: LossFunction, params: Params, samples: Batch) -> float:
    return float(loss(params, samples).mean()) if len(samples[0]) else float("nan")


def _shifted(progress: Progress | None, done_before: int, of_both: int) -> Progress | None:
    if progress is None:
        return None

    def shifted(done: int, total: int, losses: Mapping[str, float]) -> None:
        progress(done_before + done, of_both, losses)

    return shifted


def _beside(path: Path | None) -> Path | None:
    return None if path is None else path.with_stem(path.stem + "-networks")


def _identity(data: Mapping[str, Sequence[Tensor]]) -> dict[str, str]:
    return {name: _digest(tensors) for name, tensors in data.items()}


def _digest(tensors: Sequence[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(array.data)
    return digest.hexdigest()


@torch.no_grad()
def _check_loss(loss: LossFunction, params: Params, real: Batch) -> None:
    if not params:
        raise DataError("there are no parameters")
    shape = tuple(loss(params, real).shape)
    if shape != (len(real[0]),):
        raise DataError(f"loss gives shape {shape}, expected one loss for each of {len(real[0])} samples")


def _check(simulated: Batch, real: Batch, worlds: NDArray[np.int64] | None) -> None:
    for what, arrays in (("simulated", simulated), ("real", real)):
        if not arrays or not len(arrays[0]):
            raise DataError(f"there are no {what} samples")
        if len({len(part) for part in arrays}) > 1:
            raise DataError(
                f"{what} arrays have {', '.join(str(len(part)) for part in arrays)} rows, expected as many each"
            )
    if len(simulated) != len(real) or any(a.shape[1:] != b.shape[1:] for a, b in zip(simulated, real, strict=True)):
        raise DataError("simulated and real samples are of different shapes")
    if worlds is None:
        return
    if worlds.shape != (len(simulated[0]),) or worlds.dtype.kind not in "iu" or worlds.min() < 0:
        raise DataError(
            f"worlds of shape {worlds.shape} and type {worlds.dtype}, expected a whole number from 0 for each of "
            f"{len(simulated[0])} samples"
        )
    empty = np.flatnonzero(np.bincount(worlds) == 0)
    if len(empty):
        raise DataError(f"world {empty[0]} has no samples; number the worlds without gaps")
