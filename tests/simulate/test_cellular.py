from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from odflow.errors import DataError, FormatError, OdflowError, UsageError
from odflow.simulate import CELL_SERVICES, CellService, CellularConfig, CellularSimulator
from odflow.simulate.city import make_city
from odflow.simulate.propagation import line_of_sight, path_loss, serving_station, smooth_normal
from odflow.simulate.sites import around

SMALL = CellularConfig(weeks=1, width_km=4, height_km=3, stations=12, population=50_000)
STILL = replace(SMALL, station_spread=0.0, variation=0.0, drift=0.0, crowds_per_week=0.0, failures_per_year=0.0)


def run(seed: int = 0, base: CellularConfig = SMALL, **changes: object) -> xr.DataArray:
    return CellularSimulator(replace(base, **changes)).run(seed)  # type: ignore[arg-type]


def test_path_loss_is_that_of_the_standard() -> None:
    # TR 38.901 table 7.4.1-1 by hand, 2 GHz: 100 m is before the break point of 4 * 24 * .5 * 2e9 / c = 320 m
    sight = np.array([True, True, False, False])
    found = path_loss(np.array([100.0, 1000.0, 100.0, 1000.0]), 2.0, sight)
    d = np.hypot([100.0, 1000.0], 23.5)
    turn = 4 * 24 * 0.5 * 2e9 / 299792458
    near = 28 + 22 * np.log10(d[0]) + 20 * np.log10(2)
    far = 28 + 40 * np.log10(d[1]) + 20 * np.log10(2) - 9 * np.log10(turn**2 + 23.5**2)
    hidden = 13.54 + 39.08 * np.log10(d) + 20 * np.log10(2)
    np.testing.assert_allclose(found, [near, far, *hidden], rtol=1e-12)
    assert found[0] == pytest.approx(78.28, abs=0.01)
    step = path_loss(np.array([turn - 1e-6, turn + 1e-6]), 2.0, np.array([True, True]))
    assert step[0] == pytest.approx(step[1], abs=0.01)  # continuous at the break point
    np.testing.assert_allclose(line_of_sight(np.array([10.0, 18.0, 100.0])), [1, 1, 0.18 + np.exp(-100 / 63) * 0.82])


def test_stations_serve_what_is_near() -> None:
    rng = np.random.default_rng(0)
    side = np.arange(50) * 100 + 50.0
    x, y = np.meshgrid(side, side)
    pixels = np.column_stack([x.ravel(), y.ravel()])
    stations = np.array([[1000.0, 2500.0], [4000.0, 2500.0]])
    server = serving_station(pixels, (50, 50), 100.0, stations, 2.0, rng)
    nearest = (pixels[:, 0] > 2500).astype(int)
    assert (server == nearest).mean() > 0.85
    assert (server != nearest).mean() > 0.005  # shadowing
    close = np.min([np.hypot(*(pixels - station).T) for station in stations], axis=0) < 700
    assert (server == nearest)[close].mean() > 0.98
    field = smooth_normal((200, 200), 3.0, rng)
    assert field.std() == pytest.approx(1.0, abs=0.05)
    many = np.array([smooth_normal((4, 6), 30.0, rng)[2, 3] for _ in range(300)])  # smoother than it is large
    assert many.std() == pytest.approx(1.0, abs=0.12)
    assert np.corrcoef(field[:-3].ravel(), field[3:].ravel())[0, 1] == pytest.approx(np.exp(-9 / 36), abs=0.05)


def test_what_comes_out() -> None:
    traffic = run()
    assert traffic.dims == ("time", "cell", "service")
    assert traffic.shape == (168, 12, 3)
    assert list(traffic["service"].values) == ["sms", "call", "internet"]
    assert list(traffic["unit"].values) == ["messages", "calls", "MB"]
    assert traffic["time"].values[0] == np.datetime64("2026-01-05")
    assert traffic.attrs["interval_s"] == 3600.0
    assert ((traffic["x_m"] > 0) & (traffic["x_m"] < 4000) & (traffic["y_m"] > 0) & (traffic["y_m"] < 3000)).all()
    assert (traffic >= 0).all()
    counts = traffic.sel(service=["sms", "call"]).values
    np.testing.assert_array_equal(counts, np.round(counts))
    assert run().values.tobytes() == traffic.values.tobytes()
    assert (run(1).values != traffic.values).mean() > 0.9


def test_people_use_as_much_as_they_are_said_to() -> None:
    even = replace(CELL_SERVICES[0], affinity=(1, 1, 1, 1), weekend=1.0)
    data = CellService(name="data", unit="MB", sessions_per_day=20.0, size=2.0, size_spread=1.0, weekend=1.0)
    for layout in ("sites", "grid"):
        traffic = run(base=STILL, services=(even, data), layout=layout, weeks=2)
        daily = traffic.sum(("time", "cell")) / 14 / 50_000
        assert float(daily.sel(service="sms")) == pytest.approx(4.0, rel=0.005)
        assert float(daily.sel(service="data")) == pytest.approx(40.0, rel=0.005)


def test_rhythm_of_services_and_weekends() -> None:
    service = CellService(
        name="call", sessions_per_day=50.0, busy_hour=14.0, swing=20.0, weekend=0.5, affinity=(1, 1, 1, 1)
    )
    total = run(base=STILL, services=(service,)).sum("cell").values[:, 0]
    day = total[:24]
    assert day.argmax() == 14
    assert day.max() / day.min() == pytest.approx(20, rel=0.1)
    assert total[120:144].sum() / day.sum() == pytest.approx(0.5, rel=0.01)


def test_people_move() -> None:
    service = CellService(name="x", sessions_per_day=500.0, swing=1.0, weekend=1.0, affinity=(1, 1, 1, 1))
    calm = replace(STILL, services=(service,), land_contrast=3.0, stations=30)
    home = run(base=calm, mobility=0.0).values[:, :, 0]
    assert (home.std(axis=0) / home.mean(axis=0)).max() < 0.15  # nothing but chance
    moving = run(base=calm, mobility=1.0).values[:, :, 0]
    city = make_city(calm, np.random.default_rng((0, 30)))
    weight = city.density[:, None] * city.land
    business = np.bincount(city.server, weight[:, 1], 30) / np.bincount(city.server, weight.sum(axis=1), 30)
    noon_over_night = moving[11] / np.maximum(moving[2], 1)
    assert np.corrcoef(business, np.log(noon_over_night))[0, 1] > 0.7


def test_crowds_failures_and_chance() -> None:
    service = CellService(name="x", sessions_per_day=2000.0, swing=1.0, weekend=1.0, affinity=(1, 1, 1, 1))
    calm = replace(STILL, services=(service,), mobility=0.0, weeks=8)
    usual = run(base=calm).values[:, :, 0]
    crowded = run(base=calm, crowds_per_week=3.0, crowd_people=20_000.0).values[:, :, 0]
    high = (crowded > 2 * usual.mean(axis=0)).any(axis=1)
    assert 20 <= high.sum() <= 40 * 3
    down = run(base=calm, failures_per_year=50.0, repair_h=5.0).values[:, :, 0]
    assert (down == 0).sum(axis=0).min() >= 0
    assert (down == 0).mean() == pytest.approx(50 / 365.25 / 24 * 5 * np.exp(0.5), rel=0.4)
    noisy = run(base=calm, variation=0.3, shared=0.0, memory_h=1.0).values[:, :, 0]
    assert (noisy.std(axis=0) / noisy.mean(axis=0)).mean() == pytest.approx(0.3, rel=0.1)
    chance = replace(calm, variation=0.3, memory_h=1.0, white=0.0, alone=0.0)
    together = np.corrcoef(run(base=chance, shared=0.8).values[:, :, 0].T)
    assert together[np.triu_indices(12, 1)].mean() == pytest.approx(0.8, abs=0.1)


def test_stations_of_different_size() -> None:
    calm = replace(STILL, mobility=0.0, stations=100)
    alike, unlike = (run(1, base=calm, station_spread=spread).values.mean(axis=0)[:, 0] for spread in (0.0, 0.8))
    assert np.log(unlike / alike).std() == pytest.approx(0.8, rel=0.1)
    assert np.log((unlike / alike).mean()) == pytest.approx(0.0, abs=0.15)


def test_what_services_have_in_common() -> None:
    pair = tuple(
        CellService(name=name, sessions_per_day=5000.0, swing=1.0, weekend=1.0, affinity=(1, 1, 1, 1)) for name in "ab"
    )
    calm = replace(STILL, services=pair, mobility=0.0, weeks=8, variation=0.2, white=0.0, shared=0.0, memory_h=1.0)

    def between(**change: float) -> float:
        x = np.log(run(base=calm, **change).values)
        return float(np.mean([np.corrcoef(x[:, cell].T)[0, 1] for cell in range(x.shape[1])]))

    assert between(alone=0.0) == pytest.approx(1.0, abs=0.05)
    assert between(alone=0.4) == pytest.approx(0.6, abs=0.05)
    assert between(alone=0.0, white=0.3) == pytest.approx(0.7, abs=0.05)
    x = np.log(run(base=calm, alone=0.0, white=0.5).values[:, :, 0])
    x -= x.mean(axis=0)
    step = (x[1:] * x[:-1]).mean() / (x**2).mean()
    assert step == pytest.approx(0.5 * np.exp(-1.0), abs=0.03)  # hourly, forgotten after an hour


def test_session_sizes() -> None:
    service = CellService(name="x", sessions_per_day=24.0, swing=1.0, size=3.0, size_spread=1.5, affinity=(1, 1, 1, 1))
    one = replace(STILL, services=(service,), mobility=0.0, weeks=30, stations=1, population=10, interval="1h")
    x = run(base=one).values[:, 0, 0]
    assert x.mean() == pytest.approx(30 * (5 + 2 * service.weekend) / 7, rel=0.1)
    weekday = x.reshape(-1, 7 * 24)[:, :120].ravel()
    assert weekday.var() == pytest.approx(10 * 9 * np.exp(1.5**2), rel=0.35)


def test_the_grid_spreads_what_stations_carry() -> None:
    sites, grid = run(), run(layout="grid", squares=20)
    assert grid.sizes["cell"] == 20 * 15
    np.testing.assert_allclose(grid.sum("cell"), sites.sum("cell"), rtol=1e-9)
    near = np.corrcoef(grid.values[:, :, 2].T)
    assert np.nanmax(near[0, 1:2]) > 0.9


def test_given_stations() -> None:
    places = np.array([[500.0, 500.0], [3500.0, 2500.0]])
    traffic = CellularSimulator(STILL, stations=places).run()
    np.testing.assert_array_equal(np.column_stack([traffic["x_m"], traffic["y_m"]]), places)
    for bad, message in (
        (np.array([[5000.0, 10.0]]), r"station 0 at \(5000, 10\) m is outside the city, 4000 m x 3000 m"),
        (np.zeros((0, 2)), r"stations of shape \(0, 2\)"),
        (np.zeros(3), r"stations of shape \(3,\)"),
    ):
        with pytest.raises(DataError, match=message):
            CellularSimulator(STILL, stations=bad)


BAD = {
    "weeks": (0, "weeks is 0, expected a positive number"),
    "interval": ("2d", "interval is '2d'"),
    "mobility": (2, "mobility is 2, expected a share"),
    "layout": ("hexagon", "layout is hexagon, expected 'sites' or 'grid'"),
    "stations": (2.5, "stations is 2.5, expected a whole number"),
    "pixel_m": (0.5, "pixels of 0.5 m are"),
    "services": ((), r"services is \(\), expected at least one"),
    "variation": (-1, "variation is -1, expected 0 or more"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_configurations(name: str) -> None:
    value, message = BAD[name]
    with pytest.raises(UsageError, match=message):
        CellularConfig(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="service 'x': affinity is"):
        CellService(name="x", affinity=(0, 0, 0, 0))


def test_sites_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text("name,latitude,longitude\nDom,45.4642,9.1916\nBicocca,45.5136,9.2113\nBande Nere,45.4613,9.1367\n")
    simulator = around(path, SMALL)
    assert simulator.config.stations == 3
    traffic = simulator.run(0)
    assert traffic["cell"].values.tolist() == ["Dom", "Bicocca", "Bande Nere"]
    x, y = traffic["x_m"].values, traffic["y_m"].values
    # haversine by hand: 5,706 m and 4,305 m
    assert np.hypot(x[1] - x[0], y[1] - y[0]) == pytest.approx(5706, rel=0.01)
    assert np.hypot(x[2] - x[0], y[2] - y[0]) == pytest.approx(4305, rel=0.01)
    assert x.min() == pytest.approx(500)
    assert y.min() == pytest.approx(500)
    assert simulator.config.height_km == pytest.approx((y.max() + 500) / 1000)
    path.write_text("x_m,y_m\n100,200\n400,300\n")
    assert around(path, SMALL).run(0)["cell"].values.tolist() == ["s0", "s1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n", "expected the columns x_m and y_m"),
        ("x_m,y_m\n", "a row for each"),
        ("x_m,y_m\n1,2\n3,far\n", "row 3: x_m and y_m are not both numbers"),
        ("name,x_m,y_m\na,1,2\na,3,4\n", "a name of its own"),
        ("", "is not a table"),
    ],
)
def test_bad_sites(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        around(path, SMALL)
    with pytest.raises(OdflowError, match="no such file"):
        around(tmp_path / "nowhere.csv", SMALL)
