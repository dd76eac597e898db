"""Comparisons that say what differs."""

from __future__ import annotations

import numpy as np
import xarray as xr

START = np.datetime64("2024-01-01", "ns")
HOUR = np.timedelta64(3600, "s")


def require(holds: bool, message: str) -> None:
    """Raise with the message unless it holds."""
    if not holds:
        raise AssertionError(message)


def near(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    """Whether arrays agree relative to the largest value."""
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0.0) <= tolerance * np.abs(b).max(initial=0.0))


def same(found: xr.DataArray, expected: xr.DataArray, message: str, tolerance: float = 1e-10) -> None:
    """Raise with the message, and the difference, unless the values agree."""
    a, b = found.values, expected.values
    if not near(a, b, tolerance):
        worst = np.abs(a - b).max() / max(np.abs(b).max(), 1e-300) if a.shape == b.shape else np.nan
        raise AssertionError(f"{message} (relative difference {worst:.2g}, allowed {tolerance:g})")


def like(array: xr.DataArray, values: xr.DataArray) -> xr.DataArray:
    """Arithmetic drops what an array says about itself; put it back."""
    return array.copy(data=values.values)
