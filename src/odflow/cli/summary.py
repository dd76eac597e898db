"""What a person wants to know after an estimate."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from odflow import labels
from odflow.cli.console import Console, duration, percent, rate
from odflow.cli.methods import WITHOUT_HISTORY
from odflow.errors import OdflowWarning

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from odflow.estimate.base import Estimator
    from odflow.estimate.sureness import Sureness
    from odflow.evaluate.scores import LinkResidual

OLD_DAYS = 7
MISFIT = 0.05


class HistoryWarning(OdflowWarning):
    """A history too old, or too new, for the loads."""


class MisfitWarning(OdflowWarning):
    """An estimate that is far from the loads it was made from."""


@dataclass(frozen=True)
class Flow:
    """One demand: its mean and largest value, and its share of everything."""

    origin: str
    destination: str
    mean: float
    peak: float
    share: float


@dataclass(frozen=True)
class Summary:
    """Key figures of an estimate; rates in bit/s, times as text in UTC.

    Parameters
    ----------
    nodes, intervals : int
    interval_s : float
    first, last : str
        Start of the first and end of the last interval.
    method : str
    history_end : str or None
        End of the traffic matrices that the method learnt from.
    total_mean, total_peak : float
    link_residual : float
        Mean over time of ``|A x - y| / |y|`` on the measured links.
    noise : float
        Relative error of the loads that the estimate allows for, the largest of all links.
    not_measured : float
        Share of the load values that are missing.
    change : float or None
        Sum of absolute differences between a generator's own estimate and the one brought to the loads, as a share of
        the latter's traffic.
    expected : float or None
        Error over traffic that is to be expected without a history.
    shares : dict of str to float
        Weights of what was made of the history and of the loads, if that was mixed; empty if not.
    sure : Sureness or None
        What an estimate without a history is sure of.
    tried : dict of str to float
        Mean TRE of methods that were tried on the history, the best first; empty if none were.
    warnings : tuple of str
        What was warned of while estimating, such as counters that contradict the others.
    top : tuple of Flow
        Largest flows by mean.
    """

    nodes: int
    intervals: int
    interval_s: float
    first: str
    last: str
    method: str
    history_end: str | None
    total_mean: float
    total_peak: float
    link_residual: float
    noise: float
    not_measured: float
    change: float | None
    expected: float | None
    shares: dict[str, float]
    sure: Sureness | None
    tried: dict[str, float]
    warnings: tuple[str, ...]
    top: tuple[Flow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    def show(self, console: Console, output: Path, beside: Path | None = None) -> None:
        """Print as text."""
        console.say(
            f"{output}: {self.nodes} x {self.nodes} demands, {self.intervals} x {duration(self.interval_s)}, "
            f"{self.first} to {self.last} UTC" + (f"; quantiles in {beside}" if beside else "")
        )
        history = f", with history until {self.history_end}" if self.history_end else ""
        lines = [("method", self.method + history)]
        if self.tried:
            errors = ", ".join(f"{name} {percent(tre)}" for name, tre in self.tried.items())
            lines.append(("tried", f"relative error on the last weeks of the history: {errors}"))
        if self.shares:
            lines.append(_mixed(self.shares))
        lines += [
            ("total traffic", f"mean {rate(self.total_mean)}, peak {rate(self.total_peak)}"),
            ("link residual", f"{percent(self.link_residual)} of the load, on average over time"),
        ]
        if self.noise > 0:
            lines.append(("noise", f"{percent(self.noise)} of each load is allowed for"))
        if self.expected is not None:
            where = "the history" if self.shares else "simulated networks"
            text = f"errors of some {percent(self.expected)} of the traffic, judging by {where}"
            lines.append(("uncertainty", text))
        if self.sure is not None:
            text = f"{percent(self.sure.share)} of the traffic: {self.sure.demands} demands"
            lines.append(("sure of", f"{text} known to a factor of two (90 % intervals)"))
            for one, other, together in self.sure.pairs:
                names = f"{'->'.join(one)} and {'->'.join(other)}"
                lines.append(("not told apart", f"{names}, together {rate(together)}"))
        if self.change is not None:
            text = f"meeting the loads changes the generator's own estimate by {percent(self.change)} of the traffic"
            lines.append(("projection", text))
        if self.not_measured > 0:
            lines.append(("not measured", f"{percent(self.not_measured)} of the load values"))
        console.fields(lines)
        if self.top:
            rows = (
                (flow.origin, flow.destination, rate(flow.mean), rate(flow.peak), percent(flow.share))
                for flow in self.top
            )
            console.table(("origin", "destination", ">mean", ">peak", ">share"), rows, "  Largest flows")


def _mixed(shares: Mapping[str, float]) -> tuple[str, str]:
    """What was made of a history and of the loads, and why."""
    fits = shares.get(WITHOUT_HISTORY, 0.0) <= 0.5
    if len(shares) == 1:
        (name,) = shares
        return "taken", f"{name} alone; " + (
            "the loads agree with it" if fits else "the history does not fit the loads"
        )
    both = ", ".join(f"{percent(share)} {name}" for name, share in shares.items())
    return "mean of", both + ("" if fits else "; the history does not fit the loads well")


def summarise(
    matrices: xr.DataArray,
    loads: xr.DataArray,
    estimator: Estimator,
    residual: LinkResidual,
    *,
    change: float | None = None,
    sure: Sureness | None = None,
    tried: Mapping[str, float] | None = None,
    warned: Sequence[str] = (),
    top: int = 10,
) -> Summary:
    """Key figures of an estimate made from these loads."""
    total = matrices.sum(("origin", "destination")).values
    step = float(matrices.attrs["interval_s"])
    learnt = getattr(estimator, "end_", None)
    return Summary(
        nodes=matrices.sizes["origin"],
        intervals=matrices.sizes["time"],
        interval_s=step,
        first=when(matrices["time"].values[0]),
        last=when(labels.end_of(matrices)),
        method=type(estimator).__name__,
        history_end=None if learnt is None else when(learnt),
        total_mean=float(np.nanmean(total)),
        total_peak=float(np.nanmax(total)),
        link_residual=residual.mean,
        noise=_largest_noise(estimator),
        not_measured=float(np.isnan(loads.values).mean()),
        change=change,
        expected=getattr(estimator, "expected_error", None) if np.nansum(total) > 0 else None,
        shares=dict(getattr(estimator, "shares", {})),
        sure=sure,
        tried=dict(tried or {}),
        warnings=tuple(dict.fromkeys(warned)),
        top=_largest(matrices, top),
    )


def warn_of_age(matrices: xr.DataArray) -> None:
    """Warn if the history ended more than a week before the loads began, or reaches beyond their start."""
    days = float(matrices.attrs.get("history_age_s", 0.0)) / 86400
    if days > OLD_DAYS:
        text = f"the history ends {days:.0f} days before the loads begin; every missing week costs accuracy"
        warnings.warn(f"{text}: measure again if you can", HistoryWarning, stacklevel=2)
    elif days < 0:
        text = "the history reaches beyond the start of the loads; it is meant to be from the past"
        warnings.warn(text, HistoryWarning, stacklevel=2)


def warn_of_misfit(residual: LinkResidual, estimator: Estimator) -> None:
    """Warn if an estimate that is meant to meet the loads is far from them."""
    from odflow.estimate import Gravity

    if isinstance(estimator, Gravity) or not residual.mean > max(MISFIT, 3 * _largest_noise(estimator)):
        return
    text = f"the estimate misses the loads by {percent(residual.mean)} on average, most on link '{residual.worst_link}'"
    warnings.warn(f"{text}: do routing, history and known demands belong to these loads?", MisfitWarning, stacklevel=2)


def _largest_noise(estimator: Estimator) -> float:
    return max(estimator.noise.values(), default=0.0) if isinstance(estimator.noise, Mapping) else estimator.noise


def _largest(matrices: xr.DataArray, count: int) -> tuple[Flow, ...]:
    mean, peak = matrices.mean("time").values, matrices.max("time").values
    everything = float(np.nansum(mean)) or 1.0
    order = np.argsort(-np.nan_to_num(mean), axis=None)[: max(count, 0)]
    names = [str(name) for name in matrices["origin"].values]
    flows = []
    for k in order:
        i, j = divmod(int(k), len(names))
        flows.append(Flow(names[i], names[j], float(mean[i, j]), float(peak[i, j]), float(mean[i, j]) / everything))
    return tuple(flows)


def when(time: np.datetime64) -> str:
    """A time as text, without seconds if they are 0."""
    text = str(time.astype("datetime64[s]")).replace("T", " ")
    return text.removesuffix(":00")
