"""What all estimators share: checks, routing epochs, blocks of time, suspicious counters, labels."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import InconsistentLoadsWarning, NotFittedError
from odflow.estimate.balances import consistent, summary
from odflow.estimate.checks import check_counts, check_probabilities
from odflow.estimate.observe import Noise, Observed, observe
from odflow.estimate.priors import History
from odflow.estimate.projection import block_size, blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

    Floats = NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class Estimator(ABC):
    """Base of all estimators: link loads and routing in, TM out.

    Parameters
    ----------
    noise : float or mapping of link to float
        Relative standard error of the loads (0.05 = 5 %). 0: loads are met exactly, after they
        have been made consistent with each other if they are not.
    screen : bool
        Look for counters that contradict the others, name them in a warning and leave them out.

    Notes
    -----
    Each snapshot is estimated from its own loads alone (and the history): one at a time or all
    together gives the same result.
    """

    noise: Noise = 0.0
    screen: bool = True

    def fit(self, history: xr.DataArray | None = None, routing: Routing | RoutingEpochs | None = None) -> Self:
        """Learn what can be learnt from past TMs; estimators without memory ignore them."""
        return self

    def estimate(
        self,
        loads: xr.DataArray,
        routing: Routing | RoutingEpochs,
        *,
        known: xr.DataArray | None = None,
        known_error: float = 0.0,
    ) -> xr.DataArray:
        """Estimate the TM of each interval.

        Parameters
        ----------
        loads : DataArray (time, link)
            bit/s, one column per row of the routing; NaN = not measured.
        routing : Routing or RoutingEpochs
        known : DataArray (time, origin, destination), optional
            Demands measured directly, NaN elsewhere.
        known_error : float
            Relative standard error of `known`; 0 = exact.

        Returns
        -------
        DataArray (time, origin, destination)
            bit/s; NaN at times without any measured load, 0 for pairs without a path.

        Raises
        ------
        LabelError, DataError, UnitError, UsageError
            If the input does not fit.
        NotFittedError
            If the estimator needs a history first.
        """
        ready = self._ready(loads, routing, known, known_error)
        run = ready._over_blocks(loads, routing, known, known_error, ready._solve)
        return as_demands(run, loads, routing, ready._attrs(loads))

    def save(self, path: str | Path) -> None:
        """Write parameters and what was learnt to one ``.safetensors`` file; see :func:`odflow.load`."""
        from odflow.estimate.store import save

        save(self, path)

    def _ready(
        self, loads: xr.DataArray, routing: Routing | RoutingEpochs, known: xr.DataArray | None, known_error: float
    ) -> Self:
        """The estimator to use on these loads: one that learns from loads may have to learn from these first."""
        return self

    @abstractmethod
    def _solve(self, observed: Observed) -> Floats:
        """Estimate a block, shape (T, flows)."""

    def _expected(self, observed: Observed) -> Floats | None:
        """Loads expected without looking at the measured ones, shape (rows,), if there is a history."""
        return None

    def _attrs(self, loads: xr.DataArray) -> dict[str, str | float]:
        return {"method": type(self).__name__}

    def _over_blocks(
        self,
        loads: xr.DataArray,
        routing: Routing | RoutingEpochs,
        known: xr.DataArray | None,
        known_error: float,
        solve: Callable[[Observed], Floats],
    ) -> Floats:
        """Run ``solve`` over blocks of checked, screened measurements; result (..., T, flows)."""
        parts: list[Floats] = []
        suspects = np.zeros(len(routing.links), dtype=int)
        for span, whole in observe(loads, routing, noise=self.noise, known=known, known_error=known_error):
            for block in blocks(span.stop - span.start, len(routing.nodes) ** 2):
                observed = whole.span(block)
                if self.screen:
                    observed, flagged = consistent(observed, self._expected(observed))
                    suspects += flagged[:, : len(suspects)].sum(axis=0)
                x = solve(observed)
                x[..., ~observed.system.carried] = 0.0
                x[..., np.isnan(observed.values).all(axis=1), :] = np.nan
                parts.append(x)
        if suspects.any():
            times = sum(part.shape[-2] for part in parts)
            warnings.warn(summary(suspects, routing.links, times), InconsistentLoadsWarning, stacklevel=3)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)


@dataclass(kw_only=True, eq=False)
class HistoryEstimator(Estimator):
    """Estimators that learn a prior from past TMs; ``mean_`` is its mean after :meth:`fit`."""

    mean_: Floats | None = field(default=None, init=False, repr=False)
    nodes_: tuple[str, ...] = field(default=(), init=False, repr=False)
    end_: np.datetime64 | None = field(default=None, init=False, repr=False)

    def _remember(self, history: History, mean: Floats) -> None:
        self._remember_mean(mean, history.nodes)
        self.end_ = history.end

    def _remember_mean(self, mean: Floats, nodes: Sequence[str]) -> None:
        self.mean_, self.nodes_ = mean, tuple(nodes)

    def _columns(self, routing: Routing | RoutingEpochs) -> NDArray[np.int64]:
        """Where each OD column of `routing` is in what was learnt.

        Raises
        ------
        NotFittedError
            If nothing was learnt.
        LabelError
            If the history was of other nodes.
        """
        self._fitted_mean()
        n = len(self.nodes_)
        if tuple(routing.nodes) == self.nodes_:
            return np.arange(n * n)
        position = xr.DataArray(np.arange(n * n).reshape(n, n), dims=("origin", "destination"))
        named = position.assign_coords(origin=list(self.nodes_), destination=list(self.nodes_))
        return np.asarray(labels.align_nodes(named, routing.nodes, "past demands").values).ravel()

    def _fitted_mean(self) -> Floats:
        if self.mean_ is None:
            raise NotFittedError(f"{type(self).__name__} needs past TMs; call fit(history) or give --history")
        return self.mean_

    def _mean(self, observed: Observed) -> Floats:
        return self._fitted_mean()[self._columns(observed.system.routing)]

    def _expected(self, observed: Observed) -> Floats | None:
        if self.mean_ is None:
            return None
        return np.asarray(observed.system.matrix @ self._mean(observed))

    def _attrs(self, loads: xr.DataArray) -> dict[str, str | float]:
        attrs = super()._attrs(loads)
        if self.end_ is not None:
            start = labels.as_times(loads["time"].values)[0]
            attrs["history_age_s"] = labels.seconds_between(self.end_, start)
        return attrs


@dataclass(kw_only=True, eq=False)
class Posterior(Estimator):
    """An estimator that also says how sure it is."""

    def quantiles(
        self,
        loads: xr.DataArray,
        routing: Routing | RoutingEpochs,
        probabilities: Sequence[float] = (0.05, 0.5, 0.95),
        *,
        known: xr.DataArray | None = None,
        known_error: float = 0.0,
    ) -> xr.DataArray:
        """Marginal quantiles of every demand, never negative nor above the least load on its path.

        Returns
        -------
        DataArray (quantile, time, origin, destination), bit/s
        """
        p, ready = check_probabilities(probabilities), self._ready(loads, routing, known, known_error)

        def solve(observed: Observed) -> Floats:
            return ready._quantiles(observed, p).clip(observed.least, observed.most)

        values = ready._over_blocks(loads, routing, known, known_error, solve)
        return as_demands(values, loads, routing, ready._attrs(loads), quantile=p)

    def sample(
        self,
        loads: xr.DataArray,
        routing: Routing | RoutingEpochs,
        n: int = 100,
        *,
        seed: int = 0,
        known: xr.DataArray | None = None,
        known_error: float = 0.0,
    ) -> xr.DataArray:
        """Joint draws, each non-negative and (for exact loads) meeting the loads; n TMs per interval in memory.

        Returns
        -------
        DataArray (sample, time, origin, destination), bit/s
        """
        check_counts(n=n)
        rng, ready = np.random.default_rng(seed), self._ready(loads, routing, known, known_error)

        def solve(observed: Observed) -> Floats:
            return np.stack(list(ready._draws(observed, n, rng)))

        values = ready._over_blocks(loads, routing, known, known_error, solve)
        return as_demands(values, loads, routing, ready._attrs(loads), sample=np.arange(n))

    @abstractmethod
    def _quantiles(self, observed: Observed, p: Floats) -> Floats:
        """Of a block, shape (len(p), T, flows)."""

    def _draws(self, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Draws for a block, n of them, each of shape (T, flows); finished many at once, for that is quicker."""
        unfinished = self._unfinished_draws(observed, n, rng)
        count = max(1, block_size(len(observed.system.carried)) // len(observed))
        while some := list(islice(unfinished, count)):
            finished = self._finish_draws(np.concatenate(some), observed.repeated(len(some)))
            yield from finished.reshape(len(some), *some[0].shape)

    @abstractmethod
    def _unfinished_draws(self, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Draws before they are made non-negative and brought to the loads."""

    @abstractmethod
    def _finish_draws(self, draws: Floats, observed: Observed) -> Floats:
        """Make draws non-negative and bring them to the loads, shape (T, flows)."""


def as_demands(
    x: Floats,
    loads: xr.DataArray,
    routing: Routing | RoutingEpochs,
    attrs: dict[str, str | float],
    **leading: Sequence[float] | NDArray[np.generic],
) -> xr.DataArray:
    """Label an array of shape (..., T, flows) as demands with the leading dims that are named."""
    n, nodes = len(routing.nodes), list(routing.nodes)
    return xr.DataArray(
        x.reshape(*x.shape[:-1], n, n),
        dims=(*leading, "time", "origin", "destination"),
        coords={**leading, "time": labels.as_times(loads["time"].values), "origin": nodes, "destination": nodes},
        name="demand",
        attrs={"units": labels.UNITS, "interval_s": float(loads.attrs["interval_s"]), **attrs},
    )
