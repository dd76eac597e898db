"""``odflow fit``: train once, estimate or sample often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter, validators
from cyclopts.argument import ArgumentCollection, update_argument_collection

import odflow.cli.options as opt
from odflow.cli.console import Console, duration
from odflow.cli.inputs import check_output, command_line
from odflow.errors import TrainingError, UsageError

if TYPE_CHECKING:
    import xarray as xr

    from odflow.estimate.generative_base import GenerativeEstimator
    from odflow.generate.base import TrafficGenerator

    Learner = TrafficGenerator | GenerativeEstimator

CLASSICAL = {
    "gaussian": (
        "GaussianPosterior",
        "Mean and covariance of the history given the loads, with quantiles.",
    ),
    "student-t": ("StudentTPosterior", "The posterior of `gaussian` with heavy tails: each flow may spike."),
    "kl": ("KLProjection", "Minimum relative entropy to the mean of the history."),
}
LEARNED = {
    "diffusion": ("diffusion", "Latent diffusion, the model behind `ddpm-tme`."),
    "vae": ("vae", "Variational autoencoder."),
    "wgan-gp": ("wgan_gp", "Wasserstein GAN with gradient penalty."),
    "ddpm-tme": ("ddpm_tme", "The traffic matrices of a diffusion that explain the loads best (DDPM-TME)."),
    "vae-tme": ("vae_tme", "The same with a variational autoencoder."),
    "wgan-tme": ("wgan_tme", "The same with a Wasserstein GAN."),
}
BACKTESTED = {
    "stacked": (
        "stacked",
        "Small networks that have learnt which of several estimates to trust, and learn on; minutes.",
    ),
    "diffusion-posterior": (
        "diffusion_posterior",
        "A diffusion that meets the loads, learnt from back-tests likewise; minutes.",
    ),
}
FORECASTERS = {
    "mstnet": ("mstnet", "Sim-MSTNet, a forecaster of demands or cells that has learnt from simulated networks."),
}
HELP = """Learn from past traffic matrices, and write what was learnt to a file.

`odflow estimate --model FILE` estimates with any of them, `odflow sample FILE` draws from the generators. `gaussian`,
`student-t` and `kl` take a second and a recent history is all they need; the others train for minutes to hours and
need torch. The most accurate ones are `stacked` and `diffusion-posterior`. `odflow forecast --model FILE` forecasts
with `mstnet`.
"""
EXAMPLES = """For example:

    odflow fit ddpm-tme --history tm.nc -o model.safetensors
    odflow fit diffusion --history tm.nc --weeks 8 --log losses.csv -o model.safetensors
    odflow fit diffusion --history tm.nc --weeks 8 --log losses.csv -o model.safetensors --resume
"""

Flat = Parameter(name="*", consume_multiple=True)
Training = Parameter(name="*", consume_multiple=True, group=Group("Training", sort_key=9))
History = Annotated[Path, Parameter(help="Past traffic matrices that were really measured: file, folder or glob.")]
Weeks = Annotated[
    int | None,
    Parameter(
        validator=validators.Number(gte=1), help="Learn from the last weeks of the history only, counted in intervals."
    ),
]
HistoryUnit = Annotated[str | None, Parameter(help="Unit of the history, if it does not state one.")]


@dataclass(frozen=True, kw_only=True)
class Files:
    """What all trainings have in common.

    Parameters
    ----------
    resume : bool
        Go on with the training that was interrupted or killed, from its checkpoint beside the output. The result
        is the same as without the interruption.
    log : Path
        CSV file for the losses of every step.
    full : bool
        Start from the published sizes instead of those for two CPU cores.
    """

    history: History
    output: opt.Output
    weeks: Weeks = None
    history_unit: HistoryUnit = None
    resume: bool = False
    log: Path | None = None
    full: bool = False
    quiet: opt.Quiet = False
    config: opt.Config = None

    @property
    def checkpoint(self) -> Path:
        """Where an unfinished training is kept."""
        return checkpoint_of(self.output)


def fit(group: Group) -> App:
    """The command group."""
    app = App(name="fit", help=HELP, help_epilogue=EXAMPLES, group=group)
    estimators, generators = Group("Estimators", sort_key=1), Group("Generators", sort_key=2)
    for name, (kind, text) in CLASSICAL.items():
        app.command(_classical(kind), name=name, help=text, group=estimators, help_epilogue="")
    for name, (function, text) in BACKTESTED.items():
        app.command(f"odflow.cli.fit_backtested:{function}", name=name, help=text, group=estimators, help_epilogue="")
    for name, (function, text) in LEARNED.items():
        part = estimators if name.endswith("-tme") else generators
        # their options are the fields of configurations that need torch
        app.command(f"odflow.cli.fit_learned:{function}", name=name, help=text, group=part, help_epilogue="")
    for name, (function, text) in FORECASTERS.items():
        group = Group("Forecasters", sort_key=3)
        app.command(f"odflow.cli.fit_forecaster:{function}", name=name, help=text, group=group, help_epilogue="")
    return app


def _classical(kind: str) -> Callable[..., None]:
    """The command that fits an estimator of this class."""

    def command(
        *,
        history: History,
        output: opt.Output,
        weeks: Weeks = None,
        history_unit: HistoryUnit = None,
        noise: float = 0.0,
        quiet: opt.Quiet = False,
        config: opt.Config = None,
    ) -> None:
        """Fit.

        Parameters
        ----------
        noise : float
            Relative error of the loads; 0.01 is a good start for polled counters.
        """
        import odflow as of

        console = Console(quiet)
        check_output(output, (".safetensors",), [history])
        past = read_history(history, history_unit, weeks, console)
        estimator = getattr(of, kind)(noise=noise).fit(past)
        estimator.save(output)
        say(console, output, estimator, past, [])

    return command


def read_history(path: Path, unit: str | None, weeks: int | None, console: Console) -> xr.DataArray:
    """Past TMs, the last weeks of them if that was asked for."""
    from odflow.traffic.files import read_demands
    from odflow.traffic.histories import last_weeks

    return last_weeks(read_demands(path, unit=unit, progress=console.progress), weeks or 0)


def train(learner: Learner, files: Files) -> None:
    """Train and save a generator, or an estimator with its generator."""
    console = Console(files.quiet)
    check_output(files.output, (".safetensors",), [files.history])
    if files.log is not None:
        check_output(files.log, (".csv",), [files.history, files.output])
    check_checkpoint(files.checkpoint, files.history, files.resume, console)
    past = read_history(files.history, files.history_unit, files.weeks, console)
    began = not files.checkpoint.exists()
    with kept(files.checkpoint, began), console.bar("training") as progress:
        learner.fit(
            past,
            checkpoint=files.checkpoint,
            resume=files.resume,
            log=files.log,
            progress=progress,
            command=command_line(),
        )
        learner.save(files.output)
    files.checkpoint.unlink(missing_ok=True)
    about = provenance(learner)
    losses = ", ".join(f"{name} {value:.3g}" for name, value in about["losses"].items())
    trained = f"{about['steps']:,} steps in {duration(about['seconds'])}"
    say(console, files.output, learner, past, [("training", trained), ("last losses", losses)])


def provenance(learner: Learner) -> dict[str, Any]:
    """Of the generator, which an estimator may hold."""
    generator: Any = getattr(learner, "generator_", learner)
    return dict(generator.provenance_)


def checkpoint_of(output: Path) -> Path:
    """Where an unfinished training is kept: beside its output."""
    return output.with_suffix(f".checkpoint{output.suffix}")


def check_checkpoint(checkpoint: Path, history: Path, resume: bool, console: Console) -> None:
    """Refuse to overwrite an unfinished training."""
    check_output(checkpoint, (".safetensors",), [history])
    if checkpoint.exists() and not resume:
        raise UsageError(
            f"{checkpoint} is left of a training that did not end: add --resume to go on with it, "
            "or delete it to start over"
        )
    if resume and not checkpoint.exists():
        console.say(f"no {checkpoint} to resume from, training starts at the beginning")


@contextmanager
def kept(checkpoint: Path, began: bool) -> Iterator[None]:
    """Say how to go on after an interrupt; drop the checkpoint of a training that leads nowhere."""
    try:
        yield
    except TrainingError:
        if began:
            checkpoint.unlink(missing_ok=True)
        raise
    except (KeyboardInterrupt, SystemExit) as error:
        if checkpoint.exists():
            error.add_note("the same command with --resume goes on from here")
        raise


def say(console: Console, output: Path, learner: Any, past: xr.DataArray, more: list[tuple[str, str]]) -> None:
    """What was learnt from what, and how to use it."""
    from odflow.cli.summary import when

    nodes, intervals = past.sizes["origin"], past.sizes["time"]
    span = f"{intervals:,} x {duration(float(past.attrs['interval_s']))} until {when(learner.end_)} UTC"
    console.say(f"{output}: {type(learner).__name__} of {nodes} x {nodes} demands")
    use = f"odflow estimate LOADS --network NET --model {output} -o tm.nc"
    if not hasattr(learner, "estimate"):
        use = f"odflow sample {output} -n 288 -o synth.nc"
    console.fields([("history", span), *more, ("use it", use)])


def full_size(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """A source of options for cyclopts: with ``--full`` the published sizes, below what was typed or configured."""
    if commands[:1] != ("fit",) or commands[1:2] == () or commands[1] not in LEARNED:
        return
    try:
        given = {name: arguments.match(f"--{name}")[0].tokens for name in ("full", "steps", "epochs")}
    except ValueError:  # help
        return
    if not given["full"] or given["full"][0].value.lower() in ("false", "no", "0"):
        return
    from odflow.cli.fit_learned import CONFIGURATIONS

    sizes = CONFIGURATIONS[commands[1]].full()
    if given["steps"] and not given["epochs"]:
        del sizes["epochs"]  # they would take the place of the steps
    update_argument_collection(sizes, "--full", arguments, root_keys=(), allow_unknown=False)
