"""The front door for traffic: read demands and loads from any format, write them."""

from __future__ import annotations

import glob
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import DataError, LabelError, OdflowError, UsageError, listed
from odflow.files import replacing
from odflow.traffic.arrays import read_array, write_array
from odflow.traffic.parts import Part, assemble, by_name, matched, renamed
from odflow.traffic.recognise import ARRAY_FORMATS, FORMATS, recognise
from odflow.traffic.repetita import read_repetita
from odflow.traffic.sndlib import read_sndlib_native, read_sndlib_xml
from odflow.traffic.tables import DEMAND, EXTRA, LOAD, Kind, read_csv, read_parquet
from odflow.traffic.tablewriter import write_csv, write_parquet
from odflow.traffic.totem import read_totem
from odflow.traffic.units import prefixed
from odflow.traffic.zhang import read_zhang

__all__ = ["read_demands", "read_loads", "write"]

PathLike = str | Path


def read_demands(
    path: PathLike,
    *,
    format: str | None = None,
    unit: str | None = None,
    interval: str | float | None = None,
    nodes: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
    column: str | int = "measured",
    start: str | Sequence[str] | None = None,
    progress: bool = False,
) -> xr.DataArray:
    """Read traffic matrices from a file, a folder or a glob of files such as ``"tm/IntraTM-*.xml"``.

    Parameters
    ----------
    path : path-like
        NetCDF, Zarr, Parquet, CSV (long or wide), Zhang's ``X`` files, SNDlib demand XML or native
        text, TOTEM TrafficMatrix XML, REPETITA ``.demands``. Several files are joined and sorted by time.
    format : str, optional
        One of ``netcdf``, ``zarr``, ``parquet``, ``csv``, ``zhang``, ``sndlib-xml``, ``sndlib-native``,
        ``totem``, ``repetita``; only needed when suffix and content do not tell.
    unit : str, optional
        Unit of the values where the file states none: ``bit/s`` (the default for CSV and Parquet),
        ``kbit/s`` (the default for TOTEM and REPETITA), ``Mbit/s``, ``Gbit/s``, ``byte/s``.
    interval : str or float, optional
        Length of an interval, ``"5min"`` or seconds, where the file does not state it; the most common
        spacing of the times by default.
    nodes : sequence of str, optional
        Nodes in the order wanted; all those of the file must be among them. For REPETITA and Zhang,
        the names in the order of the file (Zhang's files: Abilene's twelve by default).
    rename : mapping of str to str, optional
        Old to new names, such as ``{"ATLAM5": "ATLA-M5"}``; names are never guessed.
    column : str or int
        For Zhang's files: ``"measured"`` or 1, 2 to 5 (or their names) for Zhang's estimates.
    start : str or sequence of str, optional
        UTC time of the first interval for formats that state none (REPETITA, SNDlib's planning
        instances, Zhang's files not named ``X01`` to ``X24``): one time, or one per file.
    progress : bool
        Show a progress bar on stderr while reading several files, if it is a terminal.

    Returns
    -------
    DataArray (time, origin, destination)
        ``demand`` in bit/s, at UTC starts of intervals of ``attrs["interval_s"]``. A pair absent from
        a per-interval file (SNDlib, TOTEM, REPETITA) is 0, for these formats leave zeros out; one that
        has no row in CSV or Parquet is NaN, not measured. Arrays with ``sample``, ``quantile`` or
        ``service`` keep these dims in front.

    Raises
    ------
    OdflowError
        One line naming file, line, node or time.

    Examples
    --------
    >>> tm = odflow.read_demands("sndlib/demandMatrix-*.xml", rename={"ATLAM5": "ATLA-M5"})  # doctest: +SKIP
    """
    if nodes is not None:
        nodes = labels.label_list(nodes, "nodes")
        if len(set(nodes)) < len(nodes):
            raise LabelError(f"nodes names {listed(sorted({n for n in nodes if nodes.count(n) > 1}))} more than once")
    paths = _listing(path)
    kind = _one_format(paths, format)
    _check_options(kind, column, start)
    reading = _tracked(paths, progress)
    if kind in ARRAY_FORMATS:
        arrays = [_ordered(file, _read(file, kind, DEMAND, unit, interval), nodes, rename) for file in reading]
        return _joined(arrays, paths, DEMAND)
    read = _part_reader(kind, unit, nodes, column)
    # these formats name nodes by position in `nodes`
    wanted = None if kind in ("repetita", "zhang") else nodes
    return assemble([read(file) for file in reading], start=start, interval=interval, nodes=wanted, rename=rename)


def read_loads(path: PathLike, *, unit: str | None = None, interval: str | float | None = None) -> xr.DataArray:
    """Read link loads from NetCDF, Zarr, Parquet or CSV; several files are joined and sorted by time.

    Parameters
    ----------
    path : path-like
        File, folder or glob. Tables are long, ``time,link,load[,quality,bound]``; CSV may also be wide,
        ``time`` and one column per link.
    unit, interval
        As in :func:`read_demands`.

    Returns
    -------
    DataArray (time, link)
        ``load`` in bit/s; NaN = not measured. ``quality`` and ``bound`` of loads from counters are kept.

    Raises
    ------
    OdflowError
        One line naming file, line, link or time.
    """
    paths = _listing(path)
    kind = _one_format(paths, None)
    if kind not in ARRAY_FORMATS:
        raise UsageError(f"{paths[0]}: {kind} holds demands, not loads; loads come as NetCDF, Zarr, Parquet or CSV")
    return _joined([_read(file, kind, LOAD, unit, interval) for file in paths], paths, LOAD)


def write(array: xr.DataArray, path: PathLike) -> None:
    """Write demands or loads; the suffix says how: ``.nc``, ``.zarr``, ``.parquet``, ``.csv``.

    Parameters
    ----------
    array : DataArray
        Demands (time, origin, destination) or loads (time, link), in bit/s, possibly with ``sample``,
        ``quantile`` or ``service`` dims and ``quality``, ``bound`` or ``valid`` coordinates. All four formats give
        back the same values; NetCDF and Zarr also keep other coordinates, CSV no attributes.
    path : path-like
        Replaced as a whole when all is written.

    Raises
    ------
    UsageError
        For another suffix.
    DataError, LabelError, UnitError
        If the array is not what odflow works with.
    """
    file = Path(path)
    kind = _kind_of(array)
    extra = tuple(dim for dim in EXTRA if dim in array.dims)
    check = labels.check_demands if kind is DEMAND else labels.check_loads
    checked = check(array, extra=extra).rename(kind.name)
    writers: dict[str, Callable[[xr.DataArray, Path], None]] = {
        ".nc": lambda a, p: write_array(a, p, zarr=False),
        ".zarr": lambda a, p: write_array(a, p, zarr=True),
        ".parquet": lambda a, p: write_parquet(a, p, kind),
        ".csv": lambda a, p: write_csv(a, p, kind),
    }
    if file.suffix.lower() not in writers:
        raise UsageError(f"{file}: unknown suffix '{file.suffix}'; use {', '.join(writers)}")
    with replacing(file) as temporary:
        writers[file.suffix.lower()](checked, temporary)


def _kind_of(array: object) -> Kind:
    dims = getattr(array, "dims", ())
    if not isinstance(array, xr.DataArray) or not ({"origin", "destination"} <= set(dims) or "link" in dims):
        raise DataError(
            f"expected demands (time, origin, destination) or loads (time, link), not {dims or type(array)}"
        )
    return LOAD if "link" in dims else DEMAND


def _listing(path: PathLike) -> list[Path]:
    text, given = str(path), Path(path)
    try:
        exists, folder = given.exists(), given.is_dir()
    except (OSError, ValueError) as error:
        raise OdflowError(f"cannot read {text!r}: {error}") from error
    if exists and (not folder or _is_zarr(given)):
        return [given]
    if folder:
        names = by_name(entry.name for entry in given.iterdir() if not entry.name.startswith("."))
        found = [given / name for name in names]
    elif glob.has_magic(text):
        found = [Path(name) for name in by_name(glob.glob(text, recursive=True))]  # noqa: PTH207  (absolute or relative, as given)
    else:
        raise OdflowError(f"{path}: no such file or folder")
    if not found:
        raise OdflowError(f"{path}: {'an empty folder' if folder else 'matches no file'}")
    return found


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).exists() for name in (".zgroup", ".zarray", "zarr.json")) or folder.suffix == ".zarr"


def _one_format(paths: Sequence[Path], given: str | None) -> str:
    if given is not None:
        if given not in FORMATS:
            raise UsageError(f"unknown format '{given}'; use one of {', '.join(FORMATS)}")
        return given
    first = recognise(paths[0])
    for file in paths[1:]:
        other = recognise(file)
        if other != first:
            raise UsageError(f"{paths[0]} is {first} but {file} is {other}; choose the files, as in 'folder/*.xml'")
    return first


def _check_options(kind: str, column: str | int, start: object) -> None:
    if kind != "zhang" and column != "measured":
        raise UsageError(f"column={column!r} is for Zhang's files, not for {kind}")
    if kind in ARRAY_FORMATS and start is not None:
        raise UsageError(f"start= is for formats without times, not for {kind}")


def _part_reader(kind: str, unit: str | None, nodes: Sequence[str] | None, column: str | int) -> Callable[[Path], Part]:
    if kind == "zhang" and unit is not None:
        raise UsageError("Zhang's files have a unit of their own (100 bytes per 5 min); leave out unit=")
    readers: dict[str, Callable[[Path], Part]] = {
        "zhang": lambda file: read_zhang(file, column, nodes),
        "sndlib-xml": lambda file: read_sndlib_xml(file, unit),
        "sndlib-native": lambda file: read_sndlib_native(file, unit),
        "totem": lambda file: read_totem(file, unit),
        "repetita": lambda file: read_repetita(file, nodes, unit),
    }
    return readers[kind]


def _read(file: Path, kind: str, what: Kind, unit: str | None, interval: str | float | None) -> xr.DataArray:
    read = {"csv": read_csv, "parquet": read_parquet, "netcdf": read_array, "zarr": read_array}[kind]
    array = read(file, what, unit, interval)
    extra = tuple(dim for dim in EXTRA if dim in array.dims)
    try:
        return (
            labels.check_demands(_square(array), extra=extra)
            if what is DEMAND
            else labels.check_loads(array, extra=extra)
        )
    except (DataError, LabelError) as error:
        raise prefixed(file, error) from error


def _square(array: xr.DataArray) -> xr.DataArray:
    """Same nodes on both sides; what one side lacks is not measured."""
    sides = [[str(name) for name in array[dim].values] for dim in ("origin", "destination")]
    both = list(dict.fromkeys(sides[0] + sides[1]))
    if sides == [both, both] or any(len(set(side)) < len(side) for side in sides):
        return array
    return array.reindex(origin=both, destination=both)


def _ordered(
    file: Path, array: xr.DataArray, nodes: Sequence[str] | None, rename: Mapping[str, str] | None
) -> xr.DataArray:
    have = tuple(str(name) for name in array["origin"].values)
    names = renamed(file, have, rename)
    if rename:
        array = array.assign_coords(origin=list(names), destination=list(names))
    if nodes is None or names == tuple(nodes):
        return array
    matched(file, names, nodes)
    return array.reindex(origin=list(nodes), destination=list(nodes))


def _joined(arrays: list[xr.DataArray], paths: Sequence[Path], kind: Kind) -> xr.DataArray:
    first = arrays[0]
    if len(arrays) == 1:
        return first
    dims = [dim for dim in first.dims if dim != "time"]
    aligned = [first]
    for file, array in zip(paths[1:], arrays[1:], strict=True):
        for dim in dims:
            odd = set(first[dim].values.tolist()) ^ (set(array[dim].values.tolist()) if dim in array.dims else set())
            if odd or array.ndim != first.ndim:
                raise LabelError(f"{paths[0]} and {file} differ in {dim} {listed(odd)}; read them one by one")
        if array.attrs["interval_s"] != first.attrs["interval_s"]:
            raise LabelError(f"{paths[0]} and {file} have intervals of different length; pass interval=")
        aligned.append(array.sel({dim: first[dim].values for dim in dims}))
    owner = np.repeat(np.arange(len(aligned)), [array.sizes["time"] for array in aligned])
    whole = xr.concat(aligned, "time", coords="minimal", compat="override", combine_attrs="override", join="exact")
    order = np.argsort(whole["time"].values, kind="stable")
    times = whole["time"].values[order]
    same = np.flatnonzero(times[1:] == times[:-1])
    if same.size:
        pair = [paths[owner[order[same[0] + k]]] for k in (0, 1)]
        raise LabelError(
            f"{pair[0]} and {pair[1]} both hold the time {times[same[0]].astype('datetime64[s]')}; drop one"
        )
    return whole.isel(time=order).rename(kind.name)


def _tracked(paths: Sequence[Path], progress: bool) -> Iterable[Path]:
    if not progress or len(paths) < 2 or not sys.stderr.isatty():
        return paths
    return _bar(paths)


def _bar(paths: Sequence[Path]) -> Iterator[Path]:
    from rich.console import Console
    from rich.progress import track

    yield from track(paths, description="reading", console=Console(stderr=True), transient=True)
