"""Known answers: every number here was worked out by hand. Times are seconds after 2024-01-01 00:00 UTC."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import odflow as of
from odflow.errors import CounterWarning, DataError, UsageError
from odflow.labels import check_loads
from odflow.traffic.counters import Flag, counters_to_loads, quality_summary

T0 = 1_704_067_200
NAN = float("nan")


def polls(rows, node="r1", interface="e0", uptime=None, epoch=None):
    """Polls of in_octets from (time, octets) pairs; `uptime` in seconds, or a start for a device that runs on."""
    times = [time for time, _ in rows]
    frame = pd.DataFrame(
        {
            "time": [T0 + time for time in times],
            "node": node,
            "interface": interface,
            "in_octets": pd.array([octets for _, octets in rows], dtype="UInt64"),
            "out_octets": pd.array([pd.NA] * len(rows), dtype="UInt64"),
        }
    )
    if uptime is not None:
        seconds = [uptime + time for time in times] if np.isscalar(uptime) else uptime
        frame["sys_uptime"] = pd.array([round(s * 100) % 2**32 for s in seconds], dtype="UInt64")
    if epoch is not None:
        frame["discontinuity_time"] = epoch
    return frame


def mapping(*rows, **extra):
    rows = rows or (("r1", "e0", "in", "a"),)
    return pd.DataFrame(rows, columns=["node", "interface", "direction", "link"]).assign(**extra)


def convert(rows, *, bits=64, speed=None, uptime=0, epoch=None, **options):
    extra = {} if speed is None else {"speed": speed}
    loads = counters_to_loads(polls(rows, uptime=uptime, epoch=epoch), mapping(**extra), bits=bits, **options)
    octets = loads.values[:, 0] * loads.attrs["interval_s"] / 8
    np.testing.assert_allclose(octets, np.rint(octets), rtol=1e-15)
    return np.rint(octets).tolist(), [Flag(q).name.lower() for q in loads["quality"].values[:, 0]], loads


def same(octets, expected):
    np.testing.assert_array_equal(octets, expected)


# What the octets determine


def test_polls_on_the_edges_are_exact():
    octets, quality, loads = convert([(0, 1000), (300, 4000), (600, 4000), (900, 4750)])
    assert (octets, quality) == ([3000, 0, 750], ["good"] * 3)
    assert loads.values[:, 0].tolist() == [80.0, 0.0, 20.0]
    assert loads["bound"].values.tolist() == [[0.0]] * 3
    assert loads["time"].values[0] == np.datetime64("2024-01-01T00:00:00")
    assert (loads.attrs["units"], loads.attrs["interval_s"], loads["link"].values.tolist()) == ("bit/s", 300.0, ["a"])
    assert check_loads(loads).equals(loads)


def test_polls_inside_an_interval_need_not_be_regular():
    octets, quality, _ = convert([(0, 0), (7, 5), (290, 100), (300, 101), (601, 201), (900, 500)])
    assert octets[0] == 101
    assert quality == ["good", "split", "split"]
    assert sum(octets) == 500


def test_missed_poll_inside_an_interval_changes_nothing():
    octets, quality, _ = convert([(0, 0), (60, 10), (240, 70), (300, 100)], max_gap=60)
    assert (octets, quality) == ([100], ["good"])


def test_gap_across_an_edge_is_shared_by_time_and_flagged():
    octets, quality, loads = convert([(0, 0), (250, 1000), (350, 3001), (600, 4001)])
    assert quality == ["split", "split"]
    assert octets == [2000, 2001]  # 2001 octets, half of the time: 1000 (half to even), then the rest
    np.testing.assert_allclose(loads["bound"].values[:, 0] * 300 / 8, [1001, 1001], rtol=1e-15)


def test_bound_uses_the_speed():
    # 8 kbit/s and 5 % on top: 1050 octets/s. Edge at 300 s; 10 s of the gap of 100 s lie before it.
    rows = [(0, 0), (290, 1000), (390, 51000), (600, 52000)]
    octets, quality, loads = convert(rows, speed=8000)
    assert octets == [1000 + 5000, 45000 + 1000]
    # at most 10 s * 1050 = 10500 before the edge, at least 50000 - 90 s * 1050 < 0
    np.testing.assert_allclose(loads["bound"].values[:, 0] * 300 / 8, [5500, 5500])
    assert quality == ["split", "split"]
    assert convert(rows, speed=8000, tolerance=0.2)[1] == ["split", "good"]  # 5500/6000 and 5500/46000
    assert convert(rows, max_rate=1050 * 8)[2]["bound"].equals(loads["bound"])


def test_jittered_polls_are_never_exact_and_never_far_off():
    octets, quality, loads = convert([(1, 0), (302, 301), (599, 598), (903, 902)], speed=1e7)
    assert quality == ["split", "split"]
    assert octets == [300, 300]
    assert loads["time"].values[0] == np.datetime64("2024-01-01T00:05:00")


def test_gap_without_octets_is_exact_however_long():
    octets, quality, _ = convert([(0, 7), (100, 7), (2000, 7), (2200, 8)])
    assert octets == [0] * 7
    assert quality == ["good"] * 6 + ["split"]


def test_missed_poll_across_an_edge_has_no_value():
    octets, quality, _ = convert([(0, 0), (300, 300), (900, 900), (1200, 1000)])
    same(octets, [300, NAN, NAN, 100])
    assert quality == ["good", "gap", "gap", "good"]
    octets, quality, _ = convert([(0, 0), (300, 300), (900, 900), (1200, 1000)], max_gap="10min")
    assert (octets, quality) == ([300, 300, 300, 100], ["good", "split", "split", "good"])


def test_short_overlap_with_a_long_gap_keeps_its_value():
    # 3 s of the first interval lie in a gap of 606 s with 606 octets
    octets, quality, _ = convert([(0, 0), (297, 297), (903, 903), (1200, 1200)])
    same(octets, [300, NAN, NAN, 300])
    assert quality == ["split", "gap", "gap", "split"]


def test_totals_are_conserved_over_any_polls():
    rows = [
        (0, 2**64 - 10**12),
        (100, 2**64 - 10**12 + 333_333_333_337),
        (310, 12345),
        (899, 10**9 + 1),
        (1500, 7 * 10**9),
    ]
    _, quality, loads = convert(rows, max_gap="1h")
    assert set(quality) == {"split"}
    assert int(np.rint(loads.values * 300 / 8).astype(np.int64).sum()) == 10**12 + 7 * 10**9


def test_intervals_start_at_multiples_of_the_interval_from_the_epoch():
    octets, _, loads = convert([(t, t) for t in range(0, 3001, 50)], interval=1000)
    starts = loads["time"].values.astype("datetime64[s]").astype(int)
    assert starts.tolist() == [1_704_068_000, 1_704_069_000]
    assert octets == [1000, 1000]


# Wraps


@pytest.mark.parametrize(("bits", "modulus"), [(32, 2**32), (64, 2**64)])
def test_wrap_of_a_running_device_is_exact_and_good(bits, modulus):
    octets, quality, _ = convert([(0, modulus - 1000), (300, modulus - 1), (600, 4999)], bits=bits, speed=1e7)
    assert (octets, quality) == ([999, 5000], ["good", "good"])


def test_wrap_without_uptime_is_flagged():
    octets, quality, _ = convert([(0, 2**32 - 1000), (300, 500), (600, 700)], bits=32, speed=1e7, uptime=None)
    assert (octets, quality) == ([1500, 200], ["wrap", "good"])


def test_fall_that_no_wrap_explains_is_a_reset():
    # 2**32 - 10**9 + 500 octets in 300 s are 88 Mbit/s: too much for 10 Mbit/s
    octets, quality, _ = convert([(0, 10**9), (300, 500), (600, 700)], bits=32, speed=1e7)
    same(octets, [NAN, 200])
    assert quality == ["reset", "good"]
    octets, quality, _ = convert([(0, 10**9), (300, 500), (600, 700)], uptime=None)
    same(octets, [NAN, 200])
    assert quality == ["reset", "good"]


def test_fall_with_restarted_uptime_is_a_reset_even_if_a_wrap_is_plausible():
    rows = [(0, 2**32 - 1000), (300, 500), (600, 700)]
    octets, quality, _ = convert(rows, bits=32, speed=1e7, uptime=[5000, 200, 500])
    same(octets, [NAN, 200])
    assert quality == ["reset", "good"]


def test_difference_that_could_hide_another_wrap_is_ambiguous():
    # 100 Mbit/s carry 3.94e9 octets in 300 s (5 % on top), less than 2**32; in 600 s 7.88e9: 2**32 + 3.58e9
    rows = [(0, 0), (300, 10**9), (900, 2 * 10**9), (1500, 2 * 10**9 - 100)]
    octets, quality, _ = convert(rows, interval=300, bits=32, speed=1e8, max_gap="1h")
    assert quality == ["good", "ambiguous", "ambiguous", "split", "split"]
    same(octets[:3], [10**9, NAN, NAN])
    assert octets[3] + octets[4] == 2**32 - 100  # one wrap; two would be 8.59e9, too many


def test_width_is_64_bits_if_any_counter_of_the_node_says_so():
    slow = polls([(0, 10), (300, 20)], interface="slow", uptime=0)
    fast = polls([(0, 2**32), (300, 2**33)], interface="fast", uptime=0)
    names = mapping(("r1", "slow", "in", "s"), ("r1", "fast", "in", "f"))
    loads = counters_to_loads(pd.concat([slow, fast]), names)
    assert loads["quality"].values.tolist() == [[0, 0]]
    assert (loads.values * 300 / 8).tolist() == [[10.0, 2.0**32]]


def test_counters_of_unknown_width_and_speed_are_ambiguous():
    small = polls([(0, 10), (300, 20)], uptime=0)
    with pytest.raises(DataError, match=r"ambiguous.*bits=64, or speeds"):
        counters_to_loads(small, mapping())
    assert counters_to_loads(small, mapping(), bits=64)["quality"].item() == Flag.GOOD
    assert counters_to_loads(small, mapping(bits=64))["quality"].item() == Flag.GOOD
    assert counters_to_loads(small, mapping(speed=1e7))["quality"].item() == Flag.GOOD
    assert counters_to_loads(small, mapping(), max_rate=1e7)["quality"].item() == Flag.GOOD
    wide = polls([(0, 2**40), (300, 2**41)], node="r2")
    names = mapping(("r1", "e0", "in", "a"), ("r2", "e0", "in", "b"))
    with pytest.warns(CounterWarning, match="counter 'r1 e0 in' may be 32 bits wide"):
        loads = counters_to_loads(pd.concat([small, wide]), names)
    assert loads["quality"].values.tolist() == [[Flag.AMBIGUOUS, Flag.GOOD]]


def test_declared_width_that_values_contradict():
    with pytest.raises(DataError, match=r"counter 'r1 e0 in' reads 4294967296, too much for 32 bits"):
        convert([(0, 2**32), (300, 2**32)], bits=32)


# Resets, clocks, contradictions


def test_reset_while_the_counter_grows_is_seen_by_uptime():
    octets, quality, _ = convert([(0, 100), (300, 200), (600, 5000), (900, 5100)], uptime=[9000, 9300, 250, 550])
    same(octets, [100, NAN, 100])
    assert quality == ["good", "reset", "good"]


def test_reset_by_discontinuity_time():
    octets, quality, _ = convert([(0, 100), (300, 200), (600, 5000), (900, 5100)], epoch=["0", "0", "77", "77"])
    same(octets, [100, NAN, 100])
    assert quality == ["good", "reset", "good"]
    assert convert([(0, 100), (300, 200)], epoch=["0", None])[1] == ["good"]


def test_reset_is_seen_across_polls_without_uptime():
    rows = [(0, 100), (300, 200), (600, 5000), (900, 5100), (1200, 5200)]
    frame = polls(rows, uptime=[9000, 9300, 0, 550, 850])
    frame["discontinuity_time"] = None
    frame.loc[2, "sys_uptime"] = pd.NA
    loads = counters_to_loads(frame, mapping(), bits=64)
    assert [Flag(q).name for q in loads["quality"].values[:, 0]] == ["GOOD", "RESET", "RESET", "GOOD"]
    frame = polls(rows, uptime=None, epoch=["a", "a", None, "b", "b"])
    loads = counters_to_loads(frame, mapping(), bits=64)
    assert [Flag(q).name for q in loads["quality"].values[:, 0]] == ["GOOD", "RESET", "RESET", "GOOD"]


def test_wrap_is_proven_across_a_poll_without_uptime():
    frame = polls([(0, 2**32 - 1000), (300, 500), (600, 700)], uptime=5000)
    frame.loc[1, "sys_uptime"] = pd.NA
    loads = counters_to_loads(frame, mapping(speed=1e7), bits=32)
    assert (loads.values[:, 0] * 300 / 8).tolist() == [1500, 200]
    assert loads["quality"].values[:, 0].tolist() == [0, 0]


def test_reset_inside_an_interval_spoils_it_and_no_other():
    rows = [(60 * i, 100 * i if i < 7 else 3 * i) for i in range(16)]
    octets, quality, _ = convert(rows, uptime=[1000 + 60 * i if i < 7 else 60 * i - 370 for i in range(16)])
    same(octets, [500, NAN, 15])
    assert quality == ["good", "reset", "good"]


def test_uptime_wraps_after_497_days_without_a_reset():
    octets, quality, _ = convert([(0, 100), (300, 200), (600, 300)], uptime=2**32 / 100 - 450)
    assert (octets, quality) == ([100, 100], ["good", "good"])


def test_restart_long_before_the_next_poll():
    # off for most of a day and up for an hour; uptime and counter are past their old values
    octets, quality, _ = convert(
        [(0, 10), (86400, 10**6), (172800, 10**6 + 1)], interval="1d", uptime=[100, 3600, 90000]
    )
    same(octets, [NAN, 1])
    assert quality == ["reset", "good"]


def test_one_wrong_poll_low_or_high_spoils_both_sides():
    octets, quality, _ = convert([(0, 1000), (300, 2000), (600, 0), (900, 4000), (1200, 5000)])
    same(octets, [1000, NAN, NAN, 1000])
    assert quality == ["good", "reset", "reset", "good"]
    octets, quality, _ = convert([(0, 1000), (300, 2000), (600, 90_000), (900, 4000), (1200, 5000)])
    same(octets, [1000, NAN, NAN, 1000])
    assert quality == ["good", "reset", "reset", "good"]


def test_rate_above_the_speed_is_implausible():
    # 10 Mbit/s for 300 s: 375e6 octets; 5 % more are accepted
    octets, quality, _ = convert([(0, 0), (300, 393_000_000), (600, 787_000_000), (900, 787_000_001)], speed=1e7)
    same(octets, [393_000_000, NAN, 1])
    assert quality == ["good", "implausible", "good"]
    assert convert([(0, 0), (300, 394), (600, 395)], max_rate=10.0)[1] == ["implausible", "good"]


def test_duplicates_are_dropped_and_contradictions_are_not_believed():
    rows = [(0, 0), (300, 300), (300, 300), (600, 600), (600, 601), (900, 900), (1200, 1200)]
    octets, quality, _ = convert(rows)
    same(octets, [300, NAN, NAN, 300])
    assert quality == ["good", "conflict", "conflict", "good"]


def test_contradiction_inside_an_interval_spoils_it():
    rows = [(0, 0), (100, 100), (100, 107), (100, 100), (300, 300), (600, 600)]
    octets, quality, _ = convert(rows)
    same(octets, [NAN, 300])
    assert quality == ["conflict", "good"]


def test_unanswered_poll_is_no_poll():
    octets, quality, _ = convert([(0, 0), (300, pd.NA), (600, 600), (900, 700), (900, pd.NA)])
    same(octets, [NAN, NAN, 100])
    assert quality == ["gap", "gap", "good"]


def test_rows_in_any_order():
    rows = [(0, 0), (300, 10), (600, 30), (900, 60), (1200, 100)]
    for order in ([4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        octets, quality, _ = convert([rows[i] for i in order])
        assert (octets, quality) == ([10, 20, 30, 40], ["good"] * 4)


def test_late_row_across_a_reset_is_no_clock_jump():
    frame = polls([(0, 900), (300, 1000), (600, 10), (900, 20), (1200, 30)], uptime=[5000, 5300, 100, 400, 700])
    loads = counters_to_loads(frame.iloc[[0, 2, 3, 1, 4]], mapping(), bits=64)
    assert [Flag(q).name for q in loads["quality"].values[:, 0]] == ["GOOD", "RESET", "GOOD", "GOOD"]


def test_clock_jump_forward():
    # the polling clock jumps by 300 s between the second and the third poll
    octets, quality, _ = convert(
        [(0, 0), (300, 300), (900, 600), (1200, 900)], max_gap=600, uptime=[7000, 7300, 7600, 7900]
    )
    same(octets, [300, NAN, NAN, 300])
    assert quality == ["good", "clock", "clock", "good"]


def test_clock_drift_within_the_tolerance():
    rows = [(0, 0), (300, 300)]
    assert convert(rows, uptime=[100, 405])[1] == ["good"]
    with pytest.raises(DataError, match=r"'clock'.*hundredths"):
        convert(rows, uptime=[100, 406])
    assert convert(rows, uptime=[100, 406], clock_tolerance=6)[1] == ["good"]


def test_uptime_in_seconds_is_pointed_out():
    frame = polls([(300 * i, 10**10 * i) for i in range(10)])
    frame["sys_uptime"] = [10_000_000 + 300 * i for i in range(10)]
    with pytest.raises(DataError, match=r"'clock'.*sys_uptime must be in hundredths of a second"):
        counters_to_loads(frame, mapping())


def test_clock_jump_backward_spoils_the_time_gone_through_twice():
    # Polls every minute; after minute 20 the clock goes back by 10 minutes and 30 s, polls go on; some are lost.
    before = [(60 * i, 1000 * i, 9000 + 60 * i) for i in range(21)]
    after = [(60 * i - 630, 1000 * i, 9000 + 60 * i) for i in range(21, 41) if i not in (24, 25, 26, 27, 28)]
    rows = before + after
    frame = polls([(t, octets) for t, octets, _ in rows], uptime=[u for _, _, u in rows])
    loads = counters_to_loads(frame, mapping(), interval="2min", bits=64)
    quality = [Flag(q).name for q in loads["quality"].values[:, 0]]
    starts = [120 * i for i in range(len(quality))]
    twice = [q for q, start in zip(quality, starts, strict=True) if start + 120 > 630 and start < 1200]
    assert set(twice) == {"CLOCK"}
    assert quality[:5] == ["GOOD"] * 5
    assert quality[11:] == ["SPLIT"] * len(quality[11:])


# Several counters


def test_counters_of_a_link_add_up_and_miss_together():
    one = polls([(0, 0), (300, 300), (600, 600)], interface="m1")
    two = polls([(0, 5), (300, 105)], interface="m2")
    names = mapping(("r1", "m1", "in", "in:r1"), ("r1", "m2", "in", "in:r1"), ("r1", "m1", "out", "out:r1"))
    frame = pd.concat([one, two])
    frame["out_octets"] = pd.array([7, 8, 9, 7, 8], dtype="UInt64")
    loads = counters_to_loads(frame, names, bits=64)
    same(loads.values * 300 / 8, [[400, 1], [NAN, 1]])
    assert loads["quality"].values.tolist() == [[0, 0], [Flag.GAP, 0]]
    assert loads["link"].values.tolist() == ["in:r1", "out:r1"]


def test_both_ends_of_a_link_are_refused():
    names = mapping(("r1", "e0", "out", "r1->r2"), ("r2", "e0", "in", "r1->r2"))
    with pytest.raises(DataError, match=r"row 1: link 'r1->r2' is fed by 'in' and 'out' counters"):
        counters_to_loads(polls([(0, 0), (300, 1)]), names)


def test_unpolled_and_unmapped_interfaces():
    frame = pd.concat([polls([(0, 0), (300, 300)]), polls([(0, 0), (300, 3)], interface="mgmt")])
    names = mapping(("r1", "e0", "in", "a"), ("r9", "e7", "out", "b"))
    with pytest.warns(CounterWarning, match="no polls for counter 'r9 e7 out'"):
        loads = counters_to_loads(frame, names, bits=64)
    same(loads.values, [[8, NAN]])
    assert loads["quality"].values.tolist() == [[0, Flag.GAP]]
    assert loads.attrs["unmapped_interfaces"] == 1


def test_polls_that_begin_or_end_inside_an_interval_leave_it_partial():
    first = polls([(0, 0), (300, 300), (600, 600), (900, 900)])
    second = polls([(100, 0), (300, 200), (600, 500), (700, 600)], interface="e1")
    loads = counters_to_loads(
        pd.concat([first, second]), mapping(("r1", "e0", "in", "a"), ("r1", "e1", "in", "b")), bits=64
    )
    same(loads.values[:, 1], [NAN, 8, NAN])
    assert loads["quality"].values[:, 1].tolist() == [Flag.PARTIAL, 0, Flag.PARTIAL]
    assert loads["quality"].values[:, 0].tolist() == [0, 0, 0]


# The result and its doors


def test_flags_are_named_in_the_attributes_and_survive_a_file(tmp_path):
    _, _, loads = convert([(0, 0), (300, 300), (900, 900), (1200, 1000)])
    attrs = loads["quality"].attrs
    assert loads["quality"].dtype == np.int8
    assert dict(zip(attrs["flag_meanings"].split(), attrs["flag_values"].tolist(), strict=True)) == {
        flag.name.lower(): int(flag) for flag in Flag
    }
    loads.to_netcdf(tmp_path / "loads.nc", engine="h5netcdf")
    with xr.open_dataarray(tmp_path / "loads.nc", engine="h5netcdf") as stored:
        assert stored["quality"].equals(loads["quality"])
        assert stored["bound"].attrs["units"] == "bit/s"


def test_quality_summary():
    _, _, loads = convert([(0, 0), (300, 300), (900, 900), (1200, 1000)])
    summary = quality_summary(loads)
    assert summary.loc["good"].tolist() == [2, 0.5]
    assert summary.loc["gap"].tolist() == [2, 0.5]
    assert summary["intervals"].sum() == 4
    assert list(summary.index) == [flag.name.lower() for flag in Flag]
    with pytest.raises(DataError, match="no 'quality'"):
        quality_summary(loads.drop_vars("quality"))


def test_public_names():
    assert of.counters_to_loads is counters_to_loads


def test_same_answer_for_every_form_of_time():
    frame = polls([(0, 0), (300, 300), (600, 900)])
    reference = counters_to_loads(frame, mapping(), bits=64)
    stamps = pd.to_datetime(frame["time"], unit="s")
    for times in (stamps, stamps.dt.tz_localize("UTC"), stamps.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")):
        assert counters_to_loads(frame.assign(time=times), mapping(), bits=64).identical(reference)
    for times in (frame["time"].astype(float), frame["time"].astype(str), stamps.dt.strftime("%Y-%m-%dT%H:%M:%S")):
        assert counters_to_loads(frame.assign(time=times), mapping(), bits=64).identical(reference)


def test_inputs_are_left_alone():
    frame, names = polls([(600, 900), (0, 0), (300, 300)], uptime=5), mapping()
    before, names_before = frame.copy(), names.copy()
    counters_to_loads(frame, names, bits=64)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(names, names_before)


GOOD_ROWS = [(0, 0), (300, 300)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": "soon"}, "interval is 'soon', expected a length of time"),
        ({"interval": 0}, "interval is '0', expected a length of time"),
        ({"interval": float("nan")}, "interval is 'nan', expected a length of time"),
        ({"interval": "NaT"}, "interval is 'NaT', expected a length of time"),
        ({"interval": 1e300}, "interval: 1e\\+300 is too short or too long"),
        ({"interval": 1e-12}, "interval: 1e-12 is too short or too long"),
        ({"max_gap": -1}, "max_gap is '-1', expected a length of time"),
        ({"clock_tolerance": "x"}, "clock_tolerance is 'x', expected a length of time"),
        ({"bits": 48}, "bits is 48"),
        ({"max_rate": 0}, "max_rate is 0"),
        ({"max_rate": float("nan")}, "max_rate is nan"),
        ({"tolerance": 1}, "tolerance is 1"),
        ({"tolerance": -0.1}, "tolerance is -0.1"),
    ],
)
def test_senseless_parameters(options, message):
    with pytest.raises(UsageError, match=message):
        counters_to_loads(polls(GOOD_ROWS), mapping(), **{"bits": 64, **options})


@pytest.mark.parametrize(
    ("frame", "names", "message"),
    [
        ([1, 2], mapping(), "polls must be a pandas.DataFrame, not list; read a file with read_polls"),
        (polls(GOOD_ROWS).drop(columns="time"), mapping(), "polls: no column 'time'"),
        (polls(GOOD_ROWS), mapping().drop(columns="link"), "interfaces: no column 'link'"),
        (polls(GOOD_ROWS).iloc[:0], mapping(), "polls hold no rows"),
        (
            polls(GOOD_ROWS).assign(in_octets=[0.0, 2.0**60]),
            mapping(),
            "polls, row 1: in_octets is .* keep octets as int",
        ),
        (polls(GOOD_ROWS).assign(in_octets=[0, -5]), mapping(), "polls, row 1: in_octets is '-5'"),
        (polls(GOOD_ROWS).assign(in_octets=[0, 2**64]), mapping(), "polls, row 1: in_octets is '18446744073709551616'"),
        (polls(GOOD_ROWS).assign(node=["r1", None]), mapping(), "polls, row 1: no node"),
        (polls(GOOD_ROWS).assign(time=[T0, T0 * 1000]), mapping(), "polls, row 1: time is .*not milliseconds"),
        (polls(GOOD_ROWS).assign(sys_uptime=[1, 2**32]), mapping(), "polls, row 1: sys_uptime is '4294967296'"),
        (polls(GOOD_ROWS), mapping(("r1", "e0", "both", "a")), "interfaces, row 0: direction is 'both'"),
        (polls(GOOD_ROWS), mapping(bits=16), "interfaces, row 0: bits is 16"),
        (polls(GOOD_ROWS), mapping(speed=-1), "interfaces, row 0: speed is '-1'"),
        (
            polls(GOOD_ROWS),
            mapping(*[("r1", "e0", "in", "a")] * 2),
            "interfaces, row 1: 'r1', 'e0', in is listed twice",
        ),
        (polls([(0, 0), (299, 1)]), mapping(), "cover no whole interval of 300 s"),
        (
            polls(GOOD_ROWS),
            mapping(("r2", "e0", "in", "a")),
            "no polled interface is in the map: .* 'r1 e0', .* 'r2 e0'",
        ),
    ],
)
def test_malformed_tables(frame, names, message):
    with pytest.raises(DataError, match=message):
        counters_to_loads(frame, names, bits=64)


def test_poll_in_1970_does_not_make_a_million_empty_intervals():
    frame = pd.concat([polls([(300 * i, i) for i in range(50)], interface=f"e{k}") for k in range(20)])
    frame.iloc[7, 0] = 3
    names = mapping(*[("r1", f"e{k}", "in", f"a{k}") for k in range(20)])
    with pytest.raises(
        DataError, match=r"polls from 1970-01-01 .* most of them empty; .* drop polls with a wrong time"
    ):
        counters_to_loads(frame, names, bits=64)


def test_octets_beyond_int64_as_plain_python_integers():
    frame = polls(GOOD_ROWS).astype({"in_octets": object})
    frame["in_octets"] = [2**64 - 3, 7]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loads = counters_to_loads(frame.astype({"in_octets": object}), mapping(), bits=64, max_rate=1e9)
    assert (loads.values * 300 / 8).tolist() == [[10.0]]
