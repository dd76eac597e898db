"""What the commands that simulate share: services, worlds, quick looks, configurations like real networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter, Token, validators
from cyclopts.argument import ArgumentCollection, update_argument_collection

from odflow.cli.console import Console
from odflow.cli.inputs import check_output
from odflow.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr

    from odflow.simulate.backbone import BackboneSimulator
    from odflow.simulate.cellular import CellularSimulator
    from odflow.simulate.ranges import Randomization

Worlds = Annotated[
    int,
    Parameter(
        name="--worlds",
        validator=validators.Number(gte=0),
        help="Write so many worlds, each with all parameters drawn at random, to one file (`.nc` or `.zarr`).",
    ),
]
Workers = Annotated[
    int, Parameter(name="--workers", validator=validators.Number(gte=0), help="Processes that simulate the worlds.")
]
Plot = Annotated[Path | None, Parameter(name="--plot", metavar="FILE", help="Also draw a quick look (`.png`).")]
_OF_THE_USER = ("weeks", "interval", "start", "services")


def of_services(converter: Callable[[Any, Sequence[Token]], tuple[Any, ...]], words: str) -> Parameter:
    """``--services`` as one text, repeated if need be, instead of the fields of a service one by one."""
    return Parameter(converter=converter, accepts_keys=False, n_tokens=1, show_default=False, help=words)


def shares_of_services(_: Any, tokens: Sequence[Token]) -> tuple[Any, ...]:
    """``video=0.6,web`` as services; known kinds have their own share and character."""
    from odflow.simulate.services import SERVICES, Service

    known = {service.name: service for service in SERVICES}
    found = []
    for part in ",".join(token.value for token in tokens).split(","):
        name, _sign, share = (word.strip() for word in part.partition("="))
        if not share and name not in known:
            raise ValueError(f"service '{name}' needs a share, as in '{name}=0.3'; {', '.join(known)} have one")
        try:
            one = known.get(name) or Service(name=name, share=1.0)
            found.append(replace(one, share=float(share)) if share else one)
        except (ValueError, UsageError) as error:
            raise ValueError(f"'{part.strip()}': {error}") from None
    return tuple(found)


def names_of_services(_: Any, tokens: Sequence[Token]) -> tuple[Any, ...]:
    """``sms,internet`` as services of which only the name is known yet."""
    from odflow.simulate.cellular_config import CellService

    names = [part.strip() for token in tokens for part in token.value.split(",")]
    try:
        return tuple(CellService(name=name) for name in names)
    except UsageError as error:
        raise ValueError(str(error)) from None


def like(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """A source of options for cyclopts: with ``--like`` a calibrated configuration, below what was typed."""
    if commands[:1] not in (("simulate",), ("simulate-cells",)):
        return
    try:
        given = arguments.match("--like")[0].tokens
    except ValueError:  # help
        return
    from odflow.simulate import presets

    chosen = given[0].value.lower() if given else ""
    if chosen not in presets.LIKE[commands[0]]:
        return
    preset = presets.LIKE[commands[0]][chosen]()
    values = {
        f.name.replace("_", "-"): getattr(preset, f.name)
        for f in fields(preset)
        if f.name not in _OF_THE_USER and getattr(preset, f.name) != f.default
    }
    update_argument_collection(values, "--like", arguments, root_keys=(), allow_unknown=False)


def check_plot(plot: Path | None, others: Sequence[Path | str | None]) -> None:
    """Fail before any work if the picture cannot be written."""
    if plot is not None:
        check_output(plot, (".png",), [other for other in others if other is not None])
        import odflow.evaluate.realism_figures  # noqa: F401  (says what is missing)


def draw(traffic: xr.DataArray, plot: Path) -> None:
    """Write a quick look."""
    from odflow.evaluate.html import png, write_bytes
    from odflow.evaluate.realism_figures import week_figure

    write_bytes(plot, png(week_figure(traffic), dpi=110))


def write_drawn(
    console: Console,
    simulator: BackboneSimulator | CellularSimulator,
    randomization: Randomization[Any],
    output: Path,
    count: int,
    seed: int,
    workers: int,
) -> None:
    """Write worlds, and tell how far that is."""
    from odflow.simulate.randomise import randomize
    from odflow.simulate.store import write_worlds

    with console.steps() as step:

        def told() -> Any:
            for k, world in enumerate(randomize(simulator, randomization, count, seed, workers=workers)):
                step(f"world {k + 1} of {count}")
                yield world

        write_worlds(told(), output)
    parameters = sum(low < high for low, high in randomization.ranges.values())
    console.say(f"{output}: {count} worlds, {parameters} parameters drawn at random for each, see `value` in it")
