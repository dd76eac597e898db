"""Data sets by name, with the splits of the published protocols.

They are read from the real-data folder (``ODFLOW_REAL_DATA``, else ``../shared/data``), else from the
user's cache (``ODFLOW_CACHE``, else the platform's cache folder), where :func:`get` puts them.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import DataError, FormatError, OdflowError, UsageError
from odflow.labels import IN, OUT
from odflow.network.model import Link, Network, Node
from odflow.network.routing import Routing
from odflow.traffic.download import ORIGINALS, Store, fetched, real_data_folder
from odflow.traffic.originals import ASSEMBLERS
from odflow.traffic.series import SeriesSet, from_cells, from_tms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

__all__ = [
    "NAMES",
    "Check",
    "Dataset",
    "SeriesSet",
    "abilene",
    "available",
    "bell_labs",
    "check",
    "cmu",
    "from_cells",
    "from_tms",
    "geant",
    "get",
    "series",
]

NAMES = tuple(ORIGINALS)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Traffic matrices with what belongs to them.

    Parameters
    ----------
    name : str
    demands : DataArray (time, origin, destination)
        bit/s; with a coordinate ``valid`` along time where the source flags glitches.
    loads : DataArray (time, link) or None
        Measured link loads, where there are any.
    routing : Routing
    network : Network or None
    train, test : DataArray
        The parts of `demands` that the protocol gives to fitting and to scoring.
    sha256 : str
        Of the file it was read from.
    source : str
        Whose measurements these are, and what was decided in reading them.
    """

    name: str
    demands: xr.DataArray
    loads: xr.DataArray | None
    routing: Routing
    network: Network | None
    train: xr.DataArray
    test: xr.DataArray
    sha256: str
    source: str

    def __repr__(self) -> str:
        times = self.demands["time"].values.astype("datetime64[m]")
        return (
            f"<Dataset '{self.name}': {len(times)} TMs of {self.demands.sizes['origin']} nodes, "
            f"{self.demands.attrs['interval_s']:g} s each, {times[0]} to {times[-1]} "
            f"({self.train.sizes['time']} train, {self.test.sizes['time']} test), "
            f"{len(self.routing.links)} counters, loads {'from A x' if self.loads is None else 'measured'}>"
        )


class Check(NamedTuple):
    """Result of :func:`check`; `recorded` is the SHA-256 of the first use, ``None`` outside the cache."""

    name: str
    path: Path
    sha256: str
    recorded: str | None


def abilene() -> Dataset:
    """Abilene backbone (12 nodes, 5 min, 17 weeks from 2004-03-01) of Yin Zhang.

    Returns
    -------
    Dataset
        Weeks 1 to 16 (32256 TMs) for training, week 17 (2016 TMs) for testing; weeks have gaps between
        them. Routing is shortest paths by the OSPF metrics, which gives the published matrix A.

    Raises
    ------
    OdflowError
        If it is not found, damaged, or A is not what the metrics say.
    """
    return _built("abilene", _abilene)


def _abilene(path: Path, sha256: str, data: Arrays) -> Dataset:
    nodes = [str(node) for node in data["nodes"]]
    places = zip(nodes, data["lat"].tolist(), data["lon"].tolist(), strict=True)
    ends = zip(data["link_src"], data["link_dst"], strict=True)
    costs = zip(data["link_capacity_mbps"].tolist(), data["link_ospf_metric"].tolist(), strict=True)
    links = tuple(
        Link(str(name), nodes[source], nodes[target], capacity * 1e6, metric)
        for name, (source, target), (capacity, metric) in zip(data["link_labels"], ends, costs, strict=False)
    )
    network = Network(tuple(Node(*place) for place in places), links, name="abilene")
    routing = Routing.shortest_path(network)
    same = routing.links == tuple(data["link_labels"].tolist())
    if not same or (routing.matrix.toarray() != data["A"]).any():
        raise DataError(f"{path}: A is not the shortest paths by the OSPF metrics beside it")
    source = "Yin Zhang's Abilene traffic matrices, www.cs.utexas.edu/~yzhang/research/AbileneTM/, column realOD"
    demands = _demands(data, nodes, source)
    return _split("abilene", demands, None, routing, network, 32256, 2016, sha256, source)


def geant() -> Dataset:
    """GÉANT backbone (23 anonymous nodes, 15 min, 12 weeks' worth of TMs from 2005-01-01) of Uhlig et al.

    Returns
    -------
    Dataset
        The first 7392 TMs (11 weeks' worth) for training, the next 672 for testing. The network has
        neither capacities nor metrics; A is one path of fewest hops per pair, as published, so
        ``routing.without`` needs ``metric="hops"``. ``valid`` is false for 22 TMs with impossible
        totals. Zeros can be missing data (egress of node 6 until 02-03, of node 10 until 01-16).

    Raises
    ------
    OdflowError
        If it is not found or damaged.
    """
    return _built("geant", _geant)


def _geant(path: Path, sha256: str, data: Arrays) -> Dataset:
    nodes = [str(node) for node in data["nodes"]]
    ends = zip(data["link_src"], data["link_dst"], strict=True)
    named = zip(data["link_labels"], ends, strict=False)
    links = tuple(Link(str(name), nodes[source], nodes[target]) for name, (source, target) in named)
    network = Network(tuple(Node(node) for node in nodes), links, name="geant")
    routing = Routing(data["A"], tuple(data["link_labels"]), tuple(nodes), network)
    source = "Uhlig et al., Providing public intradomain traffic matrices, ACM CCR 36(1), 2006; TOTEM project"
    demands = _demands(data, nodes, source)
    return _split("geant", demands, None, routing, network, 7392, 672, sha256, source)


def bell_labs() -> Dataset:
    """One router with four subnets and measured counters (287 x 5 min on 1999-02-22) of Cao et al.

    Returns
    -------
    Dataset
        The first 143 TMs for training, the rest for testing. `loads` are the seven counters that are
        not redundant, as measured; ``out:corp`` is left out. They equal A x up to rounding.

    Raises
    ------
    OdflowError
        If it is not found or damaged.

    Notes
    -----
    Cao, Davis, Vander Wiel and Yu, "Time-varying network tomography: router link data", JASA 95, 2000;
    the R package networkTomography (``1router.csv``) gives the order of the nodes, and the times with
    their date, but no unit. Byte/s was decided by the numbers: 83 % of the flows below 1000 are whole
    numbers of bytes when multiplied by 297 s (under 1 % for 295, 296, 298, 299 or 300 s). The time zone
    is not stated; times are taken as they stand.
    """
    return _built("bell_labs", _bell_labs)


def _bell_labs(path: Path, sha256: str, data: Arrays) -> Dataset:
    nodes = ("fddi", "switch", "local", "corp")
    links = tuple(f"{IN}{node}" for node in nodes) + tuple(f"{OUT}{node}" for node in nodes[:3])
    source = "Cao et al., JASA 95, 2000 (R package networkTomography, bell.labs); byte/s; local time"
    seconds = np.rint(data["tvec"] * 3600).astype("timedelta64[s]")
    times = np.datetime64("1999-02-22", "ns") + seconds
    demands = labels.demands(data["X"] * 8, times, nodes, 300.0, source=source)
    loads = labels.loads(data["Y"] * 8, times, links, 300.0, source=source)
    routing = Routing(data["A"], links, nodes)
    if not np.allclose(routing.matrix @ data["X"].T, data["Y"].T, rtol=1e-4, atol=1.0):
        raise DataError(f"{path}: the loads are not A x")
    half = len(times) // 2
    return _split("bell_labs", demands, loads, routing, None, half, len(times) - half, sha256, source)


def cmu() -> Dataset:
    """Flows of a network at CMU (12 nodes, 473 TMs) on a made-up topology, of Airoldi and Blocker.

    Returns
    -------
    Dataset
        The first 236 TMs for training, the rest for testing. Nodes ``1`` to ``4`` hang on one router,
        ``5`` to ``12`` on another; 26 counters: all access links, and ``r1->r2`` and ``r2->r1``.

    Raises
    ------
    OdflowError
        If it is not found or damaged.

    Notes
    -----
    Blocker and Airoldi, "Deconvolution of mixing time series on a graph", UAI 2011; R package
    networkTomography, ``cmu``: real flows, "the topology does not correspond to the original network".
    The source states neither times nor units. The flows are whole numbers: taken as bytes in 5 minutes
    (the interval in the same group's reports CMU-CALD-03-101 and 04-104), from a made-up 2000-01-01 on.
    """
    return _built("cmu", _cmu)


def _cmu(path: Path, sha256: str, data: Arrays) -> Dataset:
    nodes = tuple(str(node) for node in range(1, 13))
    links = (*(f"{side}{node}" for side in (IN, OUT) for node in nodes), "r1->r2", "r2->r1")
    source = "Blocker and Airoldi, UAI 2011 (R package networkTomography, cmu); bytes per 5 min assumed; times made up"
    times = np.datetime64("2000-01-01", "ns") + np.arange(len(data["X"])) * np.timedelta64(300, "s")
    demands = labels.demands(data["X"] * (8 / 300), times, nodes, 300.0, source=source)
    half = len(times) // 2
    routing = Routing(data["A_full"], links, nodes)
    return _split("cmu", demands, None, routing, None, half, len(times) - half, sha256, source)


def series(name: str) -> SeriesSet:
    """Real traffic to forecast, by name: several services at several nodes, without gaps in time.

    Parameters
    ----------
    name : str
        ==========================  =============================================  ==========  ====================
        name                        nodes and services                             interval    length
        ==========================  =============================================  ==========  ====================
        ``milan``                   25 squares; internet                           10 min      30 days
        ``c2tm``                    32 groups of stations; users, packets, bytes   1 h         8 days
        ``lte-elborn``              1 base station; down, up, users                2 min       7 days
        ``lte-lescorts``            1 base station; down, up, users                2 min       12 days
        ``abilene``, ``geant``      12, 23 nodes; ingress, egress                  5, 15 min   145, 90 days
        ``abilene-links`` (geant)   30, 74 links; load                             5, 15 min   145, 90 days
        ``abilene-od`` (geant)      144, 529 demands; demand                       5, 15 min   145, 90 days
        ==========================  =============================================  ==========  ====================

    Returns
    -------
    SeriesSet
        Intervals that are missing, TMs that are flagged and gaps in the source are NaN. Split in time: 70 % of the
        measured intervals for training, 10 % for validation, 20 % for testing; C2TM 5, 1 and 2 days; of LTE the test
        part is the one of the source. Zeros are as in the source, where they can be missing data: see :func:`geant`.

    Raises
    ------
    UsageError
        For another name.
    OdflowError
        If the file is not here, or damaged.
    """
    from odflow.traffic.series_sets import load

    return load(name)


def available() -> list[tuple[str, Path | None]]:
    """Each data set and the file it would be read from, ``None`` if it is missing."""
    return [(name, _find(name)) for name in NAMES]


def check(name: str) -> Check:
    """Compute the SHA-256 of a data set's file, and compare it with the one recorded at its first use.

    Only files in the cache have a record.

    Raises
    ------
    OdflowError
        If it is missing, or (:class:`~odflow.errors.DataError`) has changed.
    """
    path = _found(_known(name))
    store = Store.of_user()
    return Check(name, path, store.verified(path), store.recorded(path))


def get(name: str, *, progress: bool = True) -> Path:
    """Download the public originals of a data set into the cache and put them together.

    Nothing is done if the data set is there already. Originals that were put into the folder named in
    the error message by hand are used as they are. Their SHA-256 is recorded at first use; a file that
    has changed later is refused.

    Parameters
    ----------
    name : str
        ``"abilene"``, ``"geant"``, ``"bell_labs"`` or ``"cmu"``.
    progress : bool
        Show a progress bar on stderr, if it is a terminal.

    Returns
    -------
    Path
        The file that :func:`abilene` and the others read.

    Raises
    ------
    OdflowError
        If a file cannot be had: which one, and where to put it by hand.
    """
    there = _find(_known(name))
    if there is not None:
        Store.of_user().verified(there)
        return there
    store = Store.of_user()
    folder = fetched(name, store, progress=progress)
    arrays = ASSEMBLERS[name](folder)
    return store.save(f"{name}.npz", arrays)


def _known(name: str) -> str:
    if name not in NAMES:
        raise UsageError(f"unknown data set '{name}'; use one of {', '.join(NAMES)}")
    return name


def _find(name: str) -> Path | None:
    file = f"{name}.npz"
    near = real_data_folder() / file
    cached = Store.of_user().folder / file
    return near if near.is_file() else cached if cached.is_file() else None


def _found(name: str) -> Path:
    path = _find(name)
    if path is None:
        raise OdflowError(
            f"data set '{name}' is not here; run 'odflow data get {name}', or set ODFLOW_REAL_DATA to the folder "
            f"that has {name}.npz"
        )
    return path


def _built(name: str, build: Callable[[Path, str, Arrays], Dataset]) -> Dataset:
    path = _found(name)
    sha256 = Store.of_user().verified(path)
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            data = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(path, f"is damaged: {error}") from error
    try:
        return build(path, sha256, data)
    except (KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise FormatError(path, f"does not hold what data set '{name}' needs ({error})") from error


def _demands(data: Arrays, nodes: list[str], source: str) -> xr.DataArray:
    values = data["tm"].astype(float)
    values *= 1e6  # Mbit/s
    times = data["timestamps"].astype("datetime64[s]")
    demands = labels.demands(values, times, nodes, float(data["interval_s"]), source=source)
    return demands.assign_coords(valid=("time", data["valid"])) if "valid" in data else demands


def _split(
    name: str,
    demands: xr.DataArray,
    loads: xr.DataArray | None,
    routing: Routing,
    network: Network | None,
    train: int,
    test: int,
    sha256: str,
    source: str,
) -> Dataset:
    if demands.sizes["time"] < train + test:
        raise DataError(f"data set '{name}' has {demands.sizes['time']} TMs, the protocol needs {train + test}")
    parts = demands.isel(time=slice(train)), demands.isel(time=slice(train, train + test))
    return Dataset(name, demands, loads, routing, network, *parts, sha256, source)
