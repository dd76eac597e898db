"""Worlds, pools of windows, pre-training, weights of worlds, fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from odflow.errors import DataError, FormatError, MissingDependencyError, UsageError
from odflow.estimate.store import load
from odflow.forecast.difficulty import difficulty
from odflow.forecast.inputs import Inputs
from odflow.forecast.mstnet import untied
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.pretrained import load_network, save_network
from odflow.forecast.pretraining import Pool, pretrain, tied_network
from odflow.forecast.sim_mstnet import SimMSTNet
from odflow.forecast.simple import LastValue
from odflow.forecast.weighing import REWEIGHTING, weigh
from odflow.forecast.windows import Windows
from odflow.forecast.worlds import NODES, varied_worlds

from .mstnet_cases import neighbourhood, normal, windows

CONFIG = MSTNetConfig(past=12, lead=4, start=4, width=8, layers=1, neighbours=2, steps=60, batch=16)
TIED = replace(CONFIG, sharing="tied", patience=0, learning_rate=1e-2, final_learning_rate=1e-3)


def cycle(seed: int, period: float, steps: int = 160, nodes: int = 3, services: int = 1) -> xr.DataArray:
    """A noisy cycle, in hours, that is not of a day."""
    rng = np.random.default_rng(seed)
    hour = np.arange(steps)[:, None, None]
    phase = rng.uniform(0, period, (1, nodes, services))
    x = 10 ** rng.uniform(0, 3) * (2 + np.cos((hour - phase) * 2 * np.pi / period))
    x = x * np.exp(0.05 * rng.standard_normal(x.shape))
    time = np.datetime64("2026-01-05", "ns") + np.arange(steps) * np.timedelta64(1, "h")
    return xr.DataArray(x, dims=("time", "node", "service"), coords={"time": time}, attrs={"interval_s": 3600.0})


def error(forecaster: SimMSTNet | LastValue, full: xr.DataArray) -> float:
    origins = np.arange(130, 150)
    found = forecaster.predict_at(full, origins, 4)
    return float(np.abs(found - full.values[origins[:, None] + np.arange(4)]).mean() / full.values.mean())


def test_worlds() -> None:
    worlds = list(varied_worlds(12, 3))
    for world, again in zip(worlds, varied_worlds(12, 3), strict=True):
        assert np.array_equal(world.values, again.values)
        assert world.sizes["node"] == NODES
        assert 1 <= world.sizes["service"] <= 3
        assert np.isfinite(world.values).all()
        assert (world.values >= 0).all()
        days = world.sizes["time"] * world.attrs["interval_s"] / 86400
        assert 2 <= days <= 15
    assert len({world.attrs["interval_s"] for world in worlds}) > 3
    assert len({world.sizes["service"] for world in worlds}) == 3
    plain = next(varied_worlds(1, 3, randomised=False))
    assert not np.array_equal(plain.values, worlds[0].values)


def test_difficulty_is_the_error_of_the_best_simple_forecast() -> None:
    x = np.arange(40.0)[:, None, None] * np.array([1.0, 3.0])[None, :, None]  # the last value is h, or 3 h, behind
    parts = Windows(x, np.datetime64("2026-01-05", "ns") + np.arange(40) * np.timedelta64(1, "h"), 6, 3, 1000)
    origins = torch.arange(6, 38)
    hard = difficulty(parts, origins, torch.tensor([[1.0], [1.0]]))
    torch.testing.assert_close(hard[:, 0], torch.tensor([2.0, 4.0, 6.0]))
    hard = difficulty(parts, origins, torch.tensor([[1.0], [0.0]]))
    torch.testing.assert_close(hard[:, 0], torch.tensor([1.0, 2.0, 3.0]))


def test_a_pool_is_the_windows_of_its_worlds() -> None:
    worlds = [cycle(1, 10), cycle(2, 7, steps=40), cycle(3, 9, services=2)]
    real = cycle(4, 8, steps=20)
    pool = Pool(worlds, TIED, origins=5, real=real)
    assert np.bincount(pool.worlds).tolist() == [5, 5, 5]
    assert len(pool.real_rows) == 20 - 5
    network = tied_network(TIED)
    together = pool.losses(network, torch.cat([pool.rows, pool.real_rows]))
    assert together.shape == (15 + 15,)
    assert (together > 0).all()
    only = Pool([cycle(9, 10)], TIED, real=real)  # the history does not depend on its company
    torch.testing.assert_close(only.losses(network, only.real_rows), together[15:])
    with pytest.raises(DataError, match="there are no worlds"):
        Pool([], TIED)
    with pytest.raises(DataError, match="a world of 10 intervals is too short"):
        Pool([cycle(0, 5, steps=10)], TIED)


def test_untied_branches_start_alike() -> None:
    tied = tied_network(TIED)
    with torch.no_grad():
        for k, parameter in enumerate(tied.parameters()):
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(k)), alpha=0.2)
    inputs, geometry = windows(4, 3, past=12), neighbourhood(4, 2)
    inputs = inputs._replace(past=normal(2, 12, 5), future=normal(2, 4, 5, seed=1))
    free = untied(tied, 3, replace(CONFIG, sharing="soft"))
    assert len(free.branches) == 3
    torch.testing.assert_close(free(inputs, geometry), tied(inputs, geometry))
    one = Inputs(
        *(part[..., :1, :] if part.ndim == 5 else part[..., :1] if part.ndim == 4 else part for part in inputs)
    )
    torch.testing.assert_close(untied(tied, 1, CONFIG)(one, geometry), tied(one, geometry))


def pretrained_on(periods: list[float]) -> tuple[Pool, Callable[[], SimMSTNet]]:
    pool = Pool([cycle(k, period) for k, period in enumerate(periods)], TIED, origins=60, real=cycle(50, 10, steps=60))
    network = pretrain(pool, replace(TIED, steps=150))
    return pool, lambda: SimMSTNet(CONFIG, start=network, fine_tune=False)


def test_simulation_helps_when_little_is_known() -> None:
    full = cycle(100, 10)
    history = full[:30]
    _, zero_shot = pretrained_on([10.0] * 6)
    naive, alone = error(LastValue().fit(history), full), error(SimMSTNet(CONFIG).fit(history, []), full)
    found = error(zero_shot().fit(history), full)
    assert found < 0.6 * naive
    assert found < 0.9 * alone
    tuned = SimMSTNet(replace(CONFIG, anchor=0.1), start=zero_shot().start).fit(history)
    assert error(tuned, full) < 1.1 * found


def test_half_way_from_simulation_to_reality() -> None:
    history = cycle(100, 10, services=2)[:60]
    _, zero_shot = pretrained_on([10.0] * 2)
    start = untied(zero_shot().start, 2, CONFIG).state_dict()
    half, whole = (
        SimMSTNet(CONFIG, start=zero_shot().start, blend=blend).fit(history).network_.state_dict()
        for blend in (0.5, 1.0)
    )
    for name, value in half.items():
        torch.testing.assert_close(value, (start[name] + whole[name]) / 2 if value.is_floating_point() else value)
    assert any(not torch.equal(start[name], value) for name, value in whole.items())
    with pytest.raises(UsageError, match="blend is 0, expected a share above 0"):
        SimMSTNet(CONFIG, blend=0)


def test_fine_tuning_that_does_harm_is_undone() -> None:
    full = cycle(100, 10)
    _, zero_shot = pretrained_on([10.0] * 4)
    wild = replace(CONFIG, learning_rate=0.5, final_learning_rate=0.5, validate_every=5)
    spoilt = SimMSTNet(wild, start=zero_shot().start).fit(full[:60])
    np.testing.assert_allclose(
        spoilt.predict(full[:60], 4).values, zero_shot().fit(full[:60]).predict(full[:60], 4).values, rtol=1e-5
    )


def test_worlds_like_the_history_weigh_more() -> None:
    pool, _ = pretrained_on([10.0, 10.0, 10.0, 3.0, 3.0, 3.0])
    network = tied_network(TIED)
    config = replace(REWEIGHTING, steps=60, network_steps=5, real_batch=16, reach=400.0, inner_rate=0.1)
    found = weigh(network, pool, config)
    assert found.world_weights[:3].mean() > 1.05 > 0.95 > found.world_weights[3:].mean()
    assert found.effective >= 0.5


def test_own_worlds_and_the_uniform_control(monkeypatch: pytest.MonkeyPatch) -> None:
    history = cycle(100, 10, steps=60)
    quick = replace(REWEIGHTING, steps=2, network_steps=3)
    worlds = [cycle(k, 10) for k in range(3)]
    made = SimMSTNet(CONFIG, reweighting=quick, pretraining_steps=5).fit(history, worlds)
    assert made.reweighted_ is not None
    assert made.reweighted_.world_weights.shape == (3,)
    control = SimMSTNet(CONFIG, reweighting=quick, pretraining_steps=5, uniform=True, fine_tune=False)
    control.fit(history, worlds)
    assert control.start_ is not None
    assert control.reweighted_ is not None
    for name, value in control.reweighted_.equal_params.items():
        assert torch.equal(control.start_.state_dict()[name], value)
    assert control.start is None  # a second fit begins anew
    again = replace(CONFIG, width=16)  # not what comes with odflow: a new network learns from the worlds
    found = SimMSTNet(again, reweighting=None, pretraining_steps=None, fine_tune=False)
    monkeypatch.setattr("odflow.forecast.sim_mstnet.PRETRAINING_STEPS", 3)
    assert found.fit(history, worlds).network_.config.width == 16


def test_saved_networks(tmp_path: Path) -> None:
    network = tied_network(TIED)
    path = tmp_path / "net.safetensors"
    save_network(network, path, {"seed": 0})
    again = load_network(path)
    assert again.config == replace(network.config, sharing="tied")
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    with pytest.raises(FormatError, match="is not a model saved by odflow"):
        load_network(broken)
    with pytest.raises(UsageError, match="width is 16, the network to start from has 8"):
        SimMSTNet(replace(CONFIG, width=16), start=network).fit(cycle(0, 10))


def test_saved_forecasters(tmp_path: Path) -> None:
    history = cycle(3, 10, steps=60, services=2).assign_coords(node=["a", "b", "c"], service=["up", "down"])
    fitted = SimMSTNet(replace(CONFIG, steps=3)).fit(history, [])
    fitted.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert isinstance(again, SimMSTNet)
    np.testing.assert_array_equal(again.predict(history, 4).values, fitted.predict(history, 4).values)
    bands = again.predict_quantiles(history, 3)
    assert bands.dims == ("time", "node", "service", "quantile")
    assert bands["quantile"].values.tolist() == [0.1, 0.5, 0.9]
    np.testing.assert_array_equal(bands.sel(quantile=0.5).values, again.predict(history, 3).values)
    for other, message in (
        (history[:, ::-1], "nodes differ from those learnt from, in another order"),
        (history.assign_coords(service=["up", "web"]), "services differ from those learnt from, such as 'web'"),
    ):
        with pytest.raises(DataError, match=message):
            again.predict(other, 2)
    with pytest.raises(UsageError, match="not fitted"):
        SimMSTNet(CONFIG).save(tmp_path / "n.safetensors")


def test_the_network_that_comes_with_odflow(tmp_path: Path) -> None:
    history = cycle(3, 24, steps=72, nodes=4, services=2)
    zero_shot = SimMSTNet(fine_tune=False).fit(history)
    assert zero_shot.network_.config.sharing == "tied"
    full = cycle(3, 24, steps=160, nodes=4, services=2)
    origins = np.arange(80, 130)
    truth = full.values[origins[:, None] + np.arange(12)]
    own = SimMSTNet(fine_tune=False).fit(full[:72]).predict_at(full, origins, 12)
    naive = LastValue().fit(full[:72]).predict_at(full, origins, 12)
    assert np.abs(own - truth).mean() < 0.2 * np.abs(naive - truth).mean()
    with pytest.raises(UsageError, match="at most 24"):
        zero_shot.predict(history, 25)
    shorter = SimMSTNet(MSTNetConfig(lead=12), fine_tune=False).fit(history)
    np.testing.assert_array_equal(shorter.predict(history, 12).values, zero_shot.predict(history, 12).values)
    with pytest.raises(UsageError, match="lead is 30, the network to start from has 24"):
        SimMSTNet(MSTNetConfig(lead=30)).fit(history)


def test_onnx(tmp_path: Path) -> None:
    history = cycle(3, 10, steps=60)
    fitted = SimMSTNet(replace(CONFIG, steps=1)).fit(history, [])
    if find_spec("onnxscript") and find_spec("onnx"):
        fitted.export_onnx(tmp_path / "m.onnx")
        assert (tmp_path / "m.onnx").stat().st_size > 1000
    else:
        with pytest.raises(MissingDependencyError, match="pip install onnx onnxscript"):
            fitted.export_onnx(tmp_path / "m.onnx")
