"""What weights of worlds say about the parameters that the worlds were drawn with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError, MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from odflow.simulate.randomise import World

    Floats = NDArray[np.float64]

LEVELS = (0.05, 0.5, 0.95)
_KOLMOGOROV = 1.358  # a twentieth of the limiting distribution of the scaled distance is above this
_BINS, _COLUMNS = 12, 4
_PRIOR, _PRIOR_MEDIAN, _POSTERIOR = "#d9d9d9", "#8a8a8a", "#0072B2"


@dataclass(frozen=True)
class Parameter:
    """One parameter before and after.

    Parameters
    ----------
    name : str
    prior, posterior : tuples of three floats
        Quantiles 5, 50 and 95 % over the worlds, equally weighted and with their weights.
    spread_left : float
        Posterior distance from 5 to 95 % as a share of the prior one; NaN if the latter is 0.
    distance : float
        Largest difference of both distribution functions (Kolmogorov), 0 to 1.
    """

    name: str
    prior: tuple[float, float, float]
    posterior: tuple[float, float, float]
    spread_left: float
    distance: float


@dataclass(frozen=True, eq=False)
class Posterior:
    """Parameters of simulated worlds as the weights have them; prints as a table.

    Parameters
    ----------
    parameters : tuple of Parameter
        Those that the weights have changed most come first.
    effective : float
        Effective number of worlds, ``(sum w)^2 / sum w^2``.
    chance : float
        Distance that weights which have nothing to do with a parameter stay below in 19 of 20 cases.
    values : array, shape (worlds, parameters)
        In the order of `parameters`.
    weights : array, shape (worlds,)
        They add up to 1.
    """

    parameters: tuple[Parameter, ...]
    effective: float
    chance: float
    values: Floats
    weights: Floats

    def __str__(self) -> str:
        """Table of all parameters."""
        width = max(len("parameter"), *(len(one.name) for one in self.parameters))
        before, after = (f"{name} 5 - 50 - 95 %" for name in ("prior", "posterior"))
        lines = [
            f"{len(self.weights)} worlds, effectively {self.effective:.1f}; distances below {self.chance:.2f} can be "
            "chance",
            f"{'parameter':{width}}  {before:>26}  {after:>26}  spread left  distance",
        ]
        for one in self.parameters:
            before, after = (" - ".join(f"{value:.3g}" for value in three) for three in (one.prior, one.posterior))
            left = "-" if np.isnan(one.spread_left) else f"{one.spread_left:.0%}"
            lines.append(f"{one.name:{width}}  {before:>26}  {after:>26}  {left:>11}  {one.distance:>8.2f}")
        return "\n".join(lines)


def drawn_values(worlds: Iterable[World]) -> tuple[tuple[str, ...], Floats]:
    """What was drawn at random: the parameters in which worlds differ.

    Parameters
    ----------
    worlds : iterable of World
        Such as :func:`odflow.randomize` gives.

    Returns
    -------
    tuple of str, array (worlds, parameters)

    Raises
    ------
    DataError
        If no parameter differs.
    """
    drawn = [world.parameters for world in worlds]
    names = tuple(name for name in (drawn[0] if drawn else ()) if len({one[name] for one in drawn}) > 1)
    if not names:
        raise DataError(f"{len(drawn)} worlds that differ in no parameter; there is nothing to compare")
    return names, np.array([[one[name] for name in names] for one in drawn])


def posterior(names: Sequence[str], values: Floats, weights: Floats) -> Posterior:
    """Compare the parameters of all worlds with those of the worlds that have the weight.

    Parameters
    ----------
    names : sequence of str
    values : array, shape (worlds, parameters)
        Such as :func:`drawn_values` gives.
    weights : array, shape (worlds,)
        Of any scale, such as ``Reweighted.world_weights``.

    Raises
    ------
    DataError
        If shapes do not fit, there is nothing to compare, a value is not finite, or weights are negative or all 0.
    """
    array, shares = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if array.shape != (len(shares), len(names)) or not array.size:
        raise DataError(
            f"values of shape {array.shape}, expected one row for each of {len(shares)} weights and one column for "
            f"each of {len(names)} names, and some of both"
        )
    if not np.isfinite(array).all():
        raise DataError("a value of a parameter is not finite")
    if not (shares >= 0).all() or not 0 < shares.sum() < np.inf:
        raise DataError("weights must be 0 or more, finite, and not all 0")
    shares = shares / shares.sum()
    parameters = [_parameter(name, column, shares) for name, column in zip(names, array.T, strict=True)]
    order = sorted(range(len(parameters)), key=lambda k: -parameters[k].distance)
    effective = float(1 / (shares**2).sum())
    # as for two samples, but the weighted worlds are some of all
    chance = min(1.0, _KOLMOGOROV * float(np.sqrt(max(1 / effective - 1 / len(shares), 0.0))))
    return Posterior(tuple(parameters[k] for k in order), effective, chance, array[:, order], shares)


def _parameter(name: str, values: Floats, shares: Floats) -> Parameter:
    order = np.argsort(values, kind="stable")
    ordered, after = values[order], np.cumsum(shares[order])
    before = np.arange(1, len(values) + 1) / len(values)
    last = np.append(ordered[1:] != ordered[:-1], True)  # distribution functions jump once for equal values
    prior, weighted = (_quantiles(ordered, cumulated) for cumulated in (before, after))
    width = prior[2] - prior[0]
    return Parameter(
        name=name,
        prior=prior,
        posterior=weighted,
        spread_left=(weighted[2] - weighted[0]) / width if width else float("nan"),
        distance=float(np.abs(after - before)[last].max()),
    )


def _quantiles(ordered: Floats, cumulated: Floats) -> tuple[float, float, float]:
    """Smallest values that have this share of the weight at or below them."""
    places = np.minimum(np.searchsorted(cumulated, np.array(LEVELS) - 1e-12), len(ordered) - 1)
    low, middle, high = ordered[places].tolist()
    return low, middle, high


def posterior_figure(found: Posterior, *, count: int = 8) -> Figure:
    """Histograms of the parameters that the weights have changed most: prior grey, posterior coloured.

    Parameters
    ----------
    found : Posterior
    count : int
        Parameters to draw at most.

    Raises
    ------
    MissingDependencyError
        Without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("figures need matplotlib; install it with: pip install 'odflow[eval]'") from error
    shown = found.parameters[:count]
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(2.6 * columns + 0.4, 2.0 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, one, values in zip(grid, shown, found.values.T, strict=False):
        _draw(axes, one, values, found.weights)
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=8.5)
    return figure


def _draw(axes: Axes, one: Parameter, values: Floats, shares: Floats) -> None:
    edges = np.histogram_bin_edges(values, _BINS).tolist()
    equal = np.full(len(values), 1 / len(values))
    axes.hist(values, edges, weights=equal, color=_PRIOR, label="prior: all worlds alike")
    axes.hist(values, edges, weights=shares, histtype="step", color=_POSTERIOR, linewidth=1.6, label="posterior")
    axes.axvline(one.prior[1], color=_PRIOR_MEDIAN, linewidth=1)
    axes.axvline(one.posterior[1], color=_POSTERIOR, linewidth=1)
    axes.set_title(f"{one.name}  ({one.distance:.2f})", loc="left", fontsize=9, fontweight="bold")
    axes.set_yticks([])
    axes.tick_params(labelsize=8.5)
    axes.spines[["top", "right", "left"]].set_visible(False)
