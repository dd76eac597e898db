"""``odflow fit mstnet``; loaded on use, for it needs torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

import odflow.cli.options as opt
from odflow.cli.console import Console, duration
from odflow.cli.fit import Flat, Training, check_checkpoint, checkpoint_of, kept
from odflow.cli.forecast import read_past, series_of
from odflow.cli.inputs import check_output
from odflow.forecast.mstnet_config import MSTNetConfig
from odflow.forecast.sim_mstnet import SimMSTNet
from odflow.forecast.worlds import varied_worlds

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class Files:
    """What is read and written.

    Parameters
    ----------
    history : Path
        Past traffic matrices, or traffic of cells, that were really measured: a day of them or more.
    worlds : int
        Simulated worlds to weigh by what they teach about this history, and to learn from first; 0 = the network that
        comes with odflow has learnt enough from others. A few minutes for 200.
    scratch : bool
        Learn from the history alone.
    resume : bool
        Go on with the training that was interrupted or killed, from its checkpoint beside the output.
    log : Path
        CSV file for the losses of every step, and the weights of the services' losses.
    """

    history: Path
    output: opt.Output
    worlds: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 0
    scratch: bool = False
    resume: bool = False
    log: Path | None = None
    quiet: opt.Quiet = False
    config: opt.Config = None

    @property
    def checkpoint(self) -> Path:
        """Where an unfinished training is kept."""
        return checkpoint_of(self.output)


def mstnet(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[MSTNetConfig, Training] = MSTNetConfig(anchor=0.1),  # noqa: B008  (frozen)
) -> None:
    """Train a SimMSTNet."""
    console = Console(files.quiet)
    check_output(files.output, (".safetensors",), [files.history])
    if files.log is not None:
        check_output(files.log, (".csv",), [files.history, files.output])
    check_checkpoint(files.checkpoint, files.history, files.resume, console)
    series = series_of(*read_past(str(files.history)))
    simulated: Iterable[xr.DataArray] | None = varied_worlds(files.worlds, training.seed) if files.worlds else None
    forecaster = SimMSTNet(training)
    began = not files.checkpoint.exists()
    with kept(files.checkpoint, began), console.bar("training") as progress:
        forecaster.fit(
            series,
            [] if files.scratch else simulated,
            checkpoint=files.checkpoint,
            resume=files.resume,
            log=files.log,
            progress=progress,
        )
        forecaster.save(files.output)
    for part in (files.checkpoint, *files.checkpoint.parent.glob(f"{files.checkpoint.stem}-*{files.output.suffix}")):
        part.unlink(missing_ok=True)
    steps, nodes, services = series.shape
    trained = forecaster.trained_
    span = f"{steps:,} x {duration(float(series.attrs['interval_s']))}"
    console.say(f"{files.output}: SimMSTNet of {nodes} nodes x {services} services")
    rows = [("history", span), ("training", f"{trained.steps:,} steps in {duration(trained.seconds)}")]
    if forecaster.start_loss_ is not None and forecaster.loss_ is not None:
        text = f"{forecaster.loss_:.4f}, {forecaster.start_loss_:.4f} before"
        rows.append(("loss on the last sixth", text))
    if forecaster.reweighted_ is not None:
        rows.append(("worlds", f"effectively {forecaster.reweighted_.effective:.0%} of {files.worlds}"))
    lead = min(12, training.lead)
    console.fields([*rows, ("use it", f"odflow forecast HISTORY --model {files.output} --lead {lead} -o next.nc")])
