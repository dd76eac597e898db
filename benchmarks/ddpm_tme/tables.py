"""Tables of the page."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from benchmarks.ddpm_tme.checks import METHOD_TITLES, titled
from benchmarks.ddpm_tme.collect import TRE, Found, Path, Span
from benchmarks.ddpm_tme.jobs import ABLATIONS, ALIKE
from benchmarks.ddpm_tme.words import PAPER_BATCH, PAPER_HOURS, PAPER_STEP_S
from odflow.evaluate.estimation_result import MethodRow, marked, spread
from odflow.evaluate.learned import LEARNED, STAGES
from odflow.evaluate.published import Published, published
from odflow.evaluate.report import markdown_table, number, plain
from odflow.evaluate.synthesis_result import MEASURES, SynthesisResult

NOT_RUN = "*not run*"
STATS = ("mean", "median", "std", "max")
# the order of the paper's tables
_METRICS = (("RMSE", "rmse", 1e6), ("SRE", "sre", 1.0), ("TRE", "tre", 1.0))


def paper_table(found: Found, net: str) -> str:
    """Tables II and III: RMSE, SRE and TRE of published, learned and classical methods."""
    headings = ["method"]
    for name, _, _ in _METRICS:
        headings += [f"{name} {stat}" if stat == "mean" else stat for stat in STATS]
    rows = [_published(row) for row in published(net)]
    for method in LEARNED:
        for stage in STAGES:
            cells = [f"{METHOD_TITLES[method]}, ours, {stage}"]
            for _, key, unit in _METRICS:
                cells += [_cell(found, net, method, stage, ("all", key, stat), unit) for stat in STATS]
            rows.append(cells)
    rows += [_classical(row) for row in found.classical[net].rows]
    return markdown_table(headings, rows)


def _published(row: Published) -> list[str]:
    rmse = "-" if row.rmse is None else f"({row.rmse})"
    sre = [number(row.sre_mean), number(row.sre_median), "-", "-"]
    source = "published" if row.source.startswith("Yuan") else f"published, {row.source}"
    return [f"{row.method}, {source}", rmse, "-", "-", "-", *sre, number(row.tre_mean), "-", "-", number(row.tre_max)]


def _classical(row: MethodRow) -> list[str]:
    cells = [marked(row.method, row.kind)]
    for _, key, unit in _METRICS:
        part = plain(getattr(row.score.all, key))
        cells += [number(_scaled(part[stat], unit)) for stat in STATS]
    return cells


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit


def _cell(found: Found, net: str, method: str, stage: str, path: Path, unit: float = 1.0, span: Span = (0, "")) -> str:
    values = found.values(net, method, stage, path, span[0], variant=span[1])
    return spread([value / unit for value in values]) if values else NOT_RUN


def diagonal_table(found: Found, net: str) -> str:
    """Errors without the diagonal, and what else the scores hold."""
    headings = ("method", "TRE mean", "max", "SRE mean", "median", "NMAE", "link residual (all links)")
    keys: tuple[Path, ...] = (
        *(("off_diagonal", *path) for path in (("tre", "mean"), ("tre", "max"), ("sre", "mean"), ("sre", "median"))),
        ("off_diagonal", "nmae"),
        ("all", "residual", "mean"),
    )
    rows = [
        [f"{METHOD_TITLES[method]}, ours, {stage}", *(_cell(found, net, method, stage, path) for path in keys)]
        for method in LEARNED
        for stage in STAGES
    ]
    for row in found.classical[net].rows:
        rest, residual = row.score.off_diagonal, row.score.all.residual
        values = (rest.tre.mean, rest.tre.max, rest.sre.mean, rest.sre.median, rest.nmae)
        rows.append([marked(row.method, row.kind), *map(number, values), number(residual.mean if residual else None)])
    return markdown_table(headings, rows)


def windows_table(found: Found, flows: str = "all") -> str:
    """Mean TRE by length of the history, own and projected, for both networks."""
    nets, spans = found.settings.datasets, found.spans
    headings = ["method", *(f"{titled(net)}, {_span_words(span)}" for net in nets for span in spans)]
    path = (flows, *TRE[1:])
    rows = [
        [
            f"{method}, {stage}",
            *(_cell(found, net, method, stage, path, span=span) for net in nets for span in spans),
        ]
        for method in LEARNED
        for stage in STAGES
    ]
    for name, uses in (("last-week+kl", (1, ALIKE)), ("mean+kl", (0, ALIKE)), ("gaussian", (0, ""))):
        cells = []
        for net in nets:
            score = found.classical[net].row(name).score
            value = number((score.all if flows == "all" else score.off_diagonal).tre.mean)
            cells += [value if span == uses else "" for span in spans]
        rows.append([f"{name} (no learning)", *cells])
    return markdown_table(headings, rows)


def _span_words(span: Span) -> str:
    weeks, variant = span
    if not weeks:
        return "all weeks alike" if variant else "all weeks by age"
    return f"last {weeks}" if weeks > 1 else "last week"


def drift(found: Found, net: str) -> str:
    """What a recent history gains over all of it alike, in words; empty if too little was run."""
    out = []
    for method in LEARNED:
        for stage in STAGES:
            values = {weeks: found.values(net, method, stage, TRE, weeks, variant=ALIKE) for weeks, _ in found.spans}
            means = {weeks: fmean(each) for weeks, each in values.items() if each}
            whole, recent = means.pop(0, None), means
            if whole is None or not recent:
                continue
            best = min(recent, key=lambda weeks: recent[weeks])
            span = "week" if best == 1 else f"{best} weeks"
            text = f"{method} {stage}: {_changed(recent[best], whole)} with the last {span} than with all alike"
            aged = found.values(net, method, stage, TRE)
            out.append(f"{text}, {_changed(fmean(aged), whole)} with all by age" if aged else text)
    return f"{titled(net)}, mean TRE: {'; '.join(out)}." if out else ""


def _changed(ours: float, theirs: float) -> str:
    change = 100 * (ours / theirs - 1)
    return f"{abs(change):.1f} % {'lower' if change < 0 else 'higher'}"


def ablation_table(found: Found) -> str:
    """Variants of the inversion of one trained model."""
    nets = found.settings.datasets
    parts = ("own TRE", "projected TRE", "own SRE mean", "optimise s")
    headings = ["variant", *(f"{titled(net)} {part}" for net in nets for part in parts)]
    rows = []
    for variant, changed in ABLATIONS.items():
        words = ", ".join(f"{key} {value}" for key, value in changed.items()) or "all defaults"
        cells = []
        for net in nets:
            runs = found.runs(net, "ddpm-tme", variant=variant)
            if not runs:
                cells += [NOT_RUN] * len(parts)
                continue
            cells += [
                spread(found.values(net, "ddpm-tme", stage, path, variant=variant))
                for stage, path in (("own", TRE), ("projected", TRE), ("own", ("all", "sre", "mean")))
            ]
            cells.append(f"{fmean(run['costs']['optimise_s'] for run in runs):.1f}")
        rows.append([f"{variant} ({words})", *cells])
    return markdown_table(headings, rows)


def cost_table(found: Found) -> str:
    """Time and memory of every phase, of both sizes of each model, beside the published code's."""
    headings = (
        *("method", "data set", "configuration", "parameters", "training steps", "training s", "peak MiB"),
        *("starts s", "s per step", "batch", "optimise s", "project s", "week min", "peak MiB", "threads"),
    )
    rows = []
    for net in found.settings.datasets:
        for full in (False, True):
            for method in LEARNED:
                runs = found.runs(net, method, full=full)
                if runs:
                    rows.append([method, titled(net), "full" if full else "CPU-sized", *_costs(runs)])
                elif not full:
                    rows.append([method, titled(net), "CPU-sized", *[NOT_RUN] * (len(headings) - 3)])
    paper = [
        *("DDPM-TME, published code", "Abilene", "as published", "1.03 M", "-", "-", "-"),
        *("-", f"{PAPER_STEP_S:g}", f"{PAPER_BATCH}", "-", "-", f"{60 * PAPER_HOURS:,.0f}", "-", "2 cores"),
    ]
    return markdown_table(headings, [*rows, paper], left=3)


def _costs(runs: Sequence[dict[str, Any]]) -> list[str]:
    def mean(part: str, key: str, digits: int) -> str:
        values = [run[part][key] for run in runs]
        known = [value for value in values if value is not None]
        return f"{fmean(known):,.{digits}f}" if known else "-"

    return [
        f"{runs[0]['training']['parameters'] / 1e6:.2f} M",
        mean("training", "steps", 0),
        mean("training", "seconds", 0),
        mean("training", "peak_mib", 0),
        mean("costs", "starts_s", 1),
        mean("costs", "step_s", 2),
        mean("costs", "batch", 0),
        mean("costs", "optimise_s", 0),
        mean("costs", "project_s", 1),
        f"{fmean(run['costs']['total_s'] for run in runs) / 60:.1f}",
        mean("costs", "peak_mib", 0),
        ", ".join(sorted({str(run["threads"]) for run in runs})),
    ]


def generator_table(found: Found) -> str:
    """Size and training time of the generators of the synthesis benchmark."""
    headings = ("generator", "data set", "configuration", "parameters", "training steps", "training s", "peak MiB")
    rows = []
    for net in found.settings.datasets:
        for full in (False, True):
            runs = found.runs(net, "synthesis", full=full)
            for name in runs[0]["training"] if runs else ():
                abouts = [run["training"][name] for run in runs]
                peaks = [about["peak_mib"] for about in abouts if about["peak_mib"] is not None]
                rows.append(
                    [
                        *(name, titled(net), "full" if full else "CPU-sized"),
                        f"{abouts[0]['parameters'] / 1e6:.2f} M",
                        number(fmean(about["steps"] for about in abouts), 0),
                        f"{fmean(about['seconds'] for about in abouts):,.0f}",
                        number(fmean(peaks), 0) if peaks else "-",
                    ]
                )
    return markdown_table(headings, rows, left=3)


def rank_table(result: SynthesisResult) -> str:
    """Place of each generator and rival on each measure; 1 is the best."""
    rows = [row for row in result.rows if row.kind != "floor"]
    places: dict[str, list[int]] = {row.generator: [] for row in rows}
    for measure in MEASURES:
        losses = [row.loss(measure) for row in rows]
        for row, loss in zip(rows, losses, strict=True):
            places[row.generator].append(1 + sum(other < loss for other in losses))
    cells = [[name, *map(str, each), f"{fmean(each):.1f}"] for name, each in places.items()]
    return markdown_table(("place", *MEASURES, "mean"), cells)
