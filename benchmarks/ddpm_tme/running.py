"""Doing the jobs, skipping what is done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.ddpm_tme.jobs import ABLATIONS, ALIKE, SYNTHESIS, Job
from benchmarks.ddpm_tme.settings import Settings
from benchmarks.ddpm_tme.store import Work, digest, model_identity
from benchmarks.ddpm_tme.version import estimate_version, model_version, synthesis_version
from odflow import labels
from odflow.evaluate.learned import STAGES, learned_estimator, timed_stages, training_history
from odflow.evaluate.measure import peak_mib, reset_peak
from odflow.evaluate.report import Provenance, plain, provenance
from odflow.evaluate.scores import score
from odflow.evaluate.synthesis import GENERATORS, SynthesisBenchmark
from odflow.evaluate.synthesis import run as run_synthesis
from odflow.generate.config import GeneratorConfig
from odflow.traffic.histories import last_weeks

if TYPE_CHECKING:
    import xarray as xr

    from odflow.estimate.generative import GenerativeEstimator
    from odflow.generate.base import TrafficGenerator
    from odflow.traffic.datasets import Dataset

COMMAND = "python -m benchmarks ddpm-tme"
_KINDS = {
    "diffusion": ("TrafficDiffusion", "DiffusionConfig"),
    "vae": ("TrafficVAE", "VAEConfig"),
    "wgan-gp": ("TrafficWGANGP", "WGANConfig"),
}
_GENERATOR = {"ddpm-tme": "TrafficDiffusion", "vae-tme": "TrafficVAE", "wgan-tme": "TrafficWGANGP"}
Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Runner:
    """Does jobs and finds done ones.

    Parameters
    ----------
    settings : Settings
    work : Work
    data : mapping of str to Dataset
    """

    settings: Settings
    work: Work
    data: Mapping[str, Dataset]

    def found(self, job: Job) -> dict[str, Any] | None:
        """What a job found, if it is done."""
        return self.work.result(job, self.identity(job), code_of(job))

    def identity(self, job: Job) -> str:
        """Hash of everything that decides what a job finds, but the code."""
        data, budget = self.data[job.dataset], self.settings.budget
        about: dict[str, Any] = {"job": asdict(job), "data": data.sha256, "device": self.settings.device}
        if job.method == SYNTHESIS:
            models = [asdict(self.generator(name, job).config) for name in GENERATORS]
            return digest({**about, "models": models, "samples": budget.samples, "drawn": budget.drawn})
        thin = budget.thin if job.variant in ABLATIONS else 1
        return digest({**about, "intervals": budget.intervals, "thin": thin, **_parts(self.estimator(job))})

    def remember(self, jobs: Sequence[Job]) -> None:
        """Note the versions of the code that this process has loaded, before somebody changes the files."""
        _about()
        for job in jobs:
            self.identity(job)
            code_of(job)
        for kind in _GENERATOR.values():
            model_version(kind)

    def run(self, job: Job, tell: Tell) -> dict[str, Any]:
        """Do a job, keep what it found, and return it."""
        about, start = plain(_about()), time.perf_counter()
        found, arrays = self._synthesis(job, tell) if job.method == SYNTHESIS else self._estimate(job, tell)
        found = {
            "job": asdict(job),
            "name": job.name,
            "identity": self.identity(job),
            "code": code_of(job),
            "threads": _threads(),
            "torch": version("torch"),
            "wall_s": time.perf_counter() - start,
            "provenance": {**about, "seed": job.seed, "date": provenance(COMMAND, job.seed).date},
            **found,
        }
        self.work.write_result(job, found, arrays if job.shown else None)
        return found

    def estimator(self, job: Job) -> GenerativeEstimator:
        """The method of a job, with its generator's configuration."""
        budget, device = self.settings.budget, self.settings.device
        estimator = learned_estimator(
            job.method, seed=job.seed, training_steps=budget.training_steps, full=job.full, device=device
        )
        changed: dict[str, Any] = dict(ABLATIONS.get(job.variant, {}))
        if job.variant == ALIKE:
            assert isinstance(estimator.generator, GeneratorConfig)
            changed["generator"] = replace(estimator.generator, half_life=0.0)
        changed |= {"starts": budget.starts} if budget.starts else {}
        changed |= {"steps": budget.steps} if budget.steps else {}
        return replace(estimator, **changed)

    def generator(self, name: str, job: Job) -> TrafficGenerator:
        """A generator of the synthesis benchmark, not trained."""
        home, budget = import_module("odflow.generate"), self.settings.budget
        kind, settings = (getattr(home, part) for part in _KINDS[name])
        config = replace(settings.full() if job.full else settings(), seed=job.seed, device=self.settings.device)
        if budget.training_steps:
            config = replace(config, steps=budget.training_steps, epochs=0)
        made: TrafficGenerator = kind(config)
        return made

    def test(self, job: Job) -> xr.DataArray:
        """The TMs that a job is scored on."""
        budget, test = self.settings.budget, self.data[job.dataset].test
        test = test.isel(time=slice(0, budget.intervals or None))
        return test.isel(time=slice(None, None, budget.thin)) if job.variant in ABLATIONS else test

    def _estimate(self, job: Job, tell: Tell) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        data, truth, estimator = self.data[job.dataset], self.test(job), self.estimator(job)
        history = training_history(data.train, job.weeks)
        asked = estimator.generator
        assert isinstance(asked, estimator.config_type)
        model, training = self.work.trained(estimator.generator_type(asked), history, tell, COMMAND)
        estimator = replace(estimator, generator=model)
        loads = data.routing.loads(truth) if data.loads is None else data.loads.sel(time=truth["time"])

        def report(done: int, total: int, losses: Mapping[str, float]) -> None:
            tell(f"{job.name}: inversion {done / total:.0%}, loss {losses.get('loss', float('nan')):.4f}")

        both, costs = timed_stages(estimator, loads, data.routing, report)
        scores = {stage: score(truth, both.sel(stage=stage), loads=loads, routing=data.routing) for stage in STAGES}
        found = {
            "data": data.sha256,
            "model": model_identity(model, history),
            "training": training,
            "costs": {**asdict(costs), "step_s": costs.step_s, "total_s": costs.total_s},
            "intervals": truth.sizes["time"],
            "history_tms": history.sizes["time"],
            "left_out": last_weeks(data.train, job.weeks).sizes["time"] - history.sizes["time"],
            "settings": _parts(estimator),
            "scores": plain(scores),
        }
        nodes = data.routing.nodes
        arrays = {stage: labels.flat(both.sel(stage=stage), nodes) for stage in STAGES} if job.shown else {}
        return found, arrays

    def _synthesis(self, job: Job, tell: Tell) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        data, budget = self.data[job.dataset], self.settings.budget
        history = training_history(data.train, job.weeks)
        models, trainings, arrays = {}, {}, {}
        for name in GENERATORS:
            models[name], trainings[name] = self.work.trained(self.generator(name, job), history, tell, COMMAND)
        config = SynthesisBenchmark(
            dataset=job.dataset, samples=budget.samples, seeds=(job.seed,), full=job.full, weeks=job.weeks
        )
        told = reset_peak()
        result = run_synthesis(
            config, dataset=data, models={name: (model,) for name, model in models.items()}, progress=tell
        )
        peak = peak_mib() if told else float("nan")
        if job.shown:
            for name, model in models.items():
                drawn = labels.check_demands(model.sample(budget.drawn, seed=job.seed))
                arrays[name] = labels.flat(drawn, data.routing.nodes)
        found = {
            "data": data.sha256,
            "training": trainings,
            "peak_mib": peak,
            "settings": {name: asdict(model.config) for name, model in models.items()},
            "result": plain(result),
        }
        return found, arrays


def code_of(job: Job) -> str:
    """Version of the code that a job depends on."""
    return synthesis_version() if job.method == SYNTHESIS else estimate_version(_GENERATOR[job.method])


def _parts(estimator: GenerativeEstimator) -> dict[str, Any]:
    """Parameters of an estimator, and the configuration of its generator."""
    own = {f.name: getattr(estimator, f.name) for f in fields(estimator) if f.init and f.name != "generator"}
    given = estimator.generator
    config = given if isinstance(given, GeneratorConfig) or given is None else given.config
    return {"parameters": own, "generator": asdict(config) if config else {}}


@cache
def _about() -> Provenance:
    """The sources as they were when this process started on its jobs, whatever happens to them later."""
    return provenance(COMMAND, 0)


def _threads() -> int:
    import torch

    return torch.get_num_threads() or os.cpu_count() or 1
