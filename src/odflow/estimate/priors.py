"""Prior TMs: gravity from the access loads, recency mean and spread from history."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow import labels
from odflow.errors import DataError, listed
from odflow.estimate.projection import project
from odflow.labels import duration_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.observe import Observed

    Floats = NDArray[np.float64]

WEEK = 7 * 86400.0


def gravity(ingress: Floats, egress: Floats) -> Floats:
    """Gravity TM ``x_od = in_o * out_d / total``, self-flows included.

    Parameters
    ----------
    ingress, egress : array, shape (T, n)
        Traffic entering and leaving the network at each node, bit/s.

    Returns
    -------
    array, shape (T, n*n)

    Notes
    -----
    Zhang, Roughan, Duffield, Greenberg, "Fast accurate computation of large-scale IP traffic
    matrices from link loads", SIGMETRICS 2003, section 3.1.
    """
    total = egress.sum(axis=1, keepdims=True)
    share = np.divide(egress, total, out=np.zeros_like(egress), where=total > 0)
    return np.asarray((ingress[:, :, None] * share[:, None, :]).reshape(len(ingress), -1))


def gravity_prior(observed: Observed) -> Floats:
    """Gravity TM of each snapshot; unmeasured access loads come from the other loads.

    Where an access counter is missing, its node's total is taken from the TM of least relative
    entropy to a uniform one that meets the measured loads.
    """
    system, n = observed.system, len(observed.system.routing.nodes)
    into, out = system.access
    ingress, egress = (_pick(observed.values, rows) for rows in (into, out))
    gaps = np.isnan(ingress).any(axis=1) | np.isnan(egress).any(axis=1)
    if gaps.any():
        values = observed.values[gaps]
        largest = np.nan_to_num(values).max(axis=1, keepdims=True, initial=0.0)
        flat = np.where(system.carried, np.maximum(largest, 1e-300) / n, 0.0)
        filled = project(system.rows, flat, values).reshape(-1, n, n)
        ingress[gaps] = np.where(np.isnan(ingress[gaps]), filled.sum(axis=2), ingress[gaps])
        egress[gaps] = np.where(np.isnan(egress[gaps]), filled.sum(axis=1), egress[gaps])
    return gravity(ingress, egress) * system.carried


def _pick(values: Floats, rows: NDArray[np.int64]) -> Floats:
    return np.where(rows >= 0, values[:, np.maximum(rows, 0)], np.nan)


@dataclass(frozen=True, eq=False)
class History:
    """Past TMs, checked, with the age of each in seconds before the last one."""

    values: Floats
    nodes: tuple[str, ...]
    time: NDArray[np.datetime64]
    end: np.datetime64

    @staticmethod
    def of(history: xr.DataArray) -> History:
        """Check and flatten.

        Raises
        ------
        DataError
            If a flow was never measured, naming some, or nothing was ever sent.
        """
        checked = labels.check_demands(history)
        nodes = tuple(str(node) for node in checked["origin"].values)
        values = labels.flat(checked, nodes)
        never = np.isnan(values).all(axis=0)
        if never.any():
            pairs = labels.od_pairs(nodes)
            names = listed(f"{pairs[k][0]}->{pairs[k][1]}" for k in np.flatnonzero(never))
            raise DataError(f"history never measures the flow {names}; set it to 0 if there is none")
        if not np.nansum(values) > 0:
            raise DataError("history holds no traffic, every measured demand is 0; leave it out")
        times = labels.as_times(checked["time"].values)
        end = times[-1] + np.timedelta64(round(checked.attrs["interval_s"] * 1e9), "ns")
        return History(values, nodes, times, end)

    @cached_property
    def age(self) -> Floats:
        """Seconds, shape (T,); the last TM's is 0."""
        return np.asarray((self.time[-1] - self.time) / np.timedelta64(1, "s"))


def recency_weights(age: Floats, half_life: str | None, window: str | None) -> Floats:
    """Weights ``0.5 ** (age / half_life)`` within the window, the newest 1; ages in seconds.

    ``None`` weighs all alike, or has no end.
    """
    weights = np.ones_like(age) if half_life is None else 0.5 ** (age / duration_s(half_life, "half_life"))
    return weights if window is None else np.where(age < duration_s(window, "window"), weights, 0.0)


def recency_mean(history: History, weights: Floats) -> Floats:
    """Weighted mean per flow over its measured values, shape (n*n,).

    A flow not measured under positive weights takes the plain mean of its measured values.
    """
    measured = ~np.isnan(history.values)
    filled = np.where(measured, history.values, 0.0)
    mass = weights @ measured
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weights @ filled) / mass
    plain = filled.sum(axis=0) / measured.sum(axis=0)
    return np.where(mass > 0, mean, plain)


@dataclass(frozen=True, eq=False)
class Spread:
    """Covariance of the flows about their mean, ``factors @ factors.T + diag(own)``.

    Parameters
    ----------
    factors : array, shape (flows, k)
    own : array, shape (flows,)
        Variance of each flow's own.
    """

    factors: Floats
    own: Floats

    @property
    def variance(self) -> Floats:
        """Total variance of each flow."""
        return np.asarray((self.factors**2).sum(axis=1) + self.own)


def week_spread(
    history: History,
    mean: Floats,
    *,
    weeks: int,
    half_life_weeks: float,
    correlation: float,
    pooling: float,
    rank: int,
) -> Spread:
    """Spread of the flows within a week, brought to the level of `mean`.

    Deviations of each of the last `weeks` from its own mean m_j are scaled by
    ``sqrt((mean + eps) / (m_j + eps))`` and weighted by ``0.5 ** (week / half_life_weeks)``. The
    variances g are pooled with the power law fitted to all flows, ``g**(1-s) * (c (mean + eps))**s``,
    and the correlations shrunk to the share `correlation`. At most `rank` factors are kept; what
    they leave out stays on the diagonal, so each flow keeps its variance.
    """
    eps = 1e-3 * mean.mean() + 1e-300
    parts, weights = [], []
    for week in range(weeks):
        inside = (history.age >= week * WEEK) & (history.age < (week + 1) * WEEK)
        if inside.sum() < 2:
            continue
        values = history.values[inside]
        measured = ~np.isnan(values)
        own = np.where(measured, values, 0.0).sum(axis=0) / np.maximum(measured.sum(axis=0), 1)
        parts.append(np.where(measured, values - own, 0.0) * np.sqrt((mean + eps) / (own + eps)))
        weights.append(np.full(len(values), 0.5 ** (week / half_life_weeks)))
    if not parts:
        raise DataError("history is too short for a covariance: it needs at least two snapshots in a week")
    weight = np.concatenate(weights)
    deviation = np.vstack(parts) * np.sqrt(weight / weight.sum())[:, None]
    g = (deviation**2).sum(axis=0)
    g += (1e-3 * np.sqrt(g).mean()) ** 2 + eps**2
    level = np.exp(np.mean(np.log(g / (mean + eps))))
    pooled = g ** (1 - pooling) * (level * (mean + eps)) ** pooling
    factors = _principal(deviation * np.sqrt(correlation * pooled / g), rank)
    return Spread(factors, np.maximum(pooled - (factors**2).sum(axis=1), 0.0))


def _principal(deviation: Floats, rank: int) -> Floats:
    """Factors F of ``deviation.T @ deviation ~ F @ F.T``, the `rank` largest."""
    T, flows = deviation.shape
    if flows <= T:
        value, vector = np.linalg.eigh(deviation.T @ deviation)
        top = slice(max(flows - rank, 0), None)
        return np.asarray(vector[:, top] * np.sqrt(np.maximum(value[top], 0.0)))
    value, vector = np.linalg.eigh(deviation @ deviation.T)
    top = slice(max(T - rank, 0), None)
    keep = value[top] > 1e-12 * value[-1]
    return np.asarray(deviation.T @ vector[:, top][:, keep])
