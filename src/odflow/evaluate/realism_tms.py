"""Statistics of traffic matrices by which simulated traffic is compared with real one.

All take flat TMs x, shape (T, flows), in bit/s, row-major by origin, without missing values, at a constant interval,
and ignore flows without traffic where a ratio would have no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError
from odflow.evaluate.realism_series import NEGLIGIBLE, gini, in_time, power_law, within_hours
from odflow.simulate.span import DAY_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TMStatistics:
    """What simulated TMs should have in common with real ones.

    Parameters
    ----------
    gini : float
        Inequality of mean demands, 0 (all alike) to 1.
    top_tenth : float
        Share of the traffic in the largest tenth of the flows.
    rank_slope : float
        Slope of log mean demand against rank / flows, over the flows between the ranks of 10 % and 90 %.
    self_share : float
        Share of the traffic that leaves where it entered.
    gravity_error : float
        ``sum |m - g| / sum m`` of the mean TM m and its gravity model g.
    reciprocity : float
        Correlation of ``log m[o, d]`` and ``log m[d, o]`` beyond gravity.
    energy_1, energy_5 : float
        Share of the variance of standardised flows along the first one and five principal axes (Lakhina et al. 2004).
    daily_swing : float
        Busiest over quietest hour of the mean working day, whole network.
    busy_hour : float
        UTC hour of the busiest hour of the mean working day, 0 to 24.
    weekend : float
        Mean level on weekends over that of working days.
    correlation_step, correlation_hour, correlation_day, correlation_week : float
        Autocorrelation of flows at one interval, one hour, one day, one week: mean weighted by volume. NaN where the
        series is shorter than twice the lag.
    variation : float
        Coefficient of variation of flows within hours, mean weighted by volume.
    power : float
        Exponent of the variance within hours against the mean, over flows (least squares of logarithms).
    kurtosis : float
        Median over flows of the excess kurtosis of increments of log demand, as ``log10(3 + excess)``.
    zeros : float
        Share of demands that are 0.
    """

    gini: float
    top_tenth: float
    rank_slope: float
    self_share: float
    gravity_error: float
    reciprocity: float
    energy_1: float
    energy_5: float
    daily_swing: float
    busy_hour: float
    weekend: float
    correlation_step: float
    correlation_hour: float
    correlation_day: float
    correlation_week: float
    variation: float
    power: float
    kurtosis: float
    zeros: float


def tm_statistics(x: Floats, start_s: float, interval_s: float) -> TMStatistics:
    """All statistics of TMs (T, flows) that begin at `start_s` (unix seconds, UTC).

    Raises
    ------
    DataError
        If they hold gaps or no traffic, or span less than a week.
    """
    x = np.asarray(x, dtype=float)
    if not np.isfinite(x).all() or not x.any():
        raise DataError("statistics of TMs need complete ones with traffic; leave incomplete TMs out")
    if len(x) * interval_s < 7 * DAY_S - interval_s:
        raise DataError(f"statistics of TMs need a week of them, these are {len(x) * interval_s / DAY_S:.1f} days")
    mean = x.mean(axis=0)
    tm = square(mean)
    return TMStatistics(
        gini=gini(mean),
        top_tenth=float(np.sort(mean)[::-1][: max(1, len(mean) // 10)].sum() / mean.sum()),
        rank_slope=rank_slope(mean),
        self_share=float(np.trace(tm) / mean.sum()),
        gravity_error=float(np.abs(tm - gravity(tm)).sum() / mean.sum()),
        reciprocity=reciprocity(tm),
        power=power_law(mean, within_hours(x, interval_s)),
        **in_time(x, start_s, interval_s),
    )


def square(mean: Floats) -> Floats:
    """Flat demands (flows,) as (n, n)."""
    n = round(len(mean) ** 0.5)
    return mean.reshape(n, n)


def rank_slope(mean: Floats) -> float:
    """Slope of the logarithm of mean demands against relative rank, in the middle four fifths of those with traffic."""
    logs = np.log(np.sort(mean[mean > 0])[::-1])
    n = len(logs)
    part = slice(n // 10, n - n // 10)
    if n < 10:
        return float("nan")
    return float(np.polyfit((np.arange(n) / n)[part], logs[part], 1)[0])


def gravity(tm: Floats) -> Floats:
    """What goes in times what comes out, over the total: (n, n) from (n, n)."""
    return np.asarray(np.outer(tm.sum(axis=1), tm.sum(axis=0)) / tm.sum())


def reciprocity(tm: Floats) -> float:
    """Correlation of both directions' log residuals from gravity, over pairs that exchange traffic both ways."""
    above, below = np.triu_indices(len(tm), 1)
    floor = NEGLIGIBLE * tm.mean()
    both = (tm[above, below] > floor) & (tm[below, above] > floor)
    if both.sum() < 3:
        return float("nan")
    residual = np.log(np.maximum(tm, floor) / np.maximum(gravity(tm), floor))
    one, other = residual[above, below][both], residual[below, above][both]
    if min(one.std(), other.std()) < np.finfo(np.float32).eps:  # gravity itself
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])
