"""What is required of the reproduction, checked by its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from benchmarks.ddpm_tme.collect import SRE, TRE, Found
from benchmarks.ddpm_tme.jobs import ALIKE
from odflow.evaluate.estimation_result import spread
from odflow.evaluate.learned import LEARNED, STAGES
from odflow.evaluate.published import published
from odflow.evaluate.report import number
from odflow.evaluate.synthesis_result import MEASURES

TITLES = {"abilene": "Abilene", "geant": "GÉANT"}
METHOD_TITLES = {"ddpm-tme": "DDPM-TME", "vae-tme": "VAE-TME", "wgan-tme": "WGAN-GP"}
WEEK_MINUTES, TRAINING_MINUTES, SEEDS = 30.0, 15.0, 3
FLOOR, WINS = 2.0, 5


@dataclass(frozen=True)
class Check:
    """One requirement.

    Parameters
    ----------
    text : str
    met : bool or None
        None where too little was run to tell.
    detail : str
        The numbers.
    """

    text: str
    met: bool | None
    detail: str = ""

    def line(self) -> str:
        """A Markdown list item."""
        unknown = "*not decided*" if self.detail else "*not run*"
        word = unknown if self.met is None else "met" if self.met else "**missed**"
        return f"- {word}: {self.text}" + (f" ({self.detail})" if self.detail else "")


def checks(found: Found) -> list[Check]:
    """All requirements, for every data set."""
    out = []
    for net in found.settings.datasets:
        out += [*estimation_checks(found, net), windows_check(found, net), *synthesis_checks(found, net)]
        out += cost_checks(found, net)
    return out


def estimation_checks(found: Found, net: str) -> list[Check]:
    """Own estimates against the published errors, over at least three seeds."""
    bars = {row.method: row for row in published(net)}
    out = []
    for method in LEARNED:
        bar = bars.get(METHOD_TITLES[method])
        if bar is None:
            continue
        wanted = [("mean TRE", TRE, bar.tre_mean)]
        if method == "ddpm-tme" and bar.sre_mean is not None:
            wanted.append(("mean SRE", SRE, bar.sre_mean))
        for name, path, limit in wanted:
            values = found.values(net, method, "own", path)
            text = f"{titled(net)}, {method}, own estimate: {name} at or below the published {limit}"
            out.append(_below(text, values, limit, SEEDS))
    return out


def _below(text: str, values: list[float], limit: float, least: int) -> Check:
    if not values:
        return Check(text, None)
    few = f"; {len(values)} of {least} seeds" if len(values) < least else f", {len(values)} seeds"
    met = fmean(values) <= limit
    # too few seeds prove nothing, but a miss is a miss
    return Check(text, None if met and len(values) < least else met, spread(values) + few)


def windows_check(found: Found, net: str) -> Check:
    """Whether every history length was run with every method."""
    spans = [span for span in found.spans if span[1] == ALIKE]
    done = [bool(found.runs(net, method, k, variant=variant)) for method in LEARNED for k, variant in spans]
    text = f"{titled(net)}: {len(LEARNED)} methods x {len(spans)} lengths of history, {' and '.join(STAGES)}"
    return Check(text, True if all(done) else None, f"{sum(done)} of {len(done)} trained" if any(done) else "")


def synthesis_checks(found: Found, net: str) -> list[Check]:
    """Diffusion against its rivals and against the floor of real TMs."""
    result = found.synthesis(net)
    out = []
    for rival in ("vae", "wgan-gp"):
        goal = f"on at least {WINS} of the {len(MEASURES)} measures"
        text = f"{titled(net)}, synthesis: diffusion better than {rival} {goal}"
        if result is None:
            out.append(Check(text, None))
            continue
        wins = result.better("diffusion", rival)
        lost = ", ".join(measure for measure in MEASURES if measure not in wins)
        out.append(Check(text, len(wins) >= WINS, f"{len(wins)}" + (f"; not on {lost}" if lost else "")))
    text = f"{titled(net)}, synthesis: per-flow Wasserstein of the diffusion within {FLOOR:g} x real against real"
    if result is None:
        return [*out, Check(text, None)]
    ratio = result.above_floor("diffusion")
    return [*out, Check(text, ratio <= FLOOR, f"{ratio:.2f} x")]


def cost_checks(found: Found, net: str) -> list[Check]:
    """Time of the test week and of the trainings, of the configurations for two CPU cores."""
    out = []
    runs = found.runs(net, "ddpm-tme")
    text = f"{titled(net)}: ddpm-tme estimates the week in less than {WEEK_MINUTES:g} minutes"
    if not runs:
        out.append(Check(text, None))
    else:
        minutes = max(run["costs"]["total_s"] for run in runs) / 60
        threads = max(run["threads"] for run in runs)
        detail = f"{minutes:.1f} min at most, {threads} thread{'s' if threads > 1 else ''}"
        out.append(Check(text, minutes < WEEK_MINUTES, detail))
    text = f"{titled(net)}: each model in its CPU-sized configuration trains in less than {TRAINING_MINUTES:g} minutes"
    seconds = {method: [run["training"]["seconds"] for run in found.runs(net, method)] for method in LEARNED}
    for run in found.runs(net, "synthesis"):
        for name, about in run["training"].items():
            seconds.setdefault(f"{name} (synthesis)", []).append(about["seconds"])
    done = {name: max(each) / 60 for name, each in seconds.items() if each}
    if not done:
        return [*out, Check(text, None)]
    slow = max(done, key=lambda name: done[name])
    return [*out, Check(text, done[slow] < TRAINING_MINUTES, f"longest {done[slow]:.1f} min, {slow}")]


def titled(net: str) -> str:
    """Name of a data set as it is printed."""
    return TITLES.get(net, net)


def verdict(found: Found) -> str:
    """Plain words: does learning beat what needs none, and by how much."""
    return " ".join([*(_verdict(found, net) for net in found.settings.datasets), _bars(found)])


def _verdict(found: Found, net: str) -> str:
    own, projected = (found.values(net, "ddpm-tme", stage, TRE) for stage in STAGES)
    if not own:
        return f"{titled(net)}: DDPM-TME was not run."
    rivals = {name: found.classical[net].row(name).score.all.tre.mean for name in ("last-week+kl", "gaussian")}
    seeds = f"{len(own)} seed{'s' if len(own) > 1 else ''}"
    text = (
        f"On {titled(net)}, DDPM-TME trained on all weeks has a mean TRE of {spread(own)} by itself and of "
        f"{spread(projected)} after projection onto the loads ({seeds}); last-week+kl, which learns nothing, has "
        f"{number(rivals['last-week+kl'])}, and gaussian {number(rivals['gaussian'])}: projected, it is "
        f"{_beats(fmean(projected), rivals)}."
    )
    windows = {}
    for weeks in found.settings.window_weeks:
        values = found.values(net, "ddpm-tme", "projected", TRE, weeks, variant=ALIKE)
        if values:
            windows[weeks] = fmean(values)
    if windows:
        best = min(windows, key=lambda weeks: windows[weeks])
        span = "week alone" if best == 1 else f"{best} weeks alone"
        text += (
            f" Trained on the last {span} it has {number(windows[best])} projected: {_beats(windows[best], rivals)}."
        )
    return text


def _beats(ours: float, rivals: dict[str, float]) -> str:
    return " and ".join(f"{_percent(ours, theirs)} than {name}" for name, theirs in rivals.items())


def _percent(ours: float, theirs: float) -> str:
    change = 100 * (ours / theirs - 1)
    if round(abs(change), 1) == 0:
        return "no better or worse"
    return f"{abs(change):.1f} % {'better' if change < 0 else 'worse'}"


def _bars(found: Found) -> str:
    every = [check for net in found.settings.datasets for check in estimation_checks(found, net)]
    if not every:
        return ""
    met, missed = (sum(check.met is value for check in every) for value in (True, False))
    left = len(every) - met - missed
    text = f"Of {len(every)} published errors that own estimates are held to, {met} are met and {missed} missed"
    return text + (f"; {left} are not decided yet." if left else ".")
