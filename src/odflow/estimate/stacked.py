"""One estimate of many, by a small network that is shared by all flows (needs torch)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from odflow.estimate.backtested import BacktestedEstimator
from odflow.estimate.stack_network import StackConfig, StackNetwork, StackTask

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from odflow.estimate.candidates import Seen
    from odflow.estimate.observe import Observed
    from odflow.estimate.snapshots import Paths, Snapshots

    Floats = NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class StackedEstimator(BacktestedEstimator):
    """What a small network, shared by all flows, makes of the estimates of several methods.

    It sees of each flow how the candidates differ, how sure the Student-t posterior is, how the flow has varied, and
    how far the loads of its path are from what was expected, all as logarithms of ratios: nothing that tells which flow
    or network it is. Two stages change the Student-t estimate, a step towards the loads follows each, and the result is
    projected onto the loads. It has learnt from simulated networks, and goes on with back-tests inside the history:
    weeks, one from each day on, estimated from what was known before, by the least absolute error. The estimate is the
    mean over `members`, each of which has left out some of the time; how far off they were there makes the quantiles,
    as in :meth:`GaussianPosterior.calibrate`. Joint draws go together as those of the Student-t posterior do.

    Parameters
    ----------
    weights : {"pretrained", "fine-tuned", "own"}
        What to begin from: the networks that come with odflow, trained on simulated networks alone, as they are; the
        same trained further on the back-tests; or networks that learn from these alone (`config` may then ask for other
        sizes, and should ask for more steps at a higher learning rate: see :mod:`odflow.estimate.pretraining`).
    members : int
        Networks; the estimate is the mean of theirs.
    config : StackConfig
    sweeps : int
        Passes of the final projection.

    Notes
    -----
    Wolpert, "Stacked generalization", Neural Networks 5, 1992. Sizes and training were chosen on the last three
    training weeks of Abilene and GEANT, learnt from the weeks before; the pretrained networks have seen no TM of
    theirs.
    """

    config: StackConfig = field(default_factory=StackConfig)

    shipped = "stack.safetensors"
    network = StackNetwork
    task = StackTask
    configuration = StackConfig

    def _said(self, network: nn.Module, seen: Snapshots, paths: Paths) -> Tensor:
        x: Tensor = network(seen, paths)
        return x

    def _raw_draws(self, seen: Seen, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        return self._fitted().base._unfinished_draws(observed, n, rng)
