"""``odflow data``: public data sets."""

from __future__ import annotations

from cyclopts import App, Group

import odflow.cli.options as opt
from odflow.cli.console import Console
from odflow.errors import UsageError, listed


def data(group: Group) -> App:
    """The command group."""
    app = App(name="data", help="Public data sets: list, get, check.", help_epilogue="", group=group)
    app.command(list_sets, name="list", help_epilogue="")
    app.command(get, help_epilogue="")
    app.command(check, help_epilogue="")
    return app


def list_sets(*, json: opt.Json = False) -> None:
    """List the data sets and where they are.

    They are looked for in the folder `ODFLOW_REAL_DATA`, then in the user's cache, which `ODFLOW_CACHE` can move.
    """
    from odflow.traffic.city_grid import CITIES
    from odflow.traffic.datasets import available
    from odflow.traffic.telecom_folder import city_folder

    found = available() + [(name, city_folder(name) if city_folder(name).is_dir() else None) for name in CITIES]
    console = Console(quiet=json)
    if json:
        console.json({name: None if path is None else str(path) for name, path in found})
    rows = ((name, f"missing; odflow data get {name}" if path is None else str(path)) for name, path in found)
    console.table(("data set", "file"), rows)


def get(*names: str, quiet: opt.Quiet = False) -> None:
    """Download data sets from where their authors publish them, and remember their checksums.

    Without network access, the message says which file to put where by hand. `milano` and `trento` are always put
    there by hand; `get` says how, and what there is.

    For example:

        odflow data get abilene geant

    Parameters
    ----------
    names : str
        `abilene`, `geant`, `bell_labs`, `cmu`, which are the default; `milano`, `trento`.
    """
    from odflow.traffic.city_grid import CITIES
    from odflow.traffic.datasets import NAMES
    from odflow.traffic.datasets import get as fetch
    from odflow.traffic.telecom_folder import city_files

    unknown = [name for name in names if name not in (*NAMES, *CITIES)]
    if unknown:
        raise UsageError(f"unknown data set {listed(unknown)}; use one of {', '.join((*NAMES, *CITIES))}")
    console = Console(quiet)
    for name in names or NAMES:
        console.say(f"{name}: {city_files(name) if name in CITIES else fetch(name, progress=console.progress)}")


def check(*names: str, json: opt.Json = False) -> None:
    """Compare data sets with the checksums of their first use; of `milano` and `trento`, read all days and count.

    Parameters
    ----------
    names : str
        Data sets; by default all that are here, but `milano` and `trento` only if named: they take minutes.
    """
    from odflow.traffic.city_grid import CITIES
    from odflow.traffic.datasets import available
    from odflow.traffic.datasets import check as verify
    from odflow.traffic.telecom_folder import check_days, city_files

    chosen = names or tuple(name for name, path in available() if path is not None)
    results = [verify(name) for name in chosen if name not in CITIES]
    days = [day for name in chosen if name in CITIES for day in check_days(city_files(name))]
    console = Console(quiet=json)
    if json:
        console.json([result._asdict() for result in results] + [day._asdict() for day in days])
    if not chosen:
        console.say("no data set is here; odflow data get abilene")
    for result in results:
        what = "as at its first use" if result.recorded else "not from the cache, no record to compare with"
        console.say(f"{result.name}: {result.path}: {what}; sha256 {result.sha256}")
    for day in days:
        console.say(f"{day.name}: {day.path}: {day.intervals} of 144 intervals, {day.squares} squares")
