"""What is observed of a TM: link loads and known demands as rows of one linear system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy.sparse import csc_array, csr_array, eye_array, vstack

from odflow import labels
from odflow.errors import DataError, LabelError, UsageError, listed
from odflow.estimate.checks import check_noise
from odflow.estimate.gram import Gram, independent
from odflow.estimate.projection import Row, rows_of
from odflow.labels import IN, OUT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

    Floats = NDArray[np.float64]
    Times = NDArray[np.datetime64]

_PATTERNS = 1000  # of measured counters whose independent rows are kept
_SURELY = 3.0  # standard errors
# relative error of the counter readings: one for all, or by link
Noise = float | Mapping[str, float]


@dataclass(frozen=True, eq=False)
class System:
    """Rows of the linear system ``values = matrix @ x`` under one routing.

    Parameters
    ----------
    routing : Routing
    known : int array
        OD columns that have a row of their own, after the rows of the links.
    """

    routing: Routing
    known: NDArray[np.int64]

    @cached_property
    def matrix(self) -> csr_array:
        """A, with identity rows for the known demands."""
        if not len(self.known):
            return self.routing.matrix
        identity = csr_array(eye_array(self.routing.matrix.shape[1], format="csr"))[self.known]
        return csr_array(vstack([self.routing.matrix, identity]))

    @cached_property
    def transposed(self) -> csc_array:
        """A'."""
        return self.matrix.T

    @cached_property
    def entries(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
        """Columns, rows and shares of the first entry of every column of the matrix, of the second, and so on."""
        A = csc_array(self.matrix)
        A.eliminate_zeros()
        counts, out = np.diff(A.indptr), []
        for k in range(counts.max(initial=0)):
            columns = np.flatnonzero(counts > k)
            at = A.indptr[columns] + k
            out.append((columns, A.indices[at], A.data[at]))
        return out

    @cached_property
    def rows(self) -> list[Row]:
        """Rows prepared for the KL projection."""
        return rows_of(self.matrix)

    @cached_property
    def gram(self) -> Gram:
        """Weights of the flows (T, flows) to ``A diag(w) A'``, (T, rows, rows), and its adjoint."""
        return Gram(self.matrix)

    def independent(self, pattern: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Rows of a pattern of which all others there are linear combinations; kept, for they are asked for again."""
        key, kept = np.packbits(pattern).tobytes(), self.__dict__.setdefault("_independent", {})
        if key not in kept:
            if len(kept) >= _PATTERNS:
                kept.clear()
            rows = np.flatnonzero(pattern)
            kept[key] = rows[independent(self.matrix[rows])]
        found: NDArray[np.int64] = kept[key]
        return found

    @cached_property
    def carried(self) -> NDArray[np.bool_]:
        """OD columns whose traffic the network carries (all but unreachable pairs)."""
        n = len(self.routing.nodes)
        carried = np.ones((n, n), dtype=bool)
        index = {node: i for i, node in enumerate(self.routing.nodes)}
        for origin, destination in self.routing.unreachable:
            carried[index[origin], index[destination]] = False
        return carried.ravel()

    @cached_property
    def access(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row of ``in:NODE`` and of ``out:NODE`` for each node, -1 where there is none."""
        row = {link: i for i, link in enumerate(self.routing.links)}
        sides = [[row.get(f"{side}{node}", -1) for node in self.routing.nodes] for side in (IN, OUT)]
        return np.array(sides[0], dtype=np.int64), np.array(sides[1], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Observed:
    """A span of measurements under one system.

    Parameters
    ----------
    system : System
    values : array, shape (T, rows)
        bit/s; NaN = not measured.
    error : array, shape (T, rows) or (rows,)
        Relative standard error of each value; 0 = exact.
    time : datetime64, shape (T,)
    """

    system: System
    values: Floats
    error: Floats
    time: Times

    def __len__(self) -> int:
        return len(self.values)

    @property
    def exact(self) -> bool:
        """Whether every value is to be met exactly."""
        return not self.error.any()

    @cached_property
    def variance(self) -> Floats:
        """Noise variance of each value, shape (T, rows), 0 where not measured."""
        return np.asarray((np.broadcast_to(self.error, self.values.shape) * np.nan_to_num(self.values)) ** 2)

    @cached_property
    def used(self) -> NDArray[np.bool_]:
        """Values to look at, (T, rows): the measured ones but for exact ones that follow from others."""
        measured = np.isfinite(self.values)
        exact = measured & (np.broadcast_to(self.error, measured.shape) == 0)
        used = measured & ~exact
        if (exact == exact[:1]).all():
            used[:, self.system.independent(exact[0])] = True
            return used
        patterns, which = np.unique(exact, axis=0, return_inverse=True)
        for k, pattern in enumerate(patterns):
            used[np.ix_(which.ravel() == k, self.system.independent(pattern))] = True
        return used

    @cached_property
    def most(self) -> Floats:
        """What flows cannot be above, (T, flows), bit/s: the least load on the path, with room for its noise."""
        ceiling = np.where(np.isnan(self.values), np.inf, self.values * (1 + _SURELY * self.error))
        out = np.full((len(self), self.system.matrix.shape[1]), np.inf)
        for columns, rows, share in self.system.entries:
            out[:, columns] = np.minimum(out[:, columns], ceiling[:, rows] / share)
        return out

    @cached_property
    def least(self) -> Floats:
        """What flows cannot be below, (T, flows), bit/s: the known demands, with room for their noise."""
        out = np.zeros((len(self), self.system.matrix.shape[1]))
        links = len(self.system.routing.links)
        floor = np.maximum(self.values * (1 - _SURELY * self.error), 0.0)
        out[:, self.system.known] = np.nan_to_num(floor[:, links:])
        return out

    def span(self, span: slice | NDArray[np.int64]) -> Observed:
        """The measurements of some of the times."""
        error = self.error if self.error.ndim == 1 else self.error[span]
        return Observed(self.system, self.values[span], error, self.time[span])

    def repeated(self, count: int) -> Observed:
        """The same measurements again and again."""
        error = self.error if self.error.ndim == 1 else np.tile(self.error, (count, 1))
        return Observed(self.system, np.tile(self.values, (count, 1)), error, np.tile(self.time, count))

    def with_values(self, values: Floats) -> Observed:
        """The same rows with other values."""
        return replace(self, values=values)


def observe(
    loads: xr.DataArray,
    routing: Routing | RoutingEpochs,
    *,
    noise: Noise = 0.0,
    known: xr.DataArray | None = None,
    known_error: float = 0.0,
) -> Iterator[tuple[slice, Observed]]:
    """Check the measurements and cut them into spans of one routing.

    Parameters
    ----------
    loads : DataArray (time, link)
        bit/s; NaN = not measured.
    routing : Routing or RoutingEpochs
    noise : float or mapping of link to float
        Relative standard error of the loads.
    known : DataArray (time, origin, destination), optional
        Demands that were measured directly, NaN elsewhere; times must include those of the loads.
    known_error : float
        Relative standard error of the known demands; 0 = exact.

    Raises
    ------
    LabelError, DataError, UnitError, UsageError
        If labels, values or errors do not fit.
    """
    checked = labels.align_links(labels.check_loads(loads), routing.links)
    times = labels.as_times(checked["time"].values)
    link_error = _link_errors(noise, routing.links)
    if not 0 <= known_error < np.inf:
        raise UsageError(f"known_error is {known_error}, expected a relative error of 0 or more")
    demands = None if known is None else _known_demands(known, times, routing.nodes)
    for span, part in routing.segments(times):
        values = checked.values[span]
        if demands is None:
            yield span, Observed(_plain_system(part), values, link_error, times[span])
            continue
        columns = np.flatnonzero(~np.isnan(demands[span]).all(axis=0))
        system = System(part, columns)
        error = np.concatenate([link_error, np.full(len(columns), known_error)])
        yield span, Observed(system, np.hstack([values, demands[span][:, columns]]), error, times[span])


def _plain_system(routing: Routing) -> System:
    """The system without known demands; kept with its routing, for who estimates snapshots one by one."""
    kept = routing.__dict__.get("_system")
    if kept is None:
        kept = routing.__dict__["_system"] = System(routing, np.empty(0, dtype=np.int64))
    return kept


def noise_like(loads: xr.DataArray, noise: Noise, rng: np.random.Generator) -> xr.DataArray:
    """Loads with lognormal errors of mean one and this relative size."""
    sigma = _link_errors(noise, tuple(str(link) for link in loads["link"].values))
    return loads.copy(data=loads.values * np.exp(sigma * rng.standard_normal(loads.shape) - sigma**2 / 2))


def _link_errors(noise: Noise, links: tuple[str, ...]) -> Floats:
    check_noise(noise)
    if not isinstance(noise, Mapping):
        return np.full(len(links), float(noise))
    unknown = [link for link in noise if link not in set(links)]
    if unknown:
        raise LabelError(f"noise is given for link {listed(unknown)} that the routing does not know")
    return np.array([noise.get(link, 0.0) for link in links], dtype=float)


def _known_demands(known: xr.DataArray, times: NDArray[np.datetime64], nodes: tuple[str, ...]) -> Floats:
    checked = labels.check_demands(known)
    missing = np.setdiff1d(times, labels.as_times(checked["time"].values))
    if len(missing):
        raise LabelError(
            f"known demands lack the time {missing[0].astype('datetime64[s]')} of the loads; "
            "known.reindex(time=loads.time) marks it as not measured"
        )
    values = labels.flat(labels.align_nodes(checked.sel(time=times), nodes, "known demands"), nodes)
    if np.isnan(values).all():
        raise DataError("known demands hold no measured value")
    return values
