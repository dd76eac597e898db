"""What the parts of the diffusion posterior are worth: ``python -m benchmarks diffusion``.

Learnt from back-tests before the last three training weeks, tried on those of the last three; the test part is not
touched.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from odflow.estimate.denoiser import DenoisingConfig, FlowDenoiser
from odflow.estimate.diffusion import DenoisingTask, drawn
from odflow.estimate.lessons import Lesson, LessonConfig, LessonTask, fresh_network, grouped, lessons_of
from odflow.estimate.pretrained import pretrained
from odflow.estimate.snapshots import meet
from odflow.estimate.stack_network import StackConfig, StackNetwork, StackTask
from odflow.evaluate.protocol import named_dataset
from odflow.evaluate.report import markdown_table, provenance, write_text
from odflow.training import train

SEED, DRAWS = 0, (8, 32)
TRIED = np.timedelta64(21, "D")
SNAPSHOTS = 12  # of each back-test that is tried
HEADINGS = ("", "estimate", "8 draws", "32 draws", "inside")
INTRODUCTION = """# The parts of the diffusion posterior

Made by `python -m benchmarks diffusion`, the parts of the stack beside them. Networks learn from back-tests before the
last three training weeks, and are tried on those of these three weeks (one from each day, some snapshots of each); one
network with seed 0, no test data.

- *own*: learnt from the network's own back-tests alone. *pretrained*: the first of the networks that come with odflow,
  learnt from simulated networks alone; *fine-tuned*: that one, trained further on the network's own back-tests.
- *estimate*: mean TRE of the estimate, where the flow from no noise leads; *8 draws*, *32 draws*: of the median of so
  many raw draws. *inside*: share of the traffic of demands that lie between the 5 and 95 % quantiles of 32 raw draws.
- *mean of both*: of the stack's and the diffusion's estimates.
- *without features*: the denoiser knows the Student-t estimate and its standard deviation, but no recent mean, no hour
  of the day, no loads (steps towards the loads are made as before).
- *that forgets*: an evaluation does not know the last result.
- The prior of DDPM-TME, latent and tied to its network's pairs of nodes, is in [ddpm-tme.md](ddpm-tme.md).
"""


class Kind(NamedTuple):
    """A network, and how it is trained: from its beginning, and on from pretrained weights."""

    network: type[nn.Module]
    task: type[LessonTask]
    own: LessonConfig
    tuning: LessonConfig


KINDS = {
    "stack": Kind(StackNetwork, StackTask, StackConfig(steps=1200, learning_rate=1e-2), StackConfig()),
    "diffusion": Kind(FlowDenoiser, DenoisingTask, DenoisingConfig(steps=1500, learning_rate=5e-3), DenoisingConfig()),
}


class Forgetful(FlowDenoiser):
    """Does not know the last result."""

    def forward(self, v: Tensor, level: Tensor, before: Tensor, features: Tensor, scale: Tensor) -> Tensor:
        return super().forward(v, level, torch.zeros_like(before), features, scale)


def write(folder: Path) -> None:
    """Train and try all of them, and write ``diffusion.md``."""
    parts = [INTRODUCTION, *provenance("python -m benchmarks diffusion", SEED).lines()]
    for name, title in (("abilene", "Abilene"), ("geant", "GÉANT")):
        data = named_dataset(name)
        lessons = lessons_of(data.train, data.routing, DenoisingConfig(seed=SEED))
        end = max(one.last for one in lessons)
        before = [part for one in lessons if one.last < end - TRIED for part in one.parts]
        after = [_some(part) for one in lessons if one.first >= end - TRIED for part in one.parts]
        rows = [[variant, *found] for variant, found in _tried(before, after, ablations=name == "abilene")]
        parts += ["", f"## {title}", "", f"{data.name}, sha256 `{data.sha256}`", "", markdown_table(HEADINGS, rows)]
    write_text(folder / "diffusion.md", "\n".join([*parts, ""]))


def _tried(before: list[Lesson], after: list[Lesson], *, ablations: bool) -> list[tuple[str, list[str]]]:
    student = [meet(one.snapshots.base, one.snapshots, one.paths, 3) for one in after]
    found, estimates = [("student-t", [_score(student, after), "", "", ""])], {}
    for kind, (network, task, own, tuning) in KINDS.items():
        given = pretrained(f"{kind}.safetensors", network, own)[0]
        for name, made in (
            ("own", _trained(network, task, before, own)),
            ("pretrained", given),
            ("fine-tuned", _trained(network, task, before, tuning, given)),
        ):
            estimates[f"{kind}, {name}"], cells = _shown(made, after)
            found.append((f"{kind}, {name}", cells))
    if not ablations:
        return found
    for name in ("own", "fine-tuned"):
        pairs = zip(estimates[f"stack, {name}"], estimates[f"diffusion, {name}"], strict=True)
        found.append((f"mean of both, {name}", [_score([(x + other) / 2 for x, other in pairs], after), "", "", ""]))
    _, task, own, _ = KINDS["diffusion"]
    for name, network, first, last in (
        ("diffusion without features, own", FlowDenoiser, _blind(before), _blind(after)),
        ("diffusion that forgets, own", Forgetful, before, after),
    ):
        found.append((name, _shown(_trained(network, task, first, own), last)[1]))
    return found


def _shown(network: nn.Module, after: list[Lesson]) -> tuple[list[Tensor], list[str]]:
    if isinstance(network, FlowDenoiser):
        return _diffused(network, after)
    with torch.no_grad():
        estimates = [network(one.snapshots, one.paths) for one in after]
    return estimates, [_score(estimates, after), "", "", ""]


def _diffused(denoiser: FlowDenoiser, after: list[Lesson]) -> tuple[list[Tensor], list[str]]:
    """The estimates; errors of medians of draws, and the share of traffic inside."""
    rng = torch.Generator().manual_seed(SEED)

    def draw(one: Lesson, noise: float) -> Tensor:
        normal = noise * torch.randn(one.truth.shape, generator=rng)
        with torch.no_grad():
            return drawn(denoiser, one.snapshots, one.paths, normal, DenoisingConfig())

    estimates = [draw(one, 0.0) for one in after]
    draws = [torch.stack([draw(one, 1.0) for _ in range(max(DRAWS))]) for one in after]
    medians = [_score([one[:count].median(dim=0).values for one in draws], after) for count in DRAWS]
    low, high = (torch.cat([one.quantile(q, dim=0) for one in draws]) for q in (0.05, 0.95))
    truth = torch.cat([one.truth for one in after])
    inside = ((truth >= low) & (truth <= high)).float()
    return estimates, [*medians, f"{float((inside * truth).sum() / truth.sum()):.0%}"]


def _trained(
    network: type[nn.Module],
    task: type[LessonTask],
    lessons: Sequence[Lesson],
    config: LessonConfig,
    start: nn.Module | None = None,
) -> nn.Module:
    groups = grouped(lessons)
    made = fresh_network(network, config, 0, groups) if start is None else copy.deepcopy(start)
    work = task(made, groups, config)
    train(work, work.data, config)
    return made.eval()


def _score(estimates: Sequence[Tensor], lessons: Sequence[Lesson]) -> str:
    errors = [(x - one.truth).abs().sum(1) / one.truth.sum(1) for x, one in zip(estimates, lessons, strict=True)]
    return f"{float(torch.cat(errors).mean()):.4f}"


def _some(one: Lesson) -> Lesson:
    rows = torch.arange(0, len(one.truth), max(1, len(one.truth) // SNAPSHOTS))
    return replace(one, snapshots=one.snapshots.take(rows), truth=one.truth[rows])


def _blind(lessons: list[Lesson]) -> list[Lesson]:
    return [
        replace(one, snapshots=one.snapshots._replace(features=torch.zeros_like(one.snapshots.features)))
        for one in lessons
    ]
