"""Simulated polls against the truth behind them: what is called good is exact, what is flagged says why."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from odflow import labels
from odflow.errors import DataError
from odflow.traffic import counters
from odflow.traffic.accounting import Gaps
from odflow.traffic.counters import Flag, counters_to_loads
from odflow.traffic.polling import simulate_polls

START = np.datetime64("2024-01-01T00:00:00", "ns")
LINKS = ["a->b", "b->a", "a->c", "in:a", "out:a", "in:b", "out:b"]


def network_loads(seed, intervals=48, interval_s=300.0, peak=9e7, idle=0.0):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, peak, (intervals, len(LINKS))) * (rng.random((intervals, len(LINKS))) >= idle)
    times = START + np.arange(intervals) * np.timedelta64(int(interval_s), "s")
    return labels.loads(values, times, LINKS, interval_s)


def octets_of(loads, name=None):
    return (loads if name is None else loads[name]).values * loads.attrs["interval_s"] / 8


def seconds(times):
    return (np.asarray(times).astype("datetime64[ns]") - START).astype(np.int64) / 1e9


def check(simulation, loads):
    """Assert everything that must hold of loads made from a simulation, by the simulation's own record."""
    truth = simulation.truth.octets.sel(link=loads["link"])
    several = int(loads.attrs["interval_s"] / truth.attrs["interval_s"])
    truth = truth.rolling(time=several).sum().shift(time=1 - several).sel(time=loads["time"]).values
    got, quality = octets_of(loads), loads["quality"].values
    good, split = quality == Flag.GOOD, quality == Flag.SPLIT
    np.testing.assert_array_equal(np.isnan(got), quality > Flag.WRAP)
    np.testing.assert_array_equal(np.isnan(loads["bound"].values), quality > Flag.WRAP)
    np.testing.assert_array_equal(np.rint(got[good]), truth[good])
    np.testing.assert_allclose(got[good], truth[good], rtol=1e-15)
    assert (loads["bound"].values[good] == 0).all()
    error = np.abs(got[split] - truth[split])
    assert (error <= octets_of(loads, "bound")[split] + 1e-6).all()
    assert not (quality == Flag.WRAP).any()  # sys_uptime proves every wrap
    starts, step = seconds(loads["time"].values), loads.attrs["interval_s"]
    node_of = dict(zip(simulation.interfaces["link"], simulation.interfaces["node"], strict=True))
    port_of = dict(zip(simulation.interfaces["link"], simulation.interfaces["interface"], strict=True))
    for column, link in enumerate(loads["link"].values):
        events = simulation.truth.events
        events = events[(events["node"] == node_of[link]) & events["interface"].isin(["", port_of[link]])]
        for kind in ("reset", "conflict"):
            for at in seconds(events.loc[events["kind"] == kind, "time"]):
                touched = (starts <= at) & (at <= starts + step)
                assert (quality[touched, column] > Flag.WRAP).all(), (kind, link, at)


def check_complete(simulation, loads):
    """Without jitter an interval is determined if its edges were polled and the node ran on between them."""
    starts, step = seconds(loads["time"].values), loads.attrs["interval_s"]
    events, polls = simulation.truth.events, simulation.polls
    for row in simulation.interfaces.itertuples():
        polled = set(seconds(polls.loc[(polls["node"] == row.node) & (polls["interface"] == row.interface), "time"]))
        resets = seconds(events.loc[(events["kind"] == "reset") & (events["node"] == row.node), "time"])
        expected = [
            start in polled and start + step in polled and not any(start <= at <= start + step for at in resets)
            for start in starts
        ]
        np.testing.assert_array_equal(loads["quality"].sel(link=row.link) == Flag.GOOD, expected, err_msg=row.link)


@given(
    seed=st.integers(0, 2**32),
    jitter_s=st.sampled_from([0.0, 0.5, 20.0, 140.0]),
    loss=st.sampled_from([0.0, 0.02, 0.3]),
    period_s=st.sampled_from([60.0, 150.0, 300.0]),
    bits=st.sampled_from([32, 64]),
    resets=st.integers(0, 4),
    conflicts=st.sampled_from([0.0, 0.02]),
    idle=st.sampled_from([0.0, 0.5]),
    interval=st.sampled_from([300, 900]),
)
@settings(max_examples=60, deadline=None)
def test_good_is_exact_and_nothing_touched_is_good(
    seed, jitter_s, loss, period_s, bits, resets, conflicts, idle, interval
):
    simulation = simulate_polls(
        network_loads(seed, idle=idle),
        period_s=period_s,
        jitter_s=min(jitter_s, period_s * 0.45),
        loss=loss,
        bits=bits,
        wraps=0.5,
        resets=resets,
        duplicates=0.05,
        conflicts=conflicts,
        late=0.05,
        seed=seed,
    )
    try:
        loads = counters_to_loads(simulation.polls, simulation.interfaces, interval)
    except DataError as error:
        assume("no interval can be used" not in str(error))
        raise
    check(simulation, loads)


@given(
    seed=st.integers(0, 2**32),
    period_s=st.sampled_from([60.0, 150.0, 300.0]),
    loss=st.sampled_from([0.0, 0.05]),
    resets=st.integers(0, 3),
)
@settings(max_examples=20, deadline=None)
def test_everything_that_is_determined_is_good(seed, period_s, loss, resets):
    simulation = simulate_polls(
        network_loads(seed, peak=5e9), period_s=period_s, loss=loss, resets=resets, wraps=0.5, late=0.1, seed=seed
    )
    loads = counters_to_loads(simulation.polls, simulation.interfaces)
    check(simulation, loads)
    check_complete(simulation, loads)


@given(seed=st.integers(0, 2**32), jitter_s=st.sampled_from([0.05, 1.0, 30.0]), tolerance=st.sampled_from([0.01, 0.2]))
@settings(max_examples=30, deadline=None)
def test_good_within_a_tolerance_is_proven(seed, jitter_s, tolerance):
    simulation = simulate_polls(network_loads(seed), jitter_s=jitter_s, loss=0.05, seed=seed)
    loads = counters_to_loads(simulation.polls, simulation.interfaces, tolerance=tolerance)
    exact = counters_to_loads(simulation.polls, simulation.interfaces)
    np.testing.assert_array_equal(loads.values, exact.values)
    good, split = (loads["quality"].values == flag for flag in (Flag.GOOD, Flag.SPLIT))
    truth = simulation.truth.octets.sel(time=loads["time"]).values
    got, bound = octets_of(loads), octets_of(loads, "bound")
    assert (np.abs(got - truth)[good] <= tolerance * got[good] + 1e-6).all()
    assert (bound[split] > tolerance * got[split]).all()
    assert good.any() or (jitter_s, tolerance) == (30.0, 0.01)


def test_a_week_of_a_hundred_interfaces_takes_a_moment():
    links = [f"n{i // 10}->m{i}" for i in range(100)]
    times = START + np.arange(2016) * np.timedelta64(300, "s")
    values = np.random.default_rng(0).uniform(1e8, 5e9, (2016, 100))
    simulation = simulate_polls(labels.loads(values, times, links, 300), jitter_s=2, loss=0.01, late=0.01)
    began = time.perf_counter()
    loads = counters_to_loads(simulation.polls, simulation.interfaces)
    assert time.perf_counter() - began < 4
    assert loads.shape == (2016, 100)
    assert (loads["quality"] <= Flag.SPLIT).mean() > 0.95


@given(
    steps=st.lists(st.tuples(st.integers(1, 900_000), st.integers(0, 10**10)), min_size=2, max_size=60),
    start=st.integers(0, 2**64 - 1),
    interval=st.sampled_from([60, 300, 900]),
)
@settings(max_examples=100, deadline=None)
def test_totals_are_conserved(steps, start, interval):
    """Any polls, from edge to edge: the octets of all intervals add up to all octets, as integers."""
    ms = np.cumsum([0] + [step for step, _ in steps])
    ms = np.append(ms, (ms[-1] // (interval * 1000) + 1) * interval * 1000)
    total = np.cumsum([0] + [octets for _, octets in steps] + [12345])
    frame = pd.DataFrame(
        {
            "time": START + ms * np.timedelta64(1, "ms"),
            "node": "r",
            "interface": "e",
            "in_octets": pd.array([(start + int(octets)) % 2**64 for octets in total], dtype="UInt64"),
            "out_octets": 0,
            "sys_uptime": ms // 10,
        }
    )
    names = pd.DataFrame({"node": ["r"], "interface": ["e"], "direction": ["in"], "link": ["l"]})
    loads = counters_to_loads(frame, names, interval, bits=64, max_gap="1D")
    octets = np.rint(octets_of(loads)[:, 0])
    assert (loads["quality"].values <= Flag.SPLIT).all()
    assert sum(int(value) for value in octets) == int(total[-1])


def without_modulus(judge):
    """Take every fall of a counter for a reset."""

    def judged(polls, bits, cap, clock_s):
        gaps = judge(polls, bits, cap, clock_s)
        fell = polls.octets[1:] < polls.octets[:-1]
        return Gaps(gaps.octets, np.where(fell, np.int8(Flag.RESET), gaps.flags))

    return judged


def with_wrong_modulus(judge):
    """Wrap at 2**bits - 1, the classic mistake."""

    def judged(polls, bits, cap, clock_s):
        gaps = judge(polls, bits, cap, clock_s)
        fell = polls.octets[1:] < polls.octets[:-1]
        return Gaps(gaps.octets - fell.astype(np.uint64), gaps.flags)

    return judged


def trusting_every_fall(judge):
    """Take resets for wraps."""

    def judged(polls, bits, cap, clock_s):
        gaps = judge(polls, bits, cap, clock_s)
        return Gaps(gaps.octets, np.where(gaps.flags == Flag.RESET, np.int8(Flag.GOOD), gaps.flags))

    return judged


def believing_contradictions(judge):
    def judged(polls, bits, cap, clock_s):
        gaps = judge(polls, bits, cap, clock_s)
        return Gaps(gaps.octets, np.where(gaps.flags == Flag.CONFLICT, np.int8(Flag.GOOD), gaps.flags))

    return judged


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(
    "broken", [None, without_modulus, with_wrong_modulus, trusting_every_fall, believing_contradictions]
)
def test_broken_accounting_does_not_pass(monkeypatch, broken, bits):
    """The checks above are worth something: they fail when wraps, resets or contradictions are mishandled."""
    if broken is None:
        check_everything(bits)
        return
    monkeypatch.setattr(counters, "judge_gaps", broken(counters.judge_gaps))
    with pytest.raises(AssertionError):
        check_everything(bits)


def check_everything(bits):
    events = set()
    for disturbances in ({"resets": 3}, {"conflicts": 0.01}, {}):
        simulation = simulate_polls(network_loads(1), period_s=60, bits=bits, wraps=1.0, seed=2, **disturbances)
        events |= set(simulation.truth.events["kind"])
        loads = counters_to_loads(simulation.polls, simulation.interfaces)
        check(simulation, loads)
        if not disturbances:
            check_complete(simulation, loads)
    assert events == {"wrap", "reset", "conflict"}
