from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from odflow import labels
from odflow.errors import DataError, LabelError, OdflowError, UnitError, UsageError

TIMES = pd.date_range("2024-01-01", periods=2, freq="5min")


def tm(nodes: str = "ab") -> xr.DataArray:
    n = len(nodes)
    return labels.demands(np.arange(2.0 * n * n).reshape(2, n, n), TIMES, list(nodes), 300.0)


def link_loads() -> xr.DataArray:
    return labels.loads([[1.0, 2.0, 3.0], [4.0, 5.0, np.nan]], TIMES, ["x", "y", "z"], 300.0)


def test_demands_are_row_major_by_origin() -> None:
    array = tm("abc")
    assert array.dims == ("time", "origin", "destination")
    assert array.sel(origin="b", destination="c").values.tolist() == [5.0, 14.0]
    assert array.attrs == {"units": "bit/s", "interval_s": 300.0}
    assert array.dtype == np.float64
    flat = labels.demands(array.values.reshape(2, 9), TIMES, list("abc"), 300)
    xr.testing.assert_identical(flat, array)
    xr.testing.assert_identical(labels.demands(np.arange(9), TIMES[:1], list("abc"), 300), array[:1])


def test_flat_follows_the_nodes_asked_for() -> None:
    assert labels.flat(tm("ab"), ["b", "a"])[0].tolist() == [3.0, 2.0, 1.0, 0.0]
    assert labels.od_pairs(["b", "a"]) == [("b", "b"), ("b", "a"), ("a", "b"), ("a", "a")]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: labels.demands(np.ones(5), TIMES[:1], ["a", "b"], 300), DataError, r"shape \(5,\) do not fit 1 times"),
        (lambda: labels.demands(np.ones((2, 2, 1)), TIMES[:1], ["a", "b"], 300), DataError, "do not fit"),
        (lambda: labels.demands([[1], [1, 2]], TIMES, ["a"], 300), DataError, "not numbers"),
        (lambda: labels.demands(np.ones((2, 1, 1)) * 1j, TIMES, ["a"], 300), DataError, "complex128"),
        (lambda: labels.demands(np.ones((2, 0, 0)), TIMES, [], 300), DataError, "are empty"),
        (lambda: labels.demands(np.ones((2, 1, 1)), TIMES, ["a"], "x"), UnitError, r"interval_s.*got 'x'"),
        (lambda: labels.demands(np.ones((2, 1, 1)), TIMES, ["a"], 0), UnitError, "positive number of seconds"),
        (lambda: labels.demands(np.ones((2, 2, 2)), TIMES, ["a", "a"], 300), LabelError, "name origin 'a' more than"),
        (lambda: labels.demands(np.ones((2, 1, 1)), TIMES[::-1], ["a"], 300), LabelError, "after a later one"),
        (lambda: labels.loads(np.ones(3), TIMES, ["x"], 300), DataError, "2 times and 1 links"),
        (lambda: labels.loads(np.ones((2, 2)), TIMES, ["x", "x"], 300), LabelError, "name link 'x' more than once"),
        (lambda: labels.loads([[1.0], ["x"]], TIMES, ["x"], 300), DataError, "not numbers"),
    ],
)
def test_values_that_do_not_fit(build, error: type[OdflowError], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


def spoilt(**values: float) -> xr.DataArray:
    array = tm()
    array.values[1, 0, 1] = values["at"]
    return array


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (tm().values, DataError, "must be an xarray.DataArray, not ndarray"),
        (tm()[0], DataError, r"need dims .* keep the time dim, as with .isel\(time=\[0\]\)"),
        (tm().rename(origin="source"), DataError, "need dims"),
        (tm().drop_attrs(), UnitError, "state no units"),
        (tm().assign_attrs(units="Mbit/s"), UnitError, "are in 'Mbit/s'; convert to bit/s"),
        (tm().assign_attrs(interval_s=np.inf), UnitError, "positive number of seconds"),
        (tm().drop_vars("origin"), LabelError, "no labels along 'origin'"),
        (tm().assign_coords(origin=["a", "c"]), LabelError, "differ: 'b', 'c' on one side only"),
        (tm().assign_coords(origin=["a", "a"]), LabelError, "name origin 'a' more than once"),
        (tm().isel(time=[0, 0]), LabelError, "have the time 2024-01-01T00:00:00 twice"),
        (tm().assign_coords(time=[0, 300]), LabelError, "plain numbers"),
        (tm().assign_coords(time=TIMES.tz_localize("UTC")), LabelError, "carry a time zone"),
        (tm().assign_coords(time=pd.DatetimeIndex(["2024-01-01", None])), LabelError, "empty time at row 1"),
        (spoilt(at=-1.0), DataError, "hold -1 at time 2024-01-01T00:05:00, origin 'a', destination 'b'"),
        (spoilt(at=np.inf), DataError, "hold inf at time"),
        (spoilt(at=-np.inf), DataError, "hold -inf at time"),
        (tm().astype(str).assign_attrs(tm().attrs), DataError, "not numbers"),
        (tm()[:0], DataError, "are empty"),
    ],
)
def test_bad_demands(array, error: type[OdflowError], message: str) -> None:
    with pytest.raises(error, match=message):
        labels.check_demands(array)


def test_nan_is_kept_and_zero_is_kept() -> None:
    array = spoilt(at=np.nan)
    checked = labels.check_demands(array)
    assert np.isnan(checked.values[1, 0, 1])
    assert checked.values[0, 0, 0] == 0.0
    labels.check_demands(array.where(array < 0))  # nothing measured at all is still a valid array


def test_a_checked_array_is_canonical() -> None:
    array = tm("ab")
    odd = array.astype("float32").assign_attrs(array.attrs).transpose("destination", "time", "origin")
    odd = odd.assign_coords(time=TIMES.values.astype("datetime64[s]"), origin=np.array(["a", "b"], dtype=object))
    odd = odd.sel(destination=["b", "a"])
    xr.testing.assert_identical(labels.check_demands(odd), array)
    assert labels.check_demands(odd)["time"].dtype == np.dtype("datetime64[ns]")


def test_labels_become_text() -> None:
    numbered = tm("ab").assign_coords(origin=[1, 2], destination=[2, 1])
    checked = labels.check_demands(numbered)
    assert labels.align_nodes(checked, ["2", "1"])["origin"].values.tolist() == ["2", "1"]
    assert checked.sel(origin="1", destination="1").values[0] == 1.0
    assert labels.check_loads(link_loads().assign_coords(link=[b"x", b"y", b"z"]))["link"].values[0] == "x"


def test_align_links_by_name() -> None:
    turned = labels.align_links(link_loads(), ["z", "x", "y"])
    assert turned.values[0].tolist() == [3.0, 1.0, 2.0]
    message = "loads lack link 'w'; loads have link 'z' that the routing does not know; .*reindex"
    with pytest.raises(LabelError, match=message):
        labels.align_links(link_loads(), ["x", "y", "w"])


def test_align_nodes_by_name() -> None:
    with pytest.raises(LabelError, match="demands lack node 'c'; rename with"):
        labels.align_nodes(tm("ab"), ["a", "b", "c"])


def test_centuries_apart_is_still_in_order() -> None:
    far = ["1700-01-01", "2200-01-01"]
    assert labels.loads([[1.0], [2.0]], far, ["x"], 300.0).sizes["time"] == 2


def test_extra_dims_come_first() -> None:
    array = tm().expand_dims(sample=[0, 1], axis=3)
    assert labels.check_demands(array, extra=("sample",)).dims == ("sample", "time", "origin", "destination")
    with pytest.raises(DataError, match="need dims"):
        labels.check_demands(array)


@pytest.mark.parametrize(
    "given_times",
    [
        ["2024-01-01", "2024-01-01T00:05"],
        ["2024-01-01 00:00", "2024-01-01 00:05"],
        TIMES,
        TIMES.to_series(),
        TIMES.astype(object),
        [stamp.to_pydatetime() for stamp in TIMES],
        TIMES.values.astype("datetime64[s]"),
        np.array([b"2024-01-01T00:00", b"2024-01-01T00:05"]),
    ],
)
def test_times(given_times) -> None:
    times = labels.as_times(given_times)
    assert times.dtype == np.dtype("datetime64[ns]")
    np.testing.assert_array_equal(times, TIMES.values)


def test_a_single_day() -> None:
    assert labels.as_times(datetime.date(2024, 1, 1)).tolist() == [1704067200 * 10**9]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0, 300], "plain numbers"),
        ([0.0], "plain numbers"),
        (np.array([1, None], dtype=object), "plain numbers"),
        (["2024-01-01T00:00Z"], "time zone"),
        (["2024-01-01 00:00+01:00"], "time zone"),
        (["2024-01-01T00:00-0"], "cannot be read as dates"),
        (TIMES.tz_localize("Europe/Berlin"), "time zone"),
        ([datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)], "time zone"),
        (["noon"], "cannot be read as dates"),
        (["3024-01-01"], "year 3024 is out of range"),
        (np.array(["1024-01-01"], dtype="datetime64[s]"), "year 1024 is out of range"),
        ([["2024-01-01"]], "one dimension"),
    ],
)
def test_times_that_are_none(times, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        labels.as_times(times)


def test_a_bare_text_is_no_list() -> None:
    assert labels.label_list(["l7", 8], "links") == ("l7", "8")
    with pytest.raises(UsageError, match=r"links is the text 'l7'; give a list of labels: links=\['l7'\]"):
        labels.label_list("l7", "links")


@settings(deadline=None, max_examples=50)
@given(st.permutations("abcd"), st.permutations("abcd"), st.permutations("abcd"))
def test_alignment_follows_names_whatever_the_order(origins: list, destinations: list, nodes: list) -> None:
    array = tm("abcd")
    shuffled = array.sel(origin=origins, destination=destinations)
    np.testing.assert_array_equal(
        labels.flat(labels.check_demands(shuffled), nodes),
        array.sel(origin=nodes, destination=nodes).values.reshape(2, 16),
    )
