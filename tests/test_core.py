"""The core without its extras, and how long importing it takes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

EXTRAS = ("torch", "matplotlib", "sklearn", "scoringrules", "zarr", "dask", "distributed", "fastapi", "uvicorn")

CORE_JOB = f"""
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in {EXTRAS} else found(name, *rest)
import numpy as np
import odflow as of
from odflow.cli import main

net = of.Network.from_topohub("sndlib/polska", metric="hops")
route = of.Routing.shortest_path(net)
n = len(route.nodes)
time = np.datetime64("2026-01-01") + np.arange(50) * np.timedelta64(900, "s")
tm = of.demands(np.random.default_rng(0).lognormal(15, 1, (50, n, n)), time, route.nodes, 900)
for estimator in (of.Gravity(), of.Tomogravity(), of.KLProjection(), of.GaussianPosterior().fit(tm)):
    x = estimator.estimate(route.loads(tm), route)
    assert abs(float(x.sum() / tm.sum()) - 1) < 0.02, estimator
net.write("net.graphml")
of.write(route.loads(tm[30:]), "loads.nc")
of.write(tm[:30], "history.parquet")
assert main(["estimate", "loads.nc", "-n", "net.graphml", "--history", "history.parquet", "-o", "tm.csv", "-q"]) == 0
assert of.read_demands("tm.csv").shape == (20, n, n)
print("done")
"""


LEARNED_JOB = f"""
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in {EXTRAS} else found(name, *rest)
import numpy as np
import odflow as of
import odflow.training
from odflow.modelfile import ModelFile, write_model

assert odflow.training.TrainingConfig(steps=3).steps == 3
tm = of.demands(np.ones((1, 2, 2)), ["2026-01-01"], ["a", "b"], 300)
assert len(odflow.training.data_hash(tm)) == 64

def message(call):
    try:
        call()
    except of.errors.MissingDependencyError as error:
        return str(error)

assert of.ReweightConfig(steps=3).steps == 3
print(message(lambda: odflow.training.train))
print(message(lambda: of.reweight))
for kind in ("TrafficDiffusion", "TrafficVAE", "TrafficWGANGP", "DDPMTME", "VAETME", "WGANTME"):
    write_model("m.safetensors", ModelFile(kind, {{}}, {{}}))
    print(message(lambda: of.load("m.safetensors")))
"""


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_estimating_needs_no_extra(tmp_path: Path):
    run = python("-W", "error", "-c", CORE_JOB, cwd=tmp_path)
    assert (run.stdout, run.stderr, run.returncode) == ("done\n", "", 0)


def test_what_is_learnt_asks_for_torch(tmp_path: Path):
    run = python("-W", "error", "-c", LEARNED_JOB, cwd=tmp_path)
    assert (run.stderr, run.returncode) == ("", 0)
    messages = run.stdout.splitlines()
    assert len(messages) == 8
    for message in messages:
        assert message.endswith(" needs torch; install it with: pip install 'odflow[learn]'")


@pytest.mark.parametrize(
    "module", ["odflow", "odflow.estimate", "odflow.evaluate", "odflow.sim2real", "odflow.training", "odflow.cli.app"]
)
def test_torch_is_imported_only_where_it_is_used(module: str):
    code = f"import sys, {module}; print(*sorted({{'torch', 'matplotlib', 'sklearn'}} & set(sys.modules)))"
    run = python("-c", code)
    assert (run.stdout, run.stderr, run.returncode) == ("\n", "", 0)


def quickest(*arguments: str) -> float:
    def once() -> float:
        start = time.perf_counter()
        assert python(*arguments).returncode == 0
        return time.perf_counter() - start

    return min(once() for _ in range(5))


def test_importing_odflow_is_quick():
    assert quickest("-c", "import odflow") - quickest("-c", "pass") < 0.3


def test_help_is_quick():
    assert quickest("-m", "odflow", "--help") < 0.5


def test_public_names_exist():
    import odflow

    for name in odflow.__all__:
        assert getattr(odflow, name) is not None
    assert set(odflow.__all__) <= set(dir(odflow))
