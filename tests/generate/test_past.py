from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from odflow.errors import DataError, OdflowWarning, UnitError
from odflow.generate.past import LEAST, Past


def test_what_is_kept(history: xr.DataArray) -> None:
    past = Past.of(history.transpose("destination", "time", "origin"))
    assert past.nodes == ("a", "b", "c", "d")
    assert (past.interval_s, past.left_out) == (3600.0, 0)
    assert past.first == np.datetime64("2026-01-05T00")
    assert past.end == np.datetime64("2026-01-12T00")
    np.testing.assert_array_equal(past.values, history.values.reshape(168, 16))


def test_incomplete_matrices_are_left_out_and_said(history: xr.DataArray) -> None:
    gaps = history.copy()
    gaps[3, 1, 2] = np.nan
    gaps[167] = np.nan
    with pytest.warns(OdflowWarning, match="2 of 168 TMs lack a demand"):
        past = Past.of(gaps)
    assert past.left_out == 2
    assert past.end == np.datetime64("2026-01-12T00")
    np.testing.assert_array_equal(past.values, np.delete(history.values.reshape(168, 16), [3, 167], axis=0))


def test_too_short(history: xr.DataArray) -> None:
    with pytest.raises(DataError, match=f"has 7 complete TMs of 7, a generator needs at least {LEAST}; give a longer"):
        Past.of(history[:7])
    assert len(Past.of(history[:8]).values) == 8


def test_a_flow_that_is_never_measured_is_named(history: xr.DataArray) -> None:
    gaps = history.copy()
    gaps[:, 3, 0] = np.nan
    with pytest.raises(DataError, match=r"0 complete TMs of 168.*most lack the flow 'd->a': set it to 0"):
        Past.of(gaps)


def test_nothing_but_zeros(history: xr.DataArray) -> None:
    with pytest.raises(DataError, match="holds no traffic"):
        Past.of(history * 0)


def test_doors(history: xr.DataArray) -> None:
    with pytest.raises(UnitError):
        Past.of(history.assign_attrs(units="Mbit/s"))


def test_recent_matrices_come_up_most(history: xr.DataArray) -> None:
    past = Past.of(history)
    np.testing.assert_allclose(past.age_days, np.arange(168, 0, -1) / 24)
    np.testing.assert_array_equal(past.by_age(100, 0), np.arange(100))
    np.testing.assert_array_equal(past.by_age(100, 1e9), np.arange(100))
    rows = past.by_age(168, 1)
    assert len(rows) == 168
    assert (np.diff(rows) >= 0).all()
    share = 0.5 ** (np.arange(168, 0, -1) / 24)
    expected = 168 * share / share.sum()
    times = np.bincount(rows, minlength=168)
    assert np.abs(times - expected).max() < 1  # systematic: rounded up or down
    assert times[-1] == 5  # 168 ln 2 / 24 = 4.85
    np.testing.assert_array_equal(past.by_age(100, 1)[-3:], [99, 99, 99])


def test_ages_are_counted_over_what_is_left_out(history: xr.DataArray) -> None:
    gaps = history.copy()
    gaps[100:166] = np.nan
    with pytest.warns(OdflowWarning):
        past = Past.of(gaps)
    np.testing.assert_allclose(past.age_days[-4:] * 24, [70, 69, 2, 1])
