"""Checks of estimator parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_shares(**shares: float) -> None:
    """Raise :class:`UsageError` unless every value lies in [0, 1]."""
    for name, value in shares.items():
        if not 0 <= value <= 1:
            raise UsageError(f"{name} is {value}, expected a share between 0 and 1")


def check_counts(**counts: int) -> None:
    """Raise :class:`UsageError` unless every value is an integer of at least 1."""
    for name, value in counts.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise UsageError(f"{name} is {value}, expected a whole number of at least 1")


def check_probabilities(probabilities: Sequence[float]) -> NDArray[np.float64]:
    """Return increasing probabilities.

    Raises
    ------
    UsageError
        If one is not strictly between 0 and 1, or they do not increase.
    """
    p = np.asarray(probabilities, dtype=float)
    if p.ndim != 1 or not len(p) or not ((p > 0) & (p < 1)).all() or (np.diff(p) <= 0).any():
        raise UsageError(f"quantiles are {list(probabilities)}, expected increasing values between 0 and 1")
    return p


def check_noise(noise: float | Mapping[str, float]) -> None:
    """Raise :class:`UsageError` unless this is a finite relative error of 0 or more, or one for each of some links."""
    for value in noise.values() if isinstance(noise, Mapping) else (noise,):
        if not isinstance(value, Real) or not 0 <= float(value) < np.inf:
            given = f"{value:g}" if isinstance(value, Real) else repr(value)
            raise UsageError(f"noise is {given}, expected 0 or more (0.05 = 5 %)")
