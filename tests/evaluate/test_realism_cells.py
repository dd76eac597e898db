from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from odflow.errors import DataError
from odflow.evaluate import realism_cells as stats
from odflow.evaluate.realism_compare import deviation, mean_statistics, spread_of, statistics

RNG = np.random.default_rng(0)
MONDAY = 1767571200.0  # 2026-01-05
HOURS = np.arange(24 * 14)


def cells(noise: float = 0.1, count: int = 8, services: int = 2) -> np.ndarray:
    day = 1 + 0.5 * np.cos(2 * np.pi * (HOURS - 15) / 24)
    size = np.linspace(1, 3, count)
    x = day[:, None, None] * size[None, :, None] * np.array([1.0, 50.0])[:services]
    return x * np.exp(noise * RNG.standard_normal(x.shape))


def test_a_daily_cycle() -> None:
    found = stats.cell_statistics(cells(0.01), MONDAY, 3600.0)
    assert found.daily_swing == pytest.approx(3.0, rel=0.02)
    assert found.busy_hour == pytest.approx(15.5, abs=0.2)  # the middle of the hour
    assert found.weekend == pytest.approx(1.0, abs=0.02)
    assert found.correlation_day == pytest.approx(1.0, abs=0.02)
    assert found.energy_1 == pytest.approx(1.0, abs=0.01)
    assert np.isnan(found.correlation_hour)  # the interval is an hour
    assert found.zeros == 0
    size = np.linspace(1, 3, 8)
    pairs = np.abs(size[:, None] - size).mean() / (2 * size.mean())
    assert found.gini == pytest.approx(pairs, abs=0.01)
    quiet = cells(0.01)
    quiet[0, 0, 0] = 0.0
    assert stats.cell_statistics(quiet, MONDAY, 3600.0).zeros == pytest.approx(1 / quiet.size)


def test_what_lies_beyond_the_cycle() -> None:
    x = cells(0.0)
    common = RNG.standard_normal((len(HOURS), 8, 1))
    own = RNG.standard_normal(x.shape)
    x = x * np.exp(0.1 * (np.sqrt(0.7) * common + np.sqrt(0.3) * own))
    residual = stats.beyond_cycle(x, MONDAY + 3600.0 * HOURS, 3600.0)
    np.testing.assert_allclose(residual.std(axis=0), 1.0)
    assert stats.service_correlation(residual) == pytest.approx(0.7, abs=0.06)
    assert np.isnan(stats.service_correlation(residual[:, :, :1]))


def test_correlation_against_distance() -> None:
    places = np.column_stack([np.arange(12) * 100.0, np.zeros(12)])
    blocks = RNG.standard_normal((4000, 3, 1)).repeat(4, axis=1)
    residual = np.sqrt(0.6) * blocks + np.sqrt(0.4) * RNG.standard_normal((4000, 12, 1))
    near, far = stats.spatial_correlation(residual, places)
    # of the 16 nearest pairs (11 neighbours, 5 of the next) 9 + 3 or so share a block
    assert 0.6 * 9 / 16 < near < 0.6
    assert far == pytest.approx(0.0, abs=0.03)
    assert np.isnan(stats.spatial_correlation(residual, None)).all()


def test_few_cells() -> None:
    found = stats.cell_statistics(cells(count=1, services=1), MONDAY, 3600.0)
    assert np.isnan([found.gini, found.energy_5, found.near_correlation, found.service_correlation, found.power]).all()
    assert found.daily_swing == pytest.approx(3.0, rel=0.2)
    with pytest.raises(DataError, match="need complete series"):
        stats.cell_statistics(np.full((400, 3, 1), np.nan), MONDAY, 3600.0)


def labelled(x: np.ndarray, dims: tuple[str, ...]) -> xr.DataArray:
    time = np.datetime64("2026-01-05", "ns") + np.arange(len(x)) * np.timedelta64(3600, "s")
    return xr.DataArray(x, dims=dims, coords={"time": time}, attrs={"interval_s": 3600.0})


def test_statistics_of_labelled_traffic() -> None:
    x = cells()
    array = labelled(x, ("time", "cell", "service"))
    assert statistics(array)["gini"] == stats.cell_statistics(x, MONDAY, 3600.0).gini
    assert np.isnan(statistics(array)["near_correlation"])
    placed = array.assign_coords(x_m=("cell", np.arange(8.0)), y_m=("cell", np.zeros(8)))
    assert np.isfinite(statistics(placed)["near_correlation"])
    tms = labelled(x[:, :, 0].repeat(8, axis=1).reshape(-1, 8, 8), ("time", "origin", "destination"))
    assert statistics(tms)["gravity_error"] == pytest.approx(0.0, abs=0.02)
    gap = xr.concat([array[:100], array[150:]], "time")
    gap.attrs = array.attrs
    with pytest.raises(DataError, match="without gaps"):
        statistics(gap)
    with pytest.raises(DataError, match="dimensions time, link, expected"):
        statistics(labelled(x[:, :, 0], ("time", "link")))


def test_what_counts_as_near() -> None:
    assert deviation("gini", 0.75, 0.6) == pytest.approx(1.0)
    assert deviation("gini", 0.45, 0.6) == pytest.approx(-1.0)
    assert deviation("correlation_week", 0.1, -0.4) == pytest.approx(5.0)
    assert deviation("busy_hour", 1.0, 23.0) == pytest.approx(2 / 3)
    assert deviation("busy_hour", 20.0, 23.0) == pytest.approx(-1.0)
    assert np.isnan(deviation("gini", np.nan, 0.6))
    mean = mean_statistics([{"busy_hour": 23.0, "gini": 0.2}, {"busy_hour": 1.0, "gini": np.nan}])
    assert mean["busy_hour"] % 24 == pytest.approx(0.0, abs=1e-9) or mean["busy_hour"] == pytest.approx(24.0)
    assert mean["gini"] == 0.2
    assert np.isnan(mean_statistics([{"gini": np.nan}])["gini"])
    assert spread_of("busy_hour", [23.0, 1.0]) == pytest.approx(1.0)
    assert spread_of("gini", [0.2, 0.6]) == pytest.approx(0.2)
