"""``odflow fit stacked`` and ``diffusion-posterior``; loaded on use, for they need torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

import odflow.cli.options as opt
from odflow.cli.console import Console
from odflow.cli.fit import (
    Flat,
    History,
    HistoryUnit,
    Training,
    Weeks,
    check_checkpoint,
    checkpoint_of,
    kept,
    read_history,
    say,
)
from odflow.cli.inputs import check_output, command_line, open_routing
from odflow.estimate import DenoisingConfig, DiffusionPosterior, StackConfig, StackedEstimator
from odflow.estimate.backtested import BacktestedEstimator, Weights, member_file


@dataclass(frozen=True, kw_only=True)
class Files:
    """What is read and written.

    Parameters
    ----------
    weights : {"pretrained", "fine-tuned", "own"}
        What to begin from: networks that come with odflow (trained on simulated networks) as they are, the same trained
        further on the history, or networks that know the history alone (they need some three times the steps and the
        learning rate).
    members : int
        Networks to take the mean of; each has not seen some of the weeks, which say how far off it is.
    noise : float
        Relative error of the loads; 0.01 is a good start for polled counters.
    resume : bool
        Go on with the training that was interrupted or killed, from its checkpoints beside the output.
    """

    history: History
    output: opt.Output
    network: opt.NetworkFile = None
    routing: opt.RoutingFile = None
    metric: opt.Metric = "metric"
    weights: Weights = "fine-tuned"
    members: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 3
    noise: float = 0.0
    weeks: Weeks = None
    history_unit: HistoryUnit = None
    resume: bool = False
    quiet: opt.Quiet = False
    config: opt.Config = None

    @property
    def checkpoints(self) -> list[Path]:
        """Where an unfinished training is kept."""
        return [member_file(checkpoint_of(self.output), k) for k in range(self.members)]


def stacked(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[StackConfig, Training] = StackConfig(),  # noqa: B008  (frozen)
) -> None:
    """Train a StackedEstimator."""
    _fit(StackedEstimator(weights=files.weights, members=files.members, config=training, noise=files.noise), files)


def diffusion_posterior(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[DenoisingConfig, Training] = DenoisingConfig(),  # noqa: B008  (frozen)
) -> None:
    """Train a DiffusionPosterior."""
    _fit(DiffusionPosterior(weights=files.weights, members=files.members, config=training, noise=files.noise), files)


def _fit(learner: BacktestedEstimator, files: Files) -> None:
    console = Console(files.quiet)
    check_output(files.output, (".safetensors",), [files.history, files.network, files.routing])
    left = next((path for path in files.checkpoints if path.exists()), None)
    check_checkpoint(left or files.checkpoints[0], files.history, files.resume, console)
    path = open_routing(files.network, files.routing, files.metric)
    past = read_history(files.history, files.history_unit, files.weeks, console)
    with kept(files.checkpoints[0], left is None), console.bar("training") as progress:
        learner.fit(
            past,
            path,
            checkpoint=checkpoint_of(files.output),
            resume=files.resume,
            progress=progress,
            command=command_line(),
        )
        learner.save(files.output)
    for file in files.checkpoints:
        file.unlink(missing_ok=True)
    steps = "as they come" if learner.weights == "pretrained" else f"of {learner.config.steps} steps"
    trained = [("networks", f"{len(learner.networks_)} {steps}, {learner.weights}")]
    say(console, files.output, learner, past, trained)
