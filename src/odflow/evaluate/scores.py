"""All metrics of one estimate in one record, with and without the diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import UsageError
from odflow.evaluate.metrics import Comparison, compare, ratio, same_times
from odflow.evaluate.report import number, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.table import Table

    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing


@dataclass(frozen=True)
class Stats:
    """Summary of one error over times or flows.

    Parameters
    ----------
    mean, median, std, max : float
        Over the defined values (`std` with divisor n); NaN if there are none.
    undefined : int
        Times or flows left out for having no true traffic.
    """

    mean: float
    median: float
    std: float
    max: float
    undefined: int


@dataclass(frozen=True)
class LinkResidual:
    """How far the estimate's own link loads are from the measured ones.

    Parameters
    ----------
    mean, max : float
        Over time, of ``|A x̂ - y|_1 / |y|_1`` on the measured links.
    worst : float
        Largest over links, of ``sum_t |A x̂ - y| / sum_t y``.
    worst_link : str
        Where that is; empty if no link carries traffic.
    undefined : int
        Links without measured traffic, left out of `worst`.
    """

    mean: float
    max: float
    worst: float
    worst_link: str
    undefined: int


@dataclass(frozen=True)
class FlowScore:
    """The metrics over one set of flows.

    Parameters
    ----------
    rmse : Stats
        ``sqrt(mean_i (x - x̂)^2)`` over time, bit/s.
    tre : Stats
        ``sum_i |x - x̂| / sum_i x`` over time.
    sre : Stats
        ``sum_t |x - x̂| / sum_t x`` over flows.
    sre_weighted_mean : float
        SRE weighted by each flow's true volume (equals `nmae` but for errors on flows without traffic).
    sre_weighted_median : float
        Half of the true volume is in flows with at most this SRE.
    nmae : float
        ``sum |x - x̂| / sum x`` over everything.
    flows : int
        Flows compared.
    counted : int
        Entries (times x flows) compared.
    missing : int
        Entries known in the truth that the estimate does not have.
    residual : LinkResidual or None
        Over all links with the diagonal, over the internal links without it: demands of a node to
        itself use access links only.
    """

    rmse: Stats
    tre: Stats
    sre: Stats
    sre_weighted_mean: float
    sre_weighted_median: float
    nmae: float
    flows: int
    counted: int
    missing: int
    residual: LinkResidual | None = None


@dataclass(frozen=True)
class Score:
    """What :func:`score` found.

    Parameters
    ----------
    all : FlowScore
        Every flow, the diagonal included.
    off_diagonal : FlowScore
        Only flows between different nodes.
    times : int
        Number of intervals.
    """

    all: FlowScore
    off_diagonal: FlowScore
    times: int

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON; undefined values are ``None``."""
        return dict(plain(self))

    def table(self, title: str = "Score") -> Table:
        """A table for the terminal."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=f"{escape(title)} ({self.times} intervals)")
        table.add_column("metric")
        for heading in ("mean", "median", "std", "max", "undefined"):
            table.add_column(heading, justify="right")
        for name, part in (("all flows", self.all), ("without the diagonal", self.off_diagonal)):
            table.add_section()
            table.add_row(f"[bold]{name}[/bold] ({part.flows})")
            for metric, stats, scale in (
                ("TRE", part.tre, 1.0),
                ("SRE", part.sre, 1.0),
                ("RMSE, Mbit/s", part.rmse, 1e6),
            ):
                shown = (number(value / scale) for value in (stats.mean, stats.median, stats.std, stats.max))
                table.add_row(metric, *shown, str(stats.undefined))
            weighted = (number(part.sre_weighted_mean), number(part.sre_weighted_median))
            table.add_row("SRE, weighted by volume", *weighted)
            table.add_row("NMAE", number(part.nmae))
            if part.missing:
                table.add_row("demands missing in the estimate", str(part.missing))
            if part.residual is not None:
                table.add_row("link residual", number(part.residual.mean), "", "", number(part.residual.max))
                table.add_row(
                    f"worst link, '{escape(part.residual.worst_link)}'", "", "", "", number(part.residual.worst)
                )
        return table


def score(
    truth: xr.DataArray,
    estimate: xr.DataArray,
    *,
    loads: xr.DataArray | None = None,
    routing: Routing | RoutingEpochs | None = None,
    allow_missing: bool = False,
) -> Score:
    """Compare an estimated TM with the true one.

    Parameters
    ----------
    truth, estimate : DataArray (time, origin, destination)
        bit/s, aligned by labels. Entries that the truth does not know (NaN) are left out of every sum;
        times and flows without true traffic have no relative error, are left out and counted.
    loads : DataArray (time, link), optional
        The loads that the estimate was made from, to report how far it is from them.
    routing : Routing or RoutingEpochs, optional
        Needed with `loads`.
    allow_missing : bool
        Leave demands out that the estimate does not have (NaN), and count them, instead of raising.

    Raises
    ------
    LabelError
        Nodes, times or links differ; names them.
    DataError
        The truth holds no traffic, or the estimate is NaN where the truth is measured.
    UnitError
        An array is not in bit/s.
    UsageError
        Only one of `loads` and `routing` is given.
    """
    if (loads is None) != (routing is None):
        raise UsageError("the link residual needs both loads and routing; give both or neither")
    pair = compare(truth, estimate, allow_missing=allow_missing)
    residuals: tuple[LinkResidual | None, LinkResidual | None] = (None, None)
    if loads is not None and routing is not None:
        residuals = link_residuals(estimate, loads, routing)
    return Score(_flows(pair, residuals[0]), _flows(pair.off_diagonal(), residuals[1]), len(pair.time))


def mean_score(scores: Sequence[Score]) -> Score:
    """Score whose numbers are the means over several estimates of the same TMs; labels are those of the first.

    Raises
    ------
    UsageError
        Without any.
    """
    if not scores:
        raise UsageError("no scores to take the mean of")
    return scores[0] if len(scores) == 1 else _mean(scores)


def _mean(parts: Sequence[Any]) -> Any:
    first = parts[0]
    if is_dataclass(first) and not isinstance(first, type):
        names = [f.name for f in fields(first)]
        return replace(first, **{name: _mean([getattr(part, name) for part in parts]) for name in names})
    if isinstance(first, float):
        return float(np.mean(parts))
    return first


def link_residuals(
    estimate: xr.DataArray, loads: xr.DataArray, routing: Routing | RoutingEpochs
) -> tuple[LinkResidual, LinkResidual]:
    """Relative distance of ``A x̂`` to the measured loads, over all links and over internal links only.

    Raises
    ------
    LabelError, DataError, UnitError
        If the arrays do not fit together.
    """
    measured = labels.align_links(labels.check_loads(loads), routing.links)
    implied = routing.loads(estimate)
    same_times(measured, implied, "loads", "estimate")
    counted = ~np.isnan(measured.values) & ~np.isnan(implied.values)
    error = np.where(counted, np.abs(implied.values - measured.values), 0.0)
    volume = np.where(counted, measured.values, 0.0)
    internal = np.array([not link.startswith((labels.IN, labels.OUT)) for link in routing.links])
    names = np.array(routing.links)
    return _residual(error, volume, names), _residual(error[:, internal], volume[:, internal], names[internal])


def _residual(error: NDArray[np.float64], volume: NDArray[np.float64], links: NDArray[np.str_]) -> LinkResidual:
    over_time = stats(ratio(error.sum(axis=1), volume.sum(axis=1)))
    per_link = ratio(error.sum(axis=0), volume.sum(axis=0))
    undefined = int(np.isnan(per_link).sum())
    if undefined == len(links):
        return LinkResidual(over_time.mean, over_time.max, float("nan"), "", undefined)
    worst = int(np.nanargmax(per_link))
    return LinkResidual(over_time.mean, over_time.max, float(per_link[worst]), str(links[worst]), undefined)


def _flows(pair: Comparison, residual: LinkResidual | None) -> FlowScore:
    flows = pair.sre()
    volume = np.where(np.isnan(flows), 0.0, pair.truth.sum(axis=0))
    return FlowScore(
        rmse=stats(pair.rmse()),
        tre=stats(pair.tre()),
        sre=stats(flows),
        sre_weighted_mean=float(ratio(np.asarray(np.nansum(flows * volume)), volume.sum())),
        sre_weighted_median=_weighted_median(flows, volume),
        nmae=pair.nmae(),
        flows=pair.truth.shape[1],
        counted=int(pair.counted.sum()),
        missing=int(pair.absent.sum()),
        residual=residual,
    )


def stats(values: NDArray[np.float64]) -> Stats:
    """Summarise values; NaN ones are undefined and only counted."""
    defined = values[~np.isnan(values)]
    undefined = len(values) - len(defined)
    if not len(defined):
        return Stats(float("nan"), float("nan"), float("nan"), float("nan"), undefined)
    return Stats(
        float(defined.mean()), float(np.median(defined)), float(defined.std()), float(defined.max()), undefined
    )


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    if not weights.sum() > 0:
        return float("nan")
    order = np.argsort(values, kind="stable")
    heaped = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(heaped, heaped[-1] / 2)])
