"""Methods of estimation by name, fitted to a history or read from a model file."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from odflow.cli.console import Console, percent
from odflow.cli.inputs import command_line
from odflow.errors import DataError, OdflowWarning, UsageError
from odflow.named import BACKTESTED, PRETRAINED, backtested

if TYPE_CHECKING:
    import xarray as xr

    from odflow.estimate import Choice, LoadsAndHistory, MomentPosterior
    from odflow.estimate.base import Estimator

Method = Literal[
    "auto",
    "gravity",
    "tomogravity",
    "kl",
    "moments",
    "simulated-prior",
    "gaussian",
    "student-t",
    "loads-and-history",
    "stacked",
    "stacked-pretrained",
    "diffusion-posterior",
    "diffusion-pretrained",
    "ddpm-tme",
    "vae-tme",
    "wgan-tme",
]
AUTO = "auto"
FROM_LOADS = {"moments": "MomentPosterior", "simulated-prior": "SimulatedPrior"}
LEARNS_FROM_LOADS = {**FROM_LOADS, "loads-and-history": "LoadsAndHistory"}
WITHOUT_HISTORY, MOST_NODES = "simulated-prior", 120  # up to so many nodes; beyond, kl from gravity
POSTERIORS = ("gaussian", "student-t", "loads-and-history", *BACKTESTED, *PRETRAINED)
LEARNED = {"ddpm-tme": "DDPMTME", "vae-tme": "VAETME", "wgan-tme": "WGANTME"}
TRAINED = (*LEARNED, *BACKTESTED)
ENOUGH_HOURS = 12.0  # of loads, to learn from
CONTRADICTORY, NEGLIGIBLE = 0.15, 1e-4  # noise


class ContradictionWarning(OdflowWarning):
    """Loads that can hardly be those of the routing."""


def check_sources(method: str | None, history: object, model: Path | None) -> None:
    """Refuse a method with too little or too much to learn from.

    Raises
    ------
    UsageError
        Saying what to give or to leave out.
    """
    if model is not None and (history is not None or method not in (None, *LEARNED)):
        raise UsageError("--model is fitted already; leave --history and --method out")
    if method in (*POSTERIORS, *LEARNED) and history is None and model is None:
        other = ", or a model that was trained before as --model" if method in LEARNED else ""
        raise UsageError(
            f"--method {method} learns from past traffic matrices; give --history{other}, or use --method kl"
        )
    if method in ("gravity", "tomogravity", *FROM_LOADS) and history is not None:
        raise UsageError(f"--method {method} uses no history; leave --history out, or use --method kl or gaussian")
    if method == AUTO and history is None:
        raise UsageError("--method auto tries methods on past traffic matrices; give --history, or leave --method out")


def prepared(
    model: Path | None,
    method: str | None,
    noise: float | None,
    loads: xr.DataArray,
    history: xr.DataArray | None,
    routing: Any,
    console: Console,
    *,
    intervals: bool,
    lasting: bool = False,
    old_days: float = 0.0,
    known: xr.DataArray | None = None,
    known_error: float = 0.0,
) -> tuple[Estimator, dict[str, float]]:
    """The estimator that was asked for, or the best one on the history; and what the methods tried there were off.

    With `intervals` only methods with quantiles are tried, and one that is `lasting` can be saved. Noise that is not
    given is what the loads say. Where the history is as many days old as that, and there are loads of some hours to
    learn from, the loads have a say as well.
    """
    from odflow.estimate.choice import LARGE
    from odflow.labels import end_of, seconds_between

    noise = settled_noise(noise, model, loads, routing)
    if history is not None and method in TRAINED:
        _rehearse(loads, routing, history, known, known_error, noise)
    if history is not None and method in (None, AUTO):
        start = loads["time"].values[0]
        age, hours = seconds_between(end_of(history), start), seconds_between(start, end_of(loads)) / 3600
        if not lasting and age >= old_days * 86400 and hours >= ENOUGH_HOURS and len(routing.nodes) <= LARGE:
            with suppress(DataError):  # a history that is too short for methods with quantiles
                both = _from_loads(
                    "LoadsAndHistory", history, loads, routing, noise or 0.0, console, known, known_error
                )
                return both, both.choice_.errors
        choice = _chosen(history, routing, noise or 0.0, age, intervals=intervals, console=console)
        return choice.estimator, choice.errors
    if method is None and model is None and len(routing.nodes) <= MOST_NODES:
        method = WITHOUT_HISTORY
    if method in LEARNS_FROM_LOADS:
        kind = LEARNS_FROM_LOADS[method]
        return _from_loads(kind, history, loads, routing, noise or 0.0, console, known, known_error), {}
    return _fitted(model, method, noise, history, routing, console), {}


def settled_noise(noise: float | None, model: Path | None, loads: xr.DataArray, routing: Any) -> float | None:
    """The noise that was asked for, else what the loads' contradictions say; None for that of a model file."""
    from odflow.estimate import noise_level

    if noise is not None or model is not None:
        return noise
    found = noise_level(loads, routing)
    if found > CONTRADICTORY:
        text = f"the loads contradict each other by {percent(found)} of each: are they of this network and routing?"
        warnings.warn(text, ContradictionWarning, stacklevel=2)
    return found if found > NEGLIGIBLE else 0.0


def _from_loads(
    kind: str,
    history: xr.DataArray | None,
    loads: xr.DataArray,
    routing: Any,
    noise: float,
    console: Console,
    known: xr.DataArray | None,
    known_error: float,
) -> Any:
    """An estimator fitted to the loads it is to estimate, and to a history if it takes one."""
    import odflow as of

    fresh: MomentPosterior | LoadsAndHistory = getattr(of, kind)(noise=noise)
    with console.steps() as step:
        step(f"learning from {'' if history is None else 'the history and from '}how the loads vary together")
        return fresh.fit(history, routing, loads=loads, known=known, known_error=known_error)


def _rehearse(
    loads: xr.DataArray,
    routing: Any,
    history: xr.DataArray,
    known: xr.DataArray | None,
    known_error: float,
    noise: float | None,
) -> None:
    """Find what is wrong with the input by a quick estimate, before the training."""
    from odflow.estimate import KLProjection

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OdflowWarning)
        quick = KLProjection(noise=noise or 0.0).fit(history, routing)
        quick.estimate(loads, routing, known=known, known_error=known_error)


def _chosen(
    history: xr.DataArray, routing: Any, noise: float, age: float, *, intervals: bool, console: Console
) -> Choice:
    """The estimator that was best in back-tests inside the history; one with quantiles if these are needed."""
    import odflow as of
    from odflow.estimate.choice import candidates

    methods = candidates(len(routing.nodes), intervals=intervals)
    with console.steps() as step, warnings.catch_warnings():
        step("trying methods on the history")
        warnings.simplefilter("ignore", OdflowWarning)
        return of.choose(history, routing, methods, noise=noise, age=age)


def _fitted(
    model: Path | None, method: str | None, noise: float | None, history: Any, routing: Any, console: Console
) -> Estimator:
    """The estimator of a model file, or of a method after learning from the history."""
    import odflow as of

    if model is not None:
        estimator = _with_generator(of.load(model), model, method)
        if noise is not None:
            estimator.noise = noise
        return estimator
    name = method or "kl"
    if name in TRAINED:
        learned = name in LEARNED
        learner: Any = getattr(of, LEARNED[name])(noise=noise or 0.0) if learned else backtested(name, noise or 0.0)
        more = "" if learned else " --network ..."
        console.say(
            f"training first; to do it once only: odflow fit {name} --history ...{more} -o model.safetensors, "
            "then --model model.safetensors"
        )
        with console.bar("training") as progress:
            return learner.fit(history, routing, progress=progress, command=command_line())
    if name in PRETRAINED:
        return backtested(name, noise or 0.0).fit(history, routing, command=command_line())
    makers: dict[str, type[Estimator]] = {
        "gravity": of.Gravity,
        "tomogravity": of.Tomogravity,
        "kl": of.KLProjection,
        "gaussian": of.GaussianPosterior,
        "student-t": of.StudentTPosterior,
    }
    return makers[name](noise=noise or 0.0).fit(history, routing)


def _with_generator(loaded: Any, path: Path, method: str | None) -> Any:
    """What a model file holds; a generator becomes the estimator that inverts it."""
    import odflow as of
    from odflow.estimate.base import Estimator

    estimator = loaded
    if not isinstance(loaded, Estimator):
        kinds = (getattr(of, name) for name in LEARNED.values())
        estimator = next((kind(generator=loaded) for kind in kinds if isinstance(loaded, kind.generator_type)), None)
    if estimator is None:
        raise UsageError(f"{path} holds a {type(loaded).__name__}, which does not estimate traffic matrices")
    if method is not None and type(estimator).__name__ != LEARNED[method]:
        raise UsageError(f"{path} holds a {type(loaded).__name__}, which is not for --method {method}; leave it out")
    return estimator
