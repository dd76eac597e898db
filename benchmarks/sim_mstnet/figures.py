"""Figures of the page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.sim_mstnet.methods import RIVALS
from benchmarks.sim_mstnet.ours import ours
from benchmarks.sim_mstnet.results import Results
from benchmarks.sim_mstnet.sets import DAYS, SETS, load, test
from odflow.evaluate.html import png, write_bytes

SHOWN = {"sim-mstnet": "C3", "zero-shot": "C1", "blend": "C4", "trees": "C2", "sae, untuned": "C0", "last": "0.6"}
_ALL = 16  # where the whole history is drawn
COURSE = "sim-mstnet-weights.csv"


def learn_with_log(folder: Path) -> None:
    """Train from scratch on C2TM, five days, and write down losses and their weights."""
    if (folder / COURSE).exists():
        return
    history = test("c2tm", 5).history
    nodes, services = history.shape[1:]
    ours("no simulation", "c2tm", nodes * services, 0, folder).fit(history, [], log=folder / COURSE)


def course(folder: Path, out: Path) -> None:
    """Weights of the services' losses in the course of that training."""
    from matplotlib.figure import Figure

    if not (folder / COURSE).exists():
        return
    log = pd.read_csv(folder / COURSE)
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k, service in enumerate(load("c2tm").traffic["service"].values):
        left.plot(log["step"], log[f"loss {k}"], color=f"C{k}", linewidth=0.8, label=service)
        right.plot(log["step"], log[f"weight {k}"], color=f"C{k}", label=service)
    left.set_title("loss of a batch, relative to the best simple forecast", fontsize=9)
    right.set_title("weight", fontsize=9)
    for axis in (left, right):
        axis.set_xlabel("step")
        axis.legend(frameon=False, fontsize=8)
    write_bytes(out / "sim-mstnet-weights.png", png(figure, dpi=110))


def write(results: Results, out: Path) -> None:
    """Error against days of history."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 7.5), layout="constrained")
    axes = figure.subplots(2, len(SETS), sharex=True)
    for column, name in enumerate(SETS):
        for lead in (0, 1):
            axis = axes[lead, column]
            for method, colour in SHOWN.items():
                found = [(days or _ALL, cell.mean(lead)) for days in DAYS if (cell := results.get(name, days, method))]
                if found:
                    axis.plot(*zip(*sorted(found), strict=True), "o-", color=colour, label=method, markersize=3)
            best = []
            for days in DAYS:
                cells = [cell.mean(lead) for rival in RIVALS if (cell := results.get(name, days, rival))]
                if cells:
                    best.append((days or _ALL, min(cells)))
            if best:
                axis.plot(*zip(*sorted(best), strict=True), "s--", color="k", label="best other network", markersize=3)
            axis.set_title(f"{name}, {'one step' if lead == 0 else 'far'}", fontsize=9)
            axis.set_xscale("log", base=2)
            axis.set_xticks([1, 2, 4, 8, _ALL], ["1", "2", "4", "8", "all"])
            axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}")
            axis.tick_params(labelsize=8)
        axes[1, column].set_xlabel("days of history")
    axes[0, 0].set_ylabel("WAPE %")
    axes[1, 0].set_ylabel("WAPE %")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7)
    write_bytes(out / "sim-mstnet-scarcity.png", png(figure, dpi=110))
