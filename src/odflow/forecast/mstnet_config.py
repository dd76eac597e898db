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
        Attention between the branches of tasks; only soft and tied sharing have any. Without, tasks are independent.
    sharing : {"soft", "tied", "hard", "none"}
        A branch for each task, with attention between them; the same with one set of parameters for all branches; or
        one branch for all tasks together, which sees all of them and tells them apart only in its last layer; or
        single-task networks.
    mixture : bool
        The forecast starts from a mixture of simple ones; without, from the last known value.
    dynamic_weights : bool
        Weights of the tasks' losses that follow the losses, see ``LossWeights``; otherwise all are 1.
    smoothing : float
        rho of the exponential smoothing of relative losses, from 0 up to below 1.
    temperature : float
        Of the softmax that makes them weights: large = all alike.
    anchor : float
        Penalty on the squared distance of the parameters from where a training starts, for networks that have learnt
        from simulation before (L2-SP: Li, Grandvalet and Davoine, ICML 2018).

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    steps: int = 200
    batch: int = 8
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-4
    ema: float = 0.0
    validate_every: int = 20
    patience: int = 4
    past: int = 24
    lead: int = 24
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)
    width: int = 40
    heads: int = 2
    layers: int = 2
    decoder_layers: int = 1
    start: int = 12
    probsparse: int = 5
    neighbours: int = 4
    dropout: float = 0.0
    spatial_attention: bool = True
    task_attention: bool = True
    sharing: Literal["soft", "tied", "hard", "none"] = "soft"
    mixture: bool = True
    dynamic_weights: bool = True
    smoothing: float = 0.99
    temperature: float = 0.5
    anchor: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("past", "lead", "width", "heads", "layers", "decoder_layers", "probsparse", "neighbours"):
            self._whole(name, 1)
        self._whole("start", 0)
        if self.start > self.past:
            raise UsageError(f"start is {self.start}, expected at most the window, past = {self.past}")
        if self.width % self.heads:
            raise UsageError(f"width is {self.width}, expected a multiple of heads, {self.heads}")
        for name in ("dropout", "smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}, expected a share of 0 or more and below 1")
        if not 0 < self.temperature < float("inf"):
            raise UsageError(f"temperature is {self.temperature}, expected a positive number")
        if not 0 <= self.anchor < float("inf"):
            raise UsageError(f"anchor is {self.anchor}, expected a number of 0 or more")
        if self.sharing not in ("soft", "tied", "hard", "none"):
            raise UsageError(f"sharing is '{self.sharing}', expected one of soft, tied, hard, none")
        check_quantiles(self.quantiles)

    @property
    def tasks_attend(self) -> bool:
        """Whether there is attention between tasks."""
        return self.task_attention and self.sharing in ("soft", "tied")

    @classmethod
    def full(cls) -> Self:
        """A network 24 times as large, for a GPU."""
        return cls(
            steps=20000, width=96, heads=8, layers=3, decoder_layers=2, neighbours=16, past=48, start=24, ema=0.9995
        )


def check_quantiles(quantiles: tuple[float, ...]) -> None:
    """Raise :class:`UsageError` unless quantiles are between 0 and 1, rising, and 0.5 is the middle one."""
    if not quantiles or not all(0 < q < 1 for q in quantiles) or any(a >= b for a, b in pairwise(quantiles)):
        raise UsageError(f"quantiles are {quantiles}, expected numbers between 0 and 1 in rising order")
    if quantiles[len(quantiles) // 2] != 0.5 or len(quantiles) % 2 == 0:
        raise UsageError(f"quantiles are {quantiles}, expected 0.5, the forecast itself, in the middle")
