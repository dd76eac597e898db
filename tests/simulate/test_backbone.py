from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from odflow import Link, Network, Node
from odflow.errors import UsageError
from odflow.simulate import SERVICES, BackboneConfig, BackboneSimulator, Service

NODES = tuple(
    Node(name, latitude, longitude)
    for name, latitude, longitude in zip("abcdef", (50, 52, 48, 40, 45, 60), (0,) * 6, strict=True)
)
PAIRS = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (0, 3))
RING = Network(
    NODES,
    tuple(
        Link(f"{NODES[i].id}{NODES[j].id}", NODES[i].id, NODES[j].id, 1e9, 10.0)
        for pair in PAIRS
        for i, j in (pair, pair[::-1])
    ),
)
STILL = BackboneConfig(
    interval="1h",
    total=36e9,
    mass_spread=0.0,
    direction_spread=0.0,
    friction=0.0,
    residual_spread=0.0,
    self_share=1 / 6,  # all demands alike
    daily_swing=1.0,
    busy_hour_spread=0.0,
    second_peak=0.0,
    swing_spread=0.0,
    weekend=1.0,
    weekend_spread=0.0,
    variation=0.0,
    drift=0.0,
    shifts_per_year=0.0,
    growth=1.0,
    bursts_per_week=0.0,
    flash_crowds_per_week=0.0,
)


def run(seed: int = 0, network: Network = RING, base: BackboneConfig = STILL, **changes: object) -> xr.DataArray:
    return BackboneSimulator(network, replace(base, **changes)).run(seed)  # type: ignore[arg-type]


def total(tms: xr.DataArray) -> np.ndarray:
    return tms.sum(("origin", "destination")).values


def test_without_effects_all_is_even() -> None:
    tms = run()
    assert tms.dims == ("time", "origin", "destination")
    assert tms.shape == (168, 6, 6)
    np.testing.assert_allclose(tms, 1e9)
    assert tms.attrs == {"units": "bit/s", "interval_s": 3600.0, "simulator_seed": 0}
    assert tms["time"].values[0] == np.datetime64("2026-01-05")


def test_same_seed_same_bytes() -> None:
    config = BackboneConfig(interval="30min", services=SERVICES, sampling=1000)
    one, again, other = (run(seed, base=config) for seed in (3, 3, 4))
    assert one.values.tobytes() == again.values.tobytes()
    assert (one.values != other.values).mean() > 0.9
    assert total(run(3, base=BackboneConfig(interval="30min")))[:336].mean() == pytest.approx(1e12)


def test_an_effect_leaves_the_others_alone() -> None:
    usual = BackboneConfig(interval="1h")
    mean = run(5, base=usual, variation=0.0, drift=0.0, shifts_per_year=0, bursts_per_week=0, flash_crowds_per_week=0)
    grown = run(
        5, base=usual, variation=0.0, drift=0.0, shifts_per_year=0, bursts_per_week=0, flash_crowds_per_week=0, growth=5
    )
    ratio = (grown / mean).values
    np.testing.assert_allclose(ratio, ratio[:, :1, :1] * np.ones((1, 6, 6)), rtol=1e-9)
    np.testing.assert_allclose(ratio[-1] / ratio[0], (5 / 1.3) ** (167 / 24 / 365.25), rtol=1e-9)


def test_gravity_friction_and_the_diagonal() -> None:
    tm = run(mass_spread=1.0, direction_spread=0.5)[0].values
    log = np.log(tm)
    for o, d, p, q in ((0, 1, 2, 3), (4, 5, 1, 0), (3, 0, 5, 4)):  # an outer product, the diagonal apart
        assert log[o, d] + log[p, q] == pytest.approx(log[o, q] + log[p, d])
    assert log[0, 1] != pytest.approx(log[2, 1])
    assert np.trace(tm) / tm.sum() == pytest.approx(1 / 6)
    tm = run(self_share=0.25, mass_spread=1.0)[0].values
    assert np.trace(tm) / tm.sum() == pytest.approx(0.25)
    tm = run(friction=2.0)[0]
    near, far = (float(tm.sel(origin="a", destination=name)) for name in ("b", "d"))
    # great circles of 2 and 10 degrees along a meridian
    km = 6371 * np.pi / 180
    assert near / far == pytest.approx(((1 + 10 * km / 500) / (1 + 2 * km / 500)) ** 2)


def test_residuals_are_as_wide_and_as_reciprocal_as_asked() -> None:
    network = Network(tuple(Node(f"n{k}") for k in range(60)), ())
    logs = np.log(
        run(network=network, residual_spread=0.7, reciprocity=0.6, weeks=1 / 168, self_share=1 / 60)[0].values
    )
    above, below = np.triu_indices(60, 1)
    assert logs.std() == pytest.approx(0.7, rel=0.05)
    assert np.corrcoef(logs[above, below], logs[below, above])[0, 1] == pytest.approx(0.6, abs=0.05)
    silent = run(network=network, silent=0.2, weeks=1 / 168)[0].values
    assert (silent == 0).mean() == pytest.approx(0.2, abs=0.02)
    assert (silent.diagonal() > 0).all()


def test_daily_swing_and_busy_hour() -> None:
    config = replace(STILL, daily_swing=3.0, busy_hour=15.0)
    day = total(run(base=config))[:24]
    assert day.max() / day.min() == pytest.approx(3.0)
    assert day.argmax() == 15
    east = replace(RING, nodes=tuple(replace(node, longitude=60.0) for node in NODES))
    assert total(run(network=east, base=config))[:24].argmax() == 11  # four hours ahead
    two = total(run(base=config, second_peak=0.5))[:24]
    assert two.max() / two.min() == pytest.approx(3.0, rel=0.02)
    assert two.argmax() == 15
    assert two[3] > 1.1 * two[[23, 7]].min()


def test_weekend_and_flash_crowds() -> None:
    week = total(run(weekend=0.6))
    np.testing.assert_allclose(week[:120], week[0])
    np.testing.assert_allclose(week[120:], 0.6 * week[0])
    crowds = run(flash_crowds_per_week=8.0, flash_factor=4.0, flash_hours=2.0)
    lifted = (crowds / crowds.median("time")).max(("time", "destination"))
    assert (lifted > 2).any()
    steady = (crowds / crowds.median("time")).std("destination").max()  # all that a node sends, alike
    assert float(steady) < 1e-12


@pytest.mark.parametrize("power", [1.2, 1.8])
def test_variance_follows_the_mean(power: float) -> None:
    network = Network(tuple(Node(f"n{k}") for k in range(20)), ())
    tms = run(
        network=network,
        mass_spread=0.8,
        residual_spread=0.8,
        variation=0.1,
        variation_spread=0.0,
        power=power,
        white=1.0,
        tail=0.0,
        weeks=8,
    ).values.reshape(-1, 400)
    mean = tms.mean(axis=0)
    cv = tms.std(axis=0) / mean
    large = mean > np.quantile(mean, 0.2)
    slope, level = np.polyfit(np.log(mean / mean.mean())[large], np.log(cv)[large], 1)
    assert 2 + 2 * slope == pytest.approx(power, abs=0.06)
    assert np.exp(level) == pytest.approx(0.1, rel=0.05)
    np.testing.assert_allclose(tms.mean(axis=0) / tms[:, :].mean(), mean / mean.mean())


def test_memory_and_what_nodes_have_in_common() -> None:
    network = Network(tuple(Node(f"n{k}") for k in range(12)), ())
    noise = {"variation": 0.1, "variation_spread": 0.0, "power": 2.0, "white": 0.25, "tail": 0.0, "weeks": 40}
    x = run(network=network, long_share=0.0, memory_min=180.0, shared=0.5, **noise).values
    z = np.log(x) - np.log(x).mean(axis=0)
    z /= z.std(axis=0)
    for lag in (1, 3, 6):
        found = (z[lag:] * z[:-lag]).mean()
        assert found == pytest.approx(0.75 * np.exp(-lag / 3), abs=0.03)
    same_origin = (z[:, 0, 1] * z[:, 0, 5]).mean()
    assert same_origin == pytest.approx(0.75 * 0.25, abs=0.07)
    assert (z[:, 0, 1] * z[:, 2, 5]).mean() == pytest.approx(0.0, abs=0.07)


def test_tails_drift_shifts_and_bursts() -> None:
    noise = {"variation": 0.1, "variation_spread": 0.0, "power": 2.0, "white": 1.0, "weeks": 20}
    for tail, known in ((0.0, 3.0), (0.3, 3 * np.exp(4 * 0.09))):
        z = np.log(run(tail=tail, **noise).values.reshape(-1, 36))
        z -= z.mean(axis=0)
        assert z.std() == pytest.approx(np.sqrt(np.log1p(0.01)), rel=0.02)
        assert (z**4).mean() / (z**2).mean() ** 2 == pytest.approx(known, rel=0.15)
    drift = np.log(run(drift=0.5, drift_days=2.0, weeks=60).values)
    assert drift.std() == pytest.approx(0.5, rel=0.05)
    level = np.log(run(shifts_per_year=52.18, shift_spread=1.0, weeks=10).values).reshape(-1, 36)
    level -= np.log(run(weeks=10).values).reshape(-1, 36)
    assert (np.abs(np.diff(level, axis=0)) > 1e-9).sum() == pytest.approx(360, abs=60)
    extra = run(bursts_per_week=2.0, burst_size=3.0, burst_minutes=60.0, weeks=10).values.reshape(-1, 36)
    starts = (np.diff(extra, axis=0) > 1e-3 * extra.mean()).sum()
    assert starts == pytest.approx(720, abs=90)


def test_sampling_keeps_the_mean_and_makes_zeros() -> None:
    base = replace(STILL, total=36e6, mass_spread=2.0, residual_spread=1.0, sampling=1000.0, weeks=10)
    true, measured = run(base=base, sampling=0.0), run(base=base)
    unit = 1000 * 5600 / 3600
    np.testing.assert_array_equal(run(base=base, sampling=1.0), true)
    np.testing.assert_allclose(run(base=base, sampling=1.01, total=1e18), 1e18 / 36e6 * true, rtol=1e-4)
    counts = measured.values / unit
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-6)
    expected = true.values / unit
    assert counts.sum() == pytest.approx(expected.sum(), rel=0.001)
    assert (counts == 0).mean() == pytest.approx(np.exp(-expected).mean(), abs=0.003)
    assert counts.var(axis=0).sum() == pytest.approx(expected.mean(axis=0).sum(), rel=0.05)


def test_services_share_the_traffic() -> None:
    services = (
        Service(name="day", share=3.0, mix_spread=0.0),
        Service(name="night", share=1.0, busy_hour=12.0, mix_spread=0.0),
    )
    tms = run(services=services, daily_swing=2.0, busy_hour=12.0)
    assert tms.dims == ("service", "time", "origin", "destination")
    assert list(tms["service"].values) == ["day", "night"]
    each = tms.sum(("origin", "destination"))
    assert float(each.sel(service="day").mean() / each.sel(service="night").mean()) == pytest.approx(3.0)
    assert each.sel(service="day").values[:24].argmax() == 12
    assert each.sel(service="night").values[:24].argmax() == 0
    assert float(each.sum("service").mean()) == pytest.approx(36e9)
    mixed = run(services=SERVICES)
    share = (mixed / mixed.sum("service")).mean("time")
    assert float(share.std(("origin", "destination")).min()) > 0.02


BAD = {
    "weeks": (0.0, "weeks is 0.0, expected a positive number"),
    "interval": ("2d", "interval is '2d', expected at most a day"),
    "daily_swing": (0.5, "daily_swing is 0.5, expected 1 or more"),
    "busy_hour": (25.0, "busy_hour is 25.0, expected an hour from 0 to 24"),
    "white": (1.5, "white is 1.5, expected a share between 0 and 1"),
    "mass_spread": (-1.0, "mass_spread is -1.0, expected 0 or more"),
    "total": (float("nan"), "total is nan, expected a positive number"),
    "growth": (float("inf"), "growth is inf, expected a positive number"),
    "services": ((SERVICES[0], SERVICES[0]), "services video, video: name each only once"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_configurations(name: str) -> None:
    value, message = BAD[name]
    with pytest.raises(UsageError, match=message):
        BackboneConfig(**{name: value})  # type: ignore[arg-type]


def test_bad_services_and_networks() -> None:
    for change, message in (({"share": 0.0}, "share is 0.0"), ({"busy_hour": 30.0}, "busy_hour is 30.0")):
        with pytest.raises(UsageError, match=message):
            Service(**({"name": "x", "share": 1.0} | change))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="has no nodes"):
        BackboneSimulator(Network((), ()))
