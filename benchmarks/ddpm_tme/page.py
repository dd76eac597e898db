"""Writing ``ddpm-tme.md``, ``ddpm-tme.json`` and the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from benchmarks.ddpm_tme import words
from benchmarks.ddpm_tme.budgets import full_table
from benchmarks.ddpm_tme.checks import Check, checks, titled, verdict
from benchmarks.ddpm_tme.collect import Found, collect
from benchmarks.ddpm_tme.figures import write_figures
from benchmarks.ddpm_tme.running import COMMAND, Runner
from benchmarks.ddpm_tme.tables import (
    ablation_table,
    cost_table,
    diagonal_table,
    drift,
    generator_table,
    paper_table,
    rank_table,
    windows_table,
)
from odflow.estimate.generative_base import HALF_LIFE
from odflow.evaluate.estimation_result import method_list
from odflow.evaluate.report import json_text, plain, provenance, write_text
from odflow.evaluate.synthesis_result import explanation, row_list

Captions = Mapping[str, list[tuple[str, str]]]


def write(runner: Runner) -> None:
    """Write the page from what is done."""
    out = runner.settings.out
    out.mkdir(parents=True, exist_ok=True)
    found = collect(runner)
    figures = write_figures(runner, out / "figures")
    found_checks = checks(found)
    write_text(out / "ddpm-tme.md", text(found, found_checks, figures, runner))
    write_text(out / "ddpm-tme.json", json_text(as_dict(found, found_checks, runner)))


def text(found: Found, found_checks: list[Check], figures: Captions, runner: Runner) -> str:
    """The page."""
    nets = found.settings.datasets
    parts = [words.TITLE, verdict(found)]
    if found.settings.smoke:
        parts.append("**A smoke run with tiny budgets: these numbers mean nothing.**")
    parts.append(words.MADE.format(command=COMMAND))
    if found.missing:
        names = ", ".join(job.name for job in found.missing)
        parts.append(f"{len(found.missing)} jobs were not run: {names}.")
    parts += ["## What was asked, and what came out", "\n".join(check.line() for check in found_checks)]
    parts += [words.MISSED[net] for net in nets if net in words.MISSED]
    parts += [words.PROTOCOL, "\n".join(_origin(found, runner)), words.CHOICE]
    for numeral, net in zip(("II", "III", "-", "-"), nets, strict=False):
        parts += [f"## Table {numeral}: {titled(net)}", paper_table(found, net), words.RMSE]
        parts += ["Without the diagonal:", diagonal_table(found, net)]
    parts += ["## Drift and recency", words.WINDOWS.format(half_life=HALF_LIFE), windows_table(found)]
    parts += ["Without the diagonal:", windows_table(found, "off_diagonal")]
    parts += [sentence for net in nets if (sentence := drift(found, net))]
    budget = found.settings.budget
    parts += ["## What the parts are worth", words.ABLATIONS.format(seed=found.settings.seeds[0], thin=budget.thin)]
    parts += [ablation_table(found), "## Synthesis"]
    parts += _synthesis(found)
    parts += ["## Time and memory", words.COSTS, cost_table(found)]
    parts += ["Generators of the synthesis benchmark:", generator_table(found)]
    parts += ["## Full configurations", words.FULL, full_table(runner, found), "## Figures"]
    for net in nets:
        parts += [f"![{caption}](figures/{file})\n\n{caption}" for file, caption in figures.get(net, [])]
        if not figures.get(net):
            parts.append(f"{titled(net)}: *not run*")
    parts += ["## Methods without learning", method_list(found.classical[nets[0]].rows)]
    return "\n\n".join(parts) + "\n"


def _origin(found: Found, runner: Runner) -> Iterable[str]:
    """Where the results come from, as list items."""
    yield from provenance(COMMAND, found.settings.seeds[0]).lines()
    yield f"- seeds: {', '.join(map(str, found.settings.seeds))}"
    for name, data in runner.data.items():
        split = found.classical[name].split
        yield f"- data: {name}, sha256 `{data.sha256}`; history {split.train}; test {split.test}"
    runs = list(found.results.values())
    if runs:
        commits = sorted({run["provenance"]["commit"] or "unknown" for run in runs})
        machines = sorted({f"{run['provenance']['cpus']} x {run['provenance']['cpu']}" for run in runs})
        dates = sorted(run["provenance"]["date"] for run in runs)
        threads = sorted({str(run["threads"]) for run in runs})
        yield (
            f"- {len(runs)} jobs done {dates[0]} to {dates[-1]}; commits {', '.join(commits)}; on "
            f"{', '.join(machines)}; torch {', '.join(sorted({run['torch'] for run in runs}))}, "
            f"{' or '.join(threads)} thread(s) a process"
        )
        versions = {(run["job"]["method"], run["code"]) for run in runs}
        mixed = sorted(method for method, count in Counter(method for method, _ in versions).items() if count > 1)
        if mixed:
            names = ", ".join(mixed)
            yield f"- jobs of {names} ran with several versions of the code (`--keep-old`): see the JSON file"


def _synthesis(found: Found) -> list[str]:
    out = []
    last = None
    for full in (False, True):
        for net in found.settings.datasets:
            result = found.synthesis(net, full=full)
            if result is None:
                out += [] if full else [f"### {titled(net)}", "*not run*"]
                continue
            last = result
            shown = replace(result, provenance=replace(result.provenance, command=COMMAND))
            section = shown.section().replace("## ", "### ", 1).rstrip()
            out += [section, "Place among generators and simple rivals, by the mean over the seeds:"]
            out.append(rank_table(result))
    return out if last is None else [*out, explanation(), row_list(last.rows)]


def as_dict(found: Found, found_checks: list[Check], runner: Runner) -> dict[str, Any]:
    """Everything behind the page as plain JSON types."""
    return {
        "verdict": verdict(found),
        "provenance": plain(provenance(COMMAND, found.settings.seeds[0])),
        "checks": plain(found_checks),
        "data": {name: data.sha256 for name, data in runner.data.items()},
        "missing": [job.name for job in found.missing],
        "jobs": list(found.results.values()),
        "classical": {net: result.to_dict() for net, result in found.classical.items()},
        "synthesis": {
            f"{net}, full" if full else net: result.to_dict()
            for full in (False, True)
            for net in found.settings.datasets
            if (result := found.synthesis(net, full=full)) is not None
        },
    }
