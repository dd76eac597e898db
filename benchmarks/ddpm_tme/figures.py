"""The paper's figures 3 to 7 as PNG, for both networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.ddpm_tme.checks import titled
from benchmarks.ddpm_tme.jobs import SYNTHESIS, Job
from odflow import labels
from odflow.evaluate.html import png
from odflow.evaluate.learned import LEARNED, training_history
from odflow.evaluate.protocol import method_named
from odflow.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from benchmarks.ddpm_tme.running import Runner

    Floats = NDArray[np.float64]

MOST_BYTES = 200_000
_BESIDE = ("last-week+kl", "gaussian")


def write_figures(runner: Runner, folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Draw what there are results for.

    Returns
    -------
    dict
        File name and caption of each figure, by data set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    out: dict[str, list[tuple[str, str]]] = {}
    for net in runner.settings.datasets:
        out[net] = []
        for name, (caption, figure) in (_clouds(runner, net) | _errors(runner, net)).items():
            file = f"ddpm-tme-{net}-{name}.png"
            with replacing(folder / file) as temporary:
                temporary.write_bytes(small(figure))
            out[net].append((file, f"{titled(net)}: {caption}"))
    return out


def small(figure: Figure) -> bytes:
    """PNG in as many dots as fit into `MOST_BYTES`."""
    for dpi in (130, 110, 90, 75, 60):
        data = png(figure, dpi)
        if len(data) < MOST_BYTES:
            break
    return data


def _clouds(runner: Runner, net: str) -> dict[str, tuple[str, Figure]]:
    from odflow.evaluate.paper_figures import pca_figure, tsne_figure

    drawn = _arrays(runner, Job(net, SYNTHESIS, seed=runner.settings.seeds[0]))
    if not drawn:
        return {}
    history = training_history(runner.data[net].train, 0)
    real = labels.flat(history, runner.data[net].routing.nodes)
    real = real[np.random.default_rng(0).permutation(len(real))[:4000]]
    return {
        "pca": (
            "real and synthetic TMs along the principal axes of the real ones (figure 3).",
            pca_figure(real, drawn),
        ),
        "tsne": ("real and synthetic TMs in one t-SNE map (figure 4).", tsne_figure(real, drawn)),
    }


def _errors(runner: Runner, net: str) -> dict[str, tuple[str, Figure]]:
    from odflow.evaluate.paper_figures import ecdf_figure, sre_figure, tre_figure

    data, seed = runner.data[net], runner.settings.seeds[0]
    truth = runner.test(Job(net, "ddpm-tme"))
    learned = {method: _arrays(runner, Job(net, method, seed=seed)) for method in LEARNED}
    shown = {f"{method}, own": found["own"] for method, found in learned.items() if found}
    if learned["ddpm-tme"]:
        shown["ddpm-tme, projected"] = learned["ddpm-tme"]["projected"]
    if not shown:
        return {}
    loads = data.routing.loads(truth) if data.loads is None else data.loads.sel(time=truth["time"])
    for name in _BESIDE:
        method = method_named(name, 0.0)
        found = method.estimator.fit(history=method.history(data.train, truth), routing=data.routing)
        shown[name] = labels.flat(found.estimate(loads, data.routing), data.routing.nodes)
    x = labels.flat(truth, data.routing.nodes)
    return {
        "ecdf": (
            "share of the demands with at most this absolute error, relative to the largest demand (figure 5).",
            ecdf_figure(x, shown, largest=float(training_history(data.demands, 0).max())),
        ),
        "tre": (
            "relative error of hourly TMs over the test week (figure 6).",
            tre_figure(truth["time"].values, x, shown),
        ),
        "sre": ("relative error of flows by falling volume (figure 7).", sre_figure(x, shown)),
    }


def _arrays(runner: Runner, job: Job) -> dict[str, Any]:
    return (runner.work.arrays(job) or {}) if runner.found(job) is not None else {}
