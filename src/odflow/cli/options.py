"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, Token, validators


def floats(_: Any, tokens: Sequence[Token]) -> tuple[float, ...]:
    """Numbers separated by commas, such as ``.05,.5,.95``."""
    return tuple(_number(part) for part in _parts(tokens, "numbers"))


def words(_: Any, tokens: Sequence[Token]) -> tuple[str, ...]:
    """Labels separated by commas."""
    return tuple(part.strip() for part in _parts(tokens, "labels"))


def _parts(tokens: Sequence[Token], what: str) -> list[str]:
    parts = [part for token in tokens for part in token.value.split(",") if part.strip()]
    # an empty list in a configuration file is meant, an empty text on the command line is an accident
    if not parts and any(token.source == "cli" for token in tokens):
        raise ValueError(f"it is empty; give {what} separated by commas, or leave the option out")
    return parts


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"'{text.strip()}' is not a number; give numbers separated by commas") from None


Output = Annotated[Path, Parameter(name=["--output", "-o"], help="File to write; its suffix chooses the format.")]
Quiet = Annotated[
    bool, Parameter(name=["--quiet", "-q"], show_default=False, help="Print nothing but warnings and errors.")
]
Json = Annotated[bool, Parameter(name="--json", show_default=False, help="Print the result as JSON instead of text.")]
Seed = Annotated[int, Parameter(name="--seed", validator=validators.Number(gte=0), help="Seed of everything random.")]
Config = Annotated[
    Path | None,
    Parameter(
        name="--config", help="TOML file with long options as keys, such as `noise = 0.05`; the command line wins."
    ),
]
Metric = Annotated[
    Literal["metric", "hops", "inverse-capacity"],
    Parameter(
        name="--metric",
        help="Link cost for shortest paths: the IGP metric of the file, 1 per link, or 1/capacity.",
    ),
]
Unit = Annotated[
    str | None,
    Parameter(
        name="--unit", help="Unit of the loads if their file states none (CSV: bit/s), such as `Mbit/s` or `kB/s`."
    ),
]
NetworkFile = Annotated[
    str | None,
    Parameter(
        name=["--network", "-n"],
        metavar="NET",
        help="Topology file, or `topohub:GROUP/NAME`; traffic is routed along its shortest paths (ECMP).",
    ),
]
RoutingFile = Annotated[
    Path | None,
    Parameter(
        name=["--routing", "-r"],
        metavar="FILE",
        help="Routing matrix as written by `odflow route`, instead of a network.",
    ),
]
Floats = Annotated[tuple[float, ...], Parameter(converter=floats, show_default=False, metavar="A,B,..")]
Words = Annotated[tuple[str, ...], Parameter(converter=words, show_default=False, metavar="A,B,..")]
