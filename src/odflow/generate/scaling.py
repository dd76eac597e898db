"""Traffic to model units and back, per flow; fitted on training data alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SMALL = 1e-3  # of the mean demand; keeps flows without traffic finite


@dataclass(frozen=True, eq=False)
class FlowScaling:
    """Divide each flow by its own scale.

    Attributes
    ----------
    scale : Tensor, shape (flows,)
        float32, positive.

    Notes
    -----
    This is the one place to change the transform: :meth:`of` (what is learnt), :meth:`forward` and
    :meth:`inverse`. It has to stay differentiable, and :meth:`inverse` must not overflow.
    """

    scale: Tensor

    @staticmethod
    def of(mean: Tensor, power: float) -> FlowScaling:
        """Scales ``c * (mean + SMALL) ** power``, with c such that the scaled TM averages to 1.

        Parameters
        ----------
        mean : Tensor, shape (flows,)
            Mean of each flow, in units of the mean demand; not all 0.
        power : float
            0: one scale for all flows, 1: every flow is divided by its mean. In between, large flows
            keep more weight than small ones (variance grows about as mean ** 1.5 in backbones).
        """
        shape = (mean.double() + SMALL) ** power
        return FlowScaling((shape * (mean.double() / shape).mean()).float())

    def forward(self, traffic: Tensor) -> Tensor:
        """Traffic (B, flows), in units of the mean demand, to model units."""
        return traffic / self.scale

    def inverse(self, scaled: Tensor) -> Tensor:
        """Undo :meth:`forward`."""
        return scaled * self.scale

    def to(self, device: torch.device | str) -> FlowScaling:
        """The same on another device."""
        return FlowScaling(self.scale.to(device))
