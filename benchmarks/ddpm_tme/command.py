"""``python -m benchmarks ddpm-tme``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from benchmarks.ddpm_tme.jobs import Job, all_jobs, chosen
from benchmarks.ddpm_tme.running import Runner
from benchmarks.ddpm_tme.settings import Settings
from benchmarks.ddpm_tme.store import Work
from odflow.errors import UsageError
from odflow.evaluate.protocol import named_dataset

if TYPE_CHECKING:
    from odflow.traffic.datasets import Dataset

app = App(
    name="python -m benchmarks ddpm-tme",
    help="The reproduction of DDPM-TME: trains, estimates, writes the page.",
    default_parameter=Parameter(negative=()),
    version_flags=(),
)


@app.default
def ddpm_tme(
    *,
    settings: Annotated[Settings, Parameter(name="*", consume_multiple=True)] = Settings(),  # noqa: B008  (frozen)
) -> None:
    """Run what is not done yet, then write the page."""
    reproduce(settings)


def reproduce(settings: Settings, data: Mapping[str, Dataset] | None = None) -> int:
    """Run the jobs that are asked for and not done, and write the page.

    Parameters
    ----------
    settings : Settings
    data : mapping of str to Dataset, optional
        Instead of the public data sets.

    Returns
    -------
    int
        Jobs run.
    """
    import torch

    if settings.threads:
        torch.set_num_threads(settings.threads)
    sets = {name: named_dataset(name) for name in settings.datasets} if data is None else data
    runner = Runner(settings, Work(settings.folder, settings.keep_old), sets)
    jobs = chosen(all_jobs(settings), settings.jobs)
    if not jobs:
        raise UsageError(f"no job starts with {', '.join(settings.jobs)}; --list says which there are")
    if settings.list:
        for job in jobs:
            print(f"{state(runner, job):<9} {job.name}")
        return 0
    runner.remember(jobs)
    done = 0
    if not settings.only_page:
        for place, job in enumerate(jobs, 1):
            if runner.found(job) is not None:
                say(f"[{place}/{len(jobs)}] {job.name}: done before")
                continue
            say(f"[{place}/{len(jobs)}] {job.name}")
            start = time.perf_counter()
            runner.run(job, teller())
            done += 1
            say(f"[{place}/{len(jobs)}] {job.name}: {time.perf_counter() - start:.0f} s")
    if settings.only_page or not settings.jobs:
        from benchmarks.ddpm_tme.page import write

        write(runner)
    return done


def state(runner: Runner, job: Job) -> str:
    """Whether a job is done, in a word or two."""
    if runner.found(job) is not None:
        return "done"
    return "old code" if replace(runner, work=replace(runner.work, keep_old=True)).found(job) is not None else "-"


def say(text: str) -> None:
    """Tell how far it is."""
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def teller(every: float = 30.0) -> Callable[[str], None]:
    """Tell at most so often, in seconds."""
    last = time.monotonic()

    def tell(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            say("    " + text)

    return tell
