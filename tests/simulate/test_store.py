from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from odflow import Network, Node
from odflow.errors import UsageError
from odflow.simulate import (
    SERVICES,
    BackboneConfig,
    BackboneRandomization,
    BackboneSimulator,
    CellularConfig,
    CellularRandomization,
    CellularSimulator,
    randomize,
    write_worlds,
)

NETWORK = Network(tuple(Node(f"n{k}", 45 + k, 2 * k) for k in range(4)), ())
BACKBONE = BackboneSimulator(NETWORK, BackboneConfig(interval="1h", total=5e9))
CITY = CellularSimulator(CellularConfig(weeks=1, stations=5, width_km=2, height_km=2))


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.parametrize(
    ("simulator", "randomization"), [(BACKBONE, BackboneRandomization()), (CITY, CellularRandomization())]
)
def test_worlds_come_back(simulator, randomization, suffix: str, tmp_path: Path) -> None:
    if suffix == ".zarr":
        pytest.importorskip("zarr")
    path = tmp_path / f"worlds{suffix}"
    worlds = list(randomize(simulator, randomization, 3, seed=5))
    assert write_worlds(iter(worlds), path, dtype="float64") == 3
    with xr.open_dataset(path, engine="zarr" if suffix == ".zarr" else "h5netcdf") as read:
        assert read["world"].values.tolist() == [world.seed for world in worlds]
        traffic = read["demand" if simulator is BACKBONE else "traffic"]
        for k, world in enumerate(worlds):
            np.testing.assert_array_equal(traffic[k].values, world.traffic.values)
            for name, value in world.parameters.items():
                assert float(read["value"].sel(parameter=name)[k]) == value
        np.testing.assert_array_equal(read["time"].values, simulator.times)
        assert traffic.attrs["interval_s"] == 3600


def test_parameters_of_services() -> None:
    config = replace(BACKBONE.config, services=SERVICES)
    (world,) = randomize(replace(BACKBONE, config=config), BackboneRandomization(), 1)
    assert world.parameters["video.share"] == 0.6
    assert world.parameters["friction"] == world.config.friction
    assert "interval" not in world.parameters


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    def failing():
        yield from randomize(BACKBONE, BackboneRandomization(), 1)
        raise RuntimeError("power cut")

    path = tmp_path / "worlds.nc"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="power cut"):
        write_worlds(failing(), path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["worlds.nc"]
    with pytest.raises(UsageError, match="there are no worlds"):
        write_worlds([], path)
    with pytest.raises(UsageError, match=r"worlds\.csv: worlds are written to \.nc or \.zarr"):
        write_worlds([], tmp_path / "worlds.csv")
