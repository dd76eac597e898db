"""Estimation by inverting a generator: the noise whose TM explains the loads (needs torch).

Algorithm 2 of Yuan, Qiao, Zhao, Hu, Zhang, "Traffic Matrix Estimation based on Denoising Diffusion
Probabilistic Model", 2023: of N_init noise sets take the one whose TM is nearest to the loads, then
improve its noises by I_opt steps of Adam through the generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from odflow.errors import UsageError
from odflow.estimate.checks import check_counts
from odflow.estimate.descent import Decode, Descent, Operator, padded
from odflow.training.seeds import generator_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from odflow.training import Progress

    Floats = NDArray[np.float64]

_STREAM = 11  # of the random numbers of the starts


@dataclass(frozen=True, kw_only=True)
class InversionConfig:
    """How a generator is inverted.

    Parameters
    ----------
    starts : int
        Noise sets to choose the start from (N_init).
    draws : int
        Inversions of each snapshot, from as many nearest starts; the estimate is the mean of their
        TMs. 1 is algorithm 2; more come nearer to the mean of all TMs that explain the loads.
    steps : int
        Steps of Adam (I_opt); 0 keeps the start.
    learning_rate : float
    decay : {"cosine", "halving", "none"}
        Of the learning rate: half a cosine down to 0, or halved after 1/12, 1/6 and 1/2 of the steps
        (the published code: at steps 25, 50 and 150 of 300).
    norm : {"l1", "l2"}
        Sum of absolute, or of squared, differences between the loads of the TM and the measured
        ones, each as a share of the total measured load of the snapshot.
    prior : float
        Weight of half the sum of squares of the moved noises, i.e. of how unlikely they are, against
        that. 0 is algorithm 2; above, it keeps the TMs among those that the generator would draw.
    relax : float
        The weight falls to 0 as ``(1 - step / steps) ** relax``, so that the loads have the last word;
        0 keeps it.
    move : {"all", "start"}
        Move all noises, or only the first of each set: x_T of a diffusion.
    best : bool
        Return the TM of least loss among all steps instead of the last one, for each snapshot; the
        loss then counts the prior at the weight of the step.
    patience : int
        A snapshot is done when its loss has not fallen by 0.1 % in so many steps; 0: never.
    block : int
        Noise sets decoded at once; see :func:`invert` for the memory.
    seed : int
    """

    starts: int = 1000
    draws: int = 1
    steps: int = 200
    learning_rate: float = 0.04
    decay: Literal["cosine", "halving", "none"] = "cosine"
    norm: Literal["l1", "l2"] = "l1"
    prior: float = 0.0
    relax: float = 2.0
    move: Literal["all", "start"] = "all"
    best: bool = False
    patience: int = 0
    block: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        check_counts(starts=self.starts, draws=self.draws, block=self.block)
        if self.draws > self.starts:
            raise UsageError(f"draws is {self.draws}, more than the {self.starts} starts to take them from")
        for name, least in (("steps", 0), ("patience", 0), ("seed", 0)):
            value = getattr(self, name)
            if int(value) != value or value < least:
                raise UsageError(f"{name} is {value}, expected a whole number of at least {least}")
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(f"learning_rate is {self.learning_rate}, expected a positive number")
        if not 0 <= self.prior < math.inf:
            raise UsageError(f"prior is {self.prior}, expected a weight of 0 or more")
        if not 0 <= self.relax < math.inf:
            raise UsageError(f"relax is {self.relax}, expected an exponent of 0 or more")
        choices = {"decay": ("cosine", "halving", "none"), "norm": ("l1", "l2"), "move": ("all", "start")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise UsageError(f"{name} is '{getattr(self, name)}', expected one of {', '.join(known)}")

    def prior_at(self, step: int) -> float:
        """Weight of the prior at a step, counted from 0."""
        return self.prior * (1 - step / max(self.steps, 1)) ** self.relax

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if self.decay == "cosine":
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))
        if self.decay == "halving":
            return self.learning_rate * 0.5 ** sum(step * share >= self.steps for share in (12, 6, 2))
        return self.learning_rate


def invert(
    decode: Decode,
    noise_shape: tuple[int, ...],
    matrix: csr_array,
    loads: Floats,
    config: InversionConfig,
    progress: Progress | None = None,
    *,
    pool: NDArray[np.float32] | None = None,
    device: torch.device | str = "cpu",
) -> Floats:
    """TMs of a generator that explain the loads best.

    Parameters
    ----------
    decode : callable
        Differentiable; noises (B, *noise_shape) to TMs (B, flows), float32.
    noise_shape : tuple of int
        Shape of the noise behind one TM; ``move="start"`` needs two axes, the first of which counts the noises.
    matrix : csr_array, shape (rows, flows)
        A.
    loads : array, shape (T, rows)
        y, in the units of `decode`; NaN = not measured.
    config : InversionConfig
    progress : callable, optional
        Told (steps done, steps in all, {"loss": mean loss of the block}), summed over snapshots and draws.
    pool : array, shape (starts, flows), optional
        From :func:`decode_starts` with the same config, where it serves several calls.
    device : device
        Where `decode` wants its noises.

    Returns
    -------
    array, shape (T, flows)

    Notes
    -----
    Starts are common to all snapshots, losses of snapshots are summed and Adam works element by
    element, so that what comes out for a snapshot does not depend on the others.

    Memory, with b = `block` rounded up to a multiple of 16: the result, 4 * starts * flows bytes of
    decoded starts, 16 * starts * rows bytes of their loads and 16,000 * starts bytes while they are
    compared, 4 * b * (5 * noise + 4 * flows + 4 * rows) bytes of the descent,
    and what autograd keeps for one call of `decode` on b noises. None but the result grows with T.

    Raises
    ------
    UsageError
        If ``move="start"`` and the generator has one noise only.
    """
    if config.move == "start" and len(noise_shape) < 2:
        raise UsageError("move='start' is for chains of noises (diffusion); this generator has one noise: use 'all'")
    pool = decode_starts(decode, noise_shape, config, device=device) if pool is None else pool
    start = nearest_starts(pool, matrix, loads, config.draws).ravel()
    out = np.zeros((len(loads), matrix.shape[1]))
    operator = Operator.of(matrix, device)
    done, total = 0, max(1, len(start) * config.steps)
    for begin in range(0, len(start), config.block):
        count = min(config.block, len(start) - begin)
        rows = begin + np.minimum(np.arange(padded(count)), count - 1)
        snapshot = rows // config.draws
        noise = starting_noise(start[rows], noise_shape, config.seed, device)
        descent = Descent(decode, operator, noise, loads[snapshot], config)
        for step, loss in descent.run():
            if progress is not None:
                progress(done + count * step, total, {"loss": loss})
        done += count * config.steps
        np.add.at(out, snapshot[:count], descent.result()[:count].double().cpu().numpy())
    return out / config.draws


def decode_starts(
    decode: Decode, noise_shape: tuple[int, ...], config: InversionConfig, *, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """TMs of the noise sets to start from, shape (starts, flows)."""
    parts = []
    with torch.no_grad():
        for begin in range(0, config.starts, config.block):
            count = min(config.block, config.starts - begin)
            which = np.minimum(np.arange(padded(count)), count - 1) + begin
            parts.append(decode(starting_noise(which, noise_shape, config.seed, device))[:count].cpu().numpy())
    return np.concatenate(parts)


def starting_noise(
    which: NDArray[np.int64], noise_shape: tuple[int, ...], seed: int, device: torch.device | str = "cpu"
) -> Tensor:
    """The noise sets of these numbers, shape (len(which), *noise_shape); each is drawn from (seed, number) alone."""
    distinct, place = np.unique(which, return_inverse=True)
    sets = [torch.randn(noise_shape, generator=generator_of(seed, _STREAM, int(k))) for k in distinct]
    return torch.stack(sets)[torch.from_numpy(place.ravel())].to(device)


def nearest_starts(pool: NDArray[np.float32], matrix: csr_array, loads: Floats, count: int = 1) -> NDArray[np.int64]:
    """Numbers of the starts with the least ``||A x - y||^2`` over measured rows, nearest first, shape (T, count)."""
    parts = [(matrix @ pool[begin : begin + 64].T).T for begin in range(0, len(pool), 64)]
    produced = np.concatenate(parts).astype(float)
    squares = produced**2
    chosen = np.empty((len(loads), count), dtype=np.int64)
    for begin in range(0, len(loads), 1000):
        y = loads[begin : begin + 1000]
        measured = ~np.isnan(y)
        # the sum of squares without y^2, which is the same for all starts
        distance = measured.astype(float) @ squares.T - 2 * np.where(measured, y, 0.0) @ produced.T
        chosen[begin : begin + 1000] = distance.argsort(axis=1, kind="stable")[:, :count]
    return chosen
