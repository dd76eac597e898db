"""Statistics of many series at once, by which simulated traffic is compared with real one.

Series x have the shape (T, series); all statistics ignore series without traffic where a ratio would have no meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError
from odflow.simulate.span import DAY_S, is_weekend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HOUR_S = 3600.0
NEGLIGIBLE = 1e-3  # of the mean over all series


def in_time(x: Floats, start_s: float, interval_s: float) -> dict[str, float]:
    """Statistics by name that TMs and cells share: rhythm, memory, variation, principal axes, increments, zeros.

    Parameters
    ----------
    x : array, shape (T, series)
    start_s, interval_s : float
        First interval's start, seconds since 1970; length of an interval.
    """
    mean = x.mean(axis=0)
    swing, busy, weekend = rhythm(x.sum(axis=1), np.arange(len(x), dtype=np.float64) * interval_s + start_s)
    lags = {"step": interval_s, "hour": HOUR_S, "day": DAY_S, "week": 7 * DAY_S}
    first, five = energies(x, (1, 5))
    return {
        "energy_1": first,
        "energy_5": five,
        "daily_swing": swing,
        "busy_hour": busy,
        "weekend": weekend,
        **{f"correlation_{name}": autocorrelation(x, max(1, round(lag / interval_s))) for name, lag in lags.items()},
        "variation": float((np.sqrt(within_hours(x, interval_s)) * (mean > 0)).sum() / mean.sum()),
        "kurtosis": kurtosis(x),
        "zeros": float((x == 0).mean()),
    }


def within_hours(x: Floats, interval_s: float) -> Floats:
    """Variance of series within hours, or two intervals if they are longer, shape (series,)."""
    return variance_within(x, max(2, round(HOUR_S / interval_s)))


def gini(mean: Floats) -> float:
    """Gini coefficient: half the mean absolute difference of two flows, relative to the mean."""
    ordered = np.sort(mean)
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def energies(x: Floats, counts: tuple[int, ...]) -> tuple[float, ...]:
    """Share of the variance of standardised flows along the first principal axes."""
    deviation = x.std(axis=0)
    varies = deviation > NEGLIGIBLE * x.mean()
    z = (x[:, varies] - x[:, varies].mean(axis=0)) / deviation[varies]
    value = np.linalg.eigvalsh(z.T @ z)[::-1]
    return tuple(float(value[:count].sum() / value.sum()) for count in counts)


def is_weekend_at(time: Floats) -> NDArray[np.bool_]:
    """Whether times, in seconds since 1970, are on Saturday or Sunday."""
    return is_weekend(time - 4 * DAY_S)  # 1970-01-05 was a Monday


def rhythm(total: Floats, time: Floats) -> tuple[float, float, float]:
    """Daily swing and busiest hour of working days, and the level of weekends relative to them."""
    hour = (time % DAY_S / HOUR_S).astype(int)
    weekend = is_weekend_at(time)
    if weekend.all() or not weekend.any():
        raise DataError("statistics of traffic need working days and a weekend")
    sums = np.bincount(hour[~weekend], total[~weekend], 24) / np.maximum(np.bincount(hour[~weekend], minlength=24), 1)
    angle = np.angle(np.exp(2j * np.pi * (np.arange(24) + 0.5) / 24) @ (sums - sums.mean())) % (2 * np.pi)
    level = float(total[weekend].mean() / total[~weekend].mean())
    return float(sums.max() / max(sums.min(), 1e-12)), float(angle * 24 / (2 * np.pi)), level


def autocorrelation(x: Floats, lag: int) -> float:
    """Mean over flows, weighted by volume, of the autocorrelation at a lag; NaN if the series is too short."""
    if len(x) < 2 * lag:
        return float("nan")
    weight = x.sum(axis=0)
    z = x - x.mean(axis=0)
    variance = (z**2).mean(axis=0)
    varies = variance > 0
    found = (z[lag:, varies] * z[:-lag, varies]).mean(axis=0) / variance[varies]
    return float(np.average(found, weights=weight[varies]))


def variance_within(x: Floats, run: int) -> Floats:
    """Variance of flows within runs of so many intervals, mean over the runs, shape (flows,)."""
    whole = x[: len(x) // run * run].reshape(-1, run, x.shape[1])
    return np.asarray(whole.var(axis=1, ddof=1).mean(axis=0))


def power_law(mean: Floats, variance: Floats) -> float:
    """Exponent c of ``variance = a * mean ** c``, least squares of logarithms, over flows that count."""
    used = (mean > NEGLIGIBLE * mean.mean()) & (variance > 0)
    if used.sum() < 3:
        return float("nan")
    return float(np.polyfit(np.log(mean[used]), np.log(variance[used]), 1)[0])


def increments(x: Floats) -> Floats:
    """Changes of the logarithm from interval to interval, shape (T - 1, series), of series that are not negligible.

    A tenth of a series' mean is added before, so that changes next to 0 do not count.
    """
    mean = x.mean(axis=0)
    used = mean > 10 * NEGLIGIBLE * mean.mean()
    return np.asarray(np.diff(np.log(x[:, used] + 0.1 * mean[used]), axis=0))


def kurtosis(x: Floats) -> float:
    """``log10`` of the kurtosis of :func:`increments`, median over series."""
    change = increments(x)
    change = change - change.mean(axis=0)
    second = (change**2).mean(axis=0)
    fourth = (change**4).mean(axis=0)
    return float(np.log10(np.median(fourth[second > 0] / second[second > 0] ** 2)))
