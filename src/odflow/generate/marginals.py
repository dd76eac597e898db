"""Demands to values that are nearly normal, flow by flow, and back; fitted on training data alone."""

from __future__ import annotations

from math import log
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor, nn

KNOTS = 161
WIDEST = 3.2  # normal scores that the knots span, on both sides; the outer segments go on beyond
SHIFT = 0.1  # of a flow's mean, added before the logarithm: what is far below that counts as next to nothing
SMALL = 1e-3  # of the mean demand; keeps flows without traffic finite
LEAST_SLOPE = 0.02  # of the logarithm per normal score, so that the map can be inverted where many demands are equal
MOST = 3.0  # times the largest demand of a flow that was seen, or of its lognormal line: where the map back ends


class Marginals(nn.Module):
    """A monotone map per flow between demands and weighted normal scores.

    The logarithm of a demand, shifted by a tenth of the flow's mean, is taken as a piecewise linear
    function of a standard normal score. That function is the flow's quantile function (`share` 1),
    which makes the scores of the training data normal, or the straight line of a lognormal flow
    (`share` 0), which means something beyond the demands seen as well; or a mixture of both.

    Parameters
    ----------
    flows : int

    Notes
    -----
    Normal scores: Liu, Lafferty, Wasserman, "The nonparanormal", JMLR 2009. Traffic matrices span
    orders of magnitude, and a min-max scaling distorts them (Yuan et al. 2023, pre-processing).
    """

    heights: Tensor
    shift: Tensor
    weight: Tensor
    largest: Tensor

    def __init__(self, flows: int) -> None:
        super().__init__()
        self.register_buffer("heights", torch.zeros(KNOTS, flows))
        self.register_buffer("shift", torch.ones(flows))
        self.register_buffer("weight", torch.ones(flows))
        self.register_buffer("largest", torch.ones(flows))

    @torch.no_grad()
    def fit(self, traffic: Tensor, share: float) -> None:
        """Learn the map.

        Parameters
        ----------
        traffic : Tensor, shape (N, flows)
            Demands, not negative.
        share : float
            Of the quantile function, from 0 to 1.
        """
        mean = traffic.double().mean(dim=0)
        shift = SHIFT * mean + SMALL * mean.mean()
        logs = (traffic.double() + shift).log()
        scores = _SCORES[:, None]
        quantiles = torch.stack([_quantiles(column, _SHARES) for column in logs.T], dim=1)
        line = logs.mean(dim=0) + logs.std(dim=0, correction=0) * scores
        heights = share * quantiles + (1 - share) * line + LEAST_SLOPE * scores
        self.heights.copy_(heights)
        self.shift.copy_(shift)
        self.weight.copy_((mean + SMALL * mean.mean()).clamp(min=1e-12))
        self.largest.copy_(heights.amax(dim=0).maximum(logs.amax(dim=0)) + log(MOST))

    @torch.no_grad()
    def calibrate(self, drawn: Tensor) -> None:
        """Let the quantiles of draws be those of the training data, after :meth:`fit` with a share of 1.

        A generator's scores are nearly, not exactly, normal: where a quantile of theirs lies, the
        map now takes the height of the same quantile of the data.

        Parameters
        ----------
        drawn : Tensor, shape (N, flows)
            Weighted scores that a generator made.
        """
        scores = drawn.double().cpu() / self.weight.double().cpu()
        grid = _SCORES.numpy()
        heights = self.heights.double().cpu().numpy() - LEAST_SLOPE * grid[:, None]  # the quantiles themselves
        out = np.empty_like(heights)
        for flow, column in enumerate(scores.T):
            at, height = _quantiles(column, _SHARES).numpy(), heights[:, flow]
            first, last = (height[1] - height[0]) / _STEP, (height[-1] - height[-2]) / _STEP
            beyond = first * np.minimum(grid - at[0], 0) + last * np.maximum(grid - at[-1], 0)
            out[:, flow] = np.interp(grid, at, height) + beyond + 0.1 * LEAST_SLOPE * grid
        self.heights.copy_(torch.from_numpy(out))

    def forward(self, traffic: Tensor) -> Tensor:
        """Demands (B, flows) to weighted scores."""
        logs = (traffic + self.shift).log()
        heights = self.heights.T.contiguous()
        below = torch.searchsorted(heights, logs.T.contiguous()).T
        below = (below - 1).clamp(0, KNOTS - 2)
        low, high = self.heights.gather(0, below), self.heights.gather(0, below + 1)
        return (self._score(below) + _STEP * (logs - low) / (high - low)) * self.weight

    def inverse(self, weighted: Tensor) -> Tensor:
        """Undo :meth:`forward`, differentiably; what lies below no traffic at all comes out negative."""
        scores = weighted / self.weight
        below = ((scores.detach() + WIDEST) / _STEP).floor().clamp(0, KNOTS - 2).long()
        low, high = self.heights.gather(0, below), self.heights.gather(0, below + 1)
        logs = low + (scores - self._score(below)) / _STEP * (high - low)
        return logs.minimum(self.largest).exp() - self.shift

    def _score(self, knot: Tensor) -> Tensor:
        return knot * _STEP - WIDEST


_STEP = 2 * WIDEST / (KNOTS - 1)
_SCORES = torch.linspace(-WIDEST, WIDEST, KNOTS, dtype=torch.float64)
_SHARES = torch.tensor([NormalDist().cdf(float(z)) for z in _SCORES], dtype=torch.float64)


def _quantiles(column: Tensor, shares: Tensor) -> Tensor:
    """Linear quantiles; torch.quantile refuses more than 2**24 values in all."""
    ordered = column.sort().values
    place = shares * (len(ordered) - 1)
    low = place.floor().long().clamp(max=max(len(ordered) - 2, 0))
    high = (low + 1).clamp(max=len(ordered) - 1)
    return torch.lerp(ordered[low], ordered[high], place - low)
