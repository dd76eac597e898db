"""The methods that ``odflow demo`` compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from odflow.estimate import (
    GaussianPosterior,
    Gravity,
    KLProjection,
    Posterior,
    SimulatedPrior,
    StudentTPosterior,
    Tomogravity,
)
from odflow.estimate.choice import STACK
from odflow.evaluate.scores import Score, score
from odflow.named import backtested

if TYPE_CHECKING:
    import xarray as xr

    from odflow.cli.demo_data import World
    from odflow.estimate import Estimator

NOISE = 0.01  # polled counters are about that exact
LEVELS = (0.05, 0.5, 0.95)
LOADS_ONLY, HISTORY = "link loads", "link loads, 2 weeks of history"


@dataclass(frozen=True, eq=False)
class Run:
    """One method and how it did.

    Parameters
    ----------
    method : str
        Its name as ``--method``.
    label, needs : str
        What it is and what it starts from, in words.
    estimate : DataArray (time, origin, destination)
    score : Score
    seconds : float
    """

    method: str
    label: str
    needs: str
    estimate: xr.DataArray
    score: Score
    seconds: float


def run_methods(world: World, step: Callable[[str], None]) -> tuple[list[Run], xr.DataArray]:
    """Estimate the third week by every method that is installed; and the quantiles of the last.

    Parameters
    ----------
    world : World
    step : callable
        Told what is being done.
    """
    methods: list[tuple[str, str, Estimator, str]] = [
        ("gravity", "gravity", Gravity(noise=NOISE), LOADS_ONLY),
        ("tomogravity", "tomogravity", Tomogravity(noise=NOISE), LOADS_ONLY),
        ("kl", "KL, gravity prior", KLProjection(noise=NOISE), LOADS_ONLY),
        ("simulated-prior", "simulated prior", SimulatedPrior(noise=NOISE), LOADS_ONLY),
        ("kl", "KL, history prior", KLProjection(noise=NOISE), HISTORY),
        ("gaussian", "Gaussian posterior", GaussianPosterior(noise=NOISE), HISTORY),
        ("student-t", "Student-t posterior", StudentTPosterior(noise=NOISE), HISTORY),
    ]
    if find_spec("torch"):
        methods.append((STACK, "stack, pretrained", backtested(STACK, NOISE), HISTORY))
    runs = []
    for method, label, estimator, needs in methods:
        step(f"estimating by {label}")
        begin = time.perf_counter()
        if needs == HISTORY:
            estimator.fit(world.history, world.routing)
        estimate = estimator.estimate(world.loads, world.routing)
        seconds = time.perf_counter() - begin
        found = score(world.truth, estimate, loads=world.loads, routing=world.routing)
        runs.append(Run(method, label, needs, estimate, found, seconds))
    step("estimating quantiles")
    assert isinstance(estimator, Posterior)
    return runs, estimator.quantiles(world.loads, world.routing, LEVELS)


def winner(runs: Sequence[Run]) -> Run:
    """The run with the least mean TRE."""
    return min(runs, key=lambda run: run.score.all.tre.mean)
