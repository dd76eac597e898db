"""The TM from link loads and an old history: what each says, weighed by how far they are apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from odflow import labels
from odflow.errors import NotFittedError, UsageError
from odflow.estimate.base import HistoryEstimator, Posterior
from odflow.estimate.calibration import calibrated_draws
from odflow.estimate.checks import check_counts
from odflow.estimate.choice import choose
from odflow.estimate.meet import meet_loads
from odflow.estimate.moment_calibration import calibration_of, some_of
from odflow.estimate.moments import apart
from odflow.estimate.observe import observe
from odflow.estimate.simulated_prior import SimulatedPrior
from odflow.estimate.student_t import StudentTPosterior

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from odflow.estimate.observe import Observed
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

    Floats = NDArray[np.float64]

_LEAST = 0.1  # error of the history at least, relative to that of the loads alone
_TRACE = 1e-9  # of the mean flow
_STUDENT = "student-t"
_WEEK, _SECOND = np.timedelta64(7, "D"), np.timedelta64(1, "s")


@dataclass(kw_only=True, eq=False)
class LoadsAndHistory(HistoryEstimator, Posterior):
    """Geometric mean of the estimates of a history (Student-t) and of the loads alone (:class:`SimulatedPrior`).

    A history goes stale: its errors grow with its age, at a pace that differs from network to network. What the loads
    alone say does not age, and their error s_z (over the traffic) is found where the truth is known, on the last week
    of the history. The distance D of the two estimates now tells the error of the history, ``s_x^2 = D^2 - s_z^2``;
    where it is long enough for back-tests as long before as it is old now, s_x is the geometric mean of that and of the
    error there. The weight of the history of least error is ``(s_z^2 - s_x^2 + D^2) / 2 D^2``. The result is projected
    onto the loads.

    :meth:`fit` takes the history; it learns from loads, too, or else from those that it is to estimate.

    Parameters
    ----------
    no_self_traffic : bool
        No node sends to itself through the network.
    sweeps : int
        Passes of the final projection.

    Notes
    -----
    The weight is that of Bates and Granger, "The combination of forecasts", Operational Research Quarterly 20, 1969.
    """

    no_self_traffic: bool = False
    sweeps: int = 50
    past_: StudentTPosterior | None = field(default=None, init=False, repr=False)
    now_: SimulatedPrior | None = field(default=None, init=False, repr=False)
    weight_: float = field(default=0.0, init=False, repr=False)
    error_: float = field(default=0.0, init=False, repr=False)
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
        self.past_ = StudentTPosterior(noise=self.noise, screen=self.screen).fit(history)
        self.mean_, self.nodes_, self.end_ = self.past_.mean_, self.past_.nodes_, self.past_.end_
        self.now_, self.history_ = None, labels.check_demands(history)
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
        """Sum of absolute errors over traffic that is to be expected, judging by back-tests inside the history.

        Raises
        ------
        NotFittedError
            Before it has seen loads.
        """
        if self.now_ is None:
            raise NotFittedError("LoadsAndHistory has seen no loads yet; call fit(history, routing, loads=loads)")
        return self.error_

    def _ready(
        self, loads: xr.DataArray, routing: Routing | RoutingEpochs, known: xr.DataArray | None, known_error: float
    ) -> Self:
        self._fitted_mean()
        if self.now_ is not None:
            return self
        ready = replace(self)
        ready.past_, ready.history_ = self.past_, self.history_
        ready.mean_, ready.nodes_, ready.end_ = self.mean_, self.nodes_, self.end_
        ready._look(loads, routing, known, known_error)
        return ready

    def _look(
        self, loads: xr.DataArray, routing: Routing | RoutingEpochs, known: xr.DataArray | None, known_error: float
    ) -> None:
        """Learn from loads, and how to weigh both."""
        assert self.past_ is not None
        checked = labels.check_loads(loads)
        self.now_ = SimulatedPrior(noise=self.noise, screen=self.screen, no_self_traffic=self.no_self_traffic)
        self.now_.fit(loads=checked, routing=routing, known=known, known_error=known_error)
        distances = []
        for _, observed in observe(checked, routing, noise=self.noise, known=known, known_error=known_error):
            there = np.flatnonzero(np.isfinite(observed.values).any(axis=1))
            for k in there[some_of(len(there))]:
                one = observed.span(slice(k, k + 1))
                x, other = self.past_._solve(one), self.now_._solve(one)
                distances.append(apart(x, other))
        distance = float(np.mean(np.square(distances or [0.0])))
        past, own = self._tried(observed.system.routing, labels.as_times(checked["time"].values)[0])
        own = own or self.now_.expected_error
        by_distance = np.sqrt(max(distance - own**2, _LEAST * own**2))
        past = float(np.sqrt(past * by_distance)) if past else float(by_distance)
        distance = max(distance, abs(past - own) ** 2, np.finfo(float).tiny)  # less is not possible
        self.weight_ = float(np.clip((own**2 - past**2 + distance) / (2 * distance), 0.0, 1.0))
        w, common = self.weight_, (past**2 + own**2 - distance) / 2
        self.error_ = float(np.sqrt(w**2 * past**2 + (1 - w) ** 2 * own**2 + 2 * w * (1 - w) * common))

    def _tried(self, routing: Routing, now: np.datetime64) -> tuple[float, float]:
        """Errors of the history, as old as it is now, and of the loads alone on its last week; 0 = unknown."""
        assert self.history_ is not None
        history = self.history_[np.isfinite(self.history_.values).all(axis=(1, 2))]
        if not len(history):
            return 0.0, 0.0
        end = labels.as_times(history["time"].values)[-1]
        found = choose(history, routing, [_STUDENT], noise=self.noise, age=max(float((now - end) / _SECOND), 0.0))
        week = history[history["time"].values > end - _WEEK]
        loads = routing.loads(week)
        alone = SimulatedPrior(noise=self.noise, no_self_traffic=self.no_self_traffic)
        alone.fit(loads=loads, routing=routing)
        some = some_of(len(week))
        sent, estimate = (labels.flat(x, routing.nodes) for x in (week[some], alone.estimate(loads[some], routing)))
        return found.errors.get(_STUDENT, 0.0), apart(estimate, sent)

    def _solve(self, observed: Observed) -> Floats:
        past, now = self._both()
        return self._finish(past._solve(observed), now._solve(observed), observed)

    def _both(self) -> tuple[StudentTPosterior, SimulatedPrior]:
        assert self.past_ is not None
        assert self.now_ is not None
        return self.past_, self.now_

    def _finish(self, x: Floats, other: Floats, observed: Observed) -> Floats:
        trace = np.maximum(_TRACE * other.mean(axis=1, keepdims=True), np.finfo(float).tiny)
        mixed = np.exp(self.weight_ * np.log(x + trace) + (1 - self.weight_) * np.log(other + trace))
        return meet_loads(observed, mixed * observed.system.carried, self.sweeps)

    def _quantiles(self, observed: Observed, p: Floats) -> Floats:
        past, now = self._both()
        (x, variance), (other, spread) = past._moments(observed), now._moments(observed)
        found = self._finish(x, other, observed)
        width = self.weight_ * np.sqrt(variance) + (1 - self.weight_) * spread
        surprise = np.full(len(observed), np.log(self.expected_error))
        return calibration_of(now._mean(observed), now._table()).quantiles(found, width, surprise, p)

    def _unfinished_draws(self, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """The calibrated quantiles of each demand, in the order of draws from the posterior of the history."""
        past, _ = self._both()
        yield from calibrated_draws(
            lambda count: past._unfinished_draws(observed, count, rng),
            lambda p: self._quantiles(observed, p).clip(observed.least, observed.most),
            n,
        )

    def _finish_draws(self, draws: Floats, observed: Observed) -> Floats:
        return meet_loads(observed, np.maximum(draws, 0.0) * observed.system.carried, self.sweeps)
