"""Weights of simulated samples where half of them are wrong: both solvers, and what they cost.

``python -m benchmarks reweighting``. Every run is a process of its own on one thread, so that its peak of memory is its
own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

SEEDS = (0, 1, 2)
SOLVERS = ("cutting-plane", "unrolled")
INNER_STEPS = (1, 3, 10)
LARGE_STEPS = 12
LARGE_SAMPLES = 30_000
LARGE_WIDTHS = (1000, 990)
INTRODUCTION = """# Weights of simulated samples: two solvers

Made by `python -m benchmarks reweighting`. A forecasting problem with a known answer (`odflow.sim2real.example`): two
services, from an hour ago, now and the time of day to 4, 8 and 12 hours ahead. Of 3,200 simulated samples half
are of wrong worlds: in equal parts, busy hours ten hours late, services swapped, targets of other samples. Weights are
chosen by 240 of 300 real samples; `real samples only` learns from all 300. Loss: mean squared error of log traffic on
20,000 other real samples. All networks: 6-16-6, 1,500 steps of Adam from the same start. Means of seeds 0, 1, 2, lowest
and highest in brackets.

- **AUC**: how well the weights tell right from wrong samples.
- **above right half**: loss above that of the network trained on the right half alone.
- **time**: 2,000 steps of the solver and the training of both networks, on one thread; **peak**: memory of the
  whole process, torch and data included.
"""


@dataclass(frozen=True)
class Job:
    """One run: what = "reweight", "right half", "real only" or "large"."""

    what: str
    seed: int = 0
    solver: str = "cutting-plane"
    inner_steps: int = 1


def write(folder: Path) -> None:
    """Run everything, and write ``reweighting.md`` and ``reweighting.json``.

    Raises
    ------
    OdflowError
        If a run fails.
    """
    controls = {what: [_apart(Job(what, seed)) for seed in SEEDS] for what in ("right half", "real only")}
    found = {
        (solver, steps): [_apart(Job("reweight", seed, solver, steps)) for seed in SEEDS]
        for solver in SOLVERS
        for steps in INNER_STEPS
    }
    large = {(solver, steps): _apart(Job("large", 0, solver, steps)) for solver in SOLVERS for steps in (1, 10)}
    # only now, for the peak of a child counts what its parent held when it started
    from odflow.evaluate.report import json_text, markdown_table, provenance, write_text

    right = [run["loss"] for run in controls["right half"]]
    rows = [
        ["right half only", "", "", *_losses(right, right), "", ""],
        ["real samples only", "", "", *_losses([run["loss"] for run in controls["real only"]], right), "", ""],
        ["equal weights", "", "", *_losses([run["equal_loss"] for run in found[SOLVERS[0], 1]], right), "", ""],
    ]
    for (solver, steps), runs in found.items():
        rows.append(
            [
                solver,
                str(steps),
                _spread([run["auc"] for run in runs], 3),
                *_losses([run["loss"] for run in runs], right),
                f"{sum(run['seconds'] for run in runs) / len(runs):.0f} s",
                f"{max(run['peak_mib'] for run in runs):,.0f} MiB",
            ]
        )
    costs = [
        [solver, str(steps), f"{run['step_s']:.2f} s", f"{run['network_step_s']:.2f} s", f"{run['peak_mib']:,.0f} MiB"]
        for (solver, steps), run in large.items()
    ]
    about = provenance("python -m benchmarks reweighting", SEEDS[0])
    parts = [
        INTRODUCTION.strip(),
        "\n".join([*about.lines(), f"- torch {large[SOLVERS[0], 1]['torch']}, one thread"]),
        markdown_table(["weights", "K", "AUC", "test loss", "above right half", "time", "peak"], rows),
        f"## Large: {LARGE_SAMPLES:,} samples, {large[SOLVERS[0], 1]['parameters']:,} parameters\n\n"
        "Batches of 512 simulated and 256 real samples; the bar is 4 GiB.",
        markdown_table(["solver", "K", "step of the search", "step of both networks", "peak"], costs),
    ]
    write_text(folder / "reweighting.md", "\n\n".join(parts) + "\n")
    numbers = {
        "provenance": about,
        "controls": controls,
        "runs": [run for runs in found.values() for run in runs],
        "large": list(large.values()),
    }
    write_text(folder / "reweighting.json", json_text(numbers))


def _spread(values: list[float], digits: int) -> str:
    return f"{sum(values) / len(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _losses(losses: list[float], right: list[float]) -> list[str]:
    above = [100 * (a / b - 1) for a, b in zip(losses, right, strict=True)]
    return [_spread(losses, 4), "" if losses == right else f"{_spread(above, 1)} %"]


def _apart(job: Job) -> dict[str, Any]:
    print(*asdict(job).values(), file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks.reweighting", json.dumps(asdict(job))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        from odflow.errors import OdflowError

        raise OdflowError(f"{job} ended with exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    return dict(json.loads(done.stdout))


def run(job: Job) -> dict[str, Any]:
    """Do a job in this process.

    Returns
    -------
    dict
        The job, and what was measured.
    """
    import torch

    from odflow.evaluate.measure import peak_mib

    torch.set_num_threads(1)
    match job.what:
        case "reweight":
            measured = _reweighted(job)
        case "large":
            measured = _large(job)
        case _:
            measured = {"loss": _control(job)}
    return {**asdict(job), **measured, "peak_mib": peak_mib(), "torch": torch.__version__}


def _config(job: Job) -> Any:
    from odflow.sim2real import ReweightConfig

    return ReweightConfig(
        solver=job.solver,  # type: ignore[arg-type]
        inner_steps=job.inner_steps,
        inner_rate=0.3,
        network_steps=1500,
        learning_rate=1e-2,
        final_learning_rate=1e-3,
        held_out=0.2,
        seed=job.seed,
    )


def _problem(seed: int) -> Any:
    from odflow.sim2real.example import half_wrong

    return half_wrong(test=20_000, seed=seed)


def _network(seed: int, widths: tuple[int, ...] = (16,)) -> tuple[Any, dict[str, Any]]:
    """Loss function and starting parameters of a network of dense layers."""
    import torch
    from torch import nn

    from odflow.sim2real.example import INPUTS, OUTPUTS

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sizes = [INPUTS, *widths, OUTPUTS]
        layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.Tanh())]
        module = nn.Sequential(*layers[:-1])

    def loss(params: Any, batch: Any) -> Any:
        return (torch.func.functional_call(module, params, (batch[0],)) - batch[1]).square().mean(dim=1)

    return loss, {name: value.detach().clone() for name, value in module.named_parameters()}


def _tensors(samples: Any) -> tuple[Any, ...]:
    import torch

    return tuple(map(torch.from_numpy, samples))


def _reweighted(job: Job) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    from odflow.sim2real import reweight

    problem, (loss, start) = _problem(job.seed), _network(job.seed)
    before = time.perf_counter()
    found = reweight(loss, start, _tensors(problem.simulated), _tensors(problem.real), _config(job))
    seconds, test = time.perf_counter() - before, _tensors(problem.test)
    return {
        "auc": float(roc_auc_score(problem.right, found.weights)),
        "loss": float(loss(found.params, test).mean()),
        "equal_loss": float(loss(found.equal_params, test).mean()),
        "effective": found.effective,
        "seconds": seconds,
    }


def _control(job: Job) -> float:
    """Test loss of a network trained in the same way on the right half, or on the real samples."""
    from dataclasses import replace

    import torch

    from odflow.sim2real.networks import Networks
    from odflow.training import train

    problem, (loss, start) = _problem(job.seed), _network(job.seed)
    samples = _tensors(problem.real if job.what == "real only" else problem.simulated)
    weights = torch.ones(len(samples[0])) if job.what == "real only" else torch.from_numpy(problem.right).float()
    config = _config(job)
    task = Networks(loss, start, samples, weights, config)
    train(task, torch.arange(len(weights)), replace(config, steps=config.network_steps))
    return float(loss(task.params("weighted"), _tensors(problem.test)).mean())


def _large(job: Job) -> dict[str, float]:
    """Seconds of a step with 30,000 samples and a million parameters."""
    from dataclasses import replace

    from odflow.sim2real import reweight
    from odflow.sim2real.example import half_wrong

    problem, (loss, start) = half_wrong(LARGE_SAMPLES, 1000, 10), _network(0, LARGE_WIDTHS)
    times: list[tuple[int, float]] = []

    def progress(done: int, total: int, losses: Mapping[str, float]) -> None:
        times.append((done, time.perf_counter()))

    steps = {"steps": LARGE_STEPS, "network_steps": LARGE_STEPS}
    config = replace(_config(job), **steps, inner_rate=0.01, learning_rate=1e-3, final_learning_rate=1e-4)
    reweight(loss, start, _tensors(problem.simulated), _tensors(problem.real), config, progress=progress)
    search = [at for at in times if at[0] <= LARGE_STEPS]
    networks = [at for at in times if at[0] > LARGE_STEPS]
    return {
        "parameters": sum(value.numel() for value in start.values()),
        "step_s": _per_step(search),
        "network_step_s": _per_step(networks),
    }


def _per_step(times: list[tuple[int, float]]) -> float:
    (first, begin), (last, end) = times[0], times[-1]
    return (end - begin) / (last - first)


if __name__ == "__main__":
    print(json.dumps(run(Job(**json.loads(sys.argv[1])))))
