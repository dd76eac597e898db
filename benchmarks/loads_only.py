"""The TM from link loads alone, without any history: ``python -m benchmarks loads-only``."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import odflow as of
from benchmarks.loads_rivals import RIVALS, MeanThenKL
from odflow.estimate import Estimator, MomentPosterior, Posterior
from odflow.evaluate.forecast_scores import CRPS_LEVELS
from odflow.evaluate.html import png, write_bytes
from odflow.evaluate.measure import peak_mib, reset_peak
from odflow.evaluate.metrics import tre
from odflow.evaluate.panels import palette, tidy
from odflow.evaluate.perturb import noisy, without_counters
from odflow.evaluate.protocol import method_named, named_dataset
from odflow.evaluate.report import markdown_table, provenance, write_text
from odflow.evaluate.rolling_estimation import judged
from odflow.evaluate.synthetic import random_network
from odflow.network.formats.topohub import topohub_keys
from odflow.simulate import BackboneConfig, BackboneRandomization
from odflow.simulate.backbone import BackboneSimulator
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

if TYPE_CHECKING:
    from odflow.network.routing import Routing
    from odflow.traffic.datasets import Dataset

NETWORKS = {"abilene": "Abilene", "geant": "GÉANT"}
OURS, FIT, GRAVITY = "simulated-prior", "moments", "gravity + KL"
WITH_HISTORY = ("recency+kl", "student-t", "oracle:test-mean+kl")
HOURS = (6.0, 12.0, 24.0, 48.0, 96.0, 168.0)
BUDGETS = {"abilene": (10, 20, 40), "geant": (10, 50, 100)}
ROUTERS = (2, 4)
SEEDS = (0, 1, 2)
GROUPS, EVERY = ("sndlib", "topozoo"), 5  # all of the first, every fifth of the others
NODES = (10, 60)
AGES, _LAST_WEEKS, _CHANGED = (0, 1, 2, 4, 8), 4, 0.6
_STEP_S = 3600.0  # between snapshots that are scored in the longer tables

INTRODUCTION = """# The traffic matrix from link loads alone

Made by `python -m benchmarks loads-only`. No method of the first part of each table is given a measured traffic matrix:
each sees the link loads of a week (or of the hours that are said), the routing, and nothing else. `simulated-prior` is
what `odflow estimate` takes without a history; its networks have learnt on simulated traffic over random graphs, and
its intervals are put right on others of the same kind. Its constants and those of `moments` are one set for all
networks. Rivals: `iterated KL` takes the mean of the week's projections as the next prior, six times from gravity;
Vardi (JASA 91, 1996) and Cao et al. (JASA 95, 2000) tell means from covariances by models without prior; each is
followed by the projection of its mean onto the loads of each snapshot. In italics: with a history, or with the true
mean of the week.

TRE, and 90 % intervals: share of the traffic (and, in the fifths of the flows by size, of the demands) that is inside.
Where a table says nothing else it has one TM of each hour. Three seeds (0 to 2) where anything is random, their mean.
"""
STALE = f"""The last weeks of the training part with a history that ends 0, 1, 2, 4 and 8 weeks before them: by the
history (by `student-t`, and by the method that is best in back-tests inside it), by the loads alone, and by
`loads-and-history`, which weighs what is best and the loads by their errors inside the history and by how far they are
apart, and takes the history alone where that should cost next to nothing. That is what `odflow estimate --history`
does. *Changed*: one that has just ended, each demand times a factor of its own (lognormal, sigma {_CHANGED}), so that
it is no longer true:"""


def methods() -> dict[str, Estimator]:
    """All that need no history, unfitted."""
    rivals = {name: MeanThenKL(how=how) for name, how in RIVALS.items()}
    plain: dict[str, Estimator] = {"gravity": of.Gravity(), "tomogravity": of.Tomogravity(), GRAVITY: of.KLProjection()}
    return {**plain, **rivals, FIT: of.MomentPosterior(), OURS: of.SimulatedPrior()}


@cache
def data_of(name: str) -> Dataset:
    """A data set with its protocol."""
    return named_dataset(name)


def some(tms: xr.DataArray) -> xr.DataArray:
    """One TM of each hour, as they are scored in the longer tables."""
    return tms[:: max(1, round(_STEP_S / float(tms.attrs["interval_s"])))]


def weeks_of(data: Dataset) -> Iterator[xr.DataArray]:
    """Weeks of the training part, from its end; without TMs that are incomplete."""
    length = round(7 * 86400 / float(data.train.attrs["interval_s"]))
    for end in range(len(data.train), length - 1, -length):
        week = data.train[end - length : end]
        yield week[np.isfinite(week.values).all(axis=(1, 2)) & (week.values.sum(axis=(1, 2)) > 0)]


def error(estimator: Estimator, truth: xr.DataArray, loads: xr.DataArray, routing: Routing) -> float:
    """Mean TRE at the times of `truth`, learnt from all loads."""
    ready = estimator._ready(loads, routing, None, 0.0)
    return float(tre(truth, ready.estimate(loads.sel(time=truth["time"]), routing)).mean())


def test_week(name: str) -> str:
    """The protocol's test week, every interval."""
    data, rows = data_of(name), []
    loads = data.routing.loads(data.test)
    for method, estimator in methods().items():
        say(f"{name}: {method}")
        start = time.perf_counter()
        estimate = estimator.estimate(loads, data.routing)
        seconds = time.perf_counter() - start
        cells = ["-", "-", "-"]
        if isinstance(estimator, Posterior) and not isinstance(estimator, MeanThenKL):
            found = judged(estimator.quantiles(loads, data.routing, CRPS_LEVELS), data.test, data.train)
            cells = [
                f"{found.inside:.1%}",
                f"{min(found.by_size):.0%} to {max(found.by_size):.0%}",
                f"{found.crps:.3f}",
            ]
        rows.append([method, f"{float(tre(data.test, estimate).mean()):.3f}", *cells, f"{seconds:.1f} s"])
    for method in WITH_HISTORY:
        found_method = method_named(method, 0.0)
        past = found_method.history(data.train, data.test)
        estimate = found_method.estimator.fit(past, data.routing).estimate(loads, data.routing)
        rows.append([f"*{method}*", f"{float(tre(data.test, estimate).mean()):.3f}", "-", "-", "-", "-"])
    return markdown_table(["method", "TRE", "90 %: by traffic", "by size", "CRPS", "time"], rows)


def training_weeks(name: str) -> str:
    """Each week of the training part on its own."""
    data, table = data_of(name), []
    for k, week in enumerate(weeks_of(data)):
        say(f"{name}: week {k}")
        loads, truth = data.routing.loads(week), some(week)
        row = []
        for method, estimator in methods().items():
            if isinstance(estimator, MomentPosterior) and not isinstance(estimator, MeanThenKL):
                estimator.fit(loads=loads, routing=data.routing)
            row.append(error(estimator, truth, loads, data.routing))
            if method == OURS:
                assert isinstance(estimator, MomentPosterior)
                row += [estimator.expected_error, covered(estimator, truth, loads, data.routing)]
        table.append(row)
    rows = [[str(k), *_cells(row)] for k, row in enumerate(table)]
    rows.append(["mean", *_cells(np.mean(table, axis=0))])
    return markdown_table(["week before the test part", *methods(), "expected", "90 %: by traffic"], rows)


def _cells(row: Any) -> list[str]:
    return [*(f"{value:.3f}" for value in row[:-1]), f"{row[-1]:.0%}"]


def covered(estimator: Posterior, truth: xr.DataArray, loads: xr.DataArray, routing: Routing) -> float:
    """Share of the traffic in 90 % intervals."""
    low, high = estimator.quantiles(loads.sel(time=truth["time"]), routing, (0.05, 0.95))
    low, high = low.drop_vars("quantile"), high.drop_vars("quantile")
    return float(truth.where((low <= truth) & (truth <= high), 0.0).sum() / truth.sum())


def disturbed(name: str) -> str:
    """Noise of the polls, polls at uneven times, missing counters; one number for each seed's mean."""
    data = data_of(name)
    loads, truth = data.routing.loads(data.test), some(data.test)
    cases: dict[str, list[tuple[xr.DataArray, float]]] = {
        "as they are": [(loads, 0.0)],
        "1 % noise": [(noisy(loads, 0.01, seed=seed), 0.01) for seed in SEEDS],
        "3 % noise": [(noisy(loads, 0.03, seed=seed), 0.03) for seed in SEEDS],
        "polled up to 30 s off": [(polled(loads, data.network, seed), 0.0) for seed in SEEDS],
        "10 % of the counters missing": [(without_counters(loads, 0.1, seed=seed), 0.0) for seed in SEEDS],
    }
    rows = []
    for case, several in cases.items():
        say(f"{name}: {case}")
        row = []
        for make in (of.KLProjection, of.MomentPosterior, of.SimulatedPrior):
            found = [
                error(make(noise=_noise(one, data.routing, told)), truth, one, data.routing) for one, told in several
            ]
            row.append(float(np.mean(found)))
        rows.append([case, *(f"{value:.3f}" for value in row)])
    return markdown_table(["loads of the test week", GRAVITY, FIT, OURS], rows)


def _noise(loads: xr.DataArray, routing: Routing, told: float) -> float:
    """What is told, else what the contradictions of the loads say."""
    return told or of.noise_level(loads, routing)


def polled(loads: xr.DataArray, network: of.Network | None, seed: int) -> xr.DataArray:
    """Loads from octet counters that are polled every 5 minutes, up to 30 s early or late."""
    found = of.CounterSampler(jitter_s=30.0, loss=0.0).sample(loads, network, seed=seed)
    interval = f"{round(float(loads.attrs['interval_s']))}s"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", of.errors.OdflowWarning)
        again = of.counters_to_loads(found.polls, found.interfaces, interval=interval)
    return again.reindex(time=loads["time"], link=loads["link"]).assign_attrs(loads.attrs)


def lengths() -> dict[str, dict[str, list[float]]]:
    """TRE of the last day of the test week, learnt from the hours of loads that end with it, by network and method."""
    out: dict[str, dict[str, list[float]]] = {}
    for name in NETWORKS:
        data = data_of(name)
        loads, end = data.routing.loads(data.test), data.test["time"].values[-1]
        truth = some(data.test.sel(time=slice(end - np.timedelta64(6, "h"), None)))
        out[name] = {}
        for method, make in {GRAVITY: of.KLProjection, FIT: of.MomentPosterior, OURS: of.SimulatedPrior}.items():
            say(f"{name}: hours of loads, {method}")
            out[name][method] = [
                error(make(), truth, loads.sel(time=slice(end - np.timedelta64(int(hours), "h"), None)), data.routing)
                for hours in HOURS
            ]
    return out


def planned(name: str) -> str:
    """TRE of the test week with some demands measured, chosen by :func:`odflow.plan` or at random."""
    data = data_of(name)
    loads, truth = data.routing.loads(data.test), data.test
    rows = []
    for unit, budgets in (("flow", BUDGETS[name]), ("ingress", ROUTERS), ("router", ROUTERS)):
        say(f"{name}: plan of {unit}s")
        found = of.plan(loads, data.routing, budget=budgets[-1], unit=unit)  # type: ignore[arg-type]
        for budget in budgets:
            flows = [flow for step in found.steps[:budget] for flow in step.flows]
            at_random = [measured(data, loads, truth, _random(data, unit, budget, seed)) for seed in SEEDS]
            row = [measured(data, loads, truth, flows), float(np.mean(at_random)), found.steps[budget - 1].error]
            rows.append([unit, str(budget), *(f"{value:.3f}" for value in row)])
    return markdown_table(["measured", "how many", "planned", "at random", "planned, expected"], rows)


def measured(data: Dataset, loads: xr.DataArray, truth: xr.DataArray, flows: list[tuple[str, str]]) -> float:
    """TRE with these demands known exactly."""
    mask = xr.zeros_like(truth[0], dtype=bool)
    for origin, destination in flows:
        mask.loc[origin, destination] = True
    known = truth.where(mask).assign_attrs(truth.attrs)
    model = of.SimulatedPrior().fit(loads=loads, routing=data.routing, known=known)
    scored = some(truth)
    estimate = model.estimate(loads.sel(time=scored["time"]), data.routing, known=known.sel(time=scored["time"]))
    return float(tre(scored, estimate).mean())


def _random(data: Dataset, unit: str, budget: int, seed: int) -> list[tuple[str, str]]:
    rng, nodes = np.random.default_rng([seed, budget]), list(data.routing.nodes)
    if unit == "flow":
        pairs = [(origin, destination) for origin in nodes for destination in nodes]
        return [pairs[k] for k in rng.choice(len(pairs), budget, replace=False)]
    routers = set(rng.choice(nodes, budget, replace=False).tolist())
    return [(o, d) for o in nodes for d in nodes if o in routers or (unit == "router" and d in routers)]


def stale(name: str) -> str:
    """The last training weeks from a history that ends some weeks before them, from the loads alone, and from both."""
    data, rows = data_of(name), []
    length = round(7 * 86400 / float(data.train.attrs["interval_s"]))
    for age, changed in [(0, True), *((age, False) for age in AGES)]:
        found = []
        for k, week in enumerate(weeks_of(data)):
            past = data.train[: len(data.train) - (k + 1 + age) * length]
            if k == _LAST_WEEKS or len(past) < length:
                break
            say(f"{name}: history {age} weeks old, week {k}")
            if changed:
                rng = np.random.default_rng(k)
                past = past * np.exp(rng.normal(0, _CHANGED, past.shape[1:]))
                past = past.assign_attrs(data.train.attrs)
            loads, truth = data.routing.loads(week), some(week)
            at = loads.sel(time=truth["time"])
            both = of.LoadsAndHistory().fit(past, data.routing, loads=loads)
            assert both.now_ is not None
            assert both.choice_ is not None
            old = of.StudentTPosterior().fit(past)
            estimates = [one.estimate(at, data.routing) for one in (old, both.choice_.estimator, both.now_, both)]
            errors = [float(tre(truth, one).mean()) for one in estimates]
            found.append([*errors, both.weight_, both.expected_error, covered(both, truth, loads, data.routing)])
        mean, loss = np.mean(found, axis=0), [row[3] - min(row[1:3]) for row in found]
        numbers = (*(f"{value:.3f}" for value in mean[:4]), f"{max(loss):+.3f}", *(f"{v:.3f}" for v in mean[4:6]))
        rows.append(["changed" if changed else f"{age} weeks", str(len(found)), *numbers, f"{mean[6]:.0%}"])
    heads = ["age of the history", "weeks", "student-t", "best on the history", OURS, "loads-and-history"]
    more = ["most it loses to the better one", "weight of the history", "expected", "90 %: by traffic"]
    return markdown_table([*heads, *more], rows)


def made_up() -> tuple[str, str]:
    """Networks of topohub with simulated traffic, and with traffic of which gravity is true; and what comes out."""
    lines, rows = [], []
    for kind, traffic in (("simulated", simulated), ("gravity is true", by_gravity)):
        found: list[tuple[str, int, list[float]]] = []
        for k, key in enumerate(keys_to_try()):
            say(f"{kind}: {key}")
            network = of.Network.from_topohub(key)
            routing = of.Routing.shortest_path(network)
            truth = traffic(network, k)
            loads, scored = routing.loads(truth), some(truth)[::4]
            both = [
                error(make(), scored, loads, routing)
                for make in (of.KLProjection, of.MomentPosterior, of.SimulatedPrior)
            ]
            found.append((key, len(routing.nodes), both))
        errors = np.array([both for _, _, both in found])
        ratio = errors[:, 2] / errors[:, 0]
        mean = errors.mean(axis=0)
        lines.append(
            f"* {kind}: {len(found)} networks; `{OURS}` is better than {GRAVITY} on {np.mean(ratio < 1):.0%}, "
            f"TRE in the mean {mean[2]:.3f} against {mean[0]:.3f} (`{FIT}` {mean[1]:.3f}); "
            f"ratio of both in the median {np.median(ratio):.2f}, at the worst {ratio.max():.2f}."
        )
        rows += [[kind, key, str(n), *(f"{value:.3f}" for value in both)] for key, n, both in found]
    return "\n".join(lines), markdown_table(["traffic", "network", "nodes", GRAVITY, FIT, OURS], rows)


def keys_to_try() -> list[str]:
    """Networks of 10 to 60 nodes that the networks have not been trained on."""
    out = []
    for group, step in zip(GROUPS, (1, EVERY), strict=True):
        keys = [key for key in topohub_keys() if key.startswith(f"{group}/")]
        sizes = {key: len(of.Network.from_topohub(key).nodes) for key in keys}
        out += [key for key in keys if NODES[0] <= sizes[key] <= NODES[1]][::step]
    return out


def simulated(network: of.Network, seed: int) -> xr.DataArray:
    """A week with parameters drawn at random."""
    usual = replace(BackboneConfig(), interval="1h", weeks=1.0)
    return BackboneSimulator(network, BackboneRandomization().draw(usual, seed)).run(seed)


def by_gravity(network: of.Network, seed: int) -> xr.DataArray:
    """A week of which gravity is true, in the mean."""
    config = PlausibleTraffic(weeks=1, interval="1h", residual_spread=0.0, self_share=1.0)
    return plausible_traffic(network, config, seed=seed)


def costs() -> str:
    """Time and memory of a day of 15-minute loads of 100 nodes, in this process."""
    network = random_network(100, seed=1, degree=3.5)
    routing = of.Routing.shortest_path(network)
    day = plausible_traffic(network, PlausibleTraffic(weeks=1, interval="15min"), seed=0)[:96]
    loads, rows = routing.loads(day), []
    for method, make in {GRAVITY: of.KLProjection, FIT: of.MomentPosterior, OURS: of.SimulatedPrior}.items():
        say(f"100 nodes: {method}")
        reset_peak()
        start = time.perf_counter()
        estimate = make().estimate(loads, routing)
        seconds = time.perf_counter() - start
        rows.append([method, f"{float(tre(day, estimate).mean()):.3f}", f"{seconds:.0f} s", f"{peak_mib():.0f} MiB"])
    return markdown_table(["a day of 100 nodes", "TRE", "time", "peak memory"], rows)


def length_figure(found: dict[str, dict[str, list[float]]]) -> Figure:
    """Error against hours of loads."""
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    for axes, (name, by_method) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        colors = palette(list(by_method))
        for method, errors in by_method.items():
            axes.plot(HOURS, errors, "o-", color=colors[method], markersize=4, label=method)
        axes.set_xscale("log")
        axes.set_xticks(HOURS, [f"{hours:g} h" if hours < 24 else f"{hours / 24:g} d" for hours in HOURS], minor=False)
        axes.set_ylim(0, 1.1 * max(map(max, by_method.values())))
        axes.minorticks_off()
        axes.set_title(NETWORKS[name], loc="left", fontsize=10)
        axes.set_xlabel("loads to learn from")
        axes.set_ylabel("TRE")
        tidy(axes)
        axes.legend(frameon=False, fontsize=8)
    return figure


def write(folder: Path) -> None:
    """Run everything, and write ``loads-only.md``."""
    parts = [INTRODUCTION.strip(), "\n".join(provenance("python -m benchmarks loads-only", SEEDS[0]).lines())]
    tried, rows = made_up()
    for name, title in NETWORKS.items():
        data = data_of(name)
        parts += [f"## {title}", f"Data: {data.name}, sha256 `{data.sha256}`.", "Test week:", test_week(name)]
        parts += ["Disturbed:", disturbed(name), "Some demands measured:", planned(name), STALE, stale(name)]
        parts += ["Each week of the training part:", training_weeks(name)]
    found = lengths()
    for one, place in found.items():
        rows_of = [[method, *(f"{value:.3f}" for value in errors)] for method, errors in place.items()]
        parts += [f"## How much of loads: {NETWORKS[one]}", markdown_table(["method", *_hours()], rows_of)]
    write_bytes(folder / "figures" / "loads-only-hours.png", png(length_figure(found), dpi=120))
    parts += ["![Error against hours of loads](figures/loads-only-hours.png)", "## Other networks", tried, rows]
    parts += ["## Cost", costs()]
    write_text(folder / "loads-only.md", "\n\n".join(parts) + "\n")


def _hours() -> list[str]:
    return [f"{hours:g} h" for hours in HOURS]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
