"""Training TMs to compare synthetic ones with, and the six measures together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from odflow import labels
from odflow.errors import DataError
from odflow.evaluate.synthesis_metrics import (
    classifier_auc,
    copying_ratio,
    correlation_error,
    frechet,
    mmd2,
    relative_wasserstein,
)
from odflow.evaluate.synthesis_result import SynthesisScore
from odflow.evaluate.synthesis_space import Space, checked, fit_space
from odflow.traffic.histories import without_glitches

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.int64]

LEAST = 50  # TMs on either side


@dataclass(frozen=True, eq=False)
class RealTMs:
    """Training TMs to compare with.

    Parameters
    ----------
    history : DataArray (time, origin, destination)
        Without the TMs left out.
    values : ndarray (N, flows)
        The same, flat, bit/s.
    day : ndarray (N,)
        Number of the UTC day of each, counting only days with TMs.
    space : Space
        Fitted on all of them.
    left_out : int
    """

    history: xr.DataArray
    values: Floats
    day: Rows
    space: Space
    left_out: int

    @classmethod
    def of(cls, history: xr.DataArray) -> Self:
        """Prepare past TMs; those with gaps, and those whose coordinate ``valid`` is false, are left out.

        Raises
        ------
        DataError, LabelError, UnitError
            If they do not fit, or are of fewer than four days or too few for two sets to compare.
        """
        whole = labels.check_demands(history)
        kept = without_glitches(whole)
        days, day = np.unique(labels.as_times(kept["time"].values).astype("datetime64[D]"), return_inverse=True)
        if len(days) < 4 or len(day) < 2 * LEAST:
            raise DataError(
                f"{len(day)} complete TMs of {len(days)} days are too few; "
                f"a comparison needs {2 * LEAST} of at least 4 days"
            )
        values = kept.values.reshape(len(day), -1)
        return cls(kept, values, day, fit_space(values), whole.sizes["time"] - len(day))

    @property
    def nodes(self) -> tuple[str, ...]:
        """In the order of the flows."""
        return tuple(str(node) for node in self.history["origin"].values)

    def size(self, samples: int) -> int:
        """TMs on either side so that there are enough for two sets, also of alternating days."""
        odd = int((self.day % 2).sum())
        return min(samples, len(self.day) // 2, odd, len(self.day) - odd)

    def random_parts(self, n: int, seed: int) -> tuple[Rows, Rows]:
        """Rows of two disjoint random sets of n TMs; the first is what generators are compared with."""
        order = np.random.default_rng((seed, 1)).permutation(len(self.day))
        return order[:n], order[n : 2 * n]

    def daily_parts(self, n: int, seed: int) -> tuple[Rows, Rows]:
        """Rows of n random TMs of every other day, and of n of the days between."""
        rng = np.random.default_rng((seed, 2))
        one, other = (rng.choice(np.flatnonzero(self.day % 2 == k), n, replace=False) for k in (0, 1))
        return one, other


def score_synthesis(real: RealTMs, synthetic: ArrayLike, *, seed: int = 0) -> SynthesisScore:
    """Compare synthetic TMs with as many training TMs, drawn at random.

    Parameters
    ----------
    real : RealTMs
    synthetic : array-like (n, flows)
        bit/s, nodes in the same order; n at most half of the training TMs.
    seed : int
        Of the draw, and of what is random in the measures.

    Raises
    ------
    DataError
        If they do not fit, or are more than that.
    """
    n = len(checked(synthetic))
    if 2 * n > len(real.day):
        raise DataError(f"{n} synthetic TMs for {len(real.day)} real ones; give at most half as many")
    return _score(real, real.random_parts(n, seed)[0], synthetic, np.arange(len(real.day)), seed)


def floor_of_halves(real: RealTMs, n: int, *, seed: int = 0) -> SynthesisScore:
    """Score n random training TMs as if they were synthetic, against n others: the same distribution.

    They are left out of the training TMs among which nearest neighbours are looked for.
    """
    one, other = real.random_parts(n, seed)
    return _score(real, one, real.values[other], np.setdiff1d(np.arange(len(real.day)), other), seed)


def floor_of_days(real: RealTMs, n: int, *, seed: int = 0) -> SynthesisScore:
    """Score n training TMs of every second day as if they were synthetic, against n of the days between.

    Nearest neighbours are looked for among all TMs of the days between. The classifier may tell the days apart by
    TMs of the same hours, which are alike; leaving out whole days does not help, for then it takes a TM for one of
    the other kind, whose days are next to it.
    """
    one, other = real.daily_parts(n, seed)
    return _score(real, one, real.values[other], np.flatnonzero(real.day % 2 == 0), seed)


def _score(real: RealTMs, chosen: Rows, synthetic: ArrayLike, train: Rows, seed: int) -> SynthesisScore:
    """Compare with the chosen rows; nearest neighbours are looked for among the rows `train`."""
    drawn, days = real.values[chosen], (real.day[train], real.day[chosen])
    by_volume, by_flow = relative_wasserstein(drawn, synthetic)
    auc = classifier_auc(drawn, synthetic, seed=seed)
    return SynthesisScore(
        wasserstein=by_volume,
        wasserstein_by_flow=by_flow,
        correlation=correlation_error(drawn, synthetic),
        frechet=frechet(drawn, synthetic, real.space),
        mmd=mmd2(drawn, synthetic, real.space, seed=seed),
        auc=0.5 + abs(auc - 0.5),
        nearest=copying_ratio(real.values[train], drawn, synthetic, real.space, groups=days),
    )
