"""The TM from link loads and an old history: what each says, weighed by how far they are apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import DataError, NotFittedError, UsageError
from odflow.estimate.base import HistoryEstimator, Posterior
from odflow.estimate.calibration import calibrated_draws
from odflow.estimate.checks import check_counts
from odflow.estimate.choice import Choice, backtests, candidates, choose, fitted
from odflow.estimate.gaussian import GaussianPosterior
from odflow.estimate.meet import meet_loads
from odflow.estimate.mixing import Errors
from odflow.estimate.moment_calibration import some_of
from odflow.estimate.moments import apart
from odflow.estimate.observe import observe
from odflow.estimate.priors import WEEK, History, recency_mean
from odflow.estimate.simulated_prior import SimulatedPrior
from odflow.labels import seconds_between

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.observe import Observed
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

    Floats = NDArray[np.float64]

_TRIES, _SNAPSHOTS = 3, 24  # weeks; of each
_LEAST = 1e-6  # error
_THERE = 0.5  # share of the demands of a TM that is worth to be completed
_COMMON, _WORTH = 0.4, 2  # correlation of the errors where it is not known, and how many tries that is worth
_MOST = 0.9  # correlation
_TRACE = 1e-9  # of the mean flow
_GROWTH = 0.4  # power of age and a week by which errors of a history grow


@dataclass(kw_only=True, eq=False)
class LoadsAndHistory(HistoryEstimator, Posterior):
    """Geometric mean of what a history says and of what the loads alone say (:class:`SimulatedPrior`).

    A history goes stale: its errors grow with its age, at a pace that differs from network to network, or at once. What
    the loads alone say does not age. How far off it is is found where the truth is known, on the last week of the
    history (s_z, over the traffic), and so is how much its errors have in common with those of the history before that
    week (correlation r). The distance D of the two estimates now tells the error s_x of the history,
    ``D^2 = s_x^2 + s_z^2 - 2 r s_x s_z``, and with it the weights of least error. The result is projected onto the
    loads. Where the mean is not expected to be better by 3 %, the history is used alone.

    The history is used by the method that is best in back-tests inside it, see :func:`choose`. :meth:`fit` takes the
    history; it learns from loads, too, or else from those that it is to estimate.

    Parameters
    ----------
    methods : sequence of str, optional
        To choose from, for the history, by default all that have quantiles.
    no_self_traffic : bool
        No node sends to itself through the network.
    sweeps : int
        Passes of the final projection.

    Attributes
    ----------
    choice_ : Choice or None
        What is made of the history.
    now_ : SimulatedPrior or None
        What is made of the loads.
    weight_ : float
        Of the history.

    Notes
    -----
    The weight is that of Bates and Granger, "The combination of forecasts", Operational Research Quarterly 20, 1969.
    """

    methods: Sequence[str] | None = None
    no_self_traffic: bool = False
    sweeps: int = 50
    choice_: Choice | None = field(default=None, init=False, repr=False)
    now_: SimulatedPrior | None = field(default=None, init=False, repr=False)
    weight_: float = field(default=0.0, init=False, repr=False)
    fresh_: Errors | None = field(default=None, init=False, repr=False)
    errors_: Errors | None = field(default=None, init=False, repr=False)
    history_: xr.DataArray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        check_counts(sweeps=self.sweeps)

    def fit(
        self,
        history: xr.DataArray | None = None,
        routing: Routing | RoutingEpochs | None = None,
        *,
        loads: xr.DataArray | None = None,
        known: xr.DataArray | None = None,
        known_error: float = 0.0,
    ) -> Self:
        """Learn from a history (time, origin, destination), bit/s, and from loads as :meth:`SimulatedPrior.fit` does.

        Raises
        ------
        UsageError
            Without a history, or with loads but no routing.
        DataError, LabelError, UnitError
            If they do not fit.
        """
        if history is None:
            raise UsageError("LoadsAndHistory needs past TMs; without any use SimulatedPrior")
        past = History.of(history)
        self._remember(past, recency_mean(past, np.ones_like(past.age)))
        self.history_ = labels.check_demands(history)
        self.choice_, self.now_ = None, None
        if loads is not None:
            if routing is None:
                raise UsageError("loads have to come with their routing: fit(history, routing, loads=loads)")
            self._look(loads, routing, known, known_error)
        return self

    def save(self, path: str | Path) -> None:
        """Refused: it is made anew from loads and a history.

        Raises
        ------
        UsageError
        """
        raise UsageError(
            "a LoadsAndHistory is not saved, for it learns from the loads; keep the history, or save a SimulatedPrior"
        )

    @property
    def expected_error(self) -> float:
        """Sum of absolute errors over traffic that is to be expected, judging by the history.

        Raises
        ------
        NotFittedError
            Before it has seen loads.
        """
        if self.errors_ is None:
            raise NotFittedError("LoadsAndHistory has seen no loads yet; call fit(history, routing, loads=loads)")
        return self.errors_.mixed(self.weight_)

    @property
    def shares(self) -> dict[str, float]:
        """Weights of the methods, by name; empty before it has seen loads."""
        if self.choice_ is None:
            return {}
        both = {self.choice_.method: self.weight_, "simulated-prior": 1 - self.weight_}
        return {name: share for name, share in both.items() if share > 0}

    def _ready(
        self, loads: xr.DataArray, routing: Routing | RoutingEpochs, known: xr.DataArray | None, known_error: float
    ) -> Self:
        self._fitted_mean()
        if self.now_ is not None:
            return self
        return replace(self).fit(self.history_, routing, loads=loads, known=known, known_error=known_error)

    def _look(
        self, loads: xr.DataArray, routing: Routing | RoutingEpochs, known: xr.DataArray | None, known_error: float
    ) -> None:
        """Learn from loads, and how to weigh both."""
        assert self.history_ is not None
        assert self.end_ is not None
        checked = labels.check_loads(loads)
        self.now_ = self._alone().fit(loads=checked, routing=routing, known=known, known_error=known_error)
        parts = [one for _, one in observe(checked, routing, noise=self.noise, known=known, known_error=known_error)]
        latest = parts[-1].system.routing
        names = self.methods or candidates(len(latest.nodes), intervals=True)
        age = seconds_between(self.end_, labels.as_times(checked["time"].values)[0])
        self.choice_ = choose(self.history_, latest, names, noise=self.noise, age=age)
        if isinstance(self.choice_.estimator, GaussianPosterior):
            with suppress(DataError):  # too short: quantiles are those of the model
                self.choice_.estimator.calibrate(self.history_, latest)
        past, now = self._both()
        squares = []
        for observed in parts:
            there = np.flatnonzero(np.isfinite(observed.values).any(axis=1))
            if not len(there):
                continue
            some = observed.span(there[some_of(len(there))])
            squares += [apart(x, z) ** 2 for x, z in zip(past._solve(some), now._solve(some), strict=True)]
        self.fresh_ = self._tried(latest, age)
        self.errors_ = self.fresh_.at(float(np.sqrt(np.mean(squares or [0.0]))))
        self.weight_ = self.errors_.weight

    def _alone(self) -> SimulatedPrior:
        return SimulatedPrior(noise=self.noise, screen=self.screen, no_self_traffic=self.no_self_traffic)

    def _tried(self, routing: Routing, age: float) -> Errors:
        """Errors on the last weeks of the history, by what is before each and by its loads alone."""
        assert self.history_ is not None
        assert self.now_ is not None
        history, found, grown = filled(self.history_), [], []
        try:
            for known, now in backtests(history, age, _TRIES, _SNAPSHOTS):
                times, ends = history["time"].values, now["time"].values[[0, -1]]
                week = history[(times >= ends[0]) & (times <= ends[1])]
                found.append(self._once(known, week[np.isfinite(week.values).all(axis=(1, 2))], now, routing))
                then = seconds_between(known["time"].values[-1], ends[0])
                grown.append((max(age, 0.0) + WEEK) / (then + WEEK))
        except DataError:  # too short
            error = self.now_.expected_error
            return Errors(error, error, _COMMON)
        past, own, distance = np.array(found).T
        common = (past**2 + own**2 - distance**2) / (2 * past * own)
        shrunk = (common.sum() + _WORTH * _COMMON) / (len(found) + _WORTH)
        past = past * np.maximum(grown, 1.0) ** _GROWTH
        usual = np.exp(np.log((past, own)).mean(axis=1))
        return Errors(float(usual[0]), float(usual[1]), float(np.clip(shrunk, 0.0, _MOST)))

    def _once(
        self, known: xr.DataArray, week: xr.DataArray, now: xr.DataArray, routing: Routing
    ) -> tuple[float, float, float]:
        """Errors at some times of a week, by what is known and by its loads alone, and how far they are apart."""
        assert self.choice_ is not None
        loads, sent = routing.loads(now), labels.flat(now, routing.nodes)
        both = (
            fitted(self.choice_.method, self.noise, known, routing),
            self._alone().fit(loads=routing.loads(week), routing=routing),
        )
        x, z = (labels.flat(one.estimate(loads, routing), routing.nodes) for one in both)
        return max(apart(x, sent), _LEAST), max(apart(z, sent), _LEAST), apart(x, z)

    def _solve(self, observed: Observed) -> Floats:
        past, now = self._both()
        x = past._solve(observed)
        return x if self.weight_ == 1 else self._finish(x, now._solve(observed), observed)

    def _both(self) -> tuple[Posterior, SimulatedPrior]:
        assert self.choice_ is not None
        assert self.now_ is not None
        assert isinstance(self.choice_.estimator, Posterior)
        return self.choice_.estimator, self.now_

    def _finish(self, x: Floats, other: Floats, observed: Observed) -> Floats:
        trace = np.maximum(_TRACE * other.mean(axis=1, keepdims=True), np.finfo(float).tiny)
        mixed = np.exp(self.weight_ * np.log(x + trace) + (1 - self.weight_) * np.log(other + trace))
        return meet_loads(observed, mixed * observed.system.carried, self.sweeps)

    def _quantiles(self, observed: Observed, p: Floats) -> Floats:
        """Quantiles of both about their estimates, each widened as its errors grew, weighed as the estimates are."""
        assert self.errors_ is not None
        assert self.fresh_ is not None
        past, now = self._both()
        if self.weight_ == 1:
            return past._quantiles(observed, p)
        x, other, w = past._solve(observed), now._solve(observed), self.weight_
        grown, own = self.errors_.past / self.fresh_.past, self.errors_.now / now.expected_error
        off = w * grown * (past._quantiles(observed, p) - x) + (1 - w) * own * (now._quantiles(observed, p) - other)
        return np.maximum(self._finish(x, other, observed) + off, 0.0)

    def _unfinished_draws(self, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """The calibrated quantiles of each demand, in the order of draws from the posterior of the history."""
        past, _ = self._both()
        if self.weight_ == 1:
            yield from past._unfinished_draws(observed, n, rng)
            return
        yield from calibrated_draws(
            lambda count: past._unfinished_draws(observed, count, rng),
            lambda p: self._quantiles(observed, p).clip(observed.least, observed.most),
            n,
        )

    def _finish_draws(self, draws: Floats, observed: Observed) -> Floats:
        if self.weight_ == 1:
            return self._both()[0]._finish_draws(draws, observed)
        return meet_loads(observed, np.maximum(draws, 0.0) * observed.system.carried, self.sweeps)


def filled(history: xr.DataArray) -> xr.DataArray:
    """Gaps of TMs that are there for the greater part, closed by straight lines in time."""
    x = history.values.reshape(len(history), -1).copy()
    known, at = np.isfinite(x), np.arange(len(x))
    some = known.mean(axis=1) >= _THERE
    for flow in np.flatnonzero(~known[some].all(axis=0)):
        x[some, flow] = np.interp(at[some], at[known[:, flow]], x[known[:, flow], flow])
    return history.copy(data=x.reshape(history.shape))
