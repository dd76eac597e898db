"""Which past TMs to learn from."""

from __future__ import annotations

import numpy as np
import xarray as xr

WEEK_S = 7 * 86400.0


def last_weeks(demands: xr.DataArray, weeks: int) -> xr.DataArray:
    """The last weeks' worth of intervals (at least one), counted over gaps; all for 0."""
    if not weeks:
        return demands
    return demands.isel(time=slice(-max(1, round(weeks * WEEK_S / float(demands.attrs["interval_s"]))), None))


def without_glitches(demands: xr.DataArray) -> xr.DataArray:
    """Leave out TMs with a gap and those whose coordinate ``valid`` is false."""
    keep = ~np.isnan(demands.values).any(axis=(1, 2))
    if "valid" in demands.coords:
        keep &= demands["valid"].values.astype(bool)
    return demands.isel(time=np.flatnonzero(keep))
