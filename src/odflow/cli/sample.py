"""``odflow sample``: new traffic matrices from a generator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

import odflow.cli.options as opt
from odflow.cli.console import Console, duration, rate
from odflow.cli.inputs import ARRAYS, check_output
from odflow.errors import UsageError

if TYPE_CHECKING:
    from odflow.generate.base import TrafficGenerator


def sample(
    model: Path,
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"], metavar="N", validator=validators.Number(gte=1))],
    output: opt.Output,
    seed: opt.Seed = 0,
    start: str | None = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Draw new traffic matrices from a generator.

    They are like those it learnt from, and independent of each other: one does not go on from the one before, and the
    time of day means nothing.

    For example:

        odflow fit diffusion --history tm.nc -o model.safetensors
        odflow sample model.safetensors -n 288 -o synth.nc
        odflow sample model.safetensors -n 288 --seed 1 --start 2026-01-01 -o synth.csv

    Parameters
    ----------
    model : Path
        Generator, or an estimator that holds one, as `odflow fit` writes them.
    count : int
        How many.
    start : str
        Time of the first, such as `2026-01-01` or `2026-01-01T08:00`, UTC; by default the end of the history.
    """
    from odflow.cli.summary import when
    from odflow.labels import end_of
    from odflow.traffic.files import write

    console = Console(quiet or json)
    check_output(output, ARRAYS, [model])
    generator = _generator(model)
    _check_memory(count, len(generator.nodes_))
    drawn = generator.sample(count, seed=seed, start=start)
    write(drawn, output)
    total = drawn.sum(("origin", "destination")).values
    first, last = when(drawn["time"].values[0]), when(end_of(drawn))
    interval, nodes = float(drawn.attrs["interval_s"]), len(generator.nodes_)
    if json:
        Console().json(
            {
                "model": type(generator).__name__,
                "samples": count,
                "nodes": nodes,
                "interval_s": interval,
                "first": first,
                "last": last,
                "seed": seed,
                "total_mean": total.mean(),
                "total_min": total.min(),
                "total_max": total.max(),
                "history_total_mean": generator.mean_.sum(),
            }
        )
    console.say(f"{output}: {nodes} x {nodes} demands, {count:,} x {duration(interval)}, {first} to {last} UTC")
    console.fields(
        [
            ("drawn from", f"{type(generator).__name__}, with history until {when(generator.end_)}; seed {seed}"),
            ("total traffic", f"mean {rate(total.mean())}, from {rate(total.min())} to {rate(total.max())}"),
            ("in the history", f"mean {rate(float(generator.mean_.sum()))}"),
        ]
    )


def _generator(path: Path) -> TrafficGenerator:
    from odflow.estimate import load
    from odflow.estimate.base import Estimator

    model = load(path)
    generator: TrafficGenerator | None = getattr(model, "generator_", None) if isinstance(model, Estimator) else model
    if generator is None:
        raise UsageError(
            f"{path} holds a {type(model).__name__}, which needs loads; only generators can be sampled, "
            "such as odflow fit diffusion writes"
        )
    return generator


def _check_memory(count: int, nodes: int) -> None:
    """Refuse what this machine could not hold, for it would otherwise be killed in the middle."""
    needed = 3 * 8 * count * nodes**2  # bytes: draws, their labelled copy, what is written
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return
    if needed > there:
        raise UsageError(
            f"{count:,} traffic matrices need {needed / 2**30:,.0f} GiB of memory, this machine has "
            f"{there / 2**30:,.0f}; draw fewer at a time, each time with another --seed"
        )
