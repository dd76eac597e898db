"""Which estimator is best on one's own history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from odflow import labels
from odflow.errors import DataError, UsageError
from odflow.estimate.base import HistoryEstimator
from odflow.estimate.calibration import folds
from odflow.estimate.checks import check_counts
from odflow.estimate.gaussian import GaussianPosterior
from odflow.estimate.kl import KLProjection
from odflow.estimate.observe import Noise, noise_like
from odflow.estimate.student_t import StudentTPosterior
from odflow.named import backtested

if TYPE_CHECKING:
    import xarray as xr

    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

STACK = "stacked-pretrained"
LARGE = 60  # nodes; on more, methods that look at all flows together take minutes
CANDIDATES: dict[str, Callable[..., HistoryEstimator]] = {
    "student-t": StudentTPosterior,
    "gaussian": GaussianPosterior,
    "kl": KLProjection,
    STACK: partial(backtested, STACK),
}


@dataclass(frozen=True, eq=False)
class Choice:
    """The estimator that was best in back-tests.

    Parameters
    ----------
    method : str
        Its name.
    estimator : HistoryEstimator
        Fitted to the whole history.
    errors : dict of str to float
        Mean TRE of every method, the best first; empty if the history is too short to try them.
    tried : int
        TMs that were estimated.
    """

    method: str
    estimator: HistoryEstimator
    errors: dict[str, float]
    tried: int


def choose(
    history: xr.DataArray,
    routing: Routing | RoutingEpochs,
    methods: Sequence[str] | None = None,
    *,
    noise: Noise = 0.0,
    age: float = 0.0,
    weeks: int = 4,
    snapshots: int = 24,
    seed: int = 0,
) -> Choice:
    """Try estimators on the last weeks of a history, each week from what was known before it, and fit the best.

    Parameters
    ----------
    history : DataArray (time, origin, destination)
        bit/s.
    routing : Routing or RoutingEpochs
        Of the history, too.
    methods : sequence of str, optional
        Of ``CANDIDATES``, by default all (without torch or with more than 60 nodes, all but the stack); a history that
        is too short for back-tests takes the first one that can be fitted to it, a plain one before one that needs a
        spread.
    noise : float or mapping of link to float
        Relative error of the loads.
    age : float
        Seconds from the end of the history to what is to be estimated; see :func:`backtests`.
    weeks, snapshots : int
        Weeks to try, and TMs of each.
    seed : int
        Of the noise.

    Raises
    ------
    UsageError
        If a method is unknown.
    DataError, LabelError, UnitError
        If the history does not fit.
    """
    check_counts(weeks=weeks, snapshots=snapshots)
    methods = candidates(len(routing.nodes)) if methods is None else methods
    unknown = [name for name in methods if name not in CANDIDATES]
    if unknown or not methods:
        raise UsageError(f"cannot try {unknown or 'nothing'}; methods are {', '.join(CANDIDATES)}")
    labels.align_nodes(labels.check_demands(history), routing.nodes, "past demands")  # says it if they do not fit
    errors: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    rng = np.random.default_rng(seed)
    try:
        for known, now in backtests(history, age, weeks, snapshots):
            sent = now[now.values.sum(axis=(1, 2)) > 0]
            if not len(sent):
                continue
            loads, truth = noise_like(routing.loads(sent), noise, rng), labels.flat(sent, routing.nodes)
            for name in methods:
                x = fitted(name, noise, known, routing).estimate(loads, routing)
                off = np.abs(labels.flat(x, routing.nodes) - truth).sum(axis=1)
                errors[name].append(off / truth.sum(axis=1))
    except DataError:
        errors = {name: [] for name in methods}  # too short, or too full of gaps
    if not errors[methods[0]]:
        return _untried(history, routing, methods, noise)
    mean = {name: float(np.concatenate(parts).mean()) for name, parts in errors.items()}
    best = sorted(mean, key=lambda name: mean[name])
    estimator = CANDIDATES[best[0]](noise=noise).fit(history, routing)
    return Choice(best[0], estimator, {name: mean[name] for name in best}, sum(map(len, errors[best[0]])))


def backtests(
    history: xr.DataArray, age: float, weeks: int, snapshots: int
) -> Iterator[tuple[xr.DataArray, xr.DataArray]]:
    """Back-tests as :func:`odflow.estimate.calibration.folds`, what is known as old as it is now.

    Of a history that is too short for that it is as old as leaves a week of it, or as much as there is to estimate.

    Raises
    ------
    DataError
        As there.
    """
    times, interval = history["time"].values, np.timedelta64(round(float(history.attrs["interval_s"])), "s")
    for past, now in folds(history, weeks, snapshots):
        first = past["time"].values[-1] + interval
        span = min(times[-1] + interval - first, np.timedelta64(7, "D"))
        gap = max(min(np.timedelta64(round(age), "s"), first - times[0] - span), np.timedelta64(0, "s"))
        yield past[past["time"].values < first - gap], now


def candidates(nodes: int, *, intervals: bool = False) -> list[str]:
    """Names of the methods to try on so many nodes; with `intervals` only those with quantiles.

    The pretrained stack needs torch, and takes minutes on large networks.
    """
    stack = find_spec("torch") is not None and nodes <= LARGE
    named = [name for name in CANDIDATES if stack or name != STACK]
    return [name for name in named if name != "kl"] if intervals else named


def fitted(name: str, noise: Noise, history: xr.DataArray, routing: Routing | RoutingEpochs) -> HistoryEstimator:
    """One of ``CANDIDATES``, good for estimates; quantiles may be missing.

    Raises
    ------
    DataError, LabelError, UnitError
        If the history does not fit, or is too short.
    """
    estimator = CANDIDATES[name](noise=noise)
    if name == STACK:
        estimator.adopt(history)  # type: ignore[attr-defined]
        return estimator
    return estimator.fit(history, routing)


def _untried(history: xr.DataArray, routing: Routing | RoutingEpochs, methods: Sequence[str], noise: Noise) -> Choice:
    """The simplest methods first but for KL, which needs no more than a mean and serves if nothing else can."""
    order = [name for name in ("gaussian", "student-t", "kl") if name in methods] or [STACK]
    for name in order[:-1]:
        try:
            return Choice(name, CANDIDATES[name](noise=noise).fit(history, routing), {}, 0)
        except DataError:
            continue
    return Choice(order[-1], CANDIDATES[order[-1]](noise=noise).fit(history, routing), {}, 0)
