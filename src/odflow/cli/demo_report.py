"""The HTML report of ``odflow demo``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odflow import __version__, labels
from odflow.cli.console import percent, rate
from odflow.cli.demo_runs import Run, winner
from odflow.evaluate.figures import (
    error_figure,
    flows_figure,
    overview_figure,
    palette,
    quality_figure,
    scatter_figure,
    utilisation_figure,
)
from odflow.evaluate.forecast_figures import forecast_figure
from odflow.evaluate.html import Section, Spark, TableOf, png, write_bytes, write_page

if TYPE_CHECKING:
    import xarray as xr

    from odflow.cli.demo_data import World
    from odflow.cli.demo_forecast import NextDay


def write_report(
    folder: Path,
    world: World,
    runs: Sequence[Run],
    quantiles: xr.DataArray,
    ahead: NextDay,
    commands: str,
    seed: int,
) -> None:
    """Write the report of a demo as one HTML file, and its first figure as a picture."""
    shown = {run.label: run.estimate for run in runs}
    colors = palette(list(shown))
    last, without = runs[-1], next(run for run in runs if run.method == "kl")
    two = {"link loads only": without.estimate, "with two weeks of history": last.estimate}
    overview = overview_figure(world.network, world.loads, world.truth, two, quantiles)
    write_bytes(folder / "overview.png", png(overview, dpi=100))
    sections = [
        Section(
            "At a glance",
            "Link loads are what every network measures. Who sends how much to whom has to be inferred from them; past "
            "traffic matrices, if there are any, help a great deal.",
            figure=overview,
            alt="Map of link utilisation, true against estimated flows, and two flows over the week",
        ),
        Section(
            "How good is each method?",
            "Ways to estimate the same week of traffic matrices, from the same polled counters. TRE: relative error of "
            "an interval over all flows, mean over the week; SRE: relative error of a flow over the week, median over "
            "flows; NMAE: error of everything relative to all traffic. Lower is better. A pretrained stack has learnt "
            "on other networks of the simulator that made this traffic; on real ones it has a smaller lead.",
            table=method_table(runs),
        ),
        Section(
            "Error over time",
            "Relative error of every hour of the week; the weekend is shaded. Methods that know two past weeks of "
            "measured traffic matrices are far ahead of those that have the link loads alone, and their error grows as "
            "the history gets older: measure again from time to time.",
            figure=error_figure(world.truth, shown, colors=colors),
            alt="Relative error of every method over the week",
        ),
        Section(
            "True against estimated flows",
            "Every dot is one demand: its true mean over the week against the estimated one. The grey band holds "
            "estimates within a factor of two.",
            figure=scatter_figure(
                world.truth, {run.label: run.estimate for run in (runs[0], without, last)}, colors=colors
            ),
            alt="Scatter of true and estimated mean flows for three methods, logarithmic axes",
        ),
        Section(
            "Link utilisation",
            "As the counters measured it, in both directions of every link. Ticks mark the busiest 15 minutes.",
            figure=utilisation_figure(world.network, world.loads),
            alt="Map of the network with links coloured by utilisation, and bars of the busiest links",
        ),
        Section(
            "Largest flows",
            f"Estimated by: {last.label}, with the interval that should hold the true value in 90 % of the cases; it "
            f"did in {percent(covered(world.truth, quantiles))}, over all demands.",
            figure=flows_figure(world.truth, last.estimate, quantiles),
            alt="True and estimated course of the six largest flows over the week",
            table=flow_table(world.truth, last.estimate),
        ),
        Section(
            "The next day, by service",
            f"What every node sends to the network, of three services, forecast for 24 hours from eleven days of "
            f"hourly values by the method that did best on the last of them: {ahead.choice.method}. Lines after "
            f"the grey one: dashed what was forecast, solid what came. The bands should hold 90 % of the true values; "
            f"they hold {percent(ahead.inside)}.",
            figure=forecast_figure(ahead.history, ahead.forecast, ahead.bands, ahead.truth),
            alt="Traffic of the four largest nodes by service over three days, the forecast of the next, and what came",
            table=forecast_table(ahead),
        ),
        Section(
            "Quality of the counters",
            "Polled every five minutes, with jitter, lost answers, counter wraps, restarts, and a router that did not "
            "answer for three hours. Dark and coloured intervals are not measured; nothing is made up for them. "
            "“split” means that octets were shared out over the edges of an interval, with a known largest error.",
            figure=quality_figure(world.loads),
            alt="Quality flags of the link loads over the week",
        ),
        Section(
            "Do it yourself",
            "The files of this demo are in the folder of this report. These commands repeat every step:",
            commands=commands,
        ),
    ]
    write_page(
        folder / "report.html",
        f"Traffic matrices of {world.network.name}",
        "A demonstration of odflow: a real topology, made-up but plausible traffic, polled interface counters, and "
        "the traffic matrices that odflow finds from them. The true ones are known here, so the errors are exact.",
        key_figures(world, runs),
        sections,
        f"Made by odflow {__version__}, seed {seed}. Times are UTC.",
    )


def covered(truth: xr.DataArray, quantiles: xr.DataArray) -> float:
    """Share of the true values between the outer quantiles."""
    low, high = (quantiles.isel(quantile=i).values for i in (0, -1))
    return float(((truth.values >= low) & (truth.values <= high)).mean())


def method_table(runs: Sequence[Run]) -> TableOf:
    """The table of methods."""
    rows = []
    for run in runs:
        every = run.score.all
        residual = every.residual.mean if every.residual else float("nan")
        rows.append(
            [
                run.label,
                run.needs,
                f"{every.tre.mean:.3f}",
                f"{every.sre.median:.3f}",
                f"{every.nmae:.3f}",
                percent(residual),
                f"{run.seconds:.1f} s",
            ]
        )
    headings = ("method", "needs", ">TRE", ">SRE", ">NMAE", ">link residual", ">time for the week")
    return TableOf(headings, rows, best=runs.index(winner(runs)))


def flow_table(truth: xr.DataArray, estimate: xr.DataArray, count: int = 15) -> TableOf:
    """True and estimated means of the largest flows, with their course over the week."""
    nodes = tuple(str(node) for node in truth["origin"].values)
    true, guess = labels.flat(truth, nodes), labels.flat(estimate, nodes)
    pairs = labels.od_pairs(nodes)
    rows: list[list[str | Spark]] = []
    for k in np.argsort(-true.mean(axis=0), kind="stable")[:count]:
        error = np.abs(guess[:, k] - true[:, k]).sum() / true[:, k].sum()
        course = Spark(_thin(true[:, k]), _thin(guess[:, k]))
        rows.append([" → ".join(pairs[k]), rate(true[:, k].mean()), rate(guess[:, k].mean()), percent(error), course])
    return TableOf(("flow", ">true mean", ">estimated mean", ">SRE", "week (black true, blue estimated)"), rows)


def forecast_table(ahead: NextDay) -> TableOf:
    """Errors of the forecast by service, beside those of the day before."""
    rows = [
        [service, rate(float(ahead.truth.sel(service=service).sum("node").mean())), percent(error), percent(before)]
        for (service, error), before in zip(ahead.error.items(), ahead.naive.values(), strict=True)
    ]
    return TableOf(("service", ">mean traffic", ">error (WAPE)", ">error of the day before"), rows)


def key_figures(world: World, runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Numbers below the title."""
    total = world.truth.sum(("origin", "destination"))
    best = winner(runs)
    missing = float(np.isnan(world.loads.values).mean())
    return [
        ("nodes", str(len(world.network.nodes))),
        ("directed links", str(len(world.network.links))),
        ("demands", str(len(world.network.nodes) ** 2)),
        ("mean traffic", rate(float(total.mean()))),
        ("polls", f"{len(world.polls):,}"),
        ("loads not measured", percent(missing)),
        ("best TRE", f"{best.score.all.tre.mean:.3f} ({best.label})"),
    ]


def _thin(values: np.ndarray, most: int = 168) -> np.ndarray:
    step = max(1, len(values) // most)
    return np.asarray(values[: len(values) // step * step].reshape(-1, step).mean(axis=1))
