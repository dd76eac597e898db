"""The TM from link loads alone: means from how the loads vary together, then the posterior of each snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from odflow import labels
from odflow.errors import NotFittedError, OdflowError, UsageError
from odflow.estimate.balances import consistent
from odflow.estimate.base import HistoryEstimator, Posterior
from odflow.estimate.calibration import calibrated_draws
from odflow.estimate.checks import check_counts, check_noise, check_shares
from odflow.estimate.load_moments import LoadMoments, level_of
from odflow.estimate.meet import meet_loads
from odflow.estimate.moment_calibration import calibration_of, shipped_table, signs, surprise_of
from odflow.estimate.moment_fit import MomentFit, MomentModel, fit_moments
from odflow.estimate.observe import Observed, observe
from odflow.estimate.priors import Spread, gravity_prior
from odflow.estimate.student_t import StudentTPosterior
from odflow.modelfile import ModelFile, write_model

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

    Floats = NDArray[np.float64]

_LEAST = 1e-6  # bit/s, and of the mean demand, for variances


@dataclass(kw_only=True, eq=False)
class MomentPosterior(HistoryEstimator, Posterior):
    """Student-t posterior without any history: its mean TM is learnt from the link loads over time.

    Demands vary, and those that pass the same links make their loads vary together: the covariances of L independent
    loads are L (L + 1) / 2 numbers, more than there are flows. With variances that go with the means by a power law,
    these and the mean loads tell a mean TM (:func:`odflow.estimate.moment_fit.fit_moments`), from which the TM of each
    snapshot is estimated as by :class:`StudentTPosterior`, at the level of traffic that the snapshot has.

    Where gravity is far off, as on Abilene and GEANT, that is far better than :class:`KLProjection` from gravity; where
    gravity is nearly right, or variances have little to do with means, it is worse.

    :meth:`fit` learns from loads; without it :meth:`estimate` learns from those it is given, so that then an estimate
    depends on all of them. Fitted again, it begins from what it knew.

    Parameters
    ----------
    no_self_traffic : bool
        No node sends to itself through the network.
    model : MomentModel
        How variances go with means.
    power, dispersion : float
        Variance of a demand about its mean m is ``dispersion * m**power``, traffic in shares of the mean demand.
    freedom : float
        Degrees of freedom of the tails.
    floor : float
        Least demand as a share of its mean.
    sweeps : int
        Passes of the final projection.

    Notes
    -----
    After Vardi, "Network tomography: estimating source-destination traffic intensities from link data", JASA 91, 1996,
    and Cao, Davis, Vander Wiel and Yu, "Time-varying network tomography: router link data", JASA 95, 2000, who have
    Poisson and Gaussian models of the same kind.
    """

    no_self_traffic: bool = False
    model: MomentModel = field(default_factory=MomentModel)
    power: float = 1.5
    dispersion: float = 1.0
    freedom: float = 2.0
    floor: float = 0.3
    sweeps: int = 50
    fit_: MomentFit | None = field(default=None, init=False, repr=False)
    signs_: Floats | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        check_shares(floor=self.floor)
        check_counts(sweeps=self.sweeps)
        for name in ("power", "dispersion", "freedom"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} is {getattr(self, name)}, expected more than 0")

    def fit(
        self,
        history: xr.DataArray | None = None,
        routing: Routing | RoutingEpochs | None = None,
        *,
        loads: xr.DataArray | None = None,
        known: xr.DataArray | None = None,
        known_error: float = 0.0,
    ) -> Self:
        """Learn the mean TM from loads, dims (time, link), bit/s, NaN = not measured.

        A few hours are enough to begin with, a week tells more; of less than eight intervals under a routing it learns
        the mean alone, by gravity. Intervals are to be of one length; gaps are allowed.
        Demands that are `known`, as in :meth:`estimate`, are learnt from as loads are. Without loads it forgets what it
        knew.

        Raises
        ------
        UsageError
            With a history, or loads without a routing.
        DataError, LabelError, UnitError
            If they do not fit.
        """
        if history is not None:
            raise UsageError("MomentPosterior learns from link loads, not from a history; use StudentTPosterior")
        if loads is None:
            self.mean_, self.fit_, self.signs_ = None, None, None
            return self
        if routing is None:
            raise UsageError(
                "MomentPosterior learns from link loads and their routing: fit(loads=loads, routing=routing)"
            )
        looked = self.parts(loads, routing, known, known_error)
        parts, priors = zip(*looked, strict=True)
        # parts have scales of their own, for the traffic of all flows is not known when counters are missing
        counts = np.array([len(part.level) for part in parts], dtype=float)
        prior = counts @ np.array(priors) / counts.sum()
        start = self.fit_ if self.nodes_ == tuple(routing.nodes) else None
        shares, distances = self._learn(parts, priors, prior, len(routing.nodes), start)
        scale = float(counts @ [part.scale for part in parts] / counts.sum())
        self._remember_mean(shares * scale, routing.nodes)
        self.signs_ = signs(distances, sum(part.hours for part in parts), len(routing.nodes))
        return self

    def parts(
        self,
        loads: xr.DataArray,
        routing: Routing | RoutingEpochs,
        known: xr.DataArray | None = None,
        known_error: float = 0.0,
    ) -> list[tuple[LoadMoments, Floats]]:
        """Moments of loads and gravity that meets their means, in shares of the traffic, of each routing."""
        interval, out = float(labels.check_loads(loads).attrs["interval_s"]), []
        for _, whole in observe(loads, routing, noise=self.noise, known=known, known_error=known_error):
            part = LoadMoments.of(consistent(whole, None)[0] if self.screen else whole, interval)
            out.append((part, self._prior(part)))
        return out

    @property
    def expected_error(self) -> float:
        """Sum of absolute errors over traffic that simulated networks had where loads said as much.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        """
        if self.signs_ is None:
            raise NotFittedError("MomentPosterior has learnt nothing yet; call fit(loads=loads, routing=routing)")
        return float(np.exp(surprise_of(self.signs_, self._table())))

    def uncertainty(self, observed: Observed) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each demand before its loads are known, (flows,), for :func:`odflow.plan`."""
        mean = self._mean(observed)
        return mean, mean

    def raw(self, loads: xr.DataArray, routing: Routing | RoutingEpochs) -> tuple[Floats, Floats]:
        """Estimates and standard deviations, (T, flows), as they are before they are calibrated."""
        estimate, spread = self._over_blocks(loads, routing, None, 0.0, lambda one: np.stack(self._moments(one)))
        return estimate, spread

    def save(self, path: str | Path) -> None:
        """Write parameters and what was learnt to one ``.safetensors`` file; :func:`odflow.load` reads it.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        OdflowError
            If the file cannot be written.
        """
        if self.fit_ is None:
            raise NotFittedError("there is nothing to save yet: call fit(loads=loads, routing=routing) first")
        header = {"parameters": self._parameters(), "model": asdict(self.model), "nodes": self.nodes_}
        write_model(path, ModelFile(type(self).__name__, header, self._numbers()))

    def _parameters(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name != "model"}

    def _numbers(self) -> dict[str, Floats]:
        assert self.fit_ is not None
        assert self.signs_ is not None
        tensors = {f.name: getattr(self.fit_, f.name) for f in fields(self.fit_)}
        return tensors | {"bit_s": self._fitted_mean(), "signs": self.signs_}

    @classmethod
    def restore(cls, model: ModelFile) -> Self:
        """Rebuild from what :meth:`save` wrote.

        Raises
        ------
        KeyError, TypeError, OdflowError
            If its parts do not fit each other.
        """
        estimator = cls(model=MomentModel(**model.header["model"]), **model.header["parameters"])
        check_noise(estimator.noise)
        estimator.fit_ = MomentFit(*(model.tensors[f.name] for f in fields(MomentFit)))
        estimator._remember_mean(model.tensors["bit_s"], model.header["nodes"])
        estimator.signs_ = model.tensors["signs"]
        parts = (model.tensors["bit_s"], estimator.fit_.mean, estimator.fit_.deviation)
        if any(part.shape[-1] != len(estimator.nodes_) ** 2 for part in parts):
            raise OdflowError("mean and nodes do not fit each other")
        return estimator

    def _learn(
        self,
        parts: Sequence[LoadMoments],
        priors: Sequence[Floats],
        prior: Floats,
        nodes: int,
        start: MomentFit | None,
    ) -> tuple[Floats, tuple[float, ...]]:
        """The mean TM in shares of the traffic, (flows,), and what tells how far off it is.

        Also keeps the fit to begin from when fitted again.
        """
        self.fit_ = fit_moments(parts, prior, nodes, self.model, start)
        return self.fit_.mean, (apart(self.fit_.mean, prior),)

    def _ready(
        self, loads: xr.DataArray, routing: Routing | RoutingEpochs, known: xr.DataArray | None, known_error: float
    ) -> Self:
        if self.mean_ is not None:
            return self
        return replace(self).fit(routing=routing, loads=loads, known=known, known_error=known_error)

    def _prior(self, part: LoadMoments) -> Floats:
        """Gravity that meets the mean loads, in shares."""
        mean = part.usual()
        prior = self._without_self(gravity_prior(mean))
        met = meet_loads(mean, prior * mean.system.carried, self.sweeps)
        return np.asarray(met[0] / part.scale)

    def _solve(self, observed: Observed) -> Floats:
        base, level = self._base(observed)
        return self._without_self(base._solve(_over(observed, level)) * level)

    def _quantiles(self, observed: Observed, p: Floats) -> Floats:
        assert self.signs_ is not None
        estimate, spread = self._moments(observed)
        table = self._table()
        surprise = np.full(len(observed), surprise_of(self.signs_, table))
        return self._without_self(calibration_of(self._mean(observed), table).quantiles(estimate, spread, surprise, p))

    def _table(self) -> Mapping[str, Floats]:
        """What is known of errors on simulated networks."""
        return shipped_table()

    def _moments(self, observed: Observed) -> tuple[Floats, Floats]:
        """Estimates and standard deviations, as they are before they are calibrated."""
        base, level = self._base(observed)
        estimate, variance = base._moments(_over(observed, level))
        return estimate * level, np.sqrt(variance) * level

    def _unfinished_draws(self, observed: Observed, n: int, rng: np.random.Generator) -> Iterator[Floats]:
        """The calibrated quantiles of each demand, in the order of draws from the posterior about the mean."""
        base, level = self._base(observed)
        yield from calibrated_draws(
            lambda count: base._unfinished_draws(_over(observed, level), count, rng),
            lambda p: self._quantiles(observed, p).clip(observed.least, observed.most),
            n,
        )

    def _finish_draws(self, draws: Floats, observed: Observed) -> Floats:
        base, level = self._base(observed)
        return self._without_self(base._finish_draws(draws / level, _over(observed, level)) * level)

    def _variance(self, mean: Floats) -> Floats:
        """Of each demand about its mean, (flows,), (bit/s)^2."""
        typical = max(float(mean.mean()), _LEAST)
        return np.asarray(self.dispersion * typical**2 * np.maximum(mean / typical, _LEAST) ** self.power)

    def _without_self(self, x: Floats) -> Floats:
        """No traffic of nodes to themselves, if that is so; in place."""
        if self.no_self_traffic:
            x[..., :: round(x.shape[-1] ** 0.5) + 1] = 0.0
        return x

    def _base(self, observed: Observed) -> tuple[StudentTPosterior, Floats]:
        """The posterior at the mean level of traffic, and the level of each snapshot, (T, 1)."""
        mean = self._mean(observed)
        base = _Base(
            freedom=self.freedom,
            floor=self.floor,
            sweeps=self.sweeps,
            noise=self.noise,
            no_self_traffic=self.no_self_traffic,
        )
        base._remember_mean(mean, observed.system.routing.nodes)
        base.spread_ = Spread(np.zeros((len(mean), 1)), self._variance(mean))
        return base, level_of(observed, observed.system.matrix @ mean)[:, None]


def apart(x: Floats, other: Floats) -> float:
    """Sum of absolute differences over traffic."""
    return float(np.abs(x - other).sum() / max(other.sum(), np.finfo(float).tiny))


@dataclass(kw_only=True, eq=False)
class _Base(StudentTPosterior):
    no_self_traffic: bool

    def _lifted(self, x: Floats, observed: Observed) -> Floats:
        lifted = super()._lifted(x, observed)
        if self.no_self_traffic:
            lifted[:, :: len(observed.system.routing.nodes) + 1] = 0.0
        return lifted


def _over(observed: Observed, level: Floats) -> Observed:
    return observed.with_values(observed.values / level)
