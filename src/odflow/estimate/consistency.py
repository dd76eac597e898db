"""Doors to the consistency of link loads: repair them, name counters that contradict others, tell the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow import labels
from odflow.estimate.balances import (
    CORRUPTED,
    MEDIAN,
    ROUNDING,
    WIDE,
    balances_of,
    consistent,
    find_suspects,
    least_squares,
    relative_breaks,
    summary,
)
from odflow.estimate.observe import Noise, observe
from odflow.estimate.projection import blocks

if TYPE_CHECKING:
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

_TAIL = 2.576  # 99 % quantile of the absolute value of a standard normal variable


@dataclass(frozen=True)
class Reconciliation:
    """Consistent loads, and what had to change.

    Parameters
    ----------
    loads : DataArray (time, link)
        Least-squares repaired loads; what cannot be known stays NaN.
    suspect : DataArray (time, link) of bool
        Counters found corrupted.
    message : str
        One line naming the suspicious counters, worst first; empty if there are none.
    """

    loads: xr.DataArray
    suspect: xr.DataArray
    message: str


def reconcile(
    loads: xr.DataArray,
    routing: Routing | RoutingEpochs,
    *,
    noise: Noise = 0.0,
    prior: xr.DataArray | None = None,
) -> Reconciliation:
    """Make link loads consistent with each other and name the counters that are not.

    Parameters
    ----------
    loads : DataArray (time, link)
    routing : Routing or RoutingEpochs
    noise : float or mapping of link to float
        Relative error of the loads. 0: taken from the typical contradiction of each snapshot.
    prior : DataArray (time, origin, destination), optional
        Typical TMs, whose mean helps to tell apart counters that only the balances at the same
        nodes contradict (the two directions of a link; the access links of a node).

    Returns
    -------
    Reconciliation

    Raises
    ------
    LabelError, DataError, UnitError, UsageError
        If the input does not fit.
    """
    mean = None if prior is None else labels.flat(labels.check_demands(prior), routing.nodes).mean(axis=0)
    fixed, flags = [], []
    for span, whole in observe(loads, routing, noise=noise):
        for block in blocks(span.stop - span.start, len(routing.nodes) ** 2):
            part = whole.span(block)
            expected = None if mean is None else np.asarray(part.system.matrix @ mean)
            screened, flagged = consistent(part, expected)
            fixed.append(least_squares(screened))
            flags.append(flagged)
    flagged = np.concatenate(flags)
    time, interval = loads["time"].values, float(loads.attrs["interval_s"])
    repaired = labels.loads(np.concatenate(fixed), time, routing.links, interval)
    suspect = repaired.copy(data=flagged).rename("suspect")
    suspect.attrs.clear()
    message = summary(flagged.sum(axis=0), routing.links, len(flagged)) if flagged.any() else ""
    return Reconciliation(repaired, suspect, message)


def noise_level(loads: xr.DataArray, routing: Routing | RoutingEpochs) -> float:
    """Relative error of link loads, as told by how far they contradict each other.

    A balance c of loads with independent relative errors s is broken by ``c @ y``, of standard deviation
    ``s sqrt(sum c^2 y^2)``. The ratios of all times and fully measured balances tell s: the larger of their root mean
    square and of their 99 % quantile over that of a normal error, for most errors of polled counters are tiny and some
    are not. Corrupted counters, and what is left of ratios as these make them, are left out. Errors that the counters
    of a node share, because they are polled together, show only in part.

    Parameters
    ----------
    loads : DataArray (time, link)
        bit/s; NaN = not measured.
    routing : Routing or RoutingEpochs

    Returns
    -------
    float
        0 if contradictions are no more than rounding, or no balance is measured.

    Raises
    ------
    LabelError, DataError, UnitError
        If loads and routing do not fit.
    """
    found = []
    for span, whole in observe(loads, routing):
        balances = balances_of(whole.system)
        for block in blocks(span.stop - span.start, len(routing.nodes) ** 2) if balances.shape[0] else ():
            part = whole.span(block)
            suspect = find_suspects(part, balances, None)
            found.append(relative_breaks(part.with_values(np.where(suspect, np.nan, part.values))).ravel())
    ratios = np.concatenate(found or [np.empty(0)])
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios):
        return 0.0
    kept = ratios[ratios <= max(CORRUPTED / 2, WIDE * float(np.median(ratios)) / MEDIAN)]
    level = max(float(np.sqrt((kept**2).mean())), float(np.quantile(kept, 0.99)) / _TAIL)
    return level if level > ROUNDING else 0.0
