"""The speed benchmark: seconds and memory of the main jobs, against the limits we hold ourselves to."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from odflow.errors import OdflowError, UsageError, listed
from odflow.evaluate.measure import seconds
from odflow.evaluate.report import Provenance, Report, command_line, markdown_table, number, plain, provenance

if TYPE_CHECKING:
    from rich.table import Table

PARTS = ("projection", "sizes", "streaming", "routing", "files", "simulate", "start")
SIZES = (12, 23, 50, 100, 200, 500)
_TIMEOUT_S = 900
_STREAMED = {"abilene": 0.005, "geant": 0.02}  # seconds
_SIMULATED = ((12, 1, "5min", 1.0), (100, 4, "15min", 60.0), (1000, 1 / 7, "1h", 120.0))


@dataclass(frozen=True)
class SpeedBenchmark:
    """What to measure.

    Parameters
    ----------
    parts : tuple of str
        ``projection`` (the real weeks), ``sizes`` (KL projection at 12 to 500 nodes), ``streaming`` (one TM by
        Student-t: Abilene, GEANT, 100 nodes), ``routing``, ``files`` (2,016 TOTEM files), ``simulate`` (TMs and
        cells), ``start`` (import and ``odflow --help``).
    max_nodes : int
        Largest generated network of ``sizes`` and ``routing``.
    repeats : int
        Runs after a warm-up; work of more than eight seconds runs once.
    seed : int
        Of the generated networks and traffic.

    Raises
    ------
    UsageError
        If a part is unknown or a number makes no sense.
    """

    parts: tuple[str, ...] = PARTS
    max_nodes: int = 500
    repeats: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts:
            what = f"unknown part {listed(unknown)}" if unknown else "no part"
            raise UsageError(f"{what} of the speed benchmark; parts are {', '.join(PARTS)}")
        if self.repeats < 1:
            raise UsageError(f"repeats={self.repeats}; run at least once")
        if self.max_nodes < SIZES[0]:
            raise UsageError(f"max_nodes={self.max_nodes}; the smallest generated network has {SIZES[0]} nodes")


@dataclass(frozen=True)
class SpeedRow:
    """One measurement.

    Parameters
    ----------
    what, detail : str
    best, median : float
        Seconds.
    runs : int
    limit_s : float or None
        What `best` must stay below.
    rate : float or None
        TMs per second (by `best`).
    peak_mib : float
        Peak resident memory of the process that did it, libraries and input included; NaN if unknown.
    limit_mib : float or None
    """

    what: str
    detail: str
    best: float
    median: float
    runs: int
    limit_s: float | None = None
    rate: float | None = None
    peak_mib: float = float("nan")
    limit_mib: float | None = None

    @property
    def passed(self) -> bool | None:
        """Whether the limits are kept; ``None`` if there are none."""
        if self.limit_s is None and self.limit_mib is None:
            return None
        slow = self.limit_s is not None and not self.best < self.limit_s
        large = self.limit_mib is not None and not self.peak_mib < self.limit_mib
        return not (slow or large)


@dataclass(frozen=True)
class SpeedResult(Report):
    """What :func:`run` measured.

    Parameters
    ----------
    config : SpeedBenchmark
    rows : tuple of SpeedRow
    skipped : tuple of str
        What could not be measured, and why.
    provenance : Provenance
    """

    config: SpeedBenchmark
    rows: tuple[SpeedRow, ...]
    skipped: tuple[str, ...]
    provenance: Provenance

    @property
    def passed(self) -> bool:
        """Whether every limit was kept and nothing was skipped."""
        return not self.skipped and all(row.passed is not False for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types."""
        rows = [{**plain(row), "passed": row.passed} for row in self.rows]
        return {**plain(self), "rows": rows, "passed": self.passed}

    def markdown(self) -> str:
        """The result as a Markdown section."""
        rows = [[row.what, row.detail, *_cells(row)] for row in self.rows]
        lines = ["## Speed", "", *self.provenance.lines(), "", markdown_table(("job", "size", *_HEADINGS), rows, 2)]
        lines += [f"- not measured: {text}" for text in self.skipped]
        return "\n".join(lines) + f"\n\n{_NOTES}\n"

    def table(self) -> Table:
        """The measurements for the terminal."""
        from rich.table import Table

        table = Table(title="Speed", caption="; ".join(f"not measured: {text}" for text in self.skipped) or None)
        table.add_column("job")
        for heading in _HEADINGS:
            table.add_column(heading, justify="right")
        for row in self.rows:
            table.add_row(f"{row.what}\n[dim]{row.detail}[/dim]", *_cells(row))
        return table


_HEADINGS = ("best s", "median s", "limit s", "TMs/s", "peak MiB", "limit MiB", "")
_NOTES = (
    "Best and median of the runs after one warm-up (work of more than eight seconds runs once). Peak memory is that "
    "of a process of its own, Python, libraries and input included. Generated networks: nodes uniform in a square, "
    "Euclidean spanning tree plus the shortest Delaunay edges up to four directed links per node, integer metrics "
    "1 to 20 by length, ECMP routing, traffic by `odflow.traffic.plausible`."
)


def _cells(row: SpeedRow) -> list[str]:
    verdict = {True: "pass", False: "FAIL", None: ""}[row.passed]
    return [
        number(row.best),
        number(row.median) if row.runs > 1 else "(one run)",
        "" if row.limit_s is None else f"{row.limit_s:g}",
        "" if row.rate is None else f"{row.rate:,.{0 if row.rate >= 10 else 2}f}",
        number(row.peak_mib, 0),
        "" if row.limit_mib is None else f"{row.limit_mib:g}",
        verdict,
    ]


def run(config: SpeedBenchmark, *, progress: Callable[[str], None] | None = None) -> SpeedResult:
    """Measure; each job in a process of its own.

    Parameters
    ----------
    config : SpeedBenchmark
    progress : callable, optional
        Called with the name of each job before it starts.

    Raises
    ------
    OdflowError
        If a job fails. Missing real data is reported in the result instead.
    """
    rows: list[SpeedRow] = []
    skipped: list[str] = []
    for part in config.parts:
        if part == "projection" and not _real_data():
            skipped.append("projection of the Abilene and GEANT weeks (real data not found)")
            continue
        for row in _measure(part, config, progress or (lambda _: None)):
            rows.append(row)
    return SpeedResult(config, tuple(rows), tuple(skipped), provenance(command_line("speed", config), config.seed))


def _measure(part: str, config: SpeedBenchmark, progress: Callable[[str], None]) -> Iterator[SpeedRow]:
    seed, repeats = config.seed, config.repeats
    match part:
        case "projection":
            for dataset, limit in (("abilene", 0.3), ("geant", 0.5)):
                for prior in ("history", "gravity"):
                    what = f"KL projection, {dataset} test week, {prior} prior"
                    progress(what)
                    yield _row(what, _child("project_week", dataset=dataset, prior=prior, repeats=repeats), limit)
        case "sizes":
            for nodes in (size for size in SIZES if size <= config.max_nodes):
                what = f"KL projection, {nodes} nodes"
                progress(what)
                found = _child("project_random", nodes=nodes, seed=seed, repeats=repeats)
                yield _row(what, found, 60.0, 2048.0) if nodes == 200 else _row(what, found)
        case "streaming":
            real = _STREAMED if _real_data() else {}
            for name, limit in {**real, "100 nodes": 0.2}.items():
                what = f"one TM by Student-t, {name}"
                progress(what)
                yield _row(what, _child("stream", name=name, seed=seed, repeats=repeats), limit)
        case "routing":
            what = f"ECMP routing, {config.max_nodes} nodes"
            progress(what)
            yield _row(what, _child("route", nodes=config.max_nodes, seed=seed, repeats=repeats), 5.0)
        case "files":
            what = "reading TOTEM XML"
            progress(what)
            yield _row(what, _child("read_totem", files=2016, nodes=12, seed=seed, repeats=repeats), 10.0)
        case "simulate":
            for nodes, weeks, interval, limit in _SIMULATED:
                what = f"simulating TMs, {nodes} nodes"
                progress(what)
                options = {"nodes": nodes, "weeks": weeks, "interval": interval, "seed": seed, "repeats": repeats}
                yield _row(what, _child("simulate_tms", **options), limit, 2048.0 if nodes == 100 else None)
            what = "simulating cells"
            progress(what)
            yield _row(what, _child("simulate_cells", stations=1000, weeks=4, seed=seed, repeats=repeats), 60.0)
        case "start":
            for what, code, most in _STARTS:
                progress(what)
                yield _start(what, code, most, repeats)


def _row(what: str, found: dict[str, Any], limit_s: float | None = None, limit_mib: float | None = None) -> SpeedRow:
    rate = found["matrices"] / found["best"] if found["matrices"] else None
    times = found["best"], found["median"], found["runs"]
    return SpeedRow(what, found["detail"], *times, limit_s, rate, found["peak_mib"], limit_mib)


def _child(task: str, **options: Any) -> dict[str, Any]:
    done = _python("-m", "odflow.evaluate.speed_tasks", task, json.dumps(options))
    return dict(json.loads(done.splitlines()[-1]))


def _python(*words: str) -> str:
    try:
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise OdflowError(f"speed benchmark: '{' '.join(words)}' took longer than {_TIMEOUT_S} s") from error
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise OdflowError(f"speed benchmark: '{' '.join(words)}' failed: {reason}")
    return done.stdout


_CLOCK = "from time import perf_counter as clock; start = clock(); {work}; print(clock() - start)"
_HELP = "import sys; sys.argv = ['odflow', '--help']; from odflow.cli import main; main()"
_STARTS = (
    ("import odflow", _CLOCK.format(work="import odflow"), 0.3),
    ("import odflow and its estimators", _CLOCK.format(work="import odflow; odflow.KLProjection"), None),
    ("odflow --help", _HELP, 0.5),
)


def _start(what: str, code: str, limit: float | None, repeats: int) -> SpeedRow:
    """Import times are taken inside the new process, that of ``--help`` from its start to its end."""
    whole = code == _HELP

    def once() -> float:
        return seconds(lambda: _python("-c", code)) if whole else float(_python("-c", code).split()[-1])

    times = [once() for _ in range(repeats + 1)][1:]
    detail = "whole process" if whole else "without the start of Python"
    return SpeedRow(what, detail, min(times), statistics.median(times), len(times), limit)


def _real_data() -> bool:
    from odflow.traffic.datasets import available

    found = dict(available())
    return found["abilene"] is not None and found["geant"] is not None
