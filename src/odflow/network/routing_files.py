"""Routing matrices in files: long CSV and NetCDF.

A CSV has one row per entry, ``link,origin,destination,fraction``, with the time ``start`` (UTC) in
front for routing epochs. Rows with fraction 0 carry labels only: a link that no pair uses has one,
and the first link has one per node where the order of nodes would otherwise be lost. Both formats
keep links, nodes, their order and the fractions exactly; neither keeps the network, so that what is
read cannot be routed again (``Routing.without``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import xarray as xr
from scipy.sparse import coo_array, csr_array

from odflow.errors import FormatError, RoutingError, UsageError, listed
from odflow.files import readable, replacing
from odflow.network.epochs import RoutingEpochs
from odflow.network.formats.common import clean
from odflow.network.routing import Routing
from odflow.network.routing_csv import TOLERANCE, Entries, read_csv, repeated, write_csv, wrong_kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KIND = "odflow routing"


def write_routing(routing: Routing, path: str | Path) -> None:
    """Write a routing as CSV or NetCDF, by suffix.

    Parameters
    ----------
    routing : Routing
    path : path-like
        ``.csv`` or ``.nc``.

    Raises
    ------
    RoutingError
        If it has no links, or labels that a file cannot hold.
    UsageError
        For another suffix.
    """
    _write([routing], None, Path(path))


def write_epochs(epochs: RoutingEpochs, path: str | Path) -> None:
    """Write routing epochs as CSV or NetCDF; as :func:`write_routing`, with the starts."""
    _write(epochs.routings, epochs.starts, Path(path))


def read_routing(path: str | Path) -> Routing:
    """Read a routing from CSV or NetCDF.

    In a CSV, links and nodes are in order of appearance (a row's origin before its destination),
    and columns may come in any order.

    Raises
    ------
    FormatError
        With file and line (CSV): wrong columns, empty labels, a fraction that is no number in
        [0, 1], an entry given twice; or if the file holds epochs.
    UsageError
        For a suffix other than ``.csv`` and ``.nc``.
    """
    return _routings(_read(path, with_starts=False))[0]


def read_epochs(path: str | Path) -> RoutingEpochs:
    """Read routing epochs from CSV or NetCDF; as :func:`read_routing`.

    Times are UTC unless they state an offset. Epochs may come in any order.
    """
    entries = _read(path, with_starts=True)
    return RoutingEpochs(entries.starts, tuple(_routings(entries)))


def _routings(entries: Entries) -> list[Routing]:
    n = len(entries.nodes)
    column = entries.origin * n + entries.destination
    shape = (len(entries.links), n * n)
    made = []
    for epoch in range(len(entries.starts)):
        here = slice(None) if len(entries.starts) == 1 else entries.epoch == epoch
        matrix = coo_array((entries.fraction[here], (entries.link[here], column[here])), shape=shape)
        made.append(Routing(csr_array(matrix), entries.links, entries.nodes))
    return made


def _read(path: str | Path, *, with_starts: bool) -> Entries:
    file = readable(path)
    match _suffix(file):
        case ".csv":
            return read_csv(file, with_starts)
        case _:
            return _read_netcdf(file, with_starts)


def _write(routings: Sequence[Routing], starts: NDArray[np.datetime64] | None, path: Path) -> None:
    suffix, first = _suffix(path), routings[0]
    if not first.links or not first.nodes:
        raise RoutingError(f"cannot write {path}: the routing has no links or no nodes")
    labels = first.links + first.nodes
    odd = [repr(label) for label in labels if not label or label != label.strip() or not label.isprintable()]
    if odd:
        raise RoutingError(f"cannot write {path}: label {listed(odd)} is empty or has line breaks, tabs, outer blanks")
    with replacing(path) as temporary:
        if suffix == ".csv":
            write_csv(routings, starts, temporary)
        else:
            _write_netcdf(routings, starts, temporary)


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".nc"):
        raise UsageError(f"a routing file is .csv or .nc, not '{suffix}' ({path.name})")
    return suffix


def _write_netcdf(routings: Sequence[Routing], starts: NDArray[np.datetime64] | None, path: Path) -> None:
    first, parts = routings[0], [routing.matrix.tocoo() for routing in routings]
    origin, destination = np.divmod(np.concatenate([part.col for part in parts]).astype(np.int64), len(first.nodes))
    entries: dict[str, NDArray[np.generic]] = {
        "link_index": np.concatenate([part.row for part in parts]).astype(np.int32),
        "origin_index": origin.astype(np.int32),
        "destination_index": destination.astype(np.int32),
        "fraction": np.concatenate([part.data for part in parts]),
    }
    labels = {"link": np.array(first.links, dtype=object), "node": np.array(first.nodes, dtype=object)}
    dataset = xr.Dataset(coords={name: (name, values) for name, values in labels.items()})
    if starts is not None:
        entries["epoch_index"] = np.repeat(np.arange(len(parts), dtype=np.int32), [part.nnz for part in parts])
        dataset["start"] = ("epoch", starts.astype(np.int64), {"units": "nanoseconds since 1970-01-01"})
    for name, values in entries.items():
        dataset[name] = ("entry", values)
    dataset.attrs = {"kind": _KIND, "version": 1}
    packed = {name: {"zlib": True, "complevel": 1, "shuffle": True} for name in entries if len(origin)}
    dataset.to_netcdf(path, engine="h5netcdf", encoding=packed)


def _read_netcdf(path: Path, with_starts: bool) -> Entries:
    try:
        if not h5py.is_hdf5(path):
            raise ValueError("it is no HDF5 file, as NetCDF-4 is")
        # first with h5py: h5netcdf leaves noise on stderr when it fails half-way through opening a file
        with h5py.File(path) as file:
            kind = dict(file.attrs).get("kind")
        with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as dataset:
            data = {str(name): np.asarray(values) for name, values in dataset.load().variables.items()}
    except Exception as error:  # whatever a damaged file makes HDF5, h5py and xarray raise
        raise FormatError(path, f"cannot be read as NetCDF ({clean(error)[:80]})") from error
    if kind != _KIND:
        raise FormatError(path, "is a NetCDF file but holds no routing")
    if ("start" in data) != with_starts:
        raise wrong_kind(path, with_starts)
    fraction = _vector(path, data, "fraction", "f").astype(float)
    if not ((fraction >= 0) & (fraction <= 1 + TOLERANCE)).all():
        raise FormatError(path, "a fraction is not in [0, 1]")
    links, nodes = (tuple(map(str, _vector(path, data, name, "OUT"))) for name in ("link", "node"))
    starts, epoch = np.zeros(1, dtype="datetime64[ns]"), np.zeros(len(fraction), dtype=np.int64)
    if with_starts:
        starts = _vector(path, data, "start", "i").astype("datetime64[ns]")
        epoch = _positions(path, data, "epoch_index", len(starts))
    link = _positions(path, data, "link_index", len(links))
    origin, destination = (_positions(path, data, f"{end}_index", len(nodes)) for end in ("origin", "destination"))
    entries = Entries(starts, links, nodes, epoch, link, origin, destination, fraction)
    if (again := repeated(entries)) is not None:
        raise FormatError(path, f"{entries.describe(again)} is given twice")
    return entries


def _vector(path: Path, data: dict[str, NDArray[np.generic]], name: str, kinds: str) -> NDArray[np.generic]:
    values = data.get(name)
    if values is None or values.ndim != 1 or values.dtype.kind not in kinds:
        raise FormatError(path, f"has no usable variable '{name}'; write it with Routing.write")
    return values


def _positions(path: Path, data: dict[str, NDArray[np.generic]], name: str, size: int) -> NDArray[np.int64]:
    values = _vector(path, data, name, "iu").astype(np.int64)
    if len(values) != len(data["fraction"]):
        raise FormatError(path, f"has {len(values)} values of '{name}' for {len(data['fraction'])} fractions")
    if values.size and not (values.min() >= 0 and values.max() < size):
        raise FormatError(path, f"'{name}' points beyond its {size} labels")
    return values
