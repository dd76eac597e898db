"""The reproduction of DDPM-TME on a small network: jobs, restart, page from what is there."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import odflow

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from benchmarks.ddpm_tme.collect import collect, merged
from benchmarks.ddpm_tme.command import reproduce, state
from benchmarks.ddpm_tme.jobs import ABLATIONS, Job, all_jobs, chosen
from benchmarks.ddpm_tme.running import Runner
from benchmarks.ddpm_tme.settings import Settings
from benchmarks.ddpm_tme.store import Work
from benchmarks.ddpm_tme.version import KINDS, bare, code_version

from benchmarks import __main__ as entry
from odflow.errors import UsageError
from odflow.evaluate.learned import learned_estimator, timed_stages, training_history
from odflow.evaluate.scores import score
from odflow.evaluate.synthesis_result import MEASURES
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic

VAE = Job("toy", "vae-tme")
SYNTHESIS = Job("toy", "synthesis")


@pytest.fixture(scope="module")
def toy(diamond, diamond_routing):
    """Three weeks of the diamond, two of them history, with one glitch each."""
    demands = plausible_traffic(diamond, PlausibleTraffic(weeks=3, interval="2h"), seed=1)
    valid = np.ones(demands.sizes["time"], dtype=bool)
    valid[[160, 170]] = False
    demands = demands.assign_coords(valid=("time", valid))
    return SimpleNamespace(
        name="toy",
        sha256="0" * 64,
        demands=demands,
        train=demands[:168],
        test=demands[168:],
        routing=diamond_routing,
        loads=None,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reproduction")


def settings(folder, **changes):
    more = {"datasets": ("toy",), "work": folder, "out": folder / "out", "smoke": True, "threads": 1, **changes}
    return Settings(**more)


# four jobs: the VAE's two, by age and alike
JOBS = ("toy/vae-tme/all-weeks/seed-0", "toy/wgan-tme/all-weeks/seed-0/alike", "toy/synthesis/all-weeks/seed-0")


@pytest.fixture(scope="module")
def ran(toy, folder):
    """Runs `JOBS` in the folder; how many ran."""
    return reproduce(settings(folder, jobs=JOBS), data(toy))


def data(toy):
    return {"toy": toy}


def runner(toy, folder, **changes):
    chosen_settings = settings(folder, **changes)
    return Runner(chosen_settings, Work(chosen_settings.folder, chosen_settings.keep_old), data(toy))


def test_jobs_come_in_the_order_of_their_weight():
    jobs = all_jobs(Settings())
    names = [job.name for job in jobs]
    assert names[:3] == [
        "abilene/ddpm-tme/all-weeks/seed-0",
        "geant/ddpm-tme/all-weeks/seed-0",
        "abilene/vae-tme/all-weeks/seed-0",
    ]
    assert len(set(names)) == len(names) == 2 * (3 * 3 + 3 + 3 * 4 + len(ABLATIONS))
    assert names.index("geant/synthesis/all-weeks/seed-0") == 7
    assert names.index("abilene/ddpm-tme/last-1/seed-0/alike") > names.index("geant/synthesis/all-weeks/seed-2")
    assert names[-1] == "geant/ddpm-tme/all-weeks/seed-0/four-starts"
    full = all_jobs(Settings(full=True))[len(jobs) :]
    assert [job.name for job in full][-1] == "geant/synthesis/all-weeks/seed-0/full"
    assert len(full) == 8


def test_jobs_are_chosen_by_prefix():
    jobs = all_jobs(Settings())
    assert {job.dataset for job in chosen(jobs, ("geant",))} == {"geant"}
    assert len(chosen(jobs, ("abilene", "geant"))) == len(jobs)
    assert chosen(jobs, ("nowhere",)) == []
    assert len(all_jobs(Settings(window_seeds=(0, 1)))) == len(jobs) + 24


def test_a_second_run_does_nothing(ran, toy, folder):
    assert ran == 4
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert reproduce(settings(folder, jobs=JOBS), data(toy)) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_results_are_those_of_the_public_interface(ran, toy, folder):
    found = runner(toy, folder).found(VAE)
    model = next((folder / "smoke" / "models").glob(f"TrafficVAE-{found['model']}.safetensors"))
    estimator = learned_estimator("vae-tme")
    again = type(estimator)(generator=odflow.load(model), starts=16, steps=3)
    truth = toy.test[:32]
    loads = toy.routing.loads(truth)
    both, costs = timed_stages(again, loads, toy.routing)
    own = score(truth, both.sel(stage="own"), loads=loads, routing=toy.routing)
    assert found["scores"]["own"]["all"]["tre"]["mean"] == pytest.approx(own.all.tre.mean, rel=1e-12)
    assert costs.steps == 3
    assert costs.batch == 32
    assert found["history_tms"] == 167
    assert found["left_out"] == 1
    assert found["training"]["steps"] == 20
    assert found["training"]["tms"] == 167
    kept = runner(toy, folder).work.arrays(VAE)
    np.testing.assert_allclose(kept["own"], both.sel(stage="own").values.reshape(32, -1), rtol=1e-6)


def test_models_are_trained_once(ran, toy, folder):
    models = [path.name.split("-")[0] for path in (folder / "smoke" / "models").glob("*.safetensors")]
    # the estimator without ageing and the synthesis benchmark use the same WGAN
    assert sorted(models) == ["TrafficDiffusion", *["TrafficVAE"] * 3, "TrafficWGANGP"]
    assert not list((folder / "smoke" / "models").glob("*.checkpoint"))


def test_other_settings_or_code_are_another_result(ran, toy, folder):
    one = runner(toy, folder)
    assert one.found(VAE) is not None
    assert one.found(Job("toy", "vae-tme", seed=1)) is None
    assert runner(toy, folder, device="auto").found(VAE) is None
    assert state(one, VAE) == "done"
    assert one.work.result(VAE, one.identity(VAE), "other code") is None
    old = Work(one.work.folder, keep_old=True)
    assert old.result(VAE, one.identity(VAE), "other code") == one.found(VAE)
    assert old.result(VAE, "other settings", "other code") is None


def test_a_damaged_result_is_run_again(ran, toy, folder, tmp_path):
    work = Work(tmp_path)
    work.write_result(VAE, {"identity": "a", "code": "b"})
    path = tmp_path / "results" / f"{VAE.name}.json"
    assert work.result(VAE, "a", "b") == {"identity": "a", "code": "b"}
    path.write_text("{")
    assert work.result(VAE, "a", "b") is None
    assert work.arrays(VAE) is None


def test_page_of_partial_results(ran, toy, folder):
    assert reproduce(settings(folder, only_page=True), data(toy)) == 0
    text = (folder / "out" / "ddpm-tme.md").read_text()
    assert "toy: DDPM-TME was not run." in text
    assert "smoke run" in text
    assert "| DDPM-TME, ours, own | *not run* |" in text
    vae = next(line for line in text.splitlines() if line.startswith("| VAE-TME, ours, projected |"))
    assert "not run" not in vae
    assert "jobs were not run: toy/ddpm-tme/all-weeks/seed-0" in text
    assert "- *not run*: toy: ddpm-tme estimates the week in less than 30 minutes" in text
    assert "| gaussian |" in text
    found = json.loads((folder / "out" / "ddpm-tme.json").read_text())
    alike = [f"toy/{name}/all-weeks/seed-0/alike" for name in ("vae-tme", "wgan-tme")]
    assert [job["name"] for job in found["jobs"]] == [VAE.name, SYNTHESIS.name, *alike]
    assert set(found["synthesis"]) == {"toy"}
    figures = list((folder / "out" / "figures").glob("*.png"))
    names = {path.stem.removeprefix("ddpm-tme-toy-") for path in figures}
    assert names == {"pca", "tsne", "ecdf", "tre", "sre"}
    for path in figures:
        assert path.name in text
        assert path.stat().st_size < 200_000


def test_seeds_are_merged(ran, toy, folder):
    one = runner(toy, folder).found(SYNTHESIS)
    other = json.loads(json.dumps(one))
    other["result"]["config"]["seeds"] = [1]
    for row in other["result"]["rows"]:
        row["scores"][0]["frechet"] += 2.0
    other["training"]["vae"]["seconds"] = one["training"]["vae"]["seconds"] + 4.0
    both = merged([one, other])
    assert both.config.seeds == (0, 1)
    assert both.row("vae").mean("frechet") == pytest.approx(one["result"]["rows"][5]["scores"][0]["frechet"] + 1.0)
    assert both.row("vae").fit_s == pytest.approx(one["training"]["vae"]["seconds"] + 2.0)
    assert merged([]) is None
    assert set(both.better("diffusion", "vae")) <= set(MEASURES)


def test_history_leaves_glitches_out(toy):
    assert training_history(toy.train, 0).sizes["time"] == 167
    week = training_history(toy.train, 1)
    assert week.sizes["time"] == 83
    assert week["time"].values[0] == toy.train["time"].values[84]


def test_collected_missing_jobs(ran, toy, folder):
    found = collect(runner(toy, folder))
    assert len(found.missing) == len(all_jobs(settings(folder))) - 4
    assert found.values("toy", "ddpm-tme", "own", ("all", "tre", "mean")) == []
    (tre,) = found.values("toy", "vae-tme", "own", ("all", "tre", "mean"))
    assert 0 < tre < 3


def test_list_and_wrong_names(ran, toy, folder, capsys):
    assert reproduce(settings(folder, list=True, jobs=("toy/vae-tme/all-weeks",)), data(toy)) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].split() == ["done", VAE.name]
    assert listed[1].split() == ["-", "toy/vae-tme/all-weeks/seed-1"]
    assert listed[3].split() == ["done", "toy/vae-tme/all-weeks/seed-0/alike"]
    with pytest.raises(UsageError, match="no job starts with nonsense"):
        reproduce(settings(folder, jobs=("nonsense",)), data(toy))
    with pytest.raises(UsageError, match="--out"):
        Settings(smoke=True)
    assert entry.main(["nonsense"]) == 2
    names = "estimation, speed, failures, loads-only, diffusion, forecast, realism, germany50, reweighting"
    assert f"there are {names}" in capsys.readouterr().err


def test_every_module_of_a_model_belongs_to_its_version():
    home = Path(odflow.__file__).parent
    covered = {path for patterns in KINDS.values() for pattern in patterns for path in home.glob(pattern)}
    left = {path.name for folder in ("generate", "training") for path in (home / folder).glob("*.py")}
    left -= {path.name for path in covered}
    # configurations are compared by their values; the others hold no code that counts
    assert left <= {"config.py"} | {"__init__.py"}


def test_code_version_is_of_code_alone(tmp_path):
    path = tmp_path / "a.py"
    path.write_text('"""One."""\n\ndef f(x):\n    """Doc."""\n    return x + 1\n')
    first = code_version(("*.py",), tmp_path)
    assert bare(path.read_text()) == bare("def f(x):\n    return (x + 1)  # the same\n")
    code_version.cache_clear()
    path.write_text("def f(x):\n    return x + 1\n")
    assert code_version(("*.py",), tmp_path) == first
    code_version.cache_clear()
    path.write_text("def f(x):\n    return x + 2\n")
    assert code_version(("*.py",), tmp_path) != first
    code_version.cache_clear()
