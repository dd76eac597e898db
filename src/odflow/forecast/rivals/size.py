"""How large a rival is; can be used without torch."""

from __future__ import annotations

from dataclasses import dataclass

from odflow.errors import UsageError
from odflow.generate.config import at_least


@dataclass(frozen=True, kw_only=True)
class RivalSize:
    """Sizes of the networks that forecasts are compared with; the defaults suit two CPU cores.

    Parameters
    ----------
    width : int
        Numbers that stand for an interval, a node or a series inside; a multiple of 4 and of `heads`.
    heads : int
        Of every attention.
    layers : int
        Of the encoder, and of the decoder where there is one.
    dropout : float
        Share of what is added to a residual, or handed from layer to layer, that is left out in training.
    kernel : int
        Intervals that a convolution in time sees (STGCN).
    hops : int
        Steps of a random walk on the graph, in each direction (DCRNN).
    factor : int
        c of ProbSparse attention (Informer): see :func:`odflow.forecast.probsparse.probsparse`.
    adjusted : bool
        The network sees, and corrects, differences from the mean of the same time of day instead of the values
        themselves.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    width: int = 32
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1
    kernel: int = 3
    hops: int = 2
    factor: int = 5
    adjusted: bool = False

    def __post_init__(self) -> None:
        at_least(1, width=self.width, heads=self.heads, layers=self.layers)
        at_least(1, kernel=self.kernel, hops=self.hops, factor=self.factor)
        if self.width % 4 or self.width % self.heads:
            raise UsageError(f"width is {self.width}, expected a multiple of 4 and of heads, which is {self.heads}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout}, expected a share of 0 or more and below 1")
