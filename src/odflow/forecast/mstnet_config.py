"""Configuration of Sim-MSTNet's network and training; can be used without torch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self

from odflow.errors import UsageError
from odflow.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class MSTNetConfig(TrainingConfig):
    """Parameters of ``MSTNet``; the defaults suit two CPU cores.

    Widths, windows and rates are ours, the paper (Ma et al. 2026) names none. `batch` counts windows of all nodes.

    Parameters
    ----------
    past : int
        P, intervals in a window.
    lead : int
        H, intervals to forecast.
    season : int
        Intervals after which traffic is taken to repeat, a day as a rule; at most `past`. The network corrects the
        value of one season before. 0 = it corrects the last known value.
    quantiles : tuple of float
        What to forecast, in rising order. A single one is a point forecast.
    width : int
        D, length of the state of an interval; a multiple of `heads`.
    heads : int
        Of every attention.
    layers : int
        Of the encoder: convolution along time, attention between neighbours, attention between tasks.
    decoder_layers : int
        Of the Informer decoder.
    start : int
        Last intervals of the window that the decoder starts from; at most `past`.
    probsparse : int
        c: of L queries the c ceil(ln L) most telling ones attend; large = all of them.
    neighbours : int
        K, nearest nodes that a node attends to, itself among them.
    dropout : float
        Share of the numbers that each layer adds which is dropped in training.
    spatial_attention : bool
        Attention between neighbours; without, nodes are independent.
    task_attention : bool
        Attention between the branches of tasks; only soft sharing has any. Without, tasks are independent.
    sharing : {"soft", "hard", "none"}
        A branch for each task, with attention between them; or one for all tasks together, which sees all of them
        and branches only in its last layer; or single-task networks.
    dynamic_weights : bool
        Weights of the tasks' losses that follow the losses, see ``LossWeights``; otherwise all are 1.
    smoothing : float
        rho of the exponential smoothing of relative losses, from 0 up to below 1.
    temperature : float
        Of the softmax that makes them weights: large = all alike.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    steps: int = 2000
    batch: int = 32
    learning_rate: float = 2e-3
    final_learning_rate: float = 1e-4
    past: int = 24
    lead: int = 12
    season: int = 0
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)
    width: int = 24
    heads: int = 2
    layers: int = 2
    decoder_layers: int = 1
    start: int = 12
    probsparse: int = 5
    neighbours: int = 8
    dropout: float = 0.1
    spatial_attention: bool = True
    task_attention: bool = True
    sharing: Literal["soft", "hard", "none"] = "soft"
    dynamic_weights: bool = True
    smoothing: float = 0.99
    temperature: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("past", "lead", "width", "heads", "layers", "decoder_layers", "probsparse", "neighbours"):
            self._whole(name, 1)
        for name in ("season", "start"):
            self._whole(name, 0)
            if getattr(self, name) > self.past:
                raise UsageError(f"{name} is {getattr(self, name)}, expected at most the window, past = {self.past}")
        if self.width % self.heads:
            raise UsageError(f"width is {self.width}, expected a multiple of heads, {self.heads}")
        for name in ("dropout", "smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}, expected a share of 0 or more and below 1")
        if not 0 < self.temperature < float("inf"):
            raise UsageError(f"temperature is {self.temperature}, expected a positive number")
        if self.sharing not in ("soft", "hard", "none"):
            raise UsageError(f"sharing is '{self.sharing}', expected one of soft, hard, none")
        check_quantiles(self.quantiles)

    @property
    def tasks_attend(self) -> bool:
        """Whether there is attention between tasks."""
        return self.task_attention and self.sharing == "soft"

    @classmethod
    def full(cls) -> Self:
        """A network 24 times as large, for a GPU."""
        return cls(
            steps=20000, width=96, heads=8, layers=3, decoder_layers=2, neighbours=16, past=48, start=24, ema=0.9995
        )


def check_quantiles(quantiles: tuple[float, ...]) -> None:
    """Raise :class:`UsageError` unless there are quantiles, all between 0 and 1 and in rising order."""
    if not quantiles or not all(0 < q < 1 for q in quantiles) or any(a >= b for a, b in pairwise(quantiles)):
        raise UsageError(f"quantiles are {quantiles}, expected numbers between 0 and 1 in rising order")
