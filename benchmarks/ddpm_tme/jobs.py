"""The jobs of the reproduction, the most important first."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.ddpm_tme.settings import Settings
from odflow.evaluate.learned import LEARNED

SYNTHESIS = "synthesis"
ALIKE = "alike"  # variant of the generator's training: all TMs of the history count alike, recent or not
# on the all-weeks model of ddpm-tme: variant to fields of the estimator that differ
ABLATIONS: dict[str, dict[str, float | int | str]] = {
    "default": {},
    "start-only": {"eta": 0.0, "move": "start"},
    "no-prior": {"prior": 0.0},
    "four-starts": {"draws": 4},
}


@dataclass(frozen=True)
class Job:
    """One piece of work with one result file.

    Parameters
    ----------
    dataset : str
    method : str
        One of ``LEARNED``, or ``synthesis`` for the three generators together.
    weeks : int
        Last weeks of the history; 0 = all.
    seed : int
    variant : str
        One of `ABLATIONS`, or `ALIKE`; empty for the method as it is.
    full : bool
        The full configuration.
    """

    dataset: str
    method: str
    weeks: int = 0
    seed: int = 0
    variant: str = ""
    full: bool = False

    @property
    def name(self) -> str:
        """Such as ``abilene/ddpm-tme/all-weeks/seed-0``."""
        weeks = f"last-{self.weeks}" if self.weeks else "all-weeks"
        parts = [self.dataset, self.method, weeks, f"seed-{self.seed}"]
        return "/".join(parts + ["full"] * self.full + [self.variant] * bool(self.variant))

    @property
    def shown(self) -> bool:
        """Whether figures show it."""
        return not (self.weeks or self.seed or self.variant or self.full)


def all_jobs(settings: Settings) -> list[Job]:
    """Every job of the page, in the order in which to run them."""
    nets, (first, *others) = settings.datasets, settings.seeds
    jobs = [Job(net, method, seed=first) for method in (*LEARNED, SYNTHESIS) for net in nets]
    jobs += [Job(net, method, seed=seed) for seed in others for method in (*LEARNED, SYNTHESIS) for net in nets]
    jobs += [
        Job(net, method, weeks=weeks, seed=seed, variant=ALIKE)
        for seed in settings.window_seeds
        for weeks in (*settings.window_weeks, 0)
        for method in LEARNED
        for net in nets
    ]
    jobs += [Job(net, "ddpm-tme", seed=first, variant=variant) for variant in ABLATIONS for net in nets]
    if settings.full:
        jobs += full_jobs(settings)
    return jobs


def full_jobs(settings: Settings) -> list[Job]:
    """The jobs of the full configurations."""
    return [
        Job(net, method, seed=settings.seeds[0], full=True)
        for method in (*LEARNED, SYNTHESIS)
        for net in settings.datasets
    ]


def chosen(jobs: list[Job], prefixes: tuple[str, ...]) -> list[Job]:
    """Those whose name starts with one of the prefixes; all if there are none."""
    return [job for job in jobs if not prefixes or job.name.startswith(prefixes)]
