"""The page of results, ``benchmarks/results/sim-mstnet.md``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.sim_mstnet import coverage, figures, words
from benchmarks.sim_mstnet.jobs import WHOLE_PAST
from benchmarks.sim_mstnet.methods import RIVALS, RULES
from benchmarks.sim_mstnet.ours import ABLATIONS, OURS
from benchmarks.sim_mstnet.results import Cell, Results, collected, difference
from benchmarks.sim_mstnet.sets import BARS, DAYS, FLOWS, LINKS, SETS, load
from odflow.evaluate.forecast_scores import Difference, mean_ranks
from odflow.evaluate.forecasting import BLEND
from odflow.evaluate.report import markdown_table, provenance, write_text

OUT = Path(__file__).parents[1] / "results"
ORDER = (*OURS, *RIVALS, *RULES)
FIRST = OURS[0]
HARD = ("sae, untuned", "sae", "trees")  # rivals that are hard to beat


def write(folder: Path) -> None:
    """Collect all results and write page, figures and data."""
    results = collected(folder, OUT / "sim-mstnet.json")
    figures.write(results, OUT)
    figures.course(folder, OUT)
    counted = coverage.collected(folder, OUT / "sim-mstnet-coverage.json")
    write_text(OUT / "sim-mstnet.md", markdown(results, coverage.table(counted) if counted else ""))


def markdown(results: Results, counted: str = "") -> str:
    """The page."""
    parts = [words.TITLE, *_summary(results), words.PROTOCOL]
    for days in DAYS:
        if any(results.get(dataset, days, FIRST) for dataset in SETS):
            parts += [f"## {_history(days)}\n", markdown_table(*_table(results, days)), "", *_against(results, days)]
    parts.append("![Error against days of history](sim-mstnet-scarcity.png)\n")
    parts += _flows(results)
    parts += _bars(results)
    parts += _ablations(results)
    parts += _transfer(results)
    parts += [words.COVERAGE, counted, ""] * bool(counted)
    parts += _costs(results)
    parts += [words.SETS_, *(f"- {name}: {load(name).source}; SHA-256 {load(name).sha256[:12]}" for name in SETS), ""]
    return "\n".join([*parts, *provenance("python -m benchmarks sim-mstnet", 0).lines(), ""])


def _history(days: int) -> str:
    return f"{days} {'day' if days == 1 else 'days'} of history" if days else "The whole training part"


def _number(cell: Cell | None, lead: int) -> str:
    if cell is None:
        return "-"
    spread = f" ± {100 * cell.spread(lead):.1f}" if cell.seeds > 1 and cell.spread(lead) > 5e-4 else ""
    return f"{100 * cell.mean(lead):.1f}{spread}"


def _table(results: Results, days: int) -> tuple[list[str], list[list[str]]]:
    """WAPE of all methods on all sets; the best of each column in bold; mean ranks."""
    there = [name for name in SETS if results.get(name, days, FIRST)]
    rows = []
    ranks = ranked(results, days, there)
    for method in ORDER:
        cells = [results.get(name, days, method) for name in there]
        if not any(cells):
            continue
        texts = []
        for name, cell in zip(there, cells, strict=True):
            for lead in (0, 1):
                best = min(found.mean(lead) for other in ORDER if (found := results.get(name, days, other)))
                text = _number(cell, lead)
                texts.append(f"**{text}**" if cell and cell.mean(lead) == best else text)
        seeds = max(cell.seeds for cell in cells if cell)
        rows.append([method, *texts, f"{ranks[method]:.1f}" if method in ranks else "-", f"{seeds}"])
    headings = [f"{name}, {'1' if lead == 0 else 'far'}" for name in there for lead in (0, 1)]
    return ["WAPE %", *headings, "mean rank", "seeds"], rows


def ranked(results: Results, days: int, sets: list[str]) -> dict[str, float]:
    """Mean rank over sets, leads and services of methods that have a result everywhere."""
    complete = [method for method in ORDER if sets and all(results.get(name, days, method) for name in sets)]
    losses = [
        np.concatenate([results.cells[name, days, method].wape().mean(axis=0).ravel() for name in sets])
        for method in complete
    ]
    return dict(zip(complete, mean_ranks(np.array(losses)).tolist(), strict=True)) if complete else {}


def _sign(off: Difference) -> str:
    return "better" if off.high < 0 else "worse" if off.low > 0 else "level"


def _against(results: Results, days: int) -> list[str]:
    """Differences to the best network among the rivals, and to the rules that are hard to beat."""
    rows = []
    for name in SETS:
        own = results.get(name, days, FIRST)
        if own is None:
            continue
        for lead, far in ((0, "1"), (1, "far")):
            cells = {method: cell for method in RIVALS if (cell := results.get(name, days, method))}
            if not cells:
                continue
            best = min(cells, key=lambda method: cells[method].mean(lead))
            row = [f"{name}, {far}", best, _difference(own, cells[best], lead)]
            won = sum(own.mean(lead) < cell.mean(lead) for cell in cells.values())
            sure = sum(difference(own, cell, lead).high < 0 for cell in cells.values())
            row.append(f"{won} of {len(cells)} ({sure})")
            row += [
                _difference(own, cell, lead) if (cell := results.get(name, days, method)) else "-" for method in HARD
            ]
            rows.append(row)
    headings = ["set, lead", "best rival network", f"{FIRST} less it", "networks beaten (surely)"]
    return [words.AGAINST, markdown_table([*headings, *(f"less {method}" for method in HARD)], rows), ""]


def _difference(one: Cell, other: Cell, lead: int) -> str:
    off = difference(one, other, lead)
    return f"{100 * off.mean:+.1f} ({100 * off.low:+.1f} to {100 * off.high:+.1f}) {_sign(off)}"


def _summary(results: Results) -> list[str]:
    """What came out, in sentences."""
    lines = []
    for days in (2, 1):
        there = [name for name in SETS if results.get(name, days, FIRST)]
        if not there:
            continue
        absent = [one for one in RIVALS if not all(results.get(name, days, one) for name in there)]
        wins = [name for name in there if _wins(results, name, days, tuple(RIVALS))]
        beats = [name for name in there if _wins(results, name, days, HARD)]
        lines.append(
            f"**{_history(days)}.** Over both leads {FIRST} has the least error of all networks on {len(wins)} of "
            f"{len(there)} sets ({', '.join(wins) or 'none'}), and less than seasonal EWMA and trees on {len(beats)} "
            f"({', '.join(beats) or 'none'}). "
            + (f"Not run on all sets yet: {', '.join(absent)}. " if absent else "")
            + _losses(results, days, FIRST, (*RIVALS, *RULES))
        )
        lines.append("")
    blended = [name for name in SETS if results.get(name, 0, BLEND)]
    if blended:
        wins = [name for name in blended if _wins(results, name, 0, HARD, BLEND)]
        lines.append(
            f"**{_history(0)}.** Then trees win over {FIRST} on some sets. Over both leads {BLEND}, which mixes it "
            f"with ewma, ridge per series and trees, has less error than seasonal EWMA and trees on {len(wins)} of "
            f"{len(blended)} sets ({', '.join(wins) or 'none'}). "
            + _losses(results, 0, BLEND, (*OURS, *RIVALS, *RULES))
        )
        lines.append("")
    return lines


def _losses(results: Results, days: int, method: str, others: tuple[str, ...]) -> str:
    """What a method loses to, and by how much."""
    lost = []
    for name in SETS:
        own = results.get(name, days, method)
        known = {m: cell for m in others if m != method and (cell := results.get(name, days, m))}
        for lead, far in ((0, "one step"), (1, "far")):
            if own is None or not known:
                continue
            best = min(known, key=lambda m: known[m].mean(lead))
            if known[best].mean(lead) < own.mean(lead):
                lost.append(f"{name} {far} to {best} by {100 * (own.mean(lead) - known[best].mean(lead)):.1f}")
    if not lost:
        return f"{method} loses to nothing on any set or lead."
    return f"{method} loses (points of WAPE): {'; '.join(lost)}."


def _wins(results: Results, name: str, days: int, others: tuple[str, ...], method: str = FIRST) -> bool:
    """Whether the mean over both leads is less than that of all others."""

    def both(cell: Cell) -> float:
        return cell.mean(0) + cell.mean(1)

    own = both(results.cells[name, days, method])
    return all(own < both(cell) for method in others if (cell := results.get(name, days, method)))


def _flows(results: Results) -> list[str]:
    rows = []
    for method in ORDER:
        cells = [results.get(name, 0, method) for name in FLOWS]
        if any(cells):
            rows.append([method, *(_number(cell, lead) for cell in cells for lead in (0, 1))])
    if not rows:
        return []
    headings = [f"{name}, {far}" for name in FLOWS for far in ("1", "far")]
    return ["## OD flows, the whole training part\n", markdown_table(["WAPE %", *headings], rows), ""]


def _bars(results: Results) -> list[str]:
    """Beside the bars: node sets are the mean of ingress, egress and link loads, as in the bars."""
    rows = []
    for name in BARS:
        for method in (FIRST, FIRST + WHOLE_PAST, "last" + WHOLE_PAST, "sae, untuned" + WHOLE_PAST):
            parts = (name, f"{name}-links") if f"{name}-links" in LINKS else (name,)
            cells = [cell for part in parts if (cell := results.get(part, 2, method))]
            if len(cells) == len(parts):
                found = np.concatenate([cell.wape().mean(axis=0) for cell in cells], axis=1).mean(axis=1)
                text = " / ".join(f"{100 * wape:.2f}" for wape in found)
                rows.append([name, method, text, *words.BARS[name], f"{cells[0].seeds}"])
    if not rows:
        return []
    table = markdown_table(["set", "method", "1 / far", "serious bar", "ambitious bar", "seeds"], rows)
    return ["## Beside the bars for two days of history\n", words.BARS_, table, ""]


def _ablations(results: Results) -> list[str]:
    """Each ablation less its control, two days of history."""
    rows = []
    for method, control in words.PAIRS:
        texts = []
        for name in SETS:
            for lead in (0, 1):
                one, other = results.get(name, 2, method), results.get(name, 2, control)
                texts.append(_difference(one, other, lead) if one and other else "-")
        if any(text != "-" for text in texts):
            rows.append([method, control, *texts])
    if not rows:
        return []
    headings = ["ablation", "less its control", *(f"{name}, {far}" for name in SETS for far in ("1", "far"))]
    shares = [cell.number("effective") for name in SETS if (cell := results.get(name, 2, "reweighted")) is not None]
    text = f"Effective share of the reweighted worlds: {min(shares):.0%} to {max(shares):.0%}. " if shares else ""
    return [words.ABLATIONS_, markdown_table(headings, rows), "", text + _reweighting(results), "", words.COURSE]


def _reweighting(results: Results) -> str:
    """Where reweighting loses to uniform weights, in a sentence."""
    offs = {
        f"{name} {far}": difference(one, other, lead)
        for name in SETS
        for lead, far in ((0, "one step"), (1, "far"))
        if (one := results.get(name, 2, "reweighted")) and (other := results.get(name, 2, "uniform weights"))
    }
    if not offs:
        return ""
    lost = [f"{name} (by {100 * off.mean:.2f})" for name, off in offs.items() if off.low > 0]
    return f"Reweighting loses to uniform weights beyond the interval on {', '.join(lost) or 'none'}, of {len(offs)}."


def _transfer(results: Results) -> list[str]:
    """Services that lose from being learnt together, with and without attention between tasks."""
    rows, multi = [], [name for name in SETS if load(name).traffic.sizes["service"] > 1]
    kinds = {
        "soft sharing, attention": "no simulation",
        "soft sharing, no attention": "no simulation, no task attention",
        "hard sharing": "no simulation, hard sharing",
    }
    for label, method in kinds.items():
        lost = count = sure = 0
        for name in multi:
            one, alone = results.get(name, 2, method), results.get(name, 2, "no simulation, single task")
            if one is None or alone is None:
                continue
            for service in range(one.volume.shape[1]):
                for lead in (0, 1):
                    off = difference(one, alone, lead, service)
                    count += 1
                    lost += off.mean > 0
                    sure += off.low > 0
        if count:
            rows.append([label, f"{lost} of {count}", f"{sure}"])
    if not rows:
        return []
    return [words.TRANSFER, markdown_table(["together", "services and leads that lose", "surely"], rows), ""]


def _costs(results: Results) -> list[str]:
    rows = []
    for method in (*OURS, *ABLATIONS, *RIVALS, *RULES):
        cell = results.get("c2tm", 2, method)
        if cell is None:
            continue
        size = f"{cell.number('parameters'):,.0f}" if "parameters" in cell.results[0] else "-"
        rows.append([method, size, f"{cell.number('fit_s'):.1f}", f"{cell.number('forecast_s'):.2f}"])
    return [words.COSTS, markdown_table(["method", "parameters", "fit, s", "forecast the test part, s"], rows), ""]
