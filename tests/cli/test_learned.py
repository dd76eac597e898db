"""fit and sample, and estimates by what they make: round trips, interrupts, refusals."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest
import xarray as xr
from safetensors.numpy import load_file

import odflow as of
from odflow.cli.console import Console
from odflow.evaluate.scores import link_residuals
from odflow.traffic.files import read_demands, read_loads, write

torch = pytest.importorskip("torch")

SMALL = {
    "diffusion": "--steps 12 --batch 16 --latent 8 --hidden 16 --width 16 --blocks 1 --pretrain-steps 3 "
    "--diffusion-steps 20 --sampling-steps 4 --checkpoint-every 5",
    "vae": "--steps 12 --batch 16 --latent 4 --width 16",
    "wgan-gp": "--steps 12 --batch 16 --latent 4 --width 16 --critic-width 16",
}
TINY = {name: options.split() for name, options in SMALL.items()}
TINY |= {"ddpm-tme": TINY["diffusion"], "vae-tme": TINY["vae"], "wgan-tme": TINY["wgan-gp"]}
KINDS = {
    "diffusion": "TrafficDiffusion",
    "vae": "TrafficVAE",
    "wgan-gp": "TrafficWGANGP",
    "ddpm-tme": "DDPMTME",
    "vae-tme": "VAETME",
    "wgan-tme": "WGANTME",
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def models(good_files, tmp_path_factory):
    """A folder with one small generator of each kind, and an estimator whose inversion is quick."""
    folder = tmp_path_factory.mktemp("models")
    torch.set_num_threads(1)
    history = read_demands(good_files / "history.nc")
    small = of.DiffusionConfig(
        steps=12, batch=16, latent=8, hidden=16, width=16, blocks=1, diffusion_steps=20, sampling_steps=4
    )
    diffusion = of.TrafficDiffusion(small).fit(history)
    diffusion.save(folder / "diffusion.safetensors")
    of.TrafficVAE(of.VAEConfig(steps=12, latent=4, width=16)).fit(history).save(folder / "vae.safetensors")
    of.TrafficWGANGP(of.WGANConfig(steps=12, width=16)).fit(history).save(folder / "wgan.safetensors")
    of.DDPMTME(generator=diffusion, starts=30, steps=5).save(folder / "quick.safetensors")
    return folder


@pytest.mark.parametrize("method", KINDS)
def test_fit_trains_what_python_trains(odflow, workplace, method):
    command = f"fit {method} --history history.nc -o m.safetensors --seed 3 --log losses.csv".split()
    ran = odflow(*command, *TINY[method])
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == f"m.safetensors: {KINDS[method]} of 4 x 4 demands"
    assert lines[1].split(maxsplit=1) == ["history", "84 x 2 h until 2026-01-12 00:00 UTC"]
    assert "12 steps in" in lines[2]
    use = "odflow estimate LOADS" if method.endswith("-tme") else "odflow sample m.safetensors"
    assert use in lines[4]
    assert not list(workplace.glob("*checkpoint*"))
    with (workplace / "losses.csv").open() as file:
        assert len(list(csv.reader(file))) == 13

    model = of.load("m.safetensors")
    assert type(model).__name__ == KINDS[method]
    generator = getattr(model, "generator_", model)
    assert generator.provenance_["command"] == " ".join(["odflow", *command, *TINY[method]])
    same = type(generator)(generator.config).fit(read_demands("history.nc"))
    for name, weights in same.as_model().tensors.items():
        np.testing.assert_array_equal(weights, generator.as_model().tensors[name])


def test_defaults_are_those_of_python():
    from odflow.cli.fit_learned import CONFIGURATIONS
    from odflow.evaluate.learned import learned_estimator

    defaults = {name: asdict(configuration.typed()) for name, configuration in CONFIGURATIONS.items()}
    for name, kind in (("ddpm-tme", of.DDPMTME), ("vae-tme", of.VAETME), ("wgan-tme", of.WGANTME)):
        assert defaults[name] == asdict(kind()._default_config())
        assert CONFIGURATIONS[name].full() == asdict(learned_estimator(name, full=True).generator)
    for name, kind in (("diffusion", of.TrafficDiffusion), ("vae", of.TrafficVAE), ("wgan-gp", of.TrafficWGANGP)):
        assert defaults[name] == asdict(kind().config)
        assert CONFIGURATIONS[name].full() == asdict(kind.config_type.full())


def test_full_sizes_yield_to_what_is_typed_or_configured(odflow, workplace):
    (workplace / "run.toml").write_text("full = true\nsteps = 2\npretrain_steps = 1\nbatch = 8\nsampling_steps = 1\n")
    options = ["--history", "history.nc", "-o", "m.safetensors", "--config", "run.toml"]
    ran = odflow("fit", "diffusion", *options, "--batch", 128, "--width", 8, "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    config = of.load("m.safetensors").config
    full = of.DiffusionConfig.full()
    assert (config.steps, config.epochs, config.pretrain_steps, config.batch, config.width) == (2, 0, 1, 128, 8)
    assert (config.denoiser, config.schedule, config.loss) == (full.denoiser, full.schedule, full.loss)
    assert config.sampling_steps == 1
    assert "TOML" in odflow("fit", "vae", "--help").out


def test_classical_methods_and_last_weeks(odflow, workplace):
    history = read_demands("history.nc")
    write(history.isel(time=slice(-84, None)), workplace / "week.nc")
    twice = history.assign_coords(time=history["time"] - np.timedelta64(7, "D")) * 3
    twice.attrs = history.attrs

    write(xr.concat([twice, history], "time").assign_attrs(history.attrs), workplace / "two.nc")
    for method, kind in (("gaussian", of.GaussianPosterior), ("kl", of.KLProjection)):
        command = f"fit {method} --history two.nc --weeks 1 --noise 0.01 -o m.safetensors".split()
        ran = odflow(*command)
        assert (ran.code, ran.err) == (0, "")
        assert "84 x 2 h until 2026-01-12 00:00 UTC" in ran.out
        model = of.load("m.safetensors")
        assert model.noise == 0.01
        np.testing.assert_array_equal(model.mean_, kind().fit(history).mean_)
    assert odflow(*command, "-q").out == ""


def test_sample(odflow, workplace, models):
    ran = odflow("sample", models / "diffusion.safetensors", "-n", 5, "-o", "s.nc", "--seed", 2)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("s.nc: 4 x 4 demands, 5 x 2 h, 2026-01-12 00:00 to 2026-01-12 10:00 UTC\n")
    drawn = of.load(models / "diffusion.safetensors").sample(5, seed=2)
    np.testing.assert_allclose(read_demands("s.nc"), drawn, rtol=1e-12)

    # an estimator's generator gives the same
    ran = odflow("sample", models / "quick.safetensors", "-n", 5, "-o", "t.csv", "--seed", 2, "--json")
    facts = json.loads(ran.out)
    assert (facts["samples"], facts["model"], facts["seed"]) == (5, "TrafficDiffusion", 2)
    assert facts["total_mean"] == pytest.approx(float(drawn.sum(("origin", "destination")).mean()))
    np.testing.assert_allclose(read_demands("t.csv"), drawn, rtol=1e-6)

    ran = odflow("sample", models / "vae.safetensors", "-n", 2, "-o", "s.nc", "--start", "2027-01-01T06:00", "-q")
    assert (ran.code, ran.out) == (0, "")
    assert read_demands("s.nc")["time"].values[1] == np.datetime64("2027-01-01T08:00")


def test_fit_estimate_evaluate(odflow, workplace, models, diamond_routing):
    """From a history to a scored estimate: projected, own, and that of the generator's file."""
    estimate = ("estimate", "loads.nc", "-n", "net.csv", "--top", 0, "--model")
    ran = odflow(*estimate, models / "quick.safetensors", "-o", "tm.nc", "--json")
    assert ran.code == 0, ran.err
    facts = json.loads(ran.out)
    assert facts["method"] == "DDPMTME"
    assert facts["link_residual"] < 1e-3
    stages = of.load(models / "quick.safetensors").stages(read_loads("loads.nc"), diamond_routing)
    own, projected = stages.values
    assert facts["change"] == pytest.approx(abs(own - projected).sum() / projected.sum())
    np.testing.assert_allclose(read_demands("tm.nc"), projected, rtol=1e-9)

    ran = odflow(*estimate, models / "quick.safetensors", "-o", "own.nc", "--own")
    assert (ran.code, ran.err) == (0, "")  # no warning that it misses the loads
    assert "changes the generator's own estimate by" in ran.out
    np.testing.assert_allclose(read_demands("own.nc"), own, rtol=1e-9)
    assert link_residuals(read_demands("own.nc"), read_loads("loads.nc"), diamond_routing)[0].mean > 1e-3
    ran = odflow("evaluate", "tm.nc", "truth.nc", "--json")
    assert ran.code == 0

    for name, kind in (("vae", "VAETME"), ("wgan", "WGANTME")):
        ran = odflow(*estimate, models / f"{name}.safetensors", "-o", "b.nc", "--json", "--noise", 0.01)
        assert json.loads(ran.out)["method"] == kind
    assert odflow(*estimate, models / "vae.safetensors", "--method", "vae-tme", "-o", "c.nc", "-q").code == 0
    np.testing.assert_array_equal(
        read_demands("c.nc"),
        of.VAETME(generator=of.load(models / "vae.safetensors")).estimate(read_loads("loads.nc"), diamond_routing),
    )


def test_the_search_can_be_changed(odflow, workplace, models, diamond_routing):
    model = models / "diffusion.safetensors"
    command = f"estimate loads.nc -n net.csv --model {model} -o tm.nc -q --starts 8 --draws 2 --steps 3"
    assert odflow(*command.split()).code == 0
    estimator = of.DDPMTME(generator=of.load(model), starts=8, draws=2, steps=3)
    expected = estimator.estimate(read_loads("loads.nc"), diamond_routing)
    np.testing.assert_array_equal(read_demands("tm.nc"), expected)
    again = [*command.replace("--draws 2", "--draws 1").split(), "--save-model", "m.safetensors"]
    assert odflow(*again).code == 0
    assert abs(read_demands("tm.nc") - expected).max() > 1e-3 * expected.max()
    saved = of.load("m.safetensors")
    assert (saved.starts, saved.draws, saved.steps) == (8, 1, 3)


def test_samples_can_be_estimated(odflow, workplace, models):
    """Samples go the way of any traffic: loads, estimate, scores."""
    assert odflow("sample", models / "quick.safetensors", "-n", 6, "-o", "synth.nc", "-q").code == 0
    routing = of.Routing.read(workplace / "routing.csv")
    write(routing.loads(read_demands("synth.nc")), workplace / "y.nc")
    ran = odflow("estimate", "y.nc", "-r", "routing.csv", "--model", models / "quick.safetensors", "-o", "tm.nc", "-q")
    assert ran.code == 0, ran.err
    scores = json.loads(odflow("evaluate", "tm.nc", "synth.nc", "--json").out)
    assert 0 < scores["all"]["tre"]["mean"] < 0.5


def test_estimate_trains_if_it_must(odflow, workplace, monkeypatch):
    monkeypatch.setattr(of.VAETME, "_default_config", lambda self: of.VAEConfig(steps=5, latent=4, width=16))
    command = "estimate loads.nc -n net.csv --history history.nc --method vae-tme -o tm.nc --save-model m.safetensors"
    ran = odflow(*command.split())
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("training first; to do it once only: odflow fit vae-tme --history")
    assert of.load("m.safetensors").generator_.provenance_["command"] == f"odflow {command}"


STEPS = 300
FIT = ["fit", "diffusion", "--history", "history.nc", "-o", "m.safetensors", "--log", "losses.csv"]
SLOW = [*FIT, "--steps", str(STEPS), *TINY["diffusion"][2:-2]]
OFTEN = TINY["diffusion"][-2:]  # checkpoints


def _stopped(arguments, folder, number):
    """Run a command in a process of its own and signal it once it has written its checkpoint anew."""
    checkpoint = folder / "m.checkpoint.safetensors"
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-m", "odflow", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(6000):
        if process.poll() is not None or (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            break
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 needs a POSIX system")
def test_killed_interrupted_and_resumed(odflow, workplace):
    code, out, err = _stopped([*SLOW, *OFTEN], workplace, signal.SIGKILL)
    assert (code, out, err) == (-signal.SIGKILL, "", "")
    assert not (workplace / "m.safetensors").exists()

    # the work so far is neither lost by accident nor mixed with another training
    ran = odflow(*SLOW)
    assert ran.code == 2
    assert "m.checkpoint.safetensors is left of a training that did not end: add --resume" in ran.err
    ran = odflow(*SLOW, "--resume", "--seed", "5")
    assert ran.code == 2
    assert "is the checkpoint of another training: seed is 0 there, 5 here" in ran.err
    ran = odflow(*SLOW, "--resume", "--weeks", "1", "--history", "truth.nc")
    assert ran.code == 2
    write(read_demands("history.nc")[:40], workplace / "short.nc")
    other = ["short.nc" if word == "history.nc" else word for word in SLOW]
    ran = odflow(*other, "--resume")
    assert ran.code == 2
    assert "the past data differs" in ran.err

    code, out, err = _stopped([*SLOW, *OFTEN, "--resume"], workplace, signal.SIGINT)
    assert (code, out) == (130, "")
    assert err == "odflow: interrupted; the same command with --resume goes on from here\n"

    assert odflow(*SLOW, "--resume").code == 0
    resumed, log = load_file("m.safetensors"), _losses(workplace / "losses.csv")
    assert not (workplace / "m.checkpoint.safetensors").exists()
    ran = odflow(*SLOW, "--resume")  # nothing to resume from: the uninterrupted training
    assert ran.out.startswith("no m.checkpoint.safetensors to resume from, training starts at the beginning\n")
    whole = load_file("m.safetensors")
    assert {k: v.tobytes() for k, v in resumed.items()} == {k: v.tobytes() for k, v in whole.items()}
    assert log == _losses(workplace / "losses.csv")
    assert [row[0] for row in log[1:]] == [str(k) for k in range(1, STEPS + 1)]


def _losses(path):
    with path.open(newline="") as file:
        return [[row[0], *row[2:]] for row in csv.reader(file)]


def test_diverged_training_leaves_nothing(odflow, workplace):
    (workplace / "m.safetensors").write_bytes(b"as it was")
    ran = odflow(
        "fit", "vae", *FIT[2:6], *TINY["vae"][2:], "--steps", 200, "--learning-rate", 1e30, "--checkpoint-every", 1
    )
    assert ran.code == 2
    assert "training stopped at step" in ran.err
    assert ran.err.count("\n") == 1
    assert (workplace / "m.safetensors").read_bytes() == b"as it was"
    assert not list(workplace.glob("*checkpoint*"))


def test_bar_shows_progress_to_who_watches(monkeypatch, capsys):
    with Console().bar("training") as tell:
        assert tell is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with Console(quiet=True).bar("training") as tell:
        assert tell is None
    with Console().bar("training") as tell:
        tell(3, 12, {"denoising": 0.512345})
    shown = capsys.readouterr().err
    assert "training" in shown
    assert "3/12" in shown
    assert "denoising 0.512" in shown


def _nan(dataset):
    dataset["demand"][:] = np.nan
    return dataset


def _infinite(dataset):
    dataset["demand"][3, 1, 2] = np.inf
    return dataset


BAD_FITS = {
    "fit diffusion --history none.nc -o x.safetensors": "none.nc: no such file",
    "fit vae --history history.nc -o x.nc": "cannot write 'x.nc': the suffix must be '.safetensors'",
    "fit vae --history history.nc -o none/m.safetensors": "cannot write to none: no such folder",
    "fit vae --history model.safetensors -o x.safetensors": "model.safetensors",
    "fit vae --history history.nc -o x.safetensors --log l.txt": "cannot write 'l.txt': the suffix must be '.csv'",
    "fit vae --history history.nc -o x.safetensors --steps 0": "steps is 0, expected a whole number of at least 1",
    "fit vae --history history.nc -o x.safetensors --weeks 0": 'Invalid value "0" for --weeks',
    "fit vae --history history.nc -o x.safetensors --patience 3": "patience needs data to validate on: set holdout",
    "fit vae --history history.nc -o x.safetensors --device tpu": "device is 'tpu', expected one of cpu, cuda, auto",
    "fit vae --history history.nc -o x.safetensors --schedule linear": "Unknown option: --schedule",
    "fit vae --history history.nc": "parameter --output requires an argument",
    "fit kl -o x.safetensors": "parameter --history requires an argument",
    "fit gravity --history history.nc -o x.safetensors": 'Unknown command "gravity"',
    "fit gaussian --history none.nc -o x.safetensors": "none.nc: no such file",
    "sample model.safetensors -n 3 -o x.nc": "holds a GaussianPosterior, which needs loads; only generators",
    "sample history.nc -n 3 -o x.nc": "is not a model saved by odflow",
    "sample none.safetensors -n 3 -o x.nc": "none.safetensors: no such file",
    "sample vae.safetensors -n 0 -o x.nc": 'Invalid value "0" for -n',
    "sample vae.safetensors -n 99000000000 -o x.nc": "99,000,000,000 traffic matrices need 35,405 GiB of memory",
    "sample vae.safetensors -o x.nc": "parameter --count requires an argument",
    "sample vae.safetensors -n 3 -o x.txt": "cannot write 'x.txt': the suffix must be one of",
    "sample vae.safetensors -n 3 -o x.nc --start soon": "times cannot be read as dates",
    "sample vae.safetensors -n 3 -o x.nc --seed -1": 'Invalid value "-1" for --seed',
}


@pytest.mark.parametrize("command", BAD_FITS)
def test_bad_fits_and_samples(refused, workplace, models, command):
    (workplace / "vae.safetensors").write_bytes((models / "vae.safetensors").read_bytes())
    refused(command, BAD_FITS[command], {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.isel(time=slice(0, 5)), "history has 5 complete TMs of 5, a generator needs at least 8"),
        (_nan, "history has 0 complete TMs of 84"),
        (_infinite, "demands"),
    ],
)
def test_bad_histories(refused, change, message):
    refused("fit diffusion --history history.nc -o x.safetensors", message, {"history.nc": change})


BAD_ESTIMATES = {
    "--method ddpm-tme": "--method ddpm-tme learns from past traffic matrices; give --history, or a model",
    "--model vae.safetensors --method ddpm-tme": "holds a TrafficVAE, which is not for --method ddpm-tme",
    "--model model.safetensors --method ddpm-tme": "holds a GaussianPosterior, which is not for --method ddpm-tme",
    "--model vae.safetensors --method kl": "--model is fitted already; leave --history and --method out",
    "--model vae.safetensors --history history.nc --method vae-tme": "--model is fitted already",
    "--model vae.safetensors --quantiles .5": "a VAETME gives no quantiles",
    "--model model.safetensors --own": "a GaussianPosterior holds no generator; leave --own out",
    "--own": "--own is for estimates of generators; use --method ddpm-tme, vae-tme, wgan-tme or --model",
    "--history history.nc --method wgan-tme --quantiles .5": "only --method moments, simulated-prior, gaussian",
    "--history history.nc --method wgan-tme --noise -1": "noise is -1, expected 0 or more",
    "--history history.nc --method wgan-tme --known-error -1": "known_error",
    "--history other.nc --method wgan-tme": "past demands",
    "--history history.nc --method wgan-tme --draws 0": "draws is 0, expected a whole number",
    "--history history.nc --method wgan-tme --draws 9 --starts 3": "draws is 9, more than the 3 starts",
    "--history history.nc --method wgan-tme --steps -1": "steps is -1, expected a whole number",
    "--model model.safetensors --starts 9": "a GaussianPosterior holds no generator; leave --starts out",
    "--history history.nc --method gaussian --draws 9": "a GaussianPosterior holds no generator; leave --draws out",
}


@pytest.mark.parametrize("options", BAD_ESTIMATES)
def test_bad_estimates(refused, workplace, models, options, monkeypatch):
    monkeypatch.setattr(of.TrafficWGANGP, "fit", lambda *_, **__: pytest.fail("trained before the input was checked"))
    (workplace / "vae.safetensors").write_bytes((models / "vae.safetensors").read_bytes())
    past = read_demands("history.nc")
    names = ["a", "b", "c", "z"]
    write(past.assign_coords(origin=names, destination=names), workplace / "other.nc")
    refused(f"estimate loads.nc -n net.csv -o x.nc {options}", BAD_ESTIMATES[options], {})


def test_other_nodes_than_the_generator(refused, workplace, models):
    past = read_demands("history.nc")
    names = ["a", "b", "c", "z"]
    generator = of.TrafficVAE(of.VAEConfig(steps=2, latent=4, width=8))
    generator.fit(past.assign_coords(origin=names, destination=names)).save("other.safetensors")
    refused("estimate loads.nc -n net.csv -o x.nc --model other.safetensors", "past demands", {})


WITHOUT_TORCH = """
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] == "torch" else found(name, *rest)
from odflow.cli import main
for command in sys.argv[1:]:
    print(main(command.split()), flush=True)
"""


def test_without_torch(workplace, models):
    commands = [
        "fit gaussian --history history.nc -o g.safetensors -q",
        "fit diffusion --history history.nc -o m.safetensors",
        f"sample {models / 'vae.safetensors'} -n 3 -o s.nc",
        "estimate loads.nc -n net.csv -o tm.nc --history history.nc --method ddpm-tme",
        f"estimate loads.nc -n net.csv -o tm.nc --model {models / 'quick.safetensors'}",
    ]
    ran = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *commands], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0", "2", "2", "2", "2"]
    lines = ran.stderr.splitlines()
    assert len(lines) == 4
    assert all("needs torch; install it with: pip install 'odflow[learn]'" in line for line in lines)
    assert not (workplace / "m.safetensors").exists()
    assert not (workplace / "tm.nc").exists()
    help_text = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "fit --help"], capture_output=True, text=True, check=True
    )
    assert "wgan-tme" in help_text.stdout
