"""What every forecasting network takes and gives, so that all can be trained and compared alike (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes that a network is built for; the number of nodes is not one of them.

    Parameters
    ----------
    past, lead : int
        P and H: intervals in a window and to forecast.
    services : int
        S, the tasks.
    calendar : int
        C, calendar features of an interval.
    outputs : int
        Q, numbers per forecast value: one, or quantiles in rising order.
    """

    past: int
    lead: int
    services: int
    calendar: int
    outputs: int = 1


class Inputs(NamedTuple):
    """Windows of N nodes, scaled.

    Parameters
    ----------
    values : Tensor, shape (B, P, N, S)
        About zero mean and unit spread per series; 0 where nothing was measured.
    known : Tensor, shape (B, P, N, S)
        1 where measured, else 0.
    seasonal : Tensor, shape (B, P + H, N, S, 3)
        What was there at the same time of day, for the window and for what is to be forecast: the mean of up to seven
        days before, the day before, the week before; scaled like the values, 0 where not known.
    seasonal_known : Tensor, shape (B, P + H, N, S, 3)
        1 where known, else 0.
    past : Tensor, shape (B, P, C)
        Calendar features of the window,
    future : Tensor, shape (B, H, C)
        and of what is to be forecast.
    """

    values: Tensor
    known: Tensor
    seasonal: Tensor
    seasonal_known: Tensor
    past: Tensor
    future: Tensor


class Geometry(NamedTuple):
    """Where nodes are, as each one's nearest others.

    Parameters
    ----------
    near : int Tensor, shape (N, K)
        Neighbours of each node, the node itself first.
    weight : Tensor, shape (N, K)
        How near they are, from 1 (the node itself) down to 0, which fills up where there are fewer than K.

    ``MSTNet`` also takes (B, N, K), a geometry for each sample.
    """

    near: Tensor
    weight: Tensor


# A network is a module with ``forward(inputs: Inputs, geometry: Geometry) -> Tensor`` of shape (B, H, N, S, Q), built
# from a Shape and its own configuration. Its parameters do not depend on the number of nodes, and a permutation of the
# nodes, geometry included, permutes the forecast.
