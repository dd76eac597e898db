"""Opening what the user named, and checking outputs before any work is done."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from odflow.errors import DataError, LabelError, OdflowError, UsageError, listed

if TYPE_CHECKING:
    import xarray as xr

    from odflow.network.epochs import RoutingEpochs
    from odflow.network.model import Network
    from odflow.network.routing import Routing

TOPOHUB = "topohub:"
ARRAYS = (".nc", ".zarr", ".parquet", ".csv")
ROUTINGS = (".csv", ".nc")
Missing = Literal["raise", "nan"]
TYPED: ContextVar[tuple[str, ...]] = ContextVar("TYPED", default=())  # what follows odflow on the command line


def command_line() -> str:
    """The command as it was typed, for the provenance of what it makes."""
    return shlex.join(("odflow", *TYPED.get()))


def open_network(name: str) -> Network:
    """Read a topology file, or take ``topohub:GROUP/NAME`` from the topohub package."""
    from odflow.network.formats.topohub import topohub_keys
    from odflow.network.model import Network

    if name.startswith(TOPOHUB):
        return Network.from_topohub(name.removeprefix(TOPOHUB))
    if not Path(name).exists() and name in topohub_keys():
        raise UsageError(f"{name}: no such file; the network of topohub is {TOPOHUB}{name}")
    return Network.read(name)


def open_routing(network: str | None, routing: Path | None, metric: str = "metric") -> Routing | RoutingEpochs:
    """Route a network, or read a routing; exactly one of the two is given."""
    from odflow.network.routing import Routing

    if (network is None) == (routing is None):
        raise UsageError("give either --network NET or --routing FILE" + ("" if network is None else ", not both"))
    if network is not None:
        return Routing.shortest_path(open_network(network), metric=metric)
    assert routing is not None
    return read_any_routing(routing)


def read_any_routing(path: Path) -> Routing | RoutingEpochs:
    """Read a routing file, with or without epochs."""
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

    return RoutingEpochs.read(path) if _has_epochs(path) else Routing.read(path)


def looks_like_routing(path: Path) -> bool:
    """Whether a file is a routing matrix rather than a topology."""
    return path.suffix == ".nc" or bool({"fraction", "origin"} & set(_header(path)))


def holds_loads(name: str) -> bool:
    """Whether a file is of link loads rather than traffic matrices."""
    path = Path(name)
    if path.suffix == ".csv":
        return path.is_file() and "origin" not in _header(path)
    if path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        try:
            return "link" in parquet.read_schema(path).names
        except (OSError, ValueError):
            return False  # the reader says what is wrong
    return _in_hdf(path, "link") if path.suffix == ".nc" else (path / "link").is_dir()


def _has_epochs(path: Path) -> bool:
    return _in_hdf(path, "start") if path.suffix == ".nc" else "start" in _header(path)


def _in_hdf(path: Path, name: str) -> bool:
    import h5py

    try:
        with h5py.File(path) as file:
            return name in file
    except OSError:
        return False  # the reader says what is wrong


def _header(path: Path) -> list[str]:
    if path.suffix != ".csv" or not path.is_file():
        return []
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return [cell.strip().strip('"') for cell in re.split("[,;\t]", file.readline(4096))]


def aligned(loads: xr.DataArray, links: Sequence[str], missing: Missing) -> xr.DataArray:
    """Loads of exactly the routing's links; absent ones become NaN if that was asked for.

    Raises
    ------
    LabelError
        Links that only one side has, and absent ones unless `missing` is ``"nan"``.
    DataError
        If there is no value at all.
    """
    from odflow.labels import check_loads

    checked = check_loads(loads.reset_coords(drop=True))
    if checked.isnull().all():
        raise DataError("the loads hold no measured value, every one is empty (NaN)")
    have = set(checked["link"].values.tolist())
    unknown, lacking = sorted(have - set(links)), [link for link in links if link not in have]
    if unknown:
        raise LabelError(f"loads have link {listed(unknown)} that the routing does not know; is it the same network?")
    if lacking and missing == "raise":
        raise LabelError(f"loads lack link {listed(lacking)}; --missing nan treats what is absent as not measured")
    return checked.reindex(link=list(links))


def check_output(path: Path, suffixes: Iterable[str], inputs: Iterable[str | Path | None] = ()) -> None:
    """Refuse an output that could not be written, or that would replace an input.

    Raises
    ------
    UsageError
        Unknown suffix, or the same file as an input.
    OdflowError
        Missing folder, no permission, a folder in the way.
    """
    known = tuple(suffixes)
    if path.suffix.lower() not in known:
        choice = "one of " if len(known) > 1 else ""
        raise UsageError(f"cannot write '{path}': the suffix must be {choice}{listed(known, limit=len(known))}")
    for used in inputs:
        if used is not None and not str(used).startswith(TOPOHUB) and _same_file(path, Path(used)):
            raise UsageError(f"output '{path}' is also an input; choose another name")
    if path.is_dir() and path.suffix != ".zarr":
        raise OdflowError(f"cannot write {path}: it is a folder")
    check_folder(path.parent)
    if path.suffix.lower() == ".zarr":
        from odflow.traffic.arrays import need_zarr

        need_zarr()


def check_folder(folder: Path) -> None:
    """Try whether files can be made in a folder.

    Raises
    ------
    OdflowError
        Missing, not a folder, no permission, read-only.
    """
    if not folder.is_dir():
        raise OdflowError(f"cannot write to {folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OdflowError(f"cannot write to {folder}: {error.strerror or error}") from error


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.resolve() == b.resolve() or (a.exists() and b.exists() and a.samefile(b))
    except OSError:
        return False
