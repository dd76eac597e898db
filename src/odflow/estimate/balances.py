"""Consistency of link loads: balances that every TM keeps, corrupted counters, least-squares repair.

Any TM leaves traces that agree with each other: what enters a node leaves it. The vectors c with
``c @ A = 0`` state these balances. Measured loads y break them by ``c @ y``; with relative errors
s_i the normalised residual of counter i (the "largest normalised residual" test of power-system
state estimation: Abur & Exposito, "Power System State Estimation", 2004, chapter 5) tells which single
counter explains the break best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import norm
from scipy.stats import t as student

from odflow.estimate.gram import gram_map
from odflow.estimate.observe import Observed, System
from odflow.estimate.projection import project

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.routing import Routing

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

ROUNDING = 1e-6
"""Relative contradiction below which loads count as consistent."""
CORRUPTED = 0.1
"""Relative error of a reading from which on it may count as corrupted."""
_MOST_SUSPECTS = 3
MEDIAN = 0.6745  # of the absolute value of a standard normal variable
WIDE = 5.0  # standard deviations
_UNMEASURED = 1e4  # relative error that stands for a gap


def consistent(observed: Observed, expected: Floats | None = None) -> tuple[Observed, Bools]:
    """Drop corrupted values (NaN) and, where loads are to be met exactly, repair the rest.

    Parameters
    ----------
    observed : Observed
    expected : array, shape (rows,), optional
        Loads expected from history, to tell apart counters that explain a break equally well.

    Returns
    -------
    observed : Observed
    suspect : bool array, shape (T, rows)
    """
    suspect = np.zeros(observed.values.shape, dtype=bool)
    balances = balances_of(observed.system)
    broken = _contradiction(balances, observed.values) > ROUNDING
    if not broken.any():
        return observed, suspect
    rows = np.flatnonzero(broken)
    part = Observed(observed.system, observed.values[rows], observed.error, observed.time[rows])
    suspect[rows] = find_suspects(part, balances, expected)
    values = np.where(suspect, np.nan, observed.values)
    if observed.exact:
        part = Observed(observed.system, values[rows], observed.error, observed.time[rows])
        repaired = least_squares(part)
        # a value that had to be dropped stays out; the projection finds it
        values[rows] = np.where(np.isnan(part.values), np.nan, repaired)
    return observed.with_values(values), suspect


def balances_of(system: System) -> csr_array:
    """Vectors c, one per row, with ``c @ A = 0``, shape (balances, rows).

    With a network attached: the flow balance of each node. Else: a basis of the left null space.
    Rows of known demands take part in none.
    """
    routing = system.routing
    cached = routing.__dict__.get("_balances")
    if cached is None:
        cached = _node_balances(routing) if routing.network is not None else _null_balances(routing.matrix)
        routing.__dict__["_balances"] = cached
    return csr_array((cached.data, cached.indices, cached.indptr), shape=(cached.shape[0], system.matrix.shape[0]))


def _node_balances(routing: Routing) -> csr_array:
    assert routing.network is not None
    ends = {link.id: (link.source, link.target) for link in routing.network.links}
    place = {node: i for i, node in enumerate(routing.network.node_ids)}
    entries = []
    for row, label in enumerate(routing.links):
        if label in ends:
            source, target = ends[label]
            entries += [(place[source], row, -1.0), (place[target], row, 1.0)]
        else:
            side, _, node = label.partition(":")
            entries.append((place[node], row, 1.0 if side == "in" else -1.0))
    at, column, sign = (np.array(part) for part in zip(*entries, strict=True))
    balances = csr_array((sign, (at, column)), shape=(len(place), len(routing.links)))
    broken = np.abs(balances @ routing.matrix).max(axis=1).toarray().ravel() > ROUNDING
    return csr_array(balances[np.flatnonzero(~broken)])


def _null_balances(matrix: csr_array) -> csr_array:
    value, vector = np.linalg.eigh((matrix @ matrix.T).toarray())
    null = vector[:, value <= 1e-9 * max(value[-1], 1e-300)].T
    return csr_array(np.where(np.abs(null) > 1e-9, null, 0.0))


def _contradiction(balances: csr_array, values: Floats) -> Floats:
    """Largest break of a fully measured balance, relative to the traffic in it, shape (T,)."""
    if not balances.shape[0]:
        return np.zeros(len(values))
    broken = np.abs((balances @ values.T).T)
    traffic = (abs(balances) @ values.T).T
    with np.errstate(invalid="ignore"):
        relative = np.where(traffic > 0, broken / traffic, 0.0)
    return np.asarray(np.nan_to_num(relative).max(axis=1))


def _relative_error(observed: Observed) -> Floats:
    """Relative error of each value: as stated, or the typical contradiction of its snapshot."""
    shape = observed.values.shape
    if not observed.exact:
        return np.broadcast_to(np.maximum(observed.error, ROUNDING), shape)
    relative = relative_breaks(observed)
    typical = np.zeros(shape[0])
    some = ~np.isnan(relative).all(axis=1)
    if some.any():
        typical[some] = np.nanmedian(relative[some], axis=1) / MEDIAN
    return np.broadcast_to(np.maximum(typical, ROUNDING)[:, None], shape)


def relative_breaks(observed: Observed) -> Floats:
    """By how much balances are broken, in units of what errors as large as the loads would do, (T, balances)."""
    balances = balances_of(observed.system)
    broken = np.abs((balances @ observed.values.T).T)
    scale = np.sqrt(((balances**2) @ (observed.values**2).T).T)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(scale > 0, broken / scale, np.nan)


def _weights(observed: Observed) -> Floats:
    """Relative error of each value up to a factor: the stated one, or alike for all."""
    return np.ones(observed.values.shape) if observed.exact else _relative_error(observed)


def _deviation(observed: Observed, error: Floats) -> tuple[Floats, Floats]:
    """Values with gaps at 0, and their variance, with that of gaps out of proportion."""
    gap = np.isnan(observed.values)
    values = np.where(gap, 0.0, observed.values)
    largest = values.max(axis=1, keepdims=True, initial=0.0)
    largest = np.where(largest > 0, largest, 1.0)  # at a time without any load
    deviation = np.maximum(np.where(gap, _UNMEASURED * largest, error * values), 1e-9 * error * largest)
    return values, deviation**2


def _solve_balances(balances: csr_array, variance: Floats, broken: Floats) -> tuple[Floats, Floats]:
    """Multipliers S^-1 r of each snapshot and S^-1 itself, S = c diag(variance) c'."""
    T, b = broken.shape
    S = (gram_map(balances).T @ variance.T).T.reshape(T, b, b)
    diagonal = np.einsum("tbb->tb", S)
    diagonal += 1e-12 * diagonal.max(axis=1, keepdims=True)
    inverse = np.linalg.inv(S)
    return np.asarray((inverse @ broken[:, :, None])[:, :, 0]), inverse


def find_suspects(observed: Observed, balances: csr_array, expected: Floats | None) -> Bools:
    """Largest-normalised-residual test, up to three counters per snapshot."""
    suspect = np.zeros(observed.values.shape, dtype=bool)
    values = observed.values.copy()
    todo = np.arange(len(values))
    for _ in range(_MOST_SUSPECTS):
        part = Observed(observed.system, values[todo], observed.error, observed.time[todo])
        score, correction = _normalised(part, balances)
        hit = score.max(axis=1) > _threshold(part, balances)
        if not hit.any():
            break
        todo = todo[hit]
        chosen = _most_plausible(observed.system, values[todo], score[hit], correction[hit], expected)
        suspect[todo, chosen] = True
        values[todo, chosen] = np.nan
    return suspect


def _threshold(observed: Observed, balances: csr_array) -> Floats:
    """Residual that chance exceeds in less than one snapshot in a thousand, shape (T,)."""
    chance = 0.5e-3 / max(observed.values.shape[1], 1)
    if not observed.exact:
        # a margin of one: errors are seldom quite normal
        return np.full(len(observed), norm.isf(chance) + 1.0)
    freedom = np.maximum(_whole(balances, observed.values).sum(axis=1) - 1, 1)
    return np.asarray(student.isf(chance, freedom))


def _whole(balances: csr_array, values: Floats) -> Bools:
    """Which balances are fully measured, shape (T, balances)."""
    return np.asarray(((abs(balances) > 0).astype(float) @ np.isnan(values).T.astype(float)).T == 0)


def _normalised(observed: Observed, balances: csr_array) -> tuple[Floats, Floats]:
    """Normalised residual of each counter and the correction that would explain it, (T, rows).

    Where the loads claim to be exact their error is not known: it is then what is left of the
    contradiction without the counter (external studentisation), or the typical contradiction of
    the snapshot if that is less.
    """
    error = _weights(observed)
    values, variance = _deviation(observed, error)
    broken = (balances @ values.T).T
    multiplier, inverse = _solve_balances(balances, variance, broken)
    pull = (balances.T @ multiplier.T).T
    power = (gram_map(balances) @ inverse.reshape(len(values), -1).T).T
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = (power * variance > 1e-6) & ~np.isnan(observed.values)
        score = np.where(seen, np.abs(pull) / np.sqrt(power), 0.0)
        correction = np.where(seen, -pull / power, 0.0)
    # a reading off by little is repaired with the others, not dropped
    score = np.where(np.abs(correction) > CORRUPTED * values, score, 0.0)
    if observed.exact:
        typical = _relative_error(observed)
        freedom = _whole(balances, observed.values).sum(axis=1, keepdims=True) - 1
        chi2 = np.einsum("tb,tb->t", broken, multiplier)[:, None]
        left = np.sqrt(np.maximum(chi2 - score**2, 0.0) / np.maximum(freedom, 1))
        score /= np.where(freedom > 0, np.clip(left, ROUNDING, typical), typical)
    return score, correction


def _most_plausible(
    system: System, values: Floats, score: Floats, correction: Floats, expected: Floats | None
) -> NDArray[np.int64]:
    """Among the counters that explain a break equally well, the one whose removal fits best."""
    tied = score >= score.max(axis=1, keepdims=True) * (1 - 1e-3)
    chosen = score.argmax(axis=1)
    rows = np.flatnonzero(tied.sum(axis=1) > 1)
    if not len(rows):
        return chosen
    values, tied = values[rows], tied[rows]
    reference = _reference(system, np.where(tied, np.nan, values), expected)
    tiny = 1e-6 * np.nanmax(values, axis=1, keepdims=True) + 1e-300
    repaired = values + correction[rows]

    def distance(loads: Floats) -> Floats:
        return np.abs(np.log((np.maximum(loads, 0) + tiny) / (reference + tiny)))

    # total misfit if counter i alone is wrong: its repaired value, and the others as measured
    as_measured = np.where(tied, distance(values), 0.0)
    misfit = as_measured.sum(axis=1, keepdims=True) - as_measured + distance(repaired)
    misfit += np.where(repaired < -tiny, 1e3, 0.0)
    chosen[rows] = np.where(tied, misfit, np.inf).argmin(axis=1)
    return chosen


def _reference(system: System, values: Floats, expected: Floats | None) -> Floats:
    """Loads to expect where counters are in doubt: from history, else from the other loads."""
    if expected is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(expected > 0, values / expected, np.nan)
        level = np.nanmedian(ratio, axis=1, keepdims=True)
        return np.asarray(np.nan_to_num(level, nan=1.0) * expected)
    n = len(system.routing.nodes)
    level = np.nan_to_num(values).max(axis=1, keepdims=True) / n + 1e-300
    flat = project(system.rows, np.where(system.carried, level, 0.0), values)
    return np.asarray((system.matrix @ flat.T).T)


def least_squares(observed: Observed) -> Floats:
    """Nearest consistent loads by least squares weighted by their errors, never negative."""
    balances = balances_of(observed.system)
    if not balances.shape[0]:
        return observed.values
    error = _weights(observed)
    values, variance = _deviation(observed, error)
    multiplier, _ = _solve_balances(balances, variance, (balances @ values.T).T)
    repaired = np.maximum(values - variance * (balances.T @ multiplier.T).T, 0.0)
    # a gap is filled only where the balances determine it
    gap = np.isnan(observed.values)
    return np.where(gap & ~_determined(balances, gap), np.nan, repaired)


def _determined(balances: csr_array, gap: Bools) -> Bools:
    """Which gaps the balances determine: those alone in a balance, then repeatedly."""
    uses = abs(balances) > 0
    determined = np.zeros_like(gap)
    open_ = gap.copy()
    while open_.any():
        single = (uses @ open_.T.astype(float)).T == 1
        found = open_ & ((uses.T @ single.T.astype(float)).T > 0)
        if not found.any():
            break
        determined |= found
        open_ &= ~found
    return determined


def summary(count: NDArray[np.int64], links: tuple[str, ...], times: int) -> str:
    """One line that names the suspicious counters, worst first."""
    order = [int(i) for i in np.argsort(-count, kind="stable") if count[i]]
    named = ", ".join(f"'{links[i]}' ({count[i]} of {times} times)" for i in order[:5])
    more = f" and {len(order) - 5} more" if len(order) > 5 else ""
    return f"suspicious counter {named}{more}: contradicts the others; left out where so"
