"""Posterior of the TM by a diffusion that meets the loads in every step (needs torch)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from odflow.estimate.backtested import BacktestedEstimator, in_parts
from odflow.estimate.denoiser import DenoisingConfig, FlowDenoiser, Ratios
from odflow.estimate.lessons import LessonTask
from odflow.estimate.snapshots import meet, paths_of, snapshots_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from odflow.estimate.candidates import Seen
    from odflow.estimate.observe import Observed
    from odflow.estimate.snapshots import Paths, Snapshots

    Floats = NDArray[np.float64]

_BEND = 3.0  # of the noise levels; Karras et al. 2022, eq. 5
_LEVELS = (0.02, 6.0)
_FINAL_STEPS = 3


class DenoisingTask(LessonTask):
    """What is learnt: denoising, by the squares of errors, counting a flow by the traffic that its scale stands for."""

    def losses(self, seen: Snapshots, paths: Paths, truth: Tensor, generator: torch.Generator) -> Tensor:
        """Of each snapshot, at a random noise level; half of the batches know an estimate that met the loads."""
        config: DenoisingConfig = self.network.config  # type: ignore[assignment]
        ratios = Ratios.about(seen)
        v = ratios.of(truth)
        normal = torch.randn(len(v), generator=generator).to(v.device)
        level = (config.noise_mean + config.noise_spread * normal).exp().clamp(*_LEVELS)
        noisy = v + level[:, None] * torch.randn(v.shape, generator=generator).to(v.device)
        before = torch.zeros_like(v)
        if torch.rand(1, generator=generator) < 0.5:
            with torch.no_grad():
                guess = self.network(noisy, level, before, seen.features, ratios.scale)
                before = ratios.of(meet(ratios.back(guess), seen, paths, 1))
        found = self.network(noisy, level, before, seen.features, ratios.scale)
        weight = seen.base * ratios.scale
        weight = weight / weight.mean(dim=1, keepdim=True)
        return ((1 + level**-2) * (weight * (found - v) ** 2).mean(dim=1)).to(v.dtype)


@dataclass(kw_only=True, eq=False)
class DiffusionPosterior(BacktestedEstimator):
    """Draws from a diffusion prior under the loads, and the estimate that its flow leads to.

    A denoiser, shared by all flows (:class:`FlowDenoiser`), is trained on what was really sent in back-tests, first
    inside simulated histories and then inside this one, as logarithms of ratios to the Student-t estimate, given the
    features that the stack sees: recent means, the usual at that time, how the flow has varied, what the loads on its
    path say. A draw follows the probability flow from noise to a TM in some steps; in each the denoised TM is moved
    towards the loads in closed form, ``x + C A' (A C A' + N / phi)^-1 (y - A x)`` with C the diagonal of the Student-t
    estimate, phi its variance over its mean and N the noise of the loads, and the next evaluation knows it. The point
    estimate is where the flow leads from no noise: for one flow alone that is the median of the draws. The mean over
    `members`, each of which has left out some of the time, is projected onto the loads; how far off they were there
    makes the quantiles, as in :meth:`GaussianPosterior.calibrate`.

    Parameters
    ----------
    weights : {"pretrained", "fine-tuned", "own"}
        What to begin from: the networks that come with odflow, trained on simulated networks alone, as they are; the
        same trained further on the back-tests; or networks that learn from these alone (`config` may then ask for other
        sizes, and should ask for more steps at a higher learning rate: see :mod:`odflow.estimate.pretraining`).
    members : int
        Networks; the estimate is the mean of theirs.
    config : DenoisingConfig
    sweeps : int
        Passes of the final projection.

    Notes
    -----
    Karras et al. 2022 (levels, preconditioning, flow); Wang, Yu, Zhang, "Zero-shot image restoration using denoising
    diffusion null-space model", 2023, and Song et al., "Pseudoinverse-guided diffusion models for inverse problems",
    2023 (steps to the measurements); Chen, Zhang, Hinton, "Analog bits", 2023 (self-conditioning). Sizes and training
    were chosen on the last three training weeks of Abilene and GEANT, learnt from the weeks before; the pretrained
    networks have seen no TM of theirs.
    """

    config: DenoisingConfig = field(default_factory=DenoisingConfig)

    shipped = "diffusion.safetensors"
    network = FlowDenoiser
    task = DenoisingTask
    configuration = DenoisingConfig

    def _said(self, network: nn.Module, seen: Snapshots, paths: Paths) -> Tensor:
        return drawn(network, seen, paths, torch.zeros_like(seen.base), self.config)

    def _raw_draws(self, seen: Seen, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        snapshots, unit = snapshots_of(seen, observed, torch.float64)
        paths = paths_of(observed, torch.float64)
        for k in range(n):
            network = self.networks_[k % len(self.networks_)]
            normal = torch.from_numpy(rng.standard_normal(snapshots.base.shape))
            yield in_parts(snapshots, partial(self._flown, network, paths, normal)) * unit

    def _flown(self, network: nn.Module, paths: Paths, normal: Tensor, some: Snapshots, rows: Tensor) -> Tensor:
        return drawn(network, some, paths, normal[rows], self.config)


def levels(config: DenoisingConfig) -> list[float]:
    """Noise levels of the evaluations, falling, and 0 at the end."""
    most, least = config.most_noise ** (1 / _BEND), config.least_noise ** (1 / _BEND)
    shares = np.linspace(0, 1, config.evaluations)
    return [*((most + shares * (least - most)) ** _BEND).tolist(), 0.0]


def drawn(network: nn.Module, seen: Snapshots, paths: Paths, normal: Tensor, config: DenoisingConfig) -> Tensor:
    """TMs, (T, flows), from standard normal noise; Euler steps of Karras et al. 2022, eq. 4, meeting the loads."""
    ratios, falling = Ratios.about(seen), levels(config)
    v, before = normal * falling[0], torch.zeros_like(normal)
    x = seen.base
    for now, then in pairwise(falling):
        level = torch.full_like(normal[:, 0], now)
        clean = network(v, level, before, seen.features, ratios.scale)
        x = meet(ratios.back(clean), seen, paths, 1)
        before = ratios.of(x)
        v = before + (v - before) * (then / now)
    return meet(x, seen, paths, _FINAL_STEPS)
