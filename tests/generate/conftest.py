"""A week of known traffic on four nodes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from odflow import labels

NODES = ("a", "b", "c", "d")


def traffic(rows: int, seed: int = 0) -> xr.DataArray:
    """Hourly gravity-like demands with a daily cycle and lognormal residuals, bit/s; d sends nothing to a."""
    rng = np.random.default_rng(seed)
    mass = np.arange(1.0, 5.0)
    base = 1e6 * np.outer(mass, mass).ravel()
    base[12] = 0.0
    times = np.datetime64("2026-01-05T00", "ns") + np.arange(rows) * np.timedelta64(1, "h")
    daily = 1 + 0.4 * np.sin(2 * np.pi * np.arange(rows) / 24)
    values = base * daily[:, None] * rng.lognormal(0, 0.2, (rows, 16))
    return labels.demands(values, times, NODES, 3600)


@pytest.fixture(scope="session")
def history() -> xr.DataArray:
    return traffic(168)
