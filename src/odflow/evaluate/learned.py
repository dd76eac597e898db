"""Learned methods of the estimation benchmark: what they train on, and what their phases cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import xarray as xr

from odflow.evaluate.measure import peak_mib, reset_peak
from odflow.lazy import from_torch
from odflow.traffic.histories import last_weeks, without_glitches

if TYPE_CHECKING:
    from odflow.estimate.generative import GenerativeEstimator
    from odflow.network.epochs import RoutingEpochs
    from odflow.network.routing import Routing

LEARNED = ("ddpm-tme", "vae-tme", "wgan-tme")
STAGES = ("own", "projected")
_CLASSES = {"ddpm-tme": "DDPMTME", "vae-tme": "VAETME", "wgan-tme": "WGANTME"}
_WORDS = {
    "ddpm-tme": "diffusion of TMs, all of its noises moved towards the loads (Yuan et al. 2023, algorithm 2)",
    "vae-tme": "variational autoencoder of TMs, its latent moved towards the loads (baseline of Yuan et al. 2023)",
    "wgan-tme": "WGAN-GP of TMs, its latent moved towards the loads (baseline of Yuan et al. 2023)",
}


@dataclass(frozen=True)
class Costs:
    """What one estimation by inversion took.

    Parameters
    ----------
    starts_s : float
        Seconds to decode the noise sets to start from.
    optimise_s : float
        Seconds from there to the last step, the choice of the starts included.
    project_s : float
        Seconds after the last step: the projection of the last block.
    steps : int
        Steps of the optimiser, over all blocks.
    batch : int
        Noise sets in a block at most.
    peak_mib : float
        Peak resident memory of the whole process, MiB; NaN where it cannot be told apart from what went before.
    """

    starts_s: float
    optimise_s: float
    project_s: float
    steps: int
    batch: int
    peak_mib: float

    @property
    def step_s(self) -> float:
        """Seconds of one step of one block."""
        return self.optimise_s / self.steps if self.steps else float("nan")

    @property
    def total_s(self) -> float:
        """Seconds of all phases."""
        return self.starts_s + self.optimise_s + self.project_s


def learned_estimator(
    name: str, *, seed: int = 0, noise: float = 0.0, training_steps: int = 0, full: bool = False, device: str = "cpu"
) -> GenerativeEstimator:
    """A learned method with its default parameters, not fitted.

    Parameters
    ----------
    name : str
        One of `LEARNED`.
    seed : int
        Of the training and of the inversion.
    noise : float
        Relative error of the loads that the projection is told.
    training_steps : int
        Instead of those of the generator's configuration; 0 to keep them.
    full : bool
        The generator's full configuration instead of the one for two CPU cores.
    device : str
        To train on.

    Raises
    ------
    MissingDependencyError
        Without torch.
    """
    kind = from_torch("odflow.estimate.generative", _CLASSES[name], name)
    config = kind()._default_config(full=full)
    config = replace(config, seed=seed, device=device)
    if training_steps:
        config = replace(config, steps=training_steps, epochs=0)
    estimator: GenerativeEstimator = kind(generator=config, noise=noise, seed=seed)
    return estimator


def training_history(train: xr.DataArray, weeks: int) -> xr.DataArray:
    """TMs that learned methods train on: the last `weeks` weeks' worth of intervals (0 = all), without glitches."""
    return without_glitches(last_weeks(train, weeks))


def timed_stages(
    estimator: GenerativeEstimator,
    loads: xr.DataArray,
    routing: Routing | RoutingEpochs,
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> tuple[xr.DataArray, Costs]:
    """Own and projected estimate of a fitted estimator that was not used before, and what they cost.

    Parameters
    ----------
    estimator : GenerativeEstimator
    loads : DataArray (time, link)
        bit/s.
    routing : Routing or RoutingEpochs
    progress : callable, optional
        As that of :meth:`odflow.estimate.generative.GenerativeEstimator.stages`.

    Returns
    -------
    DataArray (stage, time, origin, destination), Costs
    """
    told = reset_peak()
    begin = time.perf_counter()
    # without steps nothing but the starts takes time; the estimator keeps them
    steps, estimator.steps = estimator.steps, 0
    try:
        estimator.stages(loads.isel(time=[0]), routing)
    finally:
        estimator.steps = steps
    started = last = time.perf_counter()
    count = 0

    def tick(done: int, total: int, losses: Mapping[str, float]) -> None:
        nonlocal last, count
        last, count = time.perf_counter(), count + 1
        if progress is not None:
            progress(done, total, losses)

    found = estimator.stages(loads, routing, progress=tick)
    end = time.perf_counter()
    batch = min(estimator.block, loads.sizes["time"] * estimator.draws)
    peak = peak_mib() if told else float("nan")
    return found, Costs(started - begin, last - started, end - last, count, batch, peak)


def learned_words(name: str, stage: str, weeks: int, estimator: Any) -> str:
    """A learned method in words, with the settings that are not the default."""
    config = estimator.generator
    usual = type(estimator)()._default_config()
    parts = [
        f"{f.name} {getattr(config, f.name)}"
        for f in fields(config)
        if f.name not in ("seed", "device") and getattr(config, f.name) != getattr(usual, f.name)
    ]
    end = "as it comes" if stage == "own" else "projected onto the loads"
    past = f"the last {weeks} weeks" if weeks > 1 else "the last week" if weeks else "the whole history"
    return f"{_WORDS[name]}, trained on {past} without glitches, {end}; {', '.join(parts) or 'all defaults'}"
