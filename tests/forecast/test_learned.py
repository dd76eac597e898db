from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from odflow.errors import DataError, UsageError
from odflow.forecast.inputs import Inputs, Shape
from odflow.forecast.learned import NetworkForecaster
from odflow.forecast.mstnet import MSTNet
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.rivals import LSTM, STGCN, RivalSize
from odflow.forecast.simple import LastValue, SeasonalNaive
from odflow.forecast.surroundings import calendar, geometry_of, nearest
from odflow.forecast.windows import Scale, Windows

Build = Callable[[Shape], nn.Module]
RNG = np.random.default_rng(0)
CONFIG = MSTNetConfig(
    past=12, lead=4, start=4, width=8, layers=1, steps=150, batch=16, learning_rate=5e-3, ema=0.999, patience=0
)


def mstnet(config: MSTNetConfig = CONFIG) -> NetworkForecaster:
    return NetworkForecaster(lambda shape: MSTNet(shape, config), config)


def series(x: np.ndarray, **places: list[float]) -> xr.DataArray:
    time = np.datetime64("2026-01-05", "ns") + np.arange(len(x)) * np.timedelta64(1, "h")
    coords = {"time": time} | {name: ("node", value) for name, value in places.items()}
    return xr.DataArray(x, dims=("time", "node", "service"), coords=coords, attrs={"interval_s": 3600.0})


def odd_cycle(steps: int = 480) -> np.ndarray:
    """A cycle of ten hours, different in size by a thousand, which neither the last value nor the day before tells."""
    hour = np.arange(steps)[:, None, None]
    phase = RNG.uniform(0, 10, (1, 3, 2))
    x = np.array([1.0, 1000.0]) * (2 + np.cos((hour - phase) * np.pi / 5))
    return x * np.exp(0.03 * RNG.standard_normal(x.shape))


@pytest.mark.parametrize(
    "forecaster",
    [
        mstnet(),
        NetworkForecaster(
            lambda shape: STGCN(shape, RivalSize(width=16, heads=2, dropout=0.0)), replace(CONFIG, steps=500)
        ),
    ],
)
def test_networks_learn_behind_the_interface(forecaster: NetworkForecaster) -> None:
    x = odd_cycle()
    x[100:110, 0, 0] = np.nan
    full = series(x)
    history = full[:400]
    forecaster.fit(history)
    origins = np.arange(401, 470)
    truth = x[origins[:, None] + np.arange(4)]
    found = forecaster.predict_at(full, origins, 4)
    assert found.shape == (69, 4, 3, 2)
    for naive in (LastValue(), SeasonalNaive()):
        other = naive.fit(history).predict_at(full, origins, 4)
        for k in range(2):
            assert np.abs(found - truth)[..., k].mean() < 0.5 * np.abs(other - truth)[..., k].mean()
    bands = forecaster.quantiles_ahead(x, full["time"].values, origins, 4)
    assert (np.diff(bands, axis=-1) >= 0).all()
    inside = (truth >= bands[..., 0]) & (truth <= bands[..., 2])
    assert 0.6 < inside.mean() < 0.995  # of 0.8, trained for moments
    later = x.copy()
    later[450:] = 1e9  # what comes after an origin is not looked at
    np.testing.assert_array_equal(forecaster.predict_at(series(later), origins[:49], 4), found[:49])
    assert forecaster.predict(history, 3).sizes == {"time": 3, "node": 3, "service": 2}
    assert forecaster.parameters_ > 500


def test_windows() -> None:
    x = np.arange(10.0).reshape(-1, 1, 1)
    x[4] = np.nan
    time = series(x)["time"].values
    windows = Windows(x, time, 4, 3, 5)
    inputs = windows.inputs(torch.tensor([2, 6]))
    assert isinstance(inputs, Inputs)
    assert inputs.values[..., 0, 0].tolist() == [[0, 0, 0, 1], [2, 3, 0, 5]]
    assert inputs.known[..., 0, 0].tolist() == [[0, 0, 1, 1], [1, 1, 0, 1]]
    np.testing.assert_allclose(inputs.future[1], calendar(time)[6:9], rtol=1e-6)
    target, known = windows.targets(torch.tensor([3, 8]))
    assert (target * known)[..., 0, 0].tolist() == [[3, 0, 5], [8, 9, 0]]
    assert known[..., 0, 0].tolist() == [[1, 0, 1], [1, 1, 0]]
    _, cut = windows.targets(torch.tensor([3, 7]), 8)
    assert cut[..., 0, 0].tolist() == [[1, 0, 1], [1, 0, 0]]
    assert inputs.seasonal[1, ..., 0, 0, 0].tolist() == [0, 0, 0, 0, 1, 2, 3]  # five hours before, of 2 to 8
    assert inputs.seasonal_known[1, ..., 0, 0, 1].tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert not inputs.seasonal_known[..., 2].any()
    joined = Windows.joined([windows, Windows(10 * x, time, 4, 3, 5)])
    assert windows.span == 4 + 10 + 3
    at = torch.tensor([2, 6])
    for one, other in zip(joined.inputs(17 + 4 + at)[:4], windows.inputs(at)[:4], strict=True):
        torch.testing.assert_close(one, 10 * other if other.max() > 1 else other)


def test_scale() -> None:
    x = odd_cycle(100)
    x[3, 1, 1] = np.nan
    scale = Scale.of(x)
    z = scale.scaled(x)
    np.testing.assert_allclose(np.nanmean(z, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.nanstd(z, axis=0), 1)
    np.testing.assert_allclose(scale.back(z[..., None])[..., 0], x, rtol=1e-9)
    np.testing.assert_allclose(scale.importance.mean(axis=0), 1)
    flat = Scale.of(np.full((5, 1, 1), 7.0))
    np.testing.assert_allclose(flat.scaled(np.full((1, 1, 1), 7.7)), np.log(7.77 / 7.07) / 0.02)


def test_neighbours() -> None:
    found = nearest(np.array([[0.0, 0], [0, 0], [3, 0], [10, 0]]), 3)
    assert found.near[:, 0].tolist() == [0, 1, 2, 3]
    assert set(found.near[0].tolist()) == {0, 1, 2}
    assert found.near[3].tolist() == [3, 2, 0] or found.near[3].tolist() == [3, 2, 1]
    assert found.weight[:, 0].tolist() == [1, 1, 1, 1]
    assert found.weight[0, 1] == 1  # the same place
    assert found.weight[3, 1] > found.weight[3, 2]
    x = np.ones((5, 3, 1))
    alone = geometry_of(series(x), 4)
    assert alone.near.tolist() == [[0], [1], [2]]
    degrees = geometry_of(series(x, latitude=[45.0, 45.0, 46.0], longitude=[9.0, 9.2, 9.0]), 2)
    assert degrees.near.tolist() == [[0, 1], [1, 0], [2, 0]]  # a degree of longitude is shorter


STOPPED = replace(CONFIG, steps=12, checkpoint_every=4, dropout=0.2)


@pytest.mark.parametrize(
    "build",
    [lambda shape: MSTNet(shape, STOPPED), lambda shape: LSTM(shape, RivalSize(width=8, heads=2, dropout=0.2))],
    ids=["MSTNet", "LSTM, whose dropout has no seed of its own"],
)
def test_a_stopped_training_goes_on(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = series(odd_cycle(200))
    whole = NetworkForecaster(build, STOPPED).fit(history)
    from odflow.forecast import learned

    calls = iter(range(100))
    losses = learned.ForecastTask.losses

    def failing(self, origins, until=None):
        if next(calls) == 9:
            raise RuntimeError("power cut")
        return losses(self, origins, until)

    monkeypatch.setattr(learned.ForecastTask, "losses", failing)
    path = tmp_path / "run.safetensors"
    with pytest.raises(RuntimeError, match="power cut"):
        NetworkForecaster(build, STOPPED).fit(history, checkpoint=path)
    monkeypatch.undo()
    resumed = NetworkForecaster(build, STOPPED).fit(history, checkpoint=path, resume=True, log=tmp_path / "log.csv")
    for name, value in whole.network_.state_dict().items():
        assert torch.equal(resumed.network_.state_dict()[name], value), name
    assert (tmp_path / "log.csv").read_text().splitlines()[0].split(",")[-2:] == ["weight 0", "weight 1"]


def test_early_stop_and_bad_input() -> None:
    history = series(odd_cycle(200))
    short = replace(CONFIG, steps=60, validate_every=5, patience=2, learning_rate=0.5, final_learning_rate=0.5)
    mstnet(short).fit(history)  # such a rate can only make it worse after a while
    fitted = mstnet(replace(CONFIG, steps=2)).fit(history)
    with pytest.raises(UsageError, match="lead is 5, this network was made for at most 4"):
        fitted.predict(history, 5)
    with pytest.raises(DataError, match="nodes and services, learnt from"):
        fitted.predict(history[:, :2], 3)
    with pytest.raises(DataError, match="5 intervals are too few to learn from"):
        mstnet().fit(history[:5])
