"""A small network with ECMP and three weeks of known traffic on it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from odflow import labels
from odflow.network.routing import Routing


def traffic(nodes: tuple[str, ...], times: np.ndarray, seed: int) -> xr.DataArray:
    """Gravity-like demands with a daily cycle and lognormal residuals, bit/s."""
    rng = np.random.default_rng(seed)
    mass = np.arange(1.0, len(nodes) + 1)
    hour = (times - times.astype("datetime64[D]")) / np.timedelta64(1, "h")
    daily = 1 + 0.4 * np.sin(2 * np.pi * hour / 24)
    base = 1e6 * np.outer(mass, mass).ravel() * rng.lognormal(0, 0.7, len(nodes) ** 2)
    values = base * daily[:, None] * rng.lognormal(0, 0.2, (len(times), len(base)))
    return labels.demands(values, times, nodes, 3600)


@pytest.fixture(scope="session")
def history(diamond_routing: Routing) -> xr.DataArray:
    """Two weeks of hourly TMs."""
    times = np.datetime64("2026-01-05", "h") + np.arange(14 * 24)
    return traffic(diamond_routing.nodes, times, seed=1)


@pytest.fixture(scope="session")
def truth(diamond_routing: Routing) -> xr.DataArray:
    """The day after, the same flows."""
    times = np.datetime64("2026-01-05", "h") + np.arange(15 * 24)
    return traffic(diamond_routing.nodes, times, seed=1)[14 * 24 :]


@pytest.fixture(scope="session")
def loads(truth: xr.DataArray, diamond_routing: Routing) -> xr.DataArray:
    """Loads of that day."""
    return diamond_routing.loads(truth)
