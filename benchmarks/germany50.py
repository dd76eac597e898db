"""DDPM-TME on a network of one's own, by the command line alone: ``python -m benchmarks germany50``.

Three weeks of made-up traffic on SNDlib's germany50 (50 nodes, 2,500 flows) stand for measurements: the last day is to
be estimated, what comes before is the history. Every command runs in a process of its own; its time and its peak of
memory are taken.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

NETWORK = "sndlib/germany50"
INTERVALS_A_DAY = 96
PREPARE = f"""
import odflow as of
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic
network = of.Network.from_topohub("{NETWORK}", capacity=100e9)
traffic = plausible_traffic(network, PlausibleTraffic(weeks=3), seed=0)
history, truth = traffic[:-{INTERVALS_A_DAY}], traffic[-{INTERVALS_A_DAY}:]
of.write(history, "history.nc")
of.write(truth, "truth.nc")
of.write(of.Routing.shortest_path(network).loads(truth), "loads.nc")
network.write("net.graphml")
"""
COMMANDS = (
    "odflow fit diffusion --history history.nc -o diffusion.safetensors",
    f"odflow sample diffusion.safetensors -n {INTERVALS_A_DAY} -o synth.nc",
    "odflow fit ddpm-tme --history history.nc -o ddpm-tme.safetensors",
    "odflow estimate loads.nc --network net.graphml --method ddpm-tme --model ddpm-tme.safetensors -o tm.nc",
    "odflow estimate loads.nc --network net.graphml --model diffusion.safetensors -o tm-diffusion.nc",
    "odflow estimate loads.nc --network net.graphml --history history.nc -o tm-gaussian.nc",
    "odflow estimate loads.nc --network net.graphml -o tm-kl.nc",
)
ESTIMATES = {
    "ddpm-tme": "tm.nc",
    "the generator of `fit diffusion`, inverted": "tm-diffusion.nc",
    "gaussian": "tm-gaussian.nc",
    "gravity+kl (no history)": "tm-kl.nc",
}
INTRODUCTION = f"""# DDPM-TME on a network of one's own: germany50

Made by `python -m benchmarks germany50`. {NETWORK}: 50 nodes, 2,500 flows. The traffic is made up
(`odflow.traffic.plausible`, seed 0, three weeks of 15 minutes). The last day of {INTERVALS_A_DAY} TMs is estimated, the
{20 * INTERVALS_A_DAY:,} TMs before are the history. So the errors say that the whole chain works and what it costs,
not how accurate it is on real traffic; that is in [ddpm-tme.md](ddpm-tme.md).
"""


@dataclass(frozen=True)
class Ran:
    """A command, and what it took: wall-clock seconds, peak of resident memory."""

    command: str
    seconds: float
    peak_mib: float


def write(folder: Path) -> None:
    """Run everything, and write ``germany50.md``.

    Raises
    ------
    OdflowError
        If a command fails.
    """
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        subprocess.run([sys.executable, "-c", PREPARE], cwd=work, check=True)
        ran = [_timed(command, work) for command in COMMANDS]
        scores = {words: _tre(work / file, work) for words, file in ESTIMATES.items()}
    # only now, for the peak of a child counts what its parent held when it started
    from odflow.evaluate.report import markdown_table, provenance, write_text

    steps = [[f"`{one.command}`", f"{one.seconds:.0f} s", f"{one.peak_mib:,.0f} MiB"] for one in ran]
    errors = [[words, f"{tre:.3f}"] for words, tre in scores.items()]
    parts = [
        INTRODUCTION.strip(),
        "\n".join(provenance("python -m benchmarks germany50", 0).lines()),
        markdown_table(["command", "time", "peak memory"], steps),
        markdown_table(["estimate", "mean TRE"], errors),
    ]
    write_text(folder / "germany50.md", "\n\n".join(parts) + "\n")


def _timed(command: str, work: Path) -> Ran:
    print(command, file=sys.stderr, flush=True)
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", *shlex.split(command)], cwd=work, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        from odflow.errors import OdflowError

        raise OdflowError(f"'{command}' ended with exit code {process.returncode}")
    return Ran(command, time.perf_counter() - start, usage.ru_maxrss / 1024)


def _tre(estimate: Path, work: Path) -> float:
    command = ["-m", "odflow", "evaluate", "truth.nc", str(estimate), "--json"]
    done = subprocess.run([sys.executable, *command], cwd=work, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["all"]["tre"]["mean"])
