"""Worlds on disk, one after the other, so that any number of them can be kept."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import h5netcdf
import numpy as np
import xarray as xr

from odflow.errors import UsageError
from odflow.files import replacing
from odflow.traffic.arrays import need_zarr

if TYPE_CHECKING:
    from odflow.simulate.randomise import World

SUFFIXES = (".nc", ".zarr")
_COMPRESSED = {"zlib": True, "complevel": 1, "shuffle": True}


def write_worlds(worlds: Iterable[World], path: str | Path, *, dtype: Literal["float32", "float64"] = "float32") -> int:
    """Write worlds as they come, with one of them in memory.

    The file holds the traffic, with ``world`` as its first dimension (the worlds' seeds), and ``value`` (world,
    parameter): what was drawn for each, by name; ``xarray.open_dataset`` reads it piece by piece.

    Parameters
    ----------
    worlds : iterable of World
        Of one simulator.
    path : path-like
        ``.nc`` or ``.zarr``; replaced as a whole when all is written.
    dtype : {"float32", "float64"}
        Of the traffic.

    Returns
    -------
    int
        Worlds written.

    Raises
    ------
    UsageError
        For another suffix, or without worlds.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: worlds are written to {' or '.join(SUFFIXES)}")
    if suffix == ".zarr":
        need_zarr()
    count = 0
    with replacing(path) as temporary:
        for count, world in enumerate(worlds, 1):
            dataset = _dataset(world, dtype)
            if suffix == ".zarr":
                _to_zarr(dataset, temporary, first=count == 1)
            else:
                _to_netcdf(dataset, temporary, first=count == 1)
        if not count:
            raise UsageError("there are no worlds to write")
    return count


def _dataset(world: World, dtype: str) -> xr.Dataset:
    traffic = world.traffic.astype(dtype).expand_dims(world=[world.seed])
    traffic.attrs = {name: value for name, value in world.traffic.attrs.items() if name != "simulator_seed"}
    names, values = zip(*world.parameters.items(), strict=True)
    return traffic.to_dataset().assign(
        value=(("world", "parameter"), np.array([values])), parameter=("parameter", np.array(names))
    )


def _to_zarr(dataset: xr.Dataset, path: Path, *, first: bool) -> None:
    if first:
        dataset.to_zarr(path, mode="w", zarr_format=2, consolidated=True)
    else:
        dataset.to_zarr(path, append_dim="world", zarr_format=2, consolidated=True)


def _to_netcdf(dataset: xr.Dataset, path: Path, *, first: bool) -> None:
    name = str(next(iter(dataset.data_vars)))
    if first:
        encoding = {name: _COMPRESSED | {"chunksizes": dataset[name].shape}}
        dataset.to_netcdf(path, engine="h5netcdf", unlimited_dims=["world"], encoding=encoding)
        return
    with h5netcdf.File(path, "a") as file:
        count = file.dimensions["world"].size
        file.resize_dimension("world", count + 1)
        for variable in ("world", "value", name):
            file[variable][count] = dataset[variable].values[0]
