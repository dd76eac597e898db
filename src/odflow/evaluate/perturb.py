"""Link loads as they are measured in practice: with noise, with counters missing."""

from __future__ import annotations

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import UsageError
from odflow.estimate.observe import noise_like


def noisy(loads: xr.DataArray, sigma: float, *, seed: int) -> xr.DataArray:
    """Multiply every load by independent lognormal noise of mean one.

    Parameters
    ----------
    loads : DataArray (time, link)
        bit/s.
    sigma : float
        Standard deviation of the logarithm, about the relative error: 0.05 is 5 %. Zero changes nothing.
    seed : int

    Raises
    ------
    UsageError
        If `sigma` is negative or not finite.
    LabelError, DataError, UnitError
        If `loads` are not link loads.
    """
    if not (np.isfinite(sigma) and sigma >= 0):
        raise UsageError(f"noise is {sigma:g}; give a relative error such as 0.05, at least 0")
    checked = labels.check_loads(loads)
    if sigma == 0:
        return checked
    return noise_like(checked, sigma, np.random.default_rng([seed, 0]))


def without_counters(loads: xr.DataArray, fraction: float, *, seed: int) -> xr.DataArray:
    """Mark a random part of the internal counters as not measured (NaN) at all times.

    Parameters
    ----------
    loads : DataArray (time, link)
        bit/s; access links (``in:``, ``out:``) are kept.
    fraction : float
        Part of the internal links, rounded to whole links.
    seed : int

    Raises
    ------
    UsageError
        If `fraction` is not in [0, 1].
    LabelError, DataError, UnitError
        If `loads` are not link loads.
    """
    if not 0 <= fraction <= 1:
        raise UsageError(f"the part of missing links is {fraction:g}; give one from 0 to 1")
    checked = labels.check_loads(loads)
    names = [str(link) for link in checked["link"].values]
    internal = np.flatnonzero([not name.startswith((labels.IN, labels.OUT)) for name in names])
    lost = np.random.default_rng([seed, 1]).permutation(internal)[: round(fraction * len(internal))]
    if not len(lost):
        return checked
    values = checked.values.copy()
    values[:, lost] = np.nan
    return checked.copy(data=values)
