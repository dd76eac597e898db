"""Errors of an estimated TM per time, per flow and in all, aligned by labels.

Sources: TRE, SRE and RMSE as in Yuan et al., "Traffic Matrix Estimation based on Denoising Diffusion
Probabilistic Model", 2023 (section on metrics); SRE and TRE go back to Soule et al., SIGMETRICS 2005.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import DataError, LabelError, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


def tre(truth: xr.DataArray, estimate: xr.DataArray, diagonal: bool = True) -> xr.DataArray:
    """Temporal relative error, ``TRE(t) = sum_i |x - x̂| / sum_i x``.

    Parameters
    ----------
    truth, estimate : DataArray (time, origin, destination)
        bit/s, the same nodes and times in any order of nodes. What `truth` does not know (NaN) is left
        out of both sums.
    diagonal : bool
        Count demands from a node to itself.

    Returns
    -------
    DataArray (time)
        Without unit; NaN (undefined) where there is no true traffic.

    Raises
    ------
    LabelError, DataError, UnitError
        If the arrays do not fit, or the estimate is NaN where the truth is measured.
    """
    pair = compare(truth, estimate)
    return _over_time(pair, (pair if diagonal else pair.off_diagonal()).tre(), "tre")


def rmse(truth: xr.DataArray, estimate: xr.DataArray, diagonal: bool = True) -> xr.DataArray:
    """Root mean square error over flows, ``RMSE(t) = sqrt(mean_i (x - x̂)^2)``, in bit/s.

    Parameters, result and errors as for :func:`tre`; NaN where nothing was measured.
    """
    pair = compare(truth, estimate)
    return _over_time(pair, (pair if diagonal else pair.off_diagonal()).rmse(), "rmse", units=labels.UNITS)


def sre(truth: xr.DataArray, estimate: xr.DataArray, diagonal: bool = True) -> xr.DataArray:
    """Spatial relative error, ``SRE(i) = sum_t |x - x̂| / sum_t x``.

    Parameters and errors as for :func:`tre`.

    Returns
    -------
    DataArray (origin, destination)
        Without unit; NaN (undefined) for flows without true traffic, and on the diagonal if that is left out.
    """
    pair = compare(truth, estimate)
    values = pair.sre()
    if not diagonal:
        values = np.where(pair.on_diagonal, np.nan, values)
    n = len(pair.nodes)
    return xr.DataArray(
        values.reshape(n, n),
        dims=("origin", "destination"),
        coords={"origin": list(pair.nodes), "destination": list(pair.nodes)},
        name="sre",
    )


def nmae(truth: xr.DataArray, estimate: xr.DataArray, diagonal: bool = True) -> float:
    """Normalised mean absolute error over all flows and times, ``sum |x - x̂| / sum x``.

    Parameters and errors as for :func:`tre`; NaN if there is no true traffic.
    """
    pair = compare(truth, estimate)
    return (pair if diagonal else pair.off_diagonal()).nmae()


@dataclass(frozen=True, eq=False)
class Comparison:
    """A true and an estimated TM brought to the same labels, in flat form.

    Parameters
    ----------
    truth, error : float array, shape (T, k)
        True demand and signed error ``x̂ - x`` in bit/s; both zero where `counted` is not set.
    counted : bool array, shape (T, k)
        Measured in the truth and present in the estimate.
    absent : bool array, shape (T, k)
        Measured in the truth and NaN in the estimate.
    nodes : tuple of str
    time : datetime64 array, shape (T,)
    on_diagonal : bool array, shape (k,)
    """

    truth: Floats
    error: Floats
    counted: Bools
    absent: Bools
    nodes: tuple[str, ...]
    time: NDArray[np.datetime64]
    on_diagonal: Bools

    def off_diagonal(self) -> Comparison:
        """The same without demands from a node to itself."""
        keep = ~self.on_diagonal
        return Comparison(
            self.truth[:, keep],
            self.error[:, keep],
            self.counted[:, keep],
            self.absent[:, keep],
            self.nodes,
            self.time,
            self.on_diagonal[keep],
        )

    def tre(self) -> Floats:
        """Relative error of each time, shape (T,)."""
        return ratio(np.abs(self.error).sum(axis=1), self.truth.sum(axis=1))

    def sre(self) -> Floats:
        """Relative error of each flow, shape (k,)."""
        return ratio(np.abs(self.error).sum(axis=0), self.truth.sum(axis=0))

    def rmse(self) -> Floats:
        """Root mean square error of each time in bit/s, shape (T,)."""
        return np.sqrt(ratio(np.einsum("ti,ti->t", self.error, self.error), self.counted.sum(axis=1).astype(float)))

    def nmae(self) -> float:
        """Relative error over everything."""
        return float(ratio(np.abs(self.error).sum(), self.truth.sum()))


def compare(truth: xr.DataArray, estimate: xr.DataArray, *, allow_missing: bool = False) -> Comparison:
    """Align two TMs by their labels.

    Parameters
    ----------
    truth, estimate : DataArray (time, origin, destination)
        Nodes may come in another order; nodes, times and the interval must be the same.
    allow_missing : bool
        Leave entries out that the estimate does not have (NaN), and count them, instead of raising.

    Raises
    ------
    LabelError
        Naming the nodes or times of one side only.
    DataError
        The truth holds no traffic at all, or the estimate is NaN where the truth is measured.
    """
    known, guess = _checked(truth, "truth"), _checked(estimate, "estimate")
    nodes = tuple(str(node) for node in known["origin"].values)
    _same_nodes(nodes, tuple(str(node) for node in guess["origin"].values))
    same_times(known, guess, "truth", "estimate")
    x, guessed = labels.flat(known, nodes), labels.flat(guess, nodes)
    error = guessed - x
    counted = ~np.isnan(error)
    absent = ~counted & ~np.isnan(x)
    if absent.any() and not allow_missing:
        raise DataError(_missing_message(known, absent))
    if not counted.all():
        x, error = np.where(counted, x, 0.0), np.where(counted, error, 0.0)
    if not x.any():
        raise DataError("the truth holds no traffic where both sides are measured; there is nothing to compare with")
    return Comparison(x, error, counted, absent, nodes, known["time"].values, np.eye(len(nodes), dtype=bool).ravel())


def same_times(one: xr.DataArray, other: xr.DataArray, name: str, other_name: str) -> None:
    """Check that two arrays have the same times and interval.

    Raises
    ------
    LabelError
        Naming the times of one side only.
    """
    if float(one.attrs["interval_s"]) != float(other.attrs["interval_s"]):
        raise LabelError(
            f"{name} has intervals of {one.attrs['interval_s']:g} s and {other_name} of "
            f"{other.attrs['interval_s']:g} s; bring both to the same interval"
        )
    times, others = labels.as_times(one["time"].values), labels.as_times(other["time"].values)
    if np.array_equal(times, others):
        return
    parts = []
    for odd, where in ((np.setdiff1d(times, others), name), (np.setdiff1d(others, times), other_name)):
        if odd.size:
            parts.append(f"{listed(odd.astype('datetime64[s]'), 3)} only in the {where}")
    raise LabelError(f"times differ: {'; '.join(parts)}; select the common ones with .sel(time=...) on both sides")


def ratio(above: Floats, below: Floats) -> Floats:
    """``above / below``, NaN where `below` is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _checked(array: xr.DataArray, what: str) -> xr.DataArray:
    extra = [str(dim) for dim in getattr(array, "dims", ()) if dim in ("sample", "quantile", "service")]
    if extra:
        raise DataError(f"the {what} has the dim {listed(extra)}; score one at a time, as with .sel({extra[0]}=...)")
    return labels.check_demands(array)


def _same_nodes(nodes: tuple[str, ...], others: tuple[str, ...]) -> None:
    parts = []
    for odd, where in ((set(nodes) - set(others), "truth"), (set(others) - set(nodes), "estimate")):
        if odd:
            parts.append(f"{listed(sorted(odd))} only in the {where}")
    if parts:
        raise LabelError(f"nodes differ: {'; '.join(parts)}; rename with .assign_coords or select the common ones")


def _missing_message(known: xr.DataArray, absent: Bools) -> str:
    t, k = np.argwhere(absent)[0]
    names = known["origin"].values
    origin, destination = divmod(int(k), len(names))
    when = known["time"].values[t].astype("datetime64[s]")
    return (
        f"the estimate is NaN for {np.count_nonzero(absent)} measured demands, "
        f"the first {names[origin]}->{names[destination]} at {when}; "
        "leave them out with allow_missing=True (--allow-missing) if that is meant"
    )


def _over_time(pair: Comparison, values: Floats, name: str, **attrs: str) -> xr.DataArray:
    return xr.DataArray(values, dims=("time",), coords={"time": pair.time}, name=name, attrs=attrs)
