"""Figure of what measurements bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odflow.errors import MissingDependencyError

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    from odflow.evaluate.panels import arrow, tidy
except ImportError as error:
    raise MissingDependencyError("figures need matplotlib; install it with: pip install 'odflow[eval]'") from error

if TYPE_CHECKING:
    from odflow.estimate import Plan

COLOR = "#0072B2"
_NAMED = 12  # steps that are named
_WIDTH, _HEIGHT = 8.0, 4.2


def plan_figure(found: Plan) -> Figure:
    """Expected error against the number of measurements, the first of them named.

    Parameters
    ----------
    found : Plan
    """
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    errors = [found.error, *(one.error for one in found.steps)]
    axes.plot(range(len(errors)), errors, "o-", color=COLOR, markersize=4, linewidth=1.6)
    for k, one in enumerate(found.steps[:_NAMED], start=1):
        axes.annotate(
            arrow(one.name), (k, one.error), xytext=(3, 5), textcoords="offset points", fontsize=8, rotation=30
        )
    axes.set_ylim(bottom=0, top=max(errors) * 1.08 or 1.0)
    axes.set_xlim(-0.3, len(errors) - 0.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel(
        {"flow": "demands measured", "ingress": "routers measured at their entrance"}.get(
            found.unit, "routers measured"
        )
    )
    axes.set_ylabel("expected error over traffic")
    tidy(axes)
    return figure
