"""More of the estimation page: intervals on the test week, age of the history, noise, failing links, figures."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

import odflow as of
from benchmarks.failures import shortest_paths
from odflow import labels
from odflow.errors import OdflowWarning
from odflow.estimate import Posterior
from odflow.evaluate.estimation import EstimationBenchmark
from odflow.evaluate.forecast_scores import CRPS_LEVELS
from odflow.evaluate.metrics import tre
from odflow.evaluate.panels import draw_errors, palette, tidy
from odflow.evaluate.perturb import noisy
from odflow.evaluate.protocol import method_named, named_dataset
from odflow.evaluate.report import markdown_table
from odflow.evaluate.rolling_estimation import GROUPS, Intervals, RollingResult, fifths_of, judged, rolling_run
from odflow.named import BACKTESTED, PRETRAINED
from odflow.network.epochs import RoutingEpochs
from odflow.network.failures import each_link

if TYPE_CHECKING:
    from odflow.traffic.datasets import Dataset

NETWORKS = ("abilene", "geant")
ROLLED = ("gravity+kl", "mean+kl", "last-week+kl", "recency+kl", "gaussian", "student-t", "stacked-pretrained")
AGES = (0, 1, 2, 4)
CLASSICAL = ("recency+kl", "gaussian", "student-t")
MOMENTS = "moments"
SIGMA = 0.05
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Week:
    """What one method does on the test week.

    Parameters
    ----------
    tre : tuple of float
        Of each interval.
    sre : tuple of float
        Errors over traffic of flows by their size in the history, from the smallest fifth to the largest.
    intervals : dict of str to Intervals
        As they come and after calibration.
    """

    tre: tuple[float, ...]
    sre: tuple[float, ...]
    intervals: dict[str, Intervals]


@dataclass(frozen=True)
class More:
    """All of one network.

    Parameters
    ----------
    noise : list of float
        From :func:`noise_told`.
    failing : dict of str to list of float
        By method, from :func:`failing_links`.
    rolled : RollingResult
    weeks : dict of str to Week
        By method.
    """

    noise: list[float]
    failing: dict[str, list[float]]
    rolled: RollingResult
    weeks: dict[str, Week]


def week(dataset: str, method: str) -> Week:
    """Estimate a test week, noise-free; the learned methods with seed 0."""
    data = named_dataset(dataset)
    truth, loads = data.test, data.routing.loads(data.test)
    found = method_named(method, 0.0)
    estimator = found.estimator.fit(found.history(data.train, truth), data.routing)
    estimate, intervals = estimator.estimate(loads, data.routing), {}
    if isinstance(estimator, Posterior):
        name = "calibrated" if method in (*BACKTESTED, *PRETRAINED, MOMENTS) else "as it comes"
        intervals[name] = _judged(estimator, loads, data)
    if isinstance(estimator, of.GaussianPosterior):
        estimator.calibrate(data.train, data.routing)
        intervals["calibrated"] = _judged(estimator, loads, data)
    errors = tuple(tre(truth, estimate).values.tolist())
    return Week(errors, _by_size(truth, estimate, data.train), intervals)


def _judged(estimator: Posterior, loads: xr.DataArray, data: Dataset) -> Intervals:
    return judged(estimator.quantiles(loads, data.routing, CRPS_LEVELS), data.test, data.train)


def _by_size(truth: xr.DataArray, estimate: xr.DataArray, history: xr.DataArray) -> tuple[float, ...]:
    nodes = labels.check_demands(truth)["origin"].values.tolist()
    x, found = labels.flat(truth, nodes), labels.flat(estimate, nodes)
    fifths = fifths_of(history, nodes)
    return tuple(float(np.abs(found - x)[:, some].sum() / x[:, some].sum()) for some in fifths)


def rolled(dataset: str) -> RollingResult:
    """Weeks of the training part from histories of several ages."""
    return rolling_run(EstimationBenchmark(dataset=dataset, methods=ROLLED, rolling=True, ages=AGES))


def noise_told(dataset: str) -> list[float]:
    """Student-t: TRE without noise, with it and told it, told what the loads say, told nothing; and what they say."""
    data = named_dataset(dataset)
    loads, found, said = data.routing.loads(data.test), [], []
    exact = float(tre(data.test, of.StudentTPosterior().fit(data.train).estimate(loads, data.routing)).mean())
    for seed in SEEDS:
        given = noisy(loads, SIGMA, seed=seed)
        said.append(of.noise_level(given, data.routing))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OdflowWarning)
            estimators = [of.StudentTPosterior(noise=noise).fit(data.train) for noise in (SIGMA, said[-1], 0.0)]
            found.append([float(tre(data.test, one.estimate(given, data.routing)).mean()) for one in estimators])
    return [exact, *np.mean(found, axis=0).tolist(), float(np.mean(said))]


def failing_links(dataset: str, method: str) -> list[float]:
    """Each link fails in the middle of the test week; TRE before and after, without and with failure (mean, worst)."""
    data = named_dataset(dataset)
    assert data.network is not None
    routing = shortest_paths(data)
    estimator, middle = method_named(method, 0.0).estimator.fit(data.train), data.test.sizes["time"] // 2
    whole = tre(data.test, estimator.estimate(routing.loads(data.test), routing)).values
    before, after = [], []
    for failure in each_link(data.network):
        failed = routing.without(links=failure.links)
        if failed.unreachable:
            continue
        epochs = RoutingEpochs(data.test["time"].values[[0, middle]], (routing, failed))
        found = tre(data.test, estimator.estimate(epochs.loads(data.test), epochs)).values
        before.append(np.abs(found[:middle] - whole[:middle]).max())
        after.append(found[middle:].mean() - whole[middle:].mean())
    summary = (whole[middle:].mean(), np.max(before), np.mean(after), np.max(after))
    return [len(after), *map(float, summary)]


def sections(found: dict[str, More], figures: Path) -> str:
    """The sections of the page; writes the figures."""
    for name, more in found.items():
        _figure(more, name).savefig(figures / f"estimation-{name}.png", dpi=110)
    caption = "TRE over the test week, intervals, size of flows, age of the history"
    pictures = [f"![{caption}](figures/estimation-{name}.png)\n" for name in found]
    headings = ("data", "method", "", "TRE", "inside", *_SIZES, "CRPS")
    intervals = [
        [
            *(name, method, kind, f"{np.mean(week.tre):.4f}", f"{one.inside:.1%}"),
            *(f"{share:.1%}" for share in one.by_size),
            f"{one.crps:.4f}",
        ]
        for name, more in found.items()
        for method, week in more.weeks.items()
        for kind, one in week.intervals.items()
    ]
    told = ("data", "no noise", "told 5 %", "told what the loads say", "told nothing", "the loads say")
    noise = [[name, *(f"{one:.4f}" for one in more.noise[:4]), f"{more.noise[4]:.2%}"] for name, more in found.items()]
    added = ("data", "method", "links", "TRE without", "added, mean", "added, worst", "before, at most")
    failing = [
        [name, method, f"{count:.0f}", f"{whole:.4f}", f"{mean:+.4f}", f"{worst:+.4f}", f"{before:.0e}"]
        for name, more in found.items()
        for method, (count, whole, before, mean, worst) in more.failing.items()
    ]
    parts = [*pictures, _INTERVALS, markdown_table(headings, intervals), "", _NOISE, markdown_table(told, noise)]
    parts += ["", _FAILING, markdown_table(added, failing), "", *(more.rolled.markdown() for more in found.values())]
    return "\n".join(parts)


_SIZES = ("smallest fifth", *map(str, range(2, GROUPS)), "largest fifth")
_INTERVALS = """## Intervals on the test week

Nominal 90 %: share of the traffic of demands that lie in their interval, share of demands by size of the flow in the
history, and CRPS over the mean traffic. Calibrated by back-tests inside the history, `moments` by simulated networks;
learned methods with seed 0.
"""
_NOISE = f"""## Noise that is not told

Student-t, loads with {SIGMA:.0%} lognormal noise (seeds 0 to 2, means), TRE:
"""
_FAILING = """## A link fails in the middle of the week

Each link in turn, in both directions, those apart without which nodes are cut off; the estimator is told by
`RoutingEpochs`. TRE of the second half of the week without the failure, how much the failure adds to it, and how much
the error of any interval before it changes.
"""


def _figure(more: More, name: str) -> Figure:
    weeks, ages, time = more.weeks, more.rolled.config.ages, named_dataset(name).test["time"].values
    colors = palette(list(weeks))
    figure = Figure((13, 8.5), layout="constrained")
    (over, inside), (size, age) = figure.subplots(2, 2)
    draw_errors(over, time, {method: np.array(one.tre) for method, one in weeks.items()}, colors)
    over.set_title(f"{name}: TRE over the test week", loc="left")
    places = np.arange(GROUPS)
    for k, (method, one) in enumerate(weeks.items()):
        if "calibrated" in one.intervals:
            shares = 100 * np.array(one.intervals["calibrated"].by_size)
            inside.plot(places + 0.06 * (k - 2.5), shares, "o", color=colors[method], label=method)
    inside.axhline(90, color="0.6", linewidth=1)
    inside.set_title("in the calibrated 90 % interval, %, by size of the flow", loc="left")
    for method, one in weeks.items():
        size.plot(places, one.sre, "o-", color=colors[method], label=method)
    size.set_yscale("log")
    size.yaxis.set_minor_formatter(NullFormatter())
    size.set_yticks([0.05, 0.1, 0.2, 0.5, 1], ["0.05", "0.1", "0.2", "0.5", "1"])
    inside.set_ylim(75, 100)
    size.set_title("error over traffic, by size of the flow", loc="left")
    for axes in (inside, size):
        axes.set_xticks(places, [name.replace(" ", "\n") for name in _SIZES])
    for row in more.rolled.rows:
        if row.method in colors or row.method in ("last-week+kl", "mean+kl"):
            style = {"color": colors[row.method]} if row.method in colors else {"color": "0.6"}
            line = [float(np.mean(row.tre[one])) for one in ages]
            age.plot(ages, line, "o-", label=row.method, **style)
            if row.method not in colors:
                age.annotate(row.method, (ages[-1], line[-1]), xytext=(4, 0), textcoords="offset points", color="0.4")
    age.set_xticks(ages)
    age.set_xlabel("weeks")
    age.set_title("TRE by age of the history, training weeks", loc="left")
    for axes in (inside, size, age):
        tidy(axes, "y")
    inside.legend(frameon=False)
    return figure
