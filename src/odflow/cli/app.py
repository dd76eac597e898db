"""The list of commands."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

from cyclopts import App, Group, Parameter
from cyclopts.argument import ArgumentCollection, update_argument_collection

from odflow import __version__
from odflow.cli.counters import counters
from odflow.cli.data import data
from odflow.cli.demo import demo
from odflow.cli.diagnose import diagnose
from odflow.cli.estimate import estimate
from odflow.cli.evaluate import evaluate
from odflow.cli.fit import fit, full_size
from odflow.cli.network import network
from odflow.cli.routing import route
from odflow.cli.sample import sample
from odflow.cli.simulated import like
from odflow.errors import FormatError
from odflow.files import read_text

HELP = """From link counters and a topology to the traffic matrix.

odflow tells how much traffic every pair of nodes of a network exchanges, from what every network measures
anyway: the load of its links.
"""

EXAMPLES = """Start here:

    odflow demo
    odflow counters polls.csv --interfaces map.csv -o loads.nc
    odflow estimate loads.nc --network topology.graphml -o tm.nc

`odflow COMMAND --help` explains a command, with examples. Bad input ends with exit code 2 and one line on stderr.
"""

BENCHMARK = "Reproduce the tables: accuracy on public data sets, and speed."


def build(config: Path | None = None) -> App:
    """The command line; `config` is a TOML file whose keys are the long options of the command.

    Raises
    ------
    OdflowError
        If the file cannot be read.
    """
    app = App(
        name="odflow",
        help=HELP,
        help_epilogue=EXAMPLES,
        help_format="markdown",
        version=f"odflow {__version__}",
        config=(*(() if config is None else (options_from(config),)), full_size, like),
        default_parameter=Parameter(negative=()),
        suppress_keyboard_interrupt=False,
        group_commands=Group("Other", sort_key=9),
    )
    main = Group("From counters to traffic matrices", sort_key=1)
    learn = Group("Models learnt from past traffic matrices", sort_key=2)
    graph = Group("Networks and routing", sort_key=3)
    check = Group("Scores and data", sort_key=4)
    groups = ((main, (demo, counters, estimate)), (learn, (sample,)), (graph, (route, diagnose)), (check, (evaluate,)))
    for group, commands in groups:
        for command in commands:
            app.command(command, group=group, help_epilogue="")
    app.command(fit(learn))
    app.command(network(graph))
    simulated = "Simulate the traffic of a network, for which nothing but its topology is needed."
    # their options are the fields of configurations
    app.command("odflow.cli.simulate:simulate", name="simulate", help=simulated, group=learn)
    ahead = "Forecast traffic matrices, or the cells of a cellular network, from their past."
    app.command("odflow.cli.forecast:forecast", name="forecast", help=ahead, group=main)
    failures = "Tell how loaded links become when links or nodes fail, and how sure that is."
    app.command("odflow.cli.whatif:whatif", name="whatif", help=failures, group=main)
    next_ones = "Tell which demands or routers to measure next, to know the traffic matrix better."
    app.command("odflow.cli.plan:plan", name="plan", help=next_ones, group=main)
    cells = "Simulate messages, calls and data of every cell of a made-up city."
    app.command("odflow.cli.simulate_cells:simulate_cells", name="simulate-cells", help=cells, group=learn)
    app.command(data(check))
    # its options are the fields of configurations that live in heavy modules
    app.command("odflow.cli.benchmark:benchmark", name="benchmark", help=BENCHMARK, group=check)
    return app


def options_from(path: Path) -> Callable[[App, tuple[str, ...], ArgumentCollection], None]:
    """A source of options for cyclopts: the keys of a TOML file, whatever the command.

    Raises
    ------
    OdflowError
        If the file cannot be read, or (:class:`~odflow.errors.FormatError`) is not TOML.
    """
    try:
        options = tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError, and not the only one
        raise FormatError(path, f"is not valid TOML: {error}") from error

    def apply(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        # help and version are parsed as commands without options
        if app.name[0] not in (*app.help_flags, *app.version_flags):
            update_argument_collection(options, str(path), arguments, root_keys=(), allow_unknown=False)

    return apply
