"""The poll simulator does what it says, to the octet."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from odflow import labels
from odflow.errors import DataError, UsageError
from odflow.network.model import Link, Network, Node
from odflow.traffic.polling import simulate_polls

START = np.datetime64("2024-01-01T00:00:00", "ns")


def made(values, links, interval_s=300.0):
    values = np.asarray(values, dtype=float)
    times = START + np.arange(len(values)) * np.timedelta64(int(interval_s), "s")
    return labels.loads(values, times, links, interval_s)


def week(links=("a->b", "in:a", "out:b"), intervals=288, rate=8e6):
    return made(np.full((intervals, len(links)), rate), links)


def test_counters_count_the_octets_of_the_loads():
    loads = made([[8.0], [16.0], [0.0]], ["a->b"])  # 300, 600 and 0 octets
    polls, interfaces, truth = simulate_polls(loads, period_s=150)
    count = polls["out_octets"].to_numpy(np.uint64)
    assert (count - count[0]).tolist() == [0, 150, 300, 600, 900, 900, 900]
    assert ((polls["time"] - polls["time"][0]).dt.total_seconds()).tolist() == [0, 150, 300, 450, 600, 750, 900]
    assert polls["in_octets"].isna().all()
    uptime = polls["sys_uptime"].to_numpy(np.int64)
    assert (np.diff(uptime) % 2**32).tolist() == [15000] * 6
    assert truth.octets.values[:, 0].tolist() == [300, 600, 0]
    assert truth.events.empty
    assert interfaces.to_dict("records") == [
        {"node": "a", "interface": "to-b", "direction": "out", "link": "a->b", "bits": 64, "speed": 1e7}
    ]


def test_access_links_share_the_host_interface():
    polls, interfaces, _ = simulate_polls(made([[8, 16, 24]], ["in:a", "out:a", "in:b"]))
    assert interfaces[["node", "interface", "direction", "link"]].to_numpy().tolist() == [
        ["a", "host", "in", "in:a"],
        ["a", "host", "out", "out:a"],
        ["b", "host", "in", "in:b"],
    ]
    a = polls[polls["node"] == "a"]
    assert int(a["in_octets"].iloc[1] - a["in_octets"].iloc[0]) == 300
    assert int(a["out_octets"].iloc[1] - a["out_octets"].iloc[0]) == 600
    assert polls.loc[polls["node"] == "b", "out_octets"].isna().all()


def test_links_of_a_network_keep_their_ends_and_capacity():
    network = Network(
        [Node("x"), Node("y")], [Link("l1", "x", "y", 1e9), Link("l2", "x", "y", 1e6), Link("l3", "y", "x")]
    )
    _, interfaces, _ = simulate_polls(made([[8, 2e6, 8]], ["l1", "l2", "l3"]), network=network)
    assert interfaces[["node", "interface"]].to_numpy().tolist() == [["x", "to-y:l1"], ["x", "to-y:l2"], ["y", "to-x"]]
    assert interfaces["speed"].tolist() == [1e9, 1e7, 1e7]  # l2 carries more than its capacity


def test_everything_that_can_happen_happens_as_recorded():
    polls, _, truth = simulate_polls(
        week(),
        period_s=60,
        jitter_s=5,
        loss=0.05,
        duplicates=0.04,
        conflicts=0.03,
        late=0.02,
        resets=3,
        wraps=1.0,
        seed=4,
    )
    kinds = truth.events["kind"].value_counts()
    asked = 3 * (288 * 5 + 1)
    assert kinds["reset"] == 3
    assert kinds["loss"] == pytest.approx(0.05 * asked, rel=0.3)
    assert len(polls) == asked - kinds["loss"] + kinds["duplicate"] + kinds["conflict"]
    assert kinds["duplicate"] == pytest.approx(0.04 * asked, rel=0.3)
    assert kinds["conflict"] == pytest.approx(0.03 * asked, rel=0.3)
    assert kinds["late"] == pytest.approx(0.02 * asked, rel=0.4)
    assert kinds["wrap"] >= 1
    key = ["node", "interface", "time"]
    values = polls.groupby(key)["out_octets"].nunique()
    clashes = truth.events.loc[(truth.events["kind"] == "conflict") & (truth.events["interface"] == "to-b"), key]
    assert (values.loc[list(clashes.itertuples(index=False, name=None))] == 2).all()
    lost = truth.events.loc[truth.events["kind"] == "loss", key]
    assert not set(lost.itertuples(index=False, name=None)) & set(polls[key].itertuples(index=False, name=None))
    assert (polls["time"].diff() < pd.Timedelta(0)).any()
    jitter = (polls["time"].astype("int64") / 1e9 + 30) % 60 - 30
    assert jitter.abs().max() <= 5.001
    assert jitter.std() > 1


def test_reset_starts_counters_and_uptime_at_zero():
    polls, _, truth = simulate_polls(week(("a->b",)), period_s=60, resets=1, seed=1)
    at = truth.events["time"].item()
    after = polls[polls["time"] >= at].iloc[0]
    since = (after["time"] - at).total_seconds()
    assert after["sys_uptime"] == int(since * 100)
    assert after["out_octets"] == pytest.approx(1e6 * since, abs=2)
    assert truth.events[["kind", "node", "interface"]].to_numpy().tolist() == [["reset", "a", ""]]


@pytest.mark.parametrize("bits", [32, 64])
def test_counters_wrap_at_their_width(bits):
    polls, interfaces, truth = simulate_polls(week(("a->b",)), bits=bits, wraps=1.0, seed=3)
    count = [int(value) for value in polls["out_octets"]]
    steps = [(after - before) % 2**bits for before, after in pairwise(count)]
    assert set(steps) == {300_000_000}
    assert max(count) < 2**bits
    assert max(count) > 2**bits - 86_400_000_000
    falls = sum(after < before for before, after in pairwise(count))
    assert falls == (truth.events["kind"] == "wrap").sum() >= 1
    assert interfaces["bits"].tolist() == [bits]


def test_same_seed_same_polls():
    options = {"jitter_s": 3, "loss": 0.1, "resets": 2, "late": 0.1, "conflicts": 0.1}
    first, again, other = (simulate_polls(week(), seed=seed, **options) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first.polls, again.polls)
    pd.testing.assert_frame_equal(first.truth.events, again.truth.events)
    assert not first.polls.equals(other.polls)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": 1.5},
        {"late": -0.1},
        {"wraps": float("nan")},
        {"period_s": 0},
        {"jitter_s": 150},
        {"jitter_s": -1},
        {"bits": 48},
        {"resets": -1},
        {"resets": 10**6},
    ],
)
def test_senseless_parameters(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        simulate_polls(week(), **options)


def test_loads_that_cannot_be_polled():
    with pytest.raises(DataError, match="measured everywhere"):
        simulate_polls(made([[np.nan]], ["a->b"]))
    with pytest.raises(DataError, match="evenly spaced"):
        simulate_polls(made([[1], [2], [3]], ["a->b"]).isel(time=[0, 2]))
    with pytest.raises(DataError, match="ends of link 'core7' are not known; pass the network"):
        simulate_polls(made([[1]], ["core7"]))
