"""The generator of plausible traffic."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from odflow.errors import UsageError
from odflow.network.model import Link, Network, Node
from odflow.network.routing import Routing
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic, provisioned

CALM = PlausibleTraffic(weeks=1, interval="1h", mass_spread=0, residual_spread=0, noise=0, drift=0)


def ring(n: int, longitudes: tuple[float, ...] | None = None) -> Network:
    nodes = tuple(Node(f"n{i}", 50.0, longitudes[i] if longitudes else 0.0) for i in range(n))
    pairs = [(i, (i + 1) % n) for i in range(n)]
    links = [Link(f"{a}->{b}", f"n{a}", f"n{b}", metric=1.0) for i, j in pairs for a, b in ((i, j), (j, i))]
    return Network(nodes, tuple(links), name="ring")


def test_shape_labels_total_and_seed():
    config = PlausibleTraffic(weeks=2, interval="30min", start="2025-06-02", total=5e9)
    x = plausible_traffic(ring(4), config, seed=7)
    assert x.sizes == {"time": 2 * 7 * 48, "origin": 4, "destination": 4}
    assert x["time"].values[1] == np.datetime64("2025-06-02T00:30")
    assert x.attrs["interval_s"] == 1800
    assert float(x.sum(("origin", "destination")).mean()) == pytest.approx(5e9)
    assert float(x.min()) > 0
    np.testing.assert_array_equal(plausible_traffic(ring(4), config, seed=7), x)
    assert not np.array_equal(plausible_traffic(ring(4), config, seed=8), x)


def test_days_follow_local_time():
    x = plausible_traffic(ring(3, (0.0, 90.0, -120.0)), CALM)
    days = x.values[: 5 * 24].reshape(5, 24, 3, 3).mean(axis=0)
    peaks = [int(days[:, i, i].argmax()) for i in range(3)]
    # the same local hours, 6 h earlier at 90 degrees east and 8 h later at 120 west, give or take each node's mix
    assert 14 <= peaks[0] <= 21
    assert 8 <= peaks[1] <= 15
    assert peaks[2] >= 22 or peaks[2] <= 5
    assert days[:, 0, 0].max() > 2 * days[:, 0, 0].min()


def test_weekends_are_quieter():
    x = plausible_traffic(ring(5), CALM).sum(("origin", "destination")).values
    assert x[5 * 24 :].mean() < 0.95 * x[: 5 * 24].mean()


def test_without_residual_it_is_gravity():
    x = plausible_traffic(ring(5), dataclasses.replace(CALM, mass_spread=1.0, self_share=1.0)).values
    expected = x.sum(2)[:, :, None] * x.sum(1)[:, None, :] / x.sum((1, 2))[:, None, None]
    np.testing.assert_allclose(x, expected, rtol=1e-9)


@pytest.mark.parametrize("power", [1.2, 1.7])
def test_variance_grows_like_a_power_of_the_mean(power):
    config = dataclasses.replace(
        CALM, weeks=4, residual_spread=1.2, noise=0.05, noise_spread=0, power=power, memory=600.0
    )
    noisy = plausible_traffic(ring(9), config, seed=1).values.reshape(-1, 81)
    # the same world without fluctuations
    smooth = plausible_traffic(ring(9), dataclasses.replace(config, noise=0.0), seed=1).values.reshape(-1, 81)
    ratio = noisy / smooth
    spread, mean = ratio.std(axis=0) / ratio.mean(axis=0), smooth.mean(axis=0)
    slope = np.polyfit(np.log(mean), np.log((spread * mean) ** 2), 1)[0]
    assert slope == pytest.approx(power, abs=0.1)


def test_fluctuations_are_correlated_in_time_as_asked():
    config = dataclasses.replace(CALM, weeks=8, noise=0.1, noise_spread=0.0, memory=3 * 3600.0)
    noisy, smooth = (plausible_traffic(ring(4), c, seed=2) for c in (config, dataclasses.replace(config, noise=0.0)))
    ratio = np.log(noisy / smooth)
    z = ratio.values.reshape(-1, 16)
    z = z - z.mean(axis=0)
    lag = 3  # hours: one memory
    found = (z[lag:] * z[:-lag]).mean() / (z**2).mean()
    assert found == pytest.approx(np.exp(-1), abs=0.05)


def test_drift_makes_old_matrices_stale():
    config = PlausibleTraffic(weeks=6, interval="6h", drift=0.4)
    x = plausible_traffic(ring(6), config, seed=3).values.reshape(6, 28, 36).mean(axis=1)
    shares = x / x.sum(axis=1, keepdims=True)
    one_week, four_weeks = (np.abs(shares[k:] - shares[:-k]).sum(axis=1).mean() for k in (1, 4))
    assert four_weeks > 1.2 * one_week


@pytest.mark.parametrize(
    "wrong",
    [{"weeks": 0}, {"total": -1.0}, {"noise": -0.1}, {"drift": float("nan")}, {"interval": "soon"}, {"interval": "2d"}],
)
def test_configurations_that_make_no_sense(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        PlausibleTraffic(**wrong)


def test_a_network_without_nodes():
    with pytest.raises(UsageError, match="no nodes"):
        plausible_traffic(Network((), ()))


def test_provisioned_capacities_carry_the_peak_in_usual_sizes():
    network = ring(5)
    routing = Routing.shortest_path(network)
    x = plausible_traffic(network, PlausibleTraffic(weeks=1, interval="1h", total=3e11), seed=4)
    equipped = provisioned(network, routing, x, peak=0.5)
    peak = routing.loads(x).max("time")
    sizes = {1e9, 2.5e9, 10e9, 40e9, 100e9, 400e9, 800e9}
    both = {}
    for link in equipped.links:
        assert link.capacity in sizes
        assert float(peak.sel(link=link.id)) <= 0.5 * link.capacity
        both.setdefault(frozenset((link.source, link.target)), set()).add(link.capacity)
    assert all(len(capacities) == 1 for capacities in both.values())
    with pytest.raises(UsageError, match="peak"):
        provisioned(network, routing, x, peak=0.0)
