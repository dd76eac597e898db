"""What an estimate without history is sure of, and which demands it cannot tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.estimate.measurement_plan import Uncertainty, usual_of
from odflow.estimate.moment_calibration import some_of
from odflow.estimate.observe import observe

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from odflow.estimate.moments import MomentPosterior
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

    Floats = NDArray[np.float64]

_LEVELS = (0.05, 0.5, 0.95)
_FACTOR = 2.0  # that a demand is known to
_LARGEST = 300  # demands among which pairs are looked for
_TOGETHER = -0.5  # correlation of two demands that only their sum is known of


Pair = tuple[tuple[str, str], tuple[str, str], float]


@dataclass(frozen=True)
class Sureness:
    """How much of a TM is known.

    Parameters
    ----------
    share : float
        Of the traffic, in demands whose 90 % interval is from half to twice their median at most.
    demands : int
        Their number.
    pairs : tuple of ((str, str), (str, str), float)
        Two demands that are not told apart, and what they carry together, bit/s; the most uncertain first.
    """

    share: float
    demands: int
    pairs: tuple[Pair, ...]


def sureness(
    estimator: MomentPosterior,
    loads: xr.DataArray,
    routing: Routing | RoutingEpochs,
    *,
    known: xr.DataArray | None = None,
    known_error: float = 0.0,
    count: int = 3,
) -> Sureness:
    """How much of the traffic a fitted estimator is sure of, by its quantiles at some of the times.

    Parameters
    ----------
    estimator : MomentPosterior
    loads, routing, known, known_error
        As for :meth:`MomentPosterior.quantiles`.
    count : int
        Of pairs of demands to name.
    """
    some = some_of(len(loads))
    low, middle, high = (
        estimator.quantiles(loads[some], routing, _LEVELS, known=known, known_error=known_error)
        .mean("time")
        .values.reshape(len(_LEVELS), -1)
    )
    narrow = (middle > 0) & (high <= _FACTOR * middle) & (_FACTOR * low >= middle)
    *_, (_, last) = observe(loads, routing, noise=estimator.noise, known=known, known_error=known_error)
    usual = usual_of(last)
    _, deviation = estimator.uncertainty(usual)
    pairs = _pairs(Uncertainty(deviation**2, usual), middle, list(routing.nodes), count)
    return Sureness(float(middle[narrow].sum() / max(middle.sum(), 1e-300)), int(narrow.sum()), pairs)


def _pairs(uncertainty: Uncertainty, mean: Floats, nodes: list[str], count: int) -> tuple[Pair, ...]:
    """The most uncertain demands that are known by their sum alone, each in one pair at most."""
    variance = uncertainty.variance
    flows = np.argsort(-variance, kind="stable")[: min(_LARGEST, np.count_nonzero(variance))]
    P = uncertainty.columns(flows)[flows]
    deviation = np.sqrt(np.maximum(P.diagonal(), np.finfo(float).tiny))
    weight = np.triu(np.where(P / np.outer(deviation, deviation) <= _TOGETHER, -P, 0.0), 1)
    out: list[Pair] = []
    while len(out) < count and weight.any():
        a, b = np.unravel_index(int(weight.argmax()), weight.shape)
        weight[[a, b]], weight[:, [a, b]] = 0.0, 0.0
        one, other = ((nodes[k // len(nodes)], nodes[k % len(nodes)]) for k in flows[[a, b]].tolist())
        out.append((one, other, float(mean[flows[[a, b]]].sum())))
    return tuple(out)
