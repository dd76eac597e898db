"""Real traffic in two halves: one to calibrate simulators on, one to check them on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow.traffic import datasets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.model import Network

STRETCH_S = 14 * 86400
_COMPLETE = {"geant": np.datetime64("2005-02-04")}  # before, all that leaves two of its nodes is missing


@dataclass(frozen=True, eq=False)
class Halves:
    """Stretches without gaps, of TMs (time, origin, destination) or cells (time, cell, service).

    Parameters
    ----------
    calibrate, check : tuple of DataArray
    network : Network or None
        Of the TMs.
    rule : str
        How the data were halved.
    """

    calibrate: tuple[xr.DataArray, ...]
    check: tuple[xr.DataArray, ...]
    network: Network | None
    rule: str


def halves(name: str) -> Halves:
    """Real traffic by name, one of `REAL`.

    Raises
    ------
    DataError
        If it is not here.
    """
    return REAL[name](name)


def _tms(name: str) -> Halves:
    """Alternating stretches of two weeks of the training weeks."""
    data = getattr(datasets, name)()
    demands = data.train
    demands = demands[demands["time"].values >= _COMPLETE.get(name, np.datetime64("1970-01-01"))]
    parts = [_repaired(part) for part in stretches(demands)]
    return Halves(tuple(parts[::2]), tuple(parts[1::2]), data.network, "alternating two weeks of the training weeks")


def stretches(demands: xr.DataArray) -> list[xr.DataArray]:
    """All two weeks without gaps in time, from the beginning of each part without gaps on."""
    step = np.timedelta64(round(demands.attrs["interval_s"] * 1e9), "ns")
    length = round(STRETCH_S / demands.attrs["interval_s"])
    breaks = np.flatnonzero(np.diff(demands["time"].values) != step) + 1
    ends = [*breaks.tolist(), len(demands)]
    begins = [0, *breaks.tolist()]
    return [
        demands[at : at + length]
        for begin, end in zip(begins, ends, strict=True)
        for at in range(begin, end - length + 1, length)
    ]


def _repaired(part: xr.DataArray) -> xr.DataArray:
    """TMs that are incomplete or flagged as glitches replaced by the ones before."""
    x = part.values.copy()
    bad = ~np.isfinite(x).all(axis=(1, 2))
    if "valid" in part.coords:
        bad |= ~part["valid"].values.astype(bool)
    good = np.where(bad, 0, np.arange(len(x)))
    return part.copy(data=x[np.maximum.accumulate(good)])


def _milan(name: str) -> Halves:
    """The first and the last half of a month of 25 squares in the centre of Milano."""
    traffic = _cells("milan")
    half = len(traffic) // 2
    return Halves((traffic[:half],), (traffic[half:],), None, "first and last 15 days")


def _c2tm(name: str) -> Halves:
    """Every other node of a city in China (users, packets, bytes; eight days)."""
    traffic = _cells("c2tm")
    return Halves((traffic[:, ::2],), (traffic[:, 1::2],), None, "every other node")


def _lte(name: str) -> Halves:
    """Two base stations in Barcelona (bits down and up, users; twelve and seven days)."""
    return Halves((_cells("lte-lescorts"),), (_cells("lte-elborn"),), None, "one base station each")


def _cells(name: str) -> xr.DataArray:
    """Series of nodes as traffic of cells, gaps filled."""
    traffic = datasets.series(name).traffic
    return traffic.copy(data=_filled(traffic.values)).rename(node="cell")


def _filled(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaps filled linearly in time."""
    flat = np.array(x, dtype=float).reshape(len(x), -1)
    at = np.arange(len(flat))
    for series in flat.T:
        known = np.isfinite(series)
        series[~known] = np.interp(at[~known], at[known], series[known])
    return flat.reshape(x.shape)


REAL: dict[str, Callable[[str], Halves]] = {
    "abilene": _tms,
    "geant": _tms,
    "milan": _milan,
    "c2tm": _c2tm,
    "lte": _lte,
}
