"""Real traffic to forecast, by name, with the splits that published results refer to."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from odflow.errors import DataError, FormatError, UsageError
from odflow.labels import IN, OUT
from odflow.traffic import datasets
from odflow.traffic.city_grid import MILANO
from odflow.traffic.download import Store, real_data_folder
from odflow.traffic.series import SeriesSet, from_tms, regular, series_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

__all__ = ["NAMES", "load"]

_TRAIN, _TRAIN_AND_VALIDATION = 0.7, 0.8
_LOCAL = "times are local, as in the file"


def load(name: str) -> SeriesSet:
    """A set by name; see :func:`odflow.data.series`."""
    if name not in _LOADERS:
        raise UsageError(f"unknown set of series '{name}'; use one of {', '.join(NAMES)}")
    return _LOADERS[name](name)


def _tms(name: str) -> SeriesSet:
    base, _, kind = name.partition("-")
    data: datasets.Dataset = getattr(datasets, base)()
    if kind == "links":
        traffic = from_tms(data.demands, data.routing)
        traffic = traffic[:, [not link.startswith((IN, OUT)) for link in data.routing.links]]
    else:
        traffic = from_tms(data.demands, network=data.network, flows=kind == "od")
    return _split(name, traffic, data.demands["time"].values, data.sha256, data.source)


def _c2tm(name: str) -> SeriesSet:
    data, sha256, source = _arrays("c2tm_clustered_users_packets_bytes_hourly.npz")
    nodes = [str(one).removeprefix("fog_").removesuffix(".0") for one in data["fog_ids"]]
    services = data["services"].tolist()
    traffic = regular(series_array(data["fog"], data["timestamps"], nodes, services, services, 3600.0))
    days = traffic["time"].values[0] + np.array([5, 6]) * np.timedelta64(1, "D")
    source = f"C2TM, one of China's cities, 32 groups of base stations, August 2012; {_LOCAL}; {source}"
    return SeriesSet(name, traffic, days[0], days[1], sha256, source)


def _lte(name: str) -> SeriesSet:
    data, sha256, source = _arrays("lte_barcelona_2bs_11feat_2min.npz")
    station = {"lte-elborn": "ElBorn", "lte-lescorts": "LesCorts"}[name]
    used = [data["features"].tolist().index(one) for one in ("down", "up", "rnti_count")]
    time, train = data[f"{station}_time"], int(data[f"{station}_ntrain"])
    units, services = ["bit", "bit", "users"], ["down", "up", "users"]
    traffic = regular(series_array(data[station][:, None, used], time, [station], services, units, 120.0))
    time = time.astype("datetime64[ns]")
    fitted = round(train * _TRAIN / _TRAIN_AND_VALIDATION)
    source = f"LTE control channel of a base station in Barcelona; {_LOCAL}; {source}"
    return SeriesSet(name, traffic, time[fitted], time[train], sha256, source)


def _milan(name: str) -> SeriesSet:
    data, sha256, source = _arrays("milan_dgrn25_internet_10min.npz")
    squares = data["cell_ids_candidate"].astype(int)
    x, y = MILANO.places(squares)
    time, services = data["timestamps"], data["services"].tolist()
    places = {"x_m": x, "y_m": y}
    array = series_array(data["data"], time, squares.astype(str).tolist(), services, ["activity"], 600.0, places)
    source = f"Telecom Italia Big Data Challenge, 25 squares of Milano, internet; {_LOCAL}; {source}"
    return _split(name, regular(array), array["time"].values, sha256, source)


def _split(name: str, traffic: xr.DataArray, measured: Any, sha256: str, source: str) -> SeriesSet:
    """70 % of the measured intervals for training, 10 % for validation, the rest for testing."""
    parts = [measured[round(share * len(measured))] for share in (_TRAIN, _TRAIN_AND_VALIDATION)]
    return SeriesSet(name, traffic, parts[0], parts[1], sha256, source)


def _arrays(file: str) -> tuple[Arrays, str, str]:
    """Arrays of a file, its SHA-256, and where it comes from."""
    path = _found(file)
    sha256 = Store.of_user().verified(path)
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as found:
            data = {name: found[name] for name in found.files}
        origin = json.loads(str(data.pop("provenance", "{}")))
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(path, f"is damaged: {error}") from error
    return data, sha256, str(origin.get("repo", path.name))


def _found(file: str) -> Path:
    for folder in (real_data_folder(), Store.of_user().folder):
        if (folder / file).is_file():
            return folder / file
    raise DataError(f"{file} is not here; set ODFLOW_REAL_DATA to the folder that holds it")


_LOADERS: dict[str, Callable[[str], SeriesSet]] = {
    "milan": _milan,
    "c2tm": _c2tm,
    "lte-elborn": _lte,
    "lte-lescorts": _lte,
    **dict.fromkeys(("abilene", "abilene-links", "abilene-od", "geant", "geant-links", "geant-od"), _tms),
}
NAMES = tuple(_LOADERS)
