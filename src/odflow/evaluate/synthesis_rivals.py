"""Two simple generators that a learned one must beat; they need neither torch nor training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from odflow.evaluate.synthesis_space import checked

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

JITTER = 0.05


class Rival(Protocol):
    """Draws flat TMs."""

    def sample(self, n: int, *, seed: int) -> Floats:
        """TMs of shape (n, flows), bit/s."""
        ...


@dataclass(frozen=True, eq=False)
class Resample:
    """Training TMs drawn again, with replacement, each demand times a lognormal factor of mean 1.

    It knows nothing beyond the training TMs, and so shows what the measures say of plain copying.

    Parameters
    ----------
    train : ndarray (N, flows)
        bit/s.
    jitter : float
        Standard deviation of the log of the factor.
    """

    train: Floats
    jitter: float = JITTER

    @classmethod
    def of(cls, train: ArrayLike) -> Self:
        """Learn from flat TMs; raises ``DataError`` if they are not all measured."""
        return cls(checked(train))

    def sample(self, n: int, *, seed: int) -> Floats:
        """Draw TMs, shape (n, flows), bit/s."""
        rng = np.random.default_rng((seed, 3))
        chosen = self.train[rng.integers(len(self.train), size=n)]
        return np.asarray(chosen * np.exp(self.jitter * rng.standard_normal(chosen.shape) - 0.5 * self.jitter**2))


@dataclass(frozen=True, eq=False)
class GaussianCopula:
    """Every flow's own distribution as measured, tied together by one normal correlation matrix.

    Each flow's values are ranked and mapped to normal scores; their correlations give normal draws, which
    are mapped back through the flow's empirical quantiles, linear between values (Nelsen 2006, sections 2.3 and 3.1).

    Parameters
    ----------
    quantiles : ndarray (N, flows)
        Sorted values of each flow, bit/s.
    factor : ndarray (flows, flows)
        Times its transpose gives the correlations of the normal scores.
    """

    quantiles: Floats
    factor: Floats

    @classmethod
    def of(cls, train: ArrayLike) -> Self:
        """Learn from flat TMs; raises ``DataError`` if they are not all measured."""
        x = checked(train)
        scores = ndtri((rankdata(x, axis=0) - 0.5) / len(x))
        varies = np.ptp(scores, axis=0) > 0
        scores = np.where(varies, scores - scores.mean(axis=0), 0.0)
        scores /= np.where(varies, np.sqrt((scores**2).sum(axis=0)), 1.0)
        correlation = scores.T @ scores
        np.fill_diagonal(correlation, 1.0)
        value, vector = np.linalg.eigh(correlation)
        return cls(np.sort(x, axis=0), vector * np.sqrt(np.maximum(value, 0.0)))

    def sample(self, n: int, *, seed: int) -> Floats:
        """Draw TMs, shape (n, flows), bit/s."""
        normal = np.random.default_rng((seed, 4)).standard_normal((n, len(self.factor))) @ self.factor.T
        last = len(self.quantiles) - 1
        place = np.clip(ndtr(normal) * (last + 1) - 0.5, 0, last)
        low = np.minimum(place.astype(np.int64), max(last - 1, 0))
        lower = np.take_along_axis(self.quantiles, low, axis=0)
        upper = np.take_along_axis(self.quantiles, np.minimum(low + 1, last), axis=0)
        return np.asarray(lower + (place - low) * (upper - lower))


RIVALS = ("resample", "gaussian-copula")


def rival(name: str, train: ArrayLike) -> tuple[Rival, str]:
    """The rival of a name, fitted, and what it does in words."""
    if name == "resample":
        return Resample.of(train), f"training TMs drawn again, each demand times a lognormal factor of {JITTER:.0%}"
    words = "each flow's measured distribution, the flows tied together by one normal correlation matrix"
    return GaussianCopula.of(train), words
