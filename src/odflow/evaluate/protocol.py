"""Data sets and methods of the estimation benchmark, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import UsageError
from odflow.estimate import (
    GaussianPosterior,
    Gravity,
    KLProjection,
    MomentPosterior,
    SimulatedPrior,
    StudentTPosterior,
    Tomogravity,
)
from odflow.estimate.balances import consistent
from odflow.estimate.base import Estimator
from odflow.estimate.observe import Observed, observe
from odflow.estimate.projection import blocks
from odflow.evaluate.learned import LEARNED
from odflow.named import backtested
from odflow.traffic.histories import last_weeks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing
    from odflow.traffic.datasets import Dataset

    Floats = NDArray[np.float64]

DATASETS = ("abilene", "geant", "bell_labs", "cmu")
METHODS = (
    "gravity",
    "tomogravity",
    "gravity+kl",
    "moments",
    "simulated-prior",
    "mean+kl",
    "last-week",
    "last-week+kl",
    "recency+kl",
    "gaussian",
    "student-t",
    "oracle:test-mean+kl",
    "oracle:previous+kl",
)
_WORDS = {
    "stacked": "small networks, shared by all flows, that change the Student-t estimate; fine-tuned on back-tests",
    "diffusion-posterior": "a diffusion, shared by all flows, that meets the loads in every step; likewise",
    "stacked-pretrained": "the small networks as they come with odflow, which know simulated networks only",
    "diffusion-pretrained": "the diffusion as it comes with odflow, which knows simulated networks only",
}
NAMES = (*METHODS, *_WORDS, *LEARNED)
# the protocol counts weeks in rows, over gaps
_LAST_WEEK = "the last week of history (seven days' worth of intervals)"


@dataclass(frozen=True)
class Method:
    """One row of the benchmark.

    Parameters
    ----------
    name : str
    words : str
        What it does, with its parameters.
    estimator : Estimator
    learns_from : {"nothing", "training", "last week", "test mean", "previous"}
        The TMs it is fitted with; the last two are oracles.
    uses_loads : bool
    """

    name: str
    words: str
    estimator: Estimator
    learns_from: Literal["nothing", "training", "last week", "test mean", "previous"] = "training"
    uses_loads: bool = True

    @property
    def kind(self) -> str:
        """``estimate``, ``context`` (uses no loads) or ``oracle`` (knows TMs of the test part)."""
        if self.learns_from in ("test mean", "previous"):
            return "oracle"
        return "estimate" if self.uses_loads else "context"

    def history(self, train: xr.DataArray, test: xr.DataArray) -> xr.DataArray | None:
        """The TMs to fit with, from the training and the test part."""
        match self.learns_from:
            case "nothing":
                return None
            case "training":
                return train
            case "last week":
                return last_weeks(train, 1)
            case "test mean":
                return test
            case "previous":
                return xr.concat([train.isel(time=[-1]), test], "time", combine_attrs="override")


def method_named(name: str, noise: float, seed: int = 0) -> Method:
    """The method of a name, told that loads have this relative error.

    Raises
    ------
    UsageError
        If there is no such method.
    """
    match name:
        case "gravity":
            return Method(name, "gravity model from the access loads", Gravity(noise=noise), "nothing")
        case "tomogravity":
            words = "gravity, then weighted least squares towards the loads"
            return Method(name, words, Tomogravity(noise=noise), "nothing")
        case "gravity+kl":
            words = "gravity of each interval, projected onto the loads by relative entropy (KL)"
            return Method(name, words, KLProjection(prior="gravity", noise=noise), "nothing")
        case "moments":
            words = "mean TM from how the loads given vary together, Student-t posterior about it; no history"
            return Method(name, words, MomentPosterior(noise=noise), "nothing")
        case "simulated-prior":
            words = "the same, means by networks that have learnt on simulated networks what to make of the loads"
            return Method(name, words, SimulatedPrior(noise=noise), "nothing")
        case "mean+kl":
            words = "mean TM of the whole history, KL projection"
            return Method(name, words, _mean_kl(noise))
        case "last-week":
            words = f"mean TM of {_LAST_WEEK} as it is, whatever the loads"
            return Method(name, words, HistoryMean(half_life=None), "last week", uses_loads=False)
        case "last-week+kl":
            return Method(name, f"mean TM of {_LAST_WEEK}, KL projection", _mean_kl(noise), "last week")
        case "recency+kl":
            default = KLProjection(prior="history", noise=noise)
            words = f"mean TM of the history weighted by age (half-life {default.half_life}), KL projection"
            return Method(name, words, default)
        case "gaussian":
            words = "normal prior from the history (recency mean, shrunk covariance) given the loads; all defaults"
            return Method(name, words, GaussianPosterior(noise=noise))
        case "student-t":
            words = "the same with heavy tails, a scale for each flow and interval; all defaults"
            return Method(name, words, StudentTPosterior(noise=noise))
        case _ if name in _WORDS:
            return Method(name, _WORDS[name], backtested(name, noise, seed))
        case "oracle:test-mean+kl":
            words = "true mean TM of the test part, KL projection"
            return Method(name, words, _mean_kl(noise), "test mean")
        case "oracle:previous+kl":
            words = "true TM of the previous interval, KL projection"
            return Method(name, words, PreviousProjection(prior="history", noise=noise), "previous")
        case _:
            raise UsageError(f"unknown method '{name}'; methods are {', '.join(NAMES)}")


def _mean_kl(noise: float) -> KLProjection:
    return KLProjection(prior="history", half_life=None, noise=noise)


@dataclass(kw_only=True, eq=False)
class HistoryMean(KLProjection):
    """The prior of :class:`~odflow.KLProjection` as it is: what one knows without looking at the loads."""

    screen: bool = False

    def _solve(self, observed: Observed) -> Floats:
        return np.repeat(self._mean(observed)[None], len(observed), axis=0)


@dataclass(kw_only=True, eq=False)
class PreviousProjection(KLProjection):
    """KL projection with the true TM of the previous interval as prior: an oracle, fitted with the truth."""

    _truth: xr.DataArray | None = field(default=None, init=False, repr=False)
    _previous: Floats | None = field(default=None, init=False, repr=False)

    def fit(self, history: xr.DataArray | None = None, routing: Routing | RoutingEpochs | None = None) -> Self:
        """Keep the TMs, from the one before the first interval to be estimated on."""
        self._truth = history
        return super().fit(history, routing)

    def estimate(
        self,
        loads: xr.DataArray,
        routing: Routing | RoutingEpochs,
        *,
        known: xr.DataArray | None = None,
        known_error: float = 0.0,
    ) -> xr.DataArray:
        """Estimate each TM from its loads and its predecessor.

        Raises
        ------
        UsageError
            If an interval has no predecessor among the TMs given to :meth:`fit`.
        """
        times = labels.as_times(loads["time"].values)
        previous = self._before(times, routing.nodes)
        parts = []
        for span, whole in observe(loads, routing, noise=self.noise, known=known, known_error=known_error):
            for block in blocks(span.stop - span.start, previous.shape[1]):
                self._previous = previous[span][block]
                parts.append(self._solve(consistent(whole.span(block), None)[0]))
        return labels.demands(np.concatenate(parts), times, routing.nodes, float(loads.attrs["interval_s"]))

    def _before(self, times: NDArray[np.datetime64], nodes: tuple[str, ...]) -> Floats:
        if self._truth is None:
            raise UsageError("the oracle needs the true TMs; call fit(history) with them")
        at = np.searchsorted(labels.as_times(self._truth["time"].values), times) - 1
        if len(at) and at.min() < 0:
            raise UsageError(f"the oracle has no TM before {times[at.argmin()].astype('datetime64[s]')}")
        return labels.flat(labels.check_demands(self._truth.isel(time=at).assign_coords(time=times)), nodes)

    def _prior(self, observed: Observed) -> Floats:
        assert self._previous is not None
        return self._previous


def named_dataset(name: str) -> Dataset:
    """One of the benchmark's data sets.

    Raises
    ------
    UsageError
        If there is no such data set.
    OdflowError
        If its file is not found.
    """
    from odflow.traffic import datasets

    match name:
        case "abilene":
            return datasets.abilene()
        case "geant":
            return datasets.geant()
        case "bell_labs":
            return datasets.bell_labs()
        case "cmu":
            return datasets.cmu()
        case _:
            raise UsageError(f"unknown data set '{name}'; there are {', '.join(DATASETS)}")
