"""Metrics and scores, against values worked out by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.console import Console

from odflow import labels
from odflow.errors import DataError, LabelError, UnitError, UsageError
from odflow.evaluate import nmae, rmse, score, sre, tre
from odflow.evaluate.scores import stats
from odflow.network.routing import Routing

TIMES = np.array(["2024-01-01T00:00", "2024-01-01T00:05"], dtype="datetime64[ns]")


def tm(values, nodes=("a", "b"), times=TIMES, interval=300):
    return labels.demands(np.array(values, dtype=float), times, nodes, interval)


# two nodes, two times; flows aa, ab, ba, bb
TRUTH = tm([[[10, 20], [30, 40]], [[0, 10], [0, 0]]])
GUESS = tm([[[11, 18], [33, 36]], [[1, 5], [2, 0]]])


def text(table):
    console = Console(width=120, record=True, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_tre_by_hand():
    assert tre(TRUTH, GUESS).values == pytest.approx([(1 + 2 + 3 + 4) / 100, (1 + 5 + 2 + 0) / 10])
    assert tre(TRUTH, GUESS, diagonal=False).values == pytest.approx([5 / 50, 7 / 10])
    assert tre(TRUTH, GUESS).dims == ("time",)


def test_rmse_by_hand():
    assert rmse(TRUTH, GUESS).values == pytest.approx([math.sqrt(30 / 4), math.sqrt(30 / 4)])
    assert rmse(TRUTH, GUESS, diagonal=False).values == pytest.approx([math.sqrt(13 / 2), math.sqrt(29 / 2)])
    assert rmse(TRUTH, GUESS).attrs["units"] == "bit/s"


def test_sre_by_hand():
    flows = sre(TRUTH, GUESS)
    assert flows.sel(origin="a", destination="a").item() == pytest.approx(2 / 10)
    assert flows.sel(origin="a", destination="b").item() == pytest.approx(7 / 30)
    assert flows.sel(origin="b", destination="a").item() == pytest.approx(5 / 30)
    assert flows.sel(origin="b", destination="b").item() == pytest.approx(4 / 40)
    off = sre(TRUTH, GUESS, diagonal=False)
    assert np.isnan(np.diag(off.values)).all()
    assert off.sel(origin="b", destination="a").item() == pytest.approx(5 / 30)


def test_nmae_by_hand():
    assert nmae(TRUTH, GUESS) == pytest.approx(18 / 110)
    assert nmae(TRUTH, GUESS, diagonal=False) == pytest.approx(12 / 60)


def test_score_holds_the_same_numbers():
    found = score(TRUTH, GUESS)
    assert found.times == 2
    assert (found.all.flows, found.off_diagonal.flows) == (4, 2)
    assert found.all.counted == 8
    assert found.all.tre.mean == pytest.approx(0.45)
    assert found.all.tre.median == pytest.approx(0.45)
    assert found.all.tre.std == pytest.approx(0.35)
    assert found.all.tre.max == pytest.approx(0.8)
    assert found.all.sre.mean == pytest.approx((2 / 10 + 7 / 30 + 5 / 30 + 4 / 40) / 4)
    assert found.all.nmae == pytest.approx(18 / 110)
    assert found.off_diagonal.tre.mean == pytest.approx(0.4)
    assert found.off_diagonal.nmae == pytest.approx(0.2)
    assert found.all.residual is None


def test_volume_weighted_sre():
    found = score(TRUTH, GUESS).all
    # every flow carries traffic here, so the weighted mean is the NMAE
    assert found.sre_weighted_mean == pytest.approx(found.nmae)
    # by SRE: bb .1 (40), ba .167 (30), aa .2 (10), ab .233 (30); half of 110 is reached at ba
    assert found.sre_weighted_median == pytest.approx(5 / 30)


def test_std_divides_by_n():
    summary = stats(np.array([1.0, 2.0, 6.0, np.nan]))
    assert summary.mean == pytest.approx(3)
    assert summary.median == pytest.approx(2)
    assert summary.std == pytest.approx(math.sqrt((4 + 1 + 9) / 3))
    assert (summary.max, summary.undefined) == (6, 1)


def test_times_and_flows_without_traffic_are_undefined_and_counted():
    truth = tm([[[0, 20], [0, 0]], [[0, 0], [0, 0]]])
    guess = tm([[[5, 20], [0, 0]], [[1, 1], [1, 1]]])
    assert np.isnan(tre(truth, guess).values[1])
    found = score(truth, guess).all
    assert (found.tre.undefined, found.tre.mean) == (1, pytest.approx(5 / 20))
    assert (found.sre.undefined, found.sre.mean) == (3, pytest.approx(1 / 20))
    assert found.rmse.undefined == 0
    # the error on flows without traffic counts in the NMAE, not in the weighted SRE
    assert found.nmae == pytest.approx(9 / 20)
    assert found.sre_weighted_mean == pytest.approx(1 / 20)


def test_unmeasured_truth_is_left_out_of_both_sums():
    truth = tm([[[np.nan, 20], [30, 40]], [[np.nan, 10], [10, 20]]])
    guess = tm([[[999, 18], [33, 36]], [[np.nan, 10], [10, 20]]])
    assert tre(truth, guess).values == pytest.approx([9 / 90, 0])
    found = score(truth, guess).all
    assert (found.counted, found.missing, found.sre.undefined) == (6, 0, 1)
    assert found.rmse.max == pytest.approx(math.sqrt(29 / 3))


def test_a_time_without_any_measurement_has_no_rmse():
    truth = tm([[[1, 1], [1, 1]], np.full((2, 2), np.nan)])
    assert np.isnan(rmse(truth, truth).values[1])
    assert score(truth, truth).all.rmse.undefined == 1


def test_estimate_with_holes_raises_unless_allowed():
    guess = tm([[[11, np.nan], [33, 36]], [[1, 5], [2, 0]]])
    with pytest.raises(DataError, match=r"NaN for 1 measured demands, the first a->b at 2024-01-01T00:00:00"):
        score(TRUTH, guess)
    found = score(TRUTH, guess, allow_missing=True)
    assert (found.all.missing, found.off_diagonal.missing, found.all.counted) == (1, 1, 7)
    assert found.all.tre.max == pytest.approx(0.8)
    assert found.all.nmae == pytest.approx(16 / 90)
    diagonal_hole = tm([[[np.nan, 18], [33, 36]], [[1, 5], [2, 0]]])
    found = score(TRUTH, diagonal_hole, allow_missing=True)
    assert (found.all.missing, found.off_diagonal.missing) == (1, 0)


def test_nodes_are_aligned_by_name():
    turned = GUESS.sel(origin=["b", "a"], destination=["b", "a"])
    assert tre(TRUTH, turned).values == pytest.approx(tre(TRUTH, GUESS).values)
    assert score(TRUTH, turned) == score(TRUTH, GUESS)


def test_dims_may_come_in_another_order():
    assert nmae(TRUTH, GUESS.transpose("destination", "time", "origin")) == pytest.approx(18 / 110)


def test_other_nodes_are_named():
    other = tm(GUESS.values, nodes=("a", "c"))
    with pytest.raises(LabelError, match=r"nodes differ: 'b' only in the truth; 'c' only in the estimate"):
        score(TRUTH, other)


def test_other_times_are_named():
    later = tm(GUESS.values, times=TIMES + np.timedelta64(5, "m"))
    with pytest.raises(
        LabelError, match=r"'2024-01-01T00:00:00' only in the truth; '2024-01-01T00:10:00' only in the estimate"
    ):
        score(TRUTH, later)


def test_other_interval_is_refused():
    with pytest.raises(LabelError, match=r"truth has intervals of 300 s and estimate of 900 s"):
        score(TRUTH, tm(GUESS.values, interval=900))


def test_other_units_are_refused():
    guess = GUESS.copy()
    guess.attrs["units"] = "Mbit/s"
    with pytest.raises(UnitError, match="Mbit/s"):
        score(TRUTH, guess)


def test_no_traffic_at_all_is_refused():
    nothing = tm(np.zeros((2, 2, 2)))
    with pytest.raises(DataError, match="holds no traffic"):
        score(nothing, GUESS)


def test_samples_are_refused_with_a_hint():
    samples = xr.concat([GUESS, GUESS], "sample").assign_coords(sample=[0, 1])
    with pytest.raises(DataError, match=r"dim 'sample'; score one at a time"):
        score(TRUTH, samples)


def test_only_diagonal_traffic_leaves_the_rest_undefined():
    truth = tm([[[1, 0], [0, 1]], [[1, 0], [0, 1]]])
    found = score(truth, truth)
    assert found.all.nmae == 0
    assert math.isnan(found.off_diagonal.nmae)
    assert math.isnan(found.off_diagonal.tre.mean)
    assert math.isnan(found.off_diagonal.sre_weighted_median)
    assert found.off_diagonal.tre.undefined == 2


def routing():
    # one link each way, and the access links
    matrix = [[0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1], [0, 1, 0, 1]]
    return Routing(matrix, ("a-b", "b-a", "in:a", "out:a", "in:b", "out:b"), ("a", "b"))


def test_link_residual_by_hand():
    route = routing()
    found = score(TRUTH, GUESS, loads=route.loads(TRUTH), routing=route)
    # t0: loads 20 30 30 40 70 60, estimate 18 33 29 44 69 54; t1: 10 0 10 0 0 10 against 5 2 6 3 2 5
    residual = found.all.residual
    assert residual.mean == pytest.approx((17 / 250 + 21 / 30) / 2)
    assert residual.max == pytest.approx(21 / 30)
    # per link over time: 7/30, 5/30, 5/40, 7/40, 3/70, 11/70
    assert (residual.worst, residual.worst_link) == (pytest.approx(7 / 30), "a-b")
    # demands of a node to itself use no internal link
    internal = found.off_diagonal.residual
    assert internal.max == pytest.approx(7 / 10)
    assert internal.mean == pytest.approx((5 / 50 + 7 / 10) / 2)


def test_link_residual_leaves_missing_counters_out_and_aligns_links():
    route = routing()
    loads = route.loads(TRUTH)
    loads[:, 0] = np.nan
    shuffled = loads.isel(link=[5, 3, 1, 0, 2, 4])
    residual = score(TRUTH, GUESS, loads=shuffled, routing=route).all.residual
    assert residual.mean == pytest.approx((15 / 230 + 16 / 20) / 2)
    assert (residual.worst, residual.worst_link, residual.undefined) == (pytest.approx(7 / 40), "out:a", 1)


def test_link_residual_without_traffic_on_any_internal_link():
    truth = tm([[[1, 0], [0, 1]], [[1, 0], [0, 1]]])
    route = routing()
    internal = score(truth, truth, loads=route.loads(truth), routing=route).off_diagonal.residual
    assert math.isnan(internal.worst)
    assert (internal.worst_link, internal.undefined) == ("", 2)


def test_loads_of_other_times_are_refused():
    route = routing()
    loads = route.loads(tm(TRUTH.values, times=TIMES + np.timedelta64(5, "m")))
    with pytest.raises(LabelError, match=r"'2024-01-01T00:10:00' only in the loads"):
        score(TRUTH, GUESS, loads=loads, routing=route)


def test_loads_need_a_routing():
    with pytest.raises(UsageError, match="needs both loads and routing"):
        score(TRUTH, GUESS, loads=routing().loads(TRUTH))


def test_to_dict_is_json():
    truth = tm([[[1, 0], [0, 1]], [[1, 0], [0, 1]]])
    found = json.loads(json.dumps(score(truth, truth).to_dict(), allow_nan=False))
    assert found["off_diagonal"]["nmae"] is None
    assert found["all"]["nmae"] == 0
    assert found["all"]["tre"] == {"mean": 0, "median": 0, "std": 0, "max": 0, "undefined": 0}


def test_table_shows_the_numbers():
    route = routing()
    shown = text(score(TRUTH, GUESS, loads=route.loads(TRUTH), routing=route).table("week 17"))
    assert "week 17 (2 intervals)" in shown
    row = next(line for line in shown.splitlines() if "TRE" in line)
    assert [word for word in row.split() if word[0].isdigit()] == ["0.450", "0.450", "0.350", "0.800", "0"]
    assert "worst link, 'a-b'" in shown


VALUES = arrays(float, (3, 3, 3), elements=st.floats(0, 1e12).filter(lambda v: v == 0 or v > 1e-3))
THREE = np.datetime64("2024-01-01", "ns") + np.arange(3) * np.timedelta64(300, "s")


def three(values, nodes=("a", "b", "c")):
    return tm(values, nodes, THREE)


@settings(deadline=None, max_examples=40)
@given(VALUES.filter(np.any), VALUES, st.floats(1e-3, 1e6))
def test_relative_errors_do_not_depend_on_the_scale(truth, guess, scale):
    one, other = three(truth), three(guess)
    scaled = three(truth * scale), three(guess * scale)
    for metric in (tre, sre):
        np.testing.assert_allclose(metric(*scaled).values, metric(one, other).values, rtol=1e-9)
    np.testing.assert_allclose(rmse(*scaled).values, scale * rmse(one, other).values, rtol=1e-9)
    assert nmae(*scaled) == pytest.approx(nmae(one, other), rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(VALUES.filter(np.any), VALUES, st.permutations([0, 1, 2]))
def test_order_of_nodes_does_not_matter(truth, guess, order):
    names = [("a", "b", "c")[k] for k in order]
    shuffled = three(guess).sel(origin=names, destination=names)
    for diagonal in (True, False):
        np.testing.assert_allclose(
            tre(three(truth), shuffled, diagonal).values, tre(three(truth), three(guess), diagonal).values, rtol=1e-12
        )
    renamed = three(truth, tuple(names)), three(guess, tuple(names))
    np.testing.assert_allclose(tre(*renamed).values, tre(three(truth), three(guess)).values, rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(VALUES.filter(np.any))
def test_the_truth_scores_zero(truth):
    found = score(three(truth), three(truth)).all
    assert (found.nmae, found.tre.max, found.sre.max, found.rmse.max) == (0, 0, 0, 0)


@settings(deadline=None, max_examples=40)
@given(VALUES.filter(np.any), VALUES)
def test_volume_weighting_agrees_between_time_and_flow(truth, guess):
    one, other = three(truth), three(guess)
    volume = truth.sum(axis=(1, 2))
    weighted = np.nansum(tre(one, other).values * volume)
    lost = np.abs(guess - truth)[volume == 0].sum()
    assert (weighted + lost) / volume.sum() == pytest.approx(nmae(one, other), rel=1e-9)
