"""``python -m benchmarks sim-mstnet``: run what is not done yet, then write the page."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.sim_mstnet.jobs import all_jobs, finished, run

app = App(
    name="python -m benchmarks sim-mstnet",
    help="Sim-MSTNet and its rivals on real data.",
    default_parameter=Parameter(negative=()),
    version_flags=(),
)


@app.default
def sim_mstnet(
    *,
    folder: Path = Path(".odflow-sim-mstnet"),
    jobs: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    part: str = "1/1",
    only_page: bool = False,
) -> None:
    """Run the jobs that have no result yet, there or in the page's data, and write the page.

    Parameters
    ----------
    folder : Path
        For the results of jobs.
    jobs : tuple of str
        Only those whose name contains one of these, such as `2-days` or `/lstm/`.
    part : str
        Only every n-th job, for n processes side by side: `1/2` and `2/2`.
    only_page : bool
        Run nothing.
    """
    import torch

    from benchmarks.sim_mstnet import coverage, figures, page
    from benchmarks.sim_mstnet.sets import SETS

    torch.set_num_threads(1)
    first, of = map(int, part.split("/"))
    wanted = [job for job in all_jobs() if not jobs or any(one in job.name for one in jobs)]
    done = finished(page.OUT / "sim-mstnet.json")
    for number, job in enumerate(wanted):
        if only_page or number % of != first - 1 or job.name in done or (folder / f"{job.name}.json").exists():
            continue
        start = time.perf_counter()
        run(job, folder)
        print(f"{number + 1} of {len(wanted)}: {job.name}, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    for name in SETS if not jobs and not only_page else ():
        coverage.run(name, folder)
    if not jobs and not only_page:
        figures.learn_with_log(folder)
    if of == 1 or only_page:
        page.write(folder)
