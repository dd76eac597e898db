"""The synthesis benchmark: how close generated TMs are to the training TMs, beside real ones and simple rivals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol

from odflow import labels
from odflow.errors import UsageError
from odflow.evaluate.protocol import named_dataset
from odflow.evaluate.report import Provenance, command_line, provenance
from odflow.evaluate.synthesis_real import LEAST, RealTMs, floor_of_days, floor_of_halves, score_synthesis
from odflow.evaluate.synthesis_result import Compared, SynthesisResult, SynthesisRow
from odflow.evaluate.synthesis_rivals import RIVALS, rival
from odflow.traffic.histories import last_weeks

if TYPE_CHECKING:
    import xarray as xr

    from odflow.traffic.datasets import Dataset

GENERATORS = ("diffusion", "vae", "wgan-gp")
_CLASSES = {
    "diffusion": ("TrafficDiffusion", "DiffusionConfig"),
    "vae": ("TrafficVAE", "VAEConfig"),
    "wgan-gp": ("TrafficWGANGP", "WGANConfig"),
}


class Sampler(Protocol):
    """What the benchmark needs of a fitted generator; :class:`odflow.generate.TrafficGenerator` has it."""

    def sample(self, n: int, *, seed: int = 0) -> xr.DataArray:
        """Draw TMs (time, origin, destination)."""
        ...


@dataclass(frozen=True)
class SynthesisBenchmark:
    """What to run.

    Parameters
    ----------
    dataset : str
        ``abilene`` or ``geant``; the others are too short.
    generators : tuple of str
        Of ``diffusion``, ``vae`` and ``wgan-gp``; they need torch.
    rivals : tuple of str
        Of ``resample`` and ``gaussian-copula``.
    samples : int
        TMs on either side of every comparison; at most half of the training TMs are used.
    weeks : int
        Last weeks of the training part to learn from and compare with; 0 for all.
    seeds : tuple of int
        One training, one set of samples and one set of real TMs for each.
    full : bool
        Train the published sizes instead of those for two CPU cores.
    steps : int
        Training steps instead of those of the configuration; 0 to keep them.
    device : str
        To train on: ``cpu``, ``cuda`` or ``auto``.

    Raises
    ------
    UsageError
        If a name is unknown or a number makes no sense.
    """

    dataset: str = "abilene"
    generators: tuple[str, ...] = GENERATORS
    rivals: tuple[str, ...] = RIVALS
    samples: int = 2016
    weeks: int = 0
    seeds: tuple[int, ...] = (0,)
    full: bool = False
    steps: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for what, given, known in (("generator", self.generators, GENERATORS), ("rival", self.rivals, RIVALS)):
            for name in given:
                if name not in known:
                    raise UsageError(f"unknown {what} '{name}'; {what}s are {', '.join(known)}")
            if len(set(given)) < len(given):
                raise UsageError(f"{what}s {', '.join(given)}: name each only once")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise UsageError(f"seeds {self.seeds} make no sense; give one or more different numbers from 0")
        if self.samples < LEAST:
            raise UsageError(f"samples={self.samples}; compare at least {LEAST} TMs")
        for name, value in (("weeks", self.weeks), ("steps", self.steps)):
            if value < 0:
                raise UsageError(f"{name}={value} makes no sense; give a number from 0")


def run(
    config: SynthesisBenchmark,
    *,
    dataset: Dataset | None = None,
    models: Mapping[str, Sequence[Sampler]] | None = None,
    progress: Callable[[str], None] | None = None,
) -> SynthesisResult:
    """Run the benchmark.

    Parameters
    ----------
    config : SynthesisBenchmark
    dataset : Dataset, optional
        Data to use instead of those that ``config.dataset`` names.
    models : mapping of str to sequence of Sampler, optional
        Fitted generators by name, one for each seed; the others of ``config.generators`` are trained. Names that are
        not in ``config.generators`` get a row too.
    progress : callable, optional
        Told what is being done.

    Raises
    ------
    UsageError
        If there is no such data set, or models and seeds do not fit.
    MissingDependencyError
        Without torch, if there is something to train, or without scikit-learn.
    OdflowError
        If the data are not there, or are too few.
    """
    models = models or {}
    for name, fitted in models.items():
        if len(fitted) != len(config.seeds):
            raise UsageError(f"{len(fitted)} models of '{name}' for {len(config.seeds)} seeds; give one for each")
    tell = progress or (lambda text: None)
    data = named_dataset(config.dataset) if dataset is None else dataset
    real = RealTMs.of(last_weeks(data.train, config.weeks))
    n = real.size(config.samples)
    as_named = dataset is None and not models
    command = command_line("synthesis", config) if as_named else f"{__name__}.run({config}, ...)"
    rows = _floors(real, n, config.seeds, tell)
    rows += [_rival_row(name, real, n, config.seeds, tell) for name in config.rivals]
    for name in dict.fromkeys((*config.generators, *models)):
        rows.append(_generator_row(name, config, real, n, models.get(name), command, tell))
    return SynthesisResult(
        config=config,
        compared=Compared(
            dataset=data.name,
            sha256=data.sha256,
            history=_span(real.history),
            tms=len(real.day),
            left_out=real.left_out,
            samples=n,
            axes=real.space.axes.shape[1],
            share=float(real.space.shares.sum()),
        ),
        rows=tuple(rows),
        provenance=_provenance(command, config.seeds[0]),
    )


def _floors(real: RealTMs, n: int, seeds: tuple[int, ...], tell: Callable[[str], None]) -> list[SynthesisRow]:
    halves, days = [], []
    for seed in seeds:
        tell(f"real TMs among themselves, seed {seed}")
        halves.append(floor_of_halves(real, n, seed=seed))
        days.append(floor_of_days(real, n, seed=seed))
    random = "two disjoint random sets of training TMs: the same distribution, and the same hours"
    daily = (
        "training TMs of every second day against those of the days between: new days of the same weeks; "
        "the classifier knows a day by its TMs of the same hours"
    )
    return [
        SynthesisRow("real, random halves", random, "floor", tuple(halves)),
        SynthesisRow("real, alternating days", daily, "floor", tuple(days)),
    ]


def _rival_row(name: str, real: RealTMs, n: int, seeds: tuple[int, ...], tell: Callable[[str], None]) -> SynthesisRow:
    start = time.perf_counter()
    fitted, words = rival(name, real.values)
    fit_s = time.perf_counter() - start
    scores, seconds = [], []
    for seed in seeds:
        tell(f"{name}, seed {seed}")
        start = time.perf_counter()
        drawn = fitted.sample(n, seed=seed)
        seconds.append(time.perf_counter() - start)
        scores.append(score_synthesis(real, drawn, seed=seed))
    return SynthesisRow(name, words, "rival", tuple(scores), fit_s, fmean(seconds))


def _generator_row(
    name: str,
    config: SynthesisBenchmark,
    real: RealTMs,
    n: int,
    given: Sequence[Sampler] | None,
    command: str,
    tell: Callable[[str], None],
) -> SynthesisRow:
    scores, fits, draws, words = [], [], [], ""
    for k, seed in enumerate(config.seeds):
        start = time.perf_counter()
        if given is None:
            model = _trained(name, config, seed, real.history, command, tell)
            fits.append(time.perf_counter() - start)
        else:
            model = given[k]
        tell(f"{name}, seed {seed}: samples")
        start = time.perf_counter()
        drawn = labels.flat(labels.check_demands(model.sample(n, seed=seed)), real.nodes)
        draws.append(time.perf_counter() - start)
        scores.append(score_synthesis(real, drawn, seed=seed))
        words = words or _words(model)
    return SynthesisRow(name, words, "generator", tuple(scores), fmean(fits) if fits else float("nan"), fmean(draws))


def _trained(
    name: str, config: SynthesisBenchmark, seed: int, history: xr.DataArray, command: str, tell: Callable[[str], None]
) -> Sampler:
    home = import_module("odflow.generate")
    kind, settings = (getattr(home, part) for part in _CLASSES[name])
    chosen = replace(settings.full() if config.full else settings(), seed=seed, device=config.device)
    if config.steps:
        chosen = replace(chosen, steps=config.steps, epochs=0)

    def report(done: int, total: int, losses: Mapping[str, float]) -> None:
        parts = ", ".join(f"{part} {value:.3g}" for part, value in losses.items())
        tell(f"{name}, seed {seed}: step {done} of {total}; {parts}")

    tell(f"{name}, seed {seed}: training")
    fitted: Sampler = kind(chosen).fit(history, progress=report, command=command)
    return fitted


def _words(model: Any) -> str:
    """Class of a generator, and the settings that are not its class's defaults."""
    name, settings = type(model).__name__, getattr(model, "config", None)
    if settings is None:
        return name
    changed = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name not in ("seed", "device")}
    words = [f"{key} {value}" for key, value in changed.items() if value != getattr(type(settings), key, None)]
    return f"{name}, {', '.join(words) or 'all defaults'}"


def _provenance(command: str, seed: int) -> Provenance:
    """With the versions of the libraries that train generators and classifiers."""
    base, more = provenance(command, seed), {}
    for name in ("scikit-learn", "torch"):
        with suppress(PackageNotFoundError):
            more[name] = version(name)
    return replace(base, libraries={**base.libraries, **more})


def _span(array: xr.DataArray) -> str:
    times = labels.as_times(array["time"].values).astype("datetime64[m]")
    return f"{len(times)} intervals of {array.attrs['interval_s']:g} s, {times[0]} to {times[-1]} UTC"
