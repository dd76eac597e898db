"""``odflow benchmark``: the tables behind every claim; loaded on use, because its options live in heavy modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

import odflow.cli.options as opt
from odflow.cli.console import Console
from odflow.cli.inputs import check_folder, check_output
from odflow.evaluate import estimation as accuracy
from odflow.evaluate import forecasting as ahead
from odflow.evaluate import realism as likeness
from odflow.evaluate import speed as timing
from odflow.evaluate import synthesis as generated
from odflow.evaluate.estimation import EstimationBenchmark
from odflow.evaluate.forecasting import ForecastBenchmark
from odflow.evaluate.realism import RealismBenchmark
from odflow.evaluate.rolling_estimation import rolling_run
from odflow.evaluate.speed import SpeedBenchmark
from odflow.evaluate.synthesis import SynthesisBenchmark

if TYPE_CHECKING:
    from odflow.evaluate.report import Report

Flat = Parameter(name="*", consume_multiple=True)
JsonFile = Annotated[Path | None, Parameter(name="--json", metavar="FILE", help="Also write the result as JSON.")]
MarkdownFile = Annotated[
    Path | None, Parameter(name="--markdown", metavar="FILE", help="Also write the result as Markdown.")
]

benchmark = App(name="benchmark", help_epilogue="", default_parameter=Parameter(negative=()))


@benchmark.command(help_epilogue="")
def estimation(
    *,
    setup: Annotated[EstimationBenchmark, Flat] = EstimationBenchmark(),  # noqa: B008  (frozen)
    json: JsonFile = None,
    markdown: MarkdownFile = None,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Accuracy of every method on public data sets, by the published protocol.

    Methods that have to be trained (ddpm-tme, vae-tme, wgan-tme) take part when named.

    For example:

        odflow benchmark estimation --dataset abilene
        odflow benchmark estimation --dataset geant --noise 0.05 --json geant.json
        odflow benchmark estimation --methods gravity+kl gaussian --markdown table.md
        odflow benchmark estimation --methods gaussian ddpm-tme --weeks 2 --seeds 0 1 2
        odflow benchmark estimation --rolling --ages 0 1 2 4 --methods recency+kl gaussian student-t
    """
    run: Callable[..., Report] = rolling_run if setup.rolling else accuracy.run
    _report(lambda step: run(setup, progress=step), json, markdown, quiet)


@benchmark.command(help_epilogue="")
def synthesis(
    *,
    setup: Annotated[SynthesisBenchmark, Flat] = SynthesisBenchmark(),  # noqa: B008  (frozen)
    json: JsonFile = None,
    markdown: MarkdownFile = None,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Realism of generated traffic matrices, beside real ones and simple rivals.

    For example:

        odflow benchmark synthesis --dataset abilene --seeds 0 1 2
        odflow benchmark synthesis --dataset geant --generators diffusion --weeks 4 --markdown table.md
    """
    _report(lambda step: generated.run(setup, progress=step), json, markdown, quiet)


@benchmark.command(help_epilogue="")
def forecast(
    *,
    setup: Annotated[ForecastBenchmark, Flat] = ForecastBenchmark(),  # noqa: B008  (frozen)
    json: JsonFile = None,
    markdown: MarkdownFile = None,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Errors of forecasts, one step and far ahead, by every method on public series.

    Origins roll over the test part; for each lead the targets are the same. Beside each method: how far it is behind
    the best one, with a 95 % interval over days.

    For example:

        odflow benchmark forecast --datasets milan c2tm
        odflow benchmark forecast --datasets geant --days 2 --markdown table.md
    """
    _report(lambda step: ahead.run(setup, progress=step), json, markdown, quiet)


@benchmark.command(help_epilogue="")
def realism(
    *,
    setup: Annotated[RealismBenchmark, Flat] = RealismBenchmark(),  # noqa: B008  (frozen)
    figures: Annotated[
        Path | None, Parameter(name="--figures", metavar="FOLDER", help="Also draw two figures for each data set.")
    ] = None,
    json: JsonFile = None,
    markdown: MarkdownFile = None,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """How like real traffic simulated traffic is: the same statistics of both, real data halved.

    The calibrated configurations (see `--like` of `odflow simulate`) are compared with the half of the real data that
    they were not calibrated on; and it is counted where real traffic is among randomised worlds.

    For example:

        odflow benchmark realism --datasets abilene --worlds 0
        odflow benchmark realism --markdown realism.md --figures figures
    """
    if figures is not None:
        check_folder(figures if figures.exists() else figures.parent)

    def run(step: Callable[[str], None]) -> Report:
        result = likeness.run(setup, progress=step)
        if figures is not None:
            step("figures")
            likeness.draw(result, figures)
        return result

    _report(run, json, markdown, quiet)


@benchmark.command(help_epilogue="")
def speed(
    *,
    setup: Annotated[SpeedBenchmark, Flat] = SpeedBenchmark(),  # noqa: B008  (frozen)
    json: JsonFile = None,
    markdown: MarkdownFile = None,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Seconds and memory of the main jobs, against the limits that odflow holds itself to.

    For example:

        odflow benchmark speed --parts sizes routing --max-nodes 200
    """
    _report(lambda step: timing.run(setup, progress=step), json, markdown, quiet)


def _report(
    run: Callable[[Callable[[str], None]], Report], json: Path | None, markdown: Path | None, quiet: bool
) -> None:
    """Run a benchmark, which is given where to tell its steps, and write and show what it found."""
    if json is not None:
        check_output(json, (".json",))
    if markdown is not None:
        check_output(markdown, (".md",))
    console = Console(quiet)
    with console.steps() as step:
        result = run(step)
    if json is not None:
        result.to_json(json)
    if markdown is not None:
        result.to_markdown(markdown)
    console.show(result.table())
