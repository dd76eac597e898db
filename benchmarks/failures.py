"""Link loads after failures, estimated from the loads before: ``python -m benchmarks failures``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

import odflow as of
from odflow.estimate.failure_loads import WhatIf
from odflow.evaluate.protocol import named_dataset
from odflow.evaluate.report import markdown_table, provenance, write_text
from odflow.network.failures import each_link
from odflow.traffic.datasets import Dataset

SEEDS = (0, 1, 2)
METHODS: dict[str, type] = {
    "gravity": of.Gravity,
    "KL, gravity prior": of.KLProjection,
    "KL, history prior": of.KLProjection,
    "gaussian": of.GaussianPosterior,
    "student-t": of.StudentTPosterior,
    "stacked": of.StackedEstimator,
}
HEADINGS = ["method", "error of the rerouted peak", "in the 90 % interval", "width", "TRE of the TM", "time"]
INTRODUCTION = """# Link loads after failures

Made by `python -m benchmarks failures`. Every link of the network fails on its own, in both directions, and traffic
takes the shortest paths that are left (GÉANT: by hops, for its metrics are not known; its loads are those of that
routing). From the loads of the test week and the history before it, the highest load of every link after every failure
is estimated, and compared with that of the true traffic matrices.

Counted are links that a failure gives other traffic. Error: absolute errors over loads, both summed. Width: of
intervals from 5 to 95 %, over loads. `gaussian` and `student-t` are calibrated by back-tests inside the history. Draws
have the seeds 0 to 2, their mean is shown. The stacked estimator is trained with seed 0, and not calibrated for
failures. Time: of `of.whatif` for the week, with all back-tests, the fit of the estimator apart.
"""


def write(folder: Path) -> None:
    """Run everything, and write ``failures.md``."""
    parts = [INTRODUCTION.strip()]
    parts.append("\n".join(provenance("python -m benchmarks failures", SEEDS[0]).lines()))
    for name, title in (("abilene", "Abilene"), ("geant", "GÉANT")):
        data = named_dataset(name)
        routing = shortest_paths(data)
        rows = [_row(method, data, routing) for method in METHODS]
        parts += [f"## {title}", f"Data: {data.name}, sha256 `{data.sha256}`.", markdown_table(HEADINGS, rows)]
    write_text(folder / "failures.md", "\n\n".join(parts) + "\n")


def shortest_paths(data: Dataset) -> of.Routing:
    """Routing that can fail; of GÉANT by hops, for its metrics are not known."""
    assert data.network is not None
    metric = "metric" if data.name == "abilene" else "hops"
    return of.Routing.shortest_path(data.network, metric=metric, edge_nodes=data.routing.nodes)


def _row(method: str, data: Dataset, routing: of.Routing) -> list[str]:
    print(f"{data.name}: {method}", file=sys.stderr, flush=True)
    assert routing.network is not None
    loads, failures = routing.loads(data.test), each_link(routing.network)
    true = of.whatif(data.test, routing, failures, levels=(0.5,))
    estimator = METHODS[method]()
    if method not in ("gravity", "KL, gravity prior"):
        estimator.fit(data.train, routing)
    start = time.perf_counter()
    draws = isinstance(estimator, of.GaussianPosterior | of.StackedEstimator)
    found = [
        of.whatif(loads, routing, failures, estimator, history=data.train, seed=seed)
        for seed in (SEEDS if draws else SEEDS[:1])
    ]
    seconds = (time.perf_counter() - start) / len(found)
    error, covered, width = np.mean([_scores(one, true) for one in found], axis=0)
    tre = of.evaluate.score(data.test, estimator.estimate(loads, routing)).all.tre.mean
    interval = [f"{covered:.1%}", f"{width:.1%}"] if draws else ["-", "-"]
    return [method, f"{error:.2%}", *interval, f"{tre:.3f}", f"{seconds:.0f} s"]


def _scores(found: WhatIf, true: WhatIf) -> tuple[float, float, float]:
    """Error, coverage and width over links whose peak a failure changes."""
    inner = [k for k, link in enumerate(found.after["link"].values) if not link.startswith(("in:", "out:"))]
    truth, before = true.after.values[:, 0][:, inner], true.before.values[inner]
    low, middle, high = found.after.values[:, :, inner].transpose(1, 0, 2)
    changed = (abs(truth - before) > 1e-3 * before.max()) & (truth > 0)
    total, slack = truth[changed].sum(), 1e-6 * truth.max()
    covered = (low - slack <= truth) & (truth <= high + slack)
    return (
        float(abs(middle - truth)[changed].sum() / total),
        float(covered[changed].mean()),
        float((high - low)[changed].sum() / total),
    )
