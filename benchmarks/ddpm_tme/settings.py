"""What the reproduction runs, and how much of it in this call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from odflow.errors import UsageError
from odflow.traffic.download import Store

RESULTS = Path(__file__).parents[1] / "results"
NAMES = ("abilene", "geant")


@dataclass(frozen=True)
class Budget:
    """How much work a job is; the smoke budget only shows that everything runs.

    Parameters
    ----------
    training_steps : int
        Instead of those of the configurations; 0 to keep them.
    starts, steps : int
        Of the inversion, instead of the defaults; 0 to keep them.
    intervals : int
        Of the test week; 0 for all.
    thin : int
        The ablations use every so many-th test interval.
    samples : int
        TMs on either side of the synthesis comparisons.
    drawn : int
        Samples kept for the figures.
    """

    training_steps: int = 0
    starts: int = 0
    steps: int = 0
    intervals: int = 0
    thin: int = 8
    samples: int = 2016
    drawn: int = 1000


SMOKE = Budget(training_steps=20, starts=16, steps=3, intervals=32, samples=60, drawn=60)


@dataclass(frozen=True)
class Settings:
    """Options of ``python -m benchmarks ddpm-tme``.

    Parameters
    ----------
    jobs : tuple of str
        Run only jobs whose name starts with one of these, such as ``abilene`` or ``geant/ddpm-tme``, and write no
        page; all jobs and the page by default.
    only_page : bool
        Run nothing; write the page from what is there.
    list : bool
        Say which jobs there are and which are done; run nothing, write nothing.
    work : Path, optional
        Folder of finished jobs and trained models; by default ``ddpm-tme`` in odflow's cache folder.
    out : Path
        Folder to write the page to.
    datasets : tuple of str
    seeds : tuple of int
        Of methods trained on all weeks, and of the synthesis benchmark.
    window_weeks : tuple of int
        Lengths of the recent histories to train on.
    window_seeds : tuple of int
        Of those trainings.
    full : bool
        Also train the full configurations (hours on a CPU), seed 0.
    device : str
        To train on: ``cpu``, ``cuda`` or ``auto``.
    threads : int
        Of torch; 0 to leave it to torch.
    keep_old : bool
        Accept finished jobs and models of other versions of the code, if configuration and data are the same.
    smoke : bool
        Tiny budgets, to see that everything runs; the numbers mean nothing.
    """

    jobs: tuple[str, ...] = ()
    only_page: bool = False
    list: bool = False
    work: Path | None = None
    out: Path = RESULTS
    datasets: tuple[str, ...] = NAMES
    seeds: tuple[int, ...] = (0, 1, 2)
    window_weeks: tuple[int, ...] = (1, 2, 4)
    window_seeds: tuple[int, ...] = (0,)
    full: bool = False
    device: str = "cpu"
    threads: int = 0
    keep_old: bool = False
    smoke: bool = False

    def __post_init__(self) -> None:
        if not self.datasets or not self.seeds:
            raise UsageError("name at least one data set and one seed")
        if self.smoke and self.out == RESULTS:
            raise UsageError("the numbers of a smoke run mean nothing; name another folder for its page with --out")

    @property
    def budget(self) -> Budget:
        """How much work a job is."""
        return SMOKE if self.smoke else Budget()

    @property
    def folder(self) -> Path:
        """Where finished jobs and models are."""
        base = Store.of_user().folder / "ddpm-tme" if self.work is None else self.work
        return base / "smoke" if self.smoke else base
