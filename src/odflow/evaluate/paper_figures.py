"""The figures of the DDPM-TME paper (Yuan et al. 2023, figures 3 to 7) for any generators and estimators.

All take flat TMs of shape (n, flows) in bit/s, by name, so that learned and classical methods can be drawn
together, and return a ``matplotlib`` figure; :func:`odflow.evaluate.html.png` makes a small file of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from odflow import labels
from odflow.errors import DataError, MissingDependencyError
from odflow.evaluate.synthesis_space import fit_space, pair

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    from odflow.evaluate.panels import dates, tidy
    from odflow.evaluate.paper_panels import WIDTH, clouds, running_median, styles, traffic_axis, weekends
except ImportError as error:
    raise MissingDependencyError("figures need matplotlib; install it with: pip install 'odflow[eval]'") from error

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Named = Mapping[str, ArrayLike]

__all__ = ["ecdf_figure", "pca_figure", "sre_figure", "styles", "tre_figure", "tsne_figure"]


def pca_figure(real: ArrayLike, synthetic: Named, *, most: int = 1000, seed: int = 0) -> Figure:
    """Real and synthetic TMs along the two principal axes of the real ones, one panel per generator (figure 3).

    Flows are standardised first, as for the measures. The frame is that of the real TMs; it says how many of
    the synthetic ones lie outside.

    Parameters
    ----------
    real : array-like (n, flows)
    synthetic : mapping of str to array-like (m, flows)
    most : int
        TMs to draw of each set, chosen at random with this
    seed : int

    Raises
    ------
    DataError
        If the arrays do not fit, hold values that are not measured, or the real TMs vary along one axis only.
    """
    space = fit_space(real, share=1.0, most=2)
    if space.axes.shape[1] < 2:
        raise DataError("the real TMs vary along one axis only; there is no plane to draw")
    sets = [space(x) for x in _drawn(real, synthetic, most, seed)]
    named = zip(("first", "second"), space.shares, strict=True)
    words = [f"{name} principal axis ({share:.0%} of the variance)" for name, share in named]
    low, high = np.quantile(sets[0], (0.002, 0.998), axis=0)
    return clouds(sets, list(synthetic), (words[0], words[1]), (low, high))


def tsne_figure(
    real: ArrayLike, synthetic: Named, *, most: int = 400, perplexity: float = 30.0, seed: int = 0
) -> Figure:
    """Real and synthetic TMs in one t-SNE map (van der Maaten & Hinton 2008), one panel per generator (figure 4).

    All sets are mapped together, so real TMs are at the same places in every panel; input are the
    coordinates in the PCA space of the real TMs. What to look for is whether real and synthetic TMs mix;
    distances between groups mean nothing in such a map.

    Parameters
    ----------
    real, synthetic, most, seed
        As for :func:`pca_figure`.
    perplexity : float
        About the number of neighbours that count.

    Raises
    ------
    DataError
        If the arrays do not fit or hold values that are not measured.
    MissingDependencyError
        Without scikit-learn.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        text = "t-SNE needs scikit-learn; install it with: pip install 'odflow[eval]'"
        raise MissingDependencyError(text) from error
    space = fit_space(real)
    sets = [space(x) for x in _drawn(real, synthetic, most, seed)]
    every = np.concatenate(sets)
    near = min(perplexity, (len(every) - 1) / 3)
    places = TSNE(perplexity=near, init="pca", random_state=seed, n_jobs=1).fit_transform(every)
    ends = np.cumsum([len(x) for x in sets])[:-1]
    sets, words = np.split(places.astype(float), ends), ("t-SNE, first axis", "t-SNE, second axis")
    return clouds(sets, list(synthetic), words, (places.min(axis=0), places.max(axis=0)))


def ecdf_figure(truth: ArrayLike, estimates: Named, *, largest: float | None = None) -> Figure:
    """Distribution of the absolute errors of all flows and intervals, one line per method (figure 5).

    Parameters
    ----------
    truth : array-like (T, flows)
        bit/s; what is not measured (NaN) is left out.
    estimates : mapping of str to array-like (T, flows)
    largest : float, optional
        Largest demand of the data set, bit/s, by which errors are divided; that of `truth` by default.

    Raises
    ------
    DataError
        If the arrays do not fit, or nothing was measured.
    """
    x = _measured(truth)
    top = largest or float(np.nanmax(x))
    errors = {name: np.sort(np.abs(x - y)[~np.isnan(x - y)]) / top for name, y in _fitting(x, estimates).items()}
    # what is left out at the ends is flat
    high = max(float(np.quantile(e, 0.9995)) for e in errors.values()) or 1.0
    low = min(float(np.quantile(e, 0.05)) for e in errors.values())
    grid = np.geomspace(min(max(low, 1e-6 * high), 0.1 * high), high, 400)
    figure = Figure(figsize=(0.72 * WIDTH, 4.4), layout="constrained")
    axes = figure.subplots()
    for name, (color, dashes) in styles(estimates).items():
        share = np.searchsorted(errors[name], grid, side="right") / len(errors[name])
        axes.plot(grid, share, color=color, linestyle=dashes, linewidth=1.7, label=name)
    axes.set(xscale="log", xlim=(grid[0], grid[-1]), ylim=(0, 1.01))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("absolute error of a demand / largest demand of the data set", fontsize=9)
    axes.set_ylabel("demands with at most this error", fontsize=9)
    tidy(axes, grid="both")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def tre_figure(time: ArrayLike, truth: ArrayLike, estimates: Named) -> Figure:
    """Temporal relative error of hourly records, one line per method, weekends shaded (figure 6).

    The paper aggregates 7 days into 168 records: here, TMs (true and estimated) are averaged over each hour, and
    the error is that of the averages, ``TRE = sum_i |x_i - x̂_i| / sum_i x_i``.

    Parameters
    ----------
    time : array-like (T,)
        UTC start of each interval, in order.
    truth : array-like (T, flows)
        bit/s; what is not measured (NaN) is left out.
    estimates : mapping of str to array-like (T, flows)

    Raises
    ------
    DataError, LabelError
        If the arrays do not fit, or nothing was measured.
    """
    x, times = _measured(truth), labels.as_times(time)
    if len(x) != len(times):
        raise DataError(f"{len(x)} TMs do not fit {len(times)} times")
    hours, first = np.unique(times.astype("datetime64[h]"), return_index=True)
    records = hours.astype("datetime64[ns]")
    figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    axes = figure.subplots()
    weekends(axes, records)
    guesses = _fitting(x, estimates)
    for name, (color, dashes) in styles(estimates).items():
        error = _hourly_tre(x, guesses[name], first)
        label = f"{name}, {np.nanmean(error):.3f}"
        axes.plot(records, error, color=color, linestyle=dashes, linewidth=1.3, label=label)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("relative error of hourly TMs (TRE)", fontsize=9)
    dates(axes, records)
    tidy(axes, grid="y")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9, title="method, mean", alignment="left")
    return figure


def _hourly_tre(x: Floats, y: Floats, first: NDArray[np.int64]) -> Floats:
    """TRE of sums over the runs of rows that start at `first`."""
    known = ~np.isnan(x - y)
    true, guess = (np.add.reduceat(np.where(known, part, 0.0), first, axis=0) for part in (x, y))
    volume = true.sum(axis=1)
    return np.asarray(np.where(volume > 0, np.abs(true - guess).sum(axis=1) / np.where(volume > 0, volume, 1), np.nan))


def sre_figure(truth: ArrayLike, estimates: Named) -> Figure:
    """Spatial relative error against flows sorted by mean volume, largest first (figure 7).

    A dot for every flow, ``SRE = sum_t |x - x̂| / sum_t x``, and a line for the running median over a fifteenth of the
    flows. The upper axis tells how much of all traffic the flows to the left carry.

    Parameters
    ----------
    truth : array-like (T, flows)
        bit/s; flows without true traffic are left out, as is what is not measured (NaN).
    estimates : mapping of str to array-like (T, flows)

    Raises
    ------
    DataError
        If the arrays do not fit, or there is no traffic.
    """
    x = _measured(truth)
    volume = np.nansum(x, axis=0)
    order = np.argsort(-volume, kind="stable")[: int((volume > 0).sum())]
    if not len(order):
        raise DataError("the truth holds no traffic; there is no relative error")
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    axes = figure.subplots()
    rank = np.arange(1, len(order) + 1)
    middle = []
    for name, y in _fitting(x, estimates).items():
        missed, true = np.abs(x - y)[:, order], x[:, order]
        error = np.nansum(missed, axis=0) / np.where(np.isnan(missed), 0.0, true).sum(axis=0)
        color, dashes = styles(estimates)[name]
        axes.scatter(rank, error, s=5, color=color, alpha=0.22, linewidths=0)
        middle.append(running_median(error, max(len(order) // 15, 5)))
        axes.plot(rank, middle[-1], color=color, linestyle=dashes, linewidth=1.8, label=name)
    low, high = min(float(m.min()) for m in middle), max(float(m.max()) for m in middle)
    axes.set(yscale="log", xlim=(0.5, len(order) + 0.5), ylim=(max(low, 1e-4) / 2, 3 * max(high, 1e-3)))
    axes.set_xlabel("flow, by falling mean volume", fontsize=9)
    axes.set_ylabel("relative error of the flow (SRE)", fontsize=9)
    tidy(axes, grid="y")
    traffic_axis(axes, np.cumsum(volume[order]) / volume.sum())
    axes.legend(frameon=False, fontsize=9, loc="upper left", ncols=2)
    return figure


def _drawn(real: ArrayLike, synthetic: Named, most: int, seed: int) -> list[Floats]:
    """At most so many TMs of each set, the real ones first."""
    if not synthetic:
        raise DataError("no synthetic TMs to draw")
    rng = np.random.default_rng(seed)
    sets = [pair(real, real)[0], *(pair(real, x)[1] for x in synthetic.values())]
    return [x if len(x) <= most else x[rng.choice(len(x), most, replace=False)] for x in sets]


def _measured(truth: ArrayLike) -> Floats:
    x = np.asarray(truth, dtype=float)
    if x.ndim != 2 or np.isnan(x).all():
        raise DataError(f"the truth of shape {x.shape} cannot be drawn; expected measured TMs (T, flows)")
    return x


def _fitting(x: Floats, estimates: Named) -> dict[str, Floats]:
    """Estimates as floats; raises ``DataError`` where one does not have the shape of the truth."""
    if not estimates:
        raise DataError("no estimates to draw")
    found = {name: np.asarray(y, dtype=float) for name, y in estimates.items()}
    for name, y in found.items():
        if y.shape != x.shape or np.isnan(y - x).all():
            raise DataError(f"estimate '{name}' of shape {y.shape} does not fit the truth, {x.shape}")
    return found
