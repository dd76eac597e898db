"""Exit codes, messages, start-up time: what holds for every command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import odflow.cli.network as network_commands
from odflow import __version__
from odflow.cli import main
from odflow.errors import OdflowWarning


def test_version(odflow):
    ran = odflow("--version")
    assert (ran.code, ran.out.strip(), ran.err) == (0, f"odflow {__version__}", "")


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_lists_every_command(odflow, arguments):
    ran = odflow(*arguments)
    assert ran.code == 0
    for command in ["demo", "counters", "estimate", "network", "route", "diagnose", "evaluate", "benchmark", "data"]:
        assert f"│ {command} " in ran.out
    assert "odflow demo" in ran.out


@pytest.mark.parametrize(
    "command",
    [
        ("demo",),
        ("counters",),
        ("estimate",),
        ("network", "show"),
        ("network", "convert"),
        ("route",),
        ("diagnose",),
        ("evaluate",),
        ("benchmark", "estimation"),
        ("benchmark", "speed"),
        ("data", "list"),
        ("data", "get"),
        ("data", "check"),
    ],
)
def test_help_of_each_command(odflow, command):
    ran = odflow(*command, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: odflow {' '.join(command)}")
    # every option is explained: no name is followed by nothing but its type or default
    assert "[default: ()]" not in ran.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), 'Unknown command "nonsense"'),
        (("route", "net.xml"), "--output requires an argument"),
        (("route", "net.xml", "-o", "r.csv", "--metric", "miles"), 'Invalid value "miles" for --metric'),
        (("route", "net.xml", "-o", "r.csv", "--fial", "x"), "Unknown option: --fial. Did you mean --fail?"),
        (("estimate", "l.nc", "-o", "x.nc", "--noise", "much"), 'unable to convert "much" into float'),
        (("estimate", "l.nc", "-o", "x.nc", "--quantiles", ".1,x"), "'x' is not a number"),
        (("demo", "--seed", "-1"), "Must be >= 0"),
        (("network", "show", "missing.xml"), "missing.xml: no such file"),
        (("network", "show", "topohub:sndlib/nowhere"), "topohub has no 'sndlib/nowhere'"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(odflow, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = odflow(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("odflow: error: ")
    assert ran.err.count("\n") == 1
    assert message in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (MemoryError(), 2, "odflow: error: not enough memory"),
        (PermissionError(13, "Permission denied", "net.xml"), 2, "odflow: error: net.xml: Permission denied\n"),
        (OSError(28, "No space left on device"), 2, "odflow: error: No space left on device\n"),
        (KeyboardInterrupt(), 130, "odflow: interrupted\n"),
        (ValueError("oh\ndear"), 1, "odflow: error: internal error, ValueError: oh dear; this is a bug in odflow"),
    ],
)
def test_exceptions_become_one_line(odflow, monkeypatch, error, code, text):
    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(network_commands, "open_network", fail)
    ran = odflow("network", "show", "net.xml")
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(text)
    assert ran.err.count("\n") == 1


def test_debugging_shows_where(monkeypatch):
    def fail(_: str) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(network_commands, "open_network", fail)
    monkeypatch.setenv("ODFLOW_DEBUG", "1")
    with pytest.raises(ValueError, match="a bug"):
        main(["network", "show", "net.xml"])


def test_own_warnings_are_one_line_each_and_once_others_are_silent(odflow, monkeypatch, diamond):
    def warn(_: str) -> object:
        for _time in range(2):
            warnings.warn("counter\n'x' is odd", OdflowWarning, stacklevel=2)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("library chatter", DeprecationWarning, stacklevel=2)
        return diamond

    monkeypatch.setattr(network_commands, "open_network", warn)
    monkeypatch.setattr(sys, "warnoptions", [])
    ran = odflow("network", "show", "net.xml")
    assert (ran.code, ran.err) == (0, "odflow: warning: counter 'x' is odd\n")


def test_warnings_are_afterwards_as_they_were(odflow):
    before, show = list(warnings.filters), warnings.showwarning
    odflow("--version")
    assert warnings.filters == before
    assert warnings.showwarning is show


def test_configuration_file(odflow, files):
    config = files / "run.toml"
    config.write_text(f'network = "{files}/net.graphml"\nmethod = "gravity"\nnoise = 0.05\nquantiles = []\n')
    ran = odflow("estimate", files / "loads.nc", "-o", files / "a.nc", "--json", "--config", config)
    assert json.loads(ran.out)["method"] == "Gravity"
    ran = odflow("estimate", files / "loads.nc", "-o", files / "a.nc", "--json", f"--config={config}", "--method", "kl")
    assert json.loads(ran.out)["method"] == "KLProjection"


@pytest.mark.parametrize(
    ("text", "message"),
    [("methud = 'kl'", "methud"), ("method = [", "run.toml"), ("method = 'best'", "best"), (None, "run.toml")],
)
def test_faulty_configuration_file(odflow, files, text, message):
    config = files / "run.toml"
    if text is not None:
        config.write_text(text)
    ran = odflow("estimate", files / "loads.nc", "-o", files / "a.nc", "--config", config)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert message in ran.err
    assert not (files / "a.nc").exists()


def _seconds(*command: str) -> float:
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        best = min(best, time.perf_counter() - begin)
    return best


def test_import_and_help_start_quickly():
    bare = _seconds("-c", "pass")
    assert _seconds("-c", "import odflow") - bare < 0.3
    assert _seconds("-m", "odflow", "--help") < 0.5


def test_help_loads_no_heavy_library():
    heavy = ["torch", "numpy", "scipy", "pandas", "xarray", "matplotlib", "pyarrow", "networkx", "h5py"]
    code = f"import sys; from odflow.cli import main; main(['--help']); print([m for m in {heavy} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_goes_away_is_no_error(unbuffered):
    command = [sys.executable, "-m", "odflow", "network", "show", "topohub:sndlib/germany50", "--links"]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        ran = subprocess.run(command, env=environment, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (141, "")


def test_names_that_the_terminal_cannot_show(tmp_path: Path):
    (tmp_path / "net.csv").write_text("id,source,target,capacity,metric\nü→,Zürich,Łódź,1,1\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "odflow", "network", "show", str(tmp_path / "net.csv"), "--links"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Z?rich" in ran.stdout


def test_told_to_end_while_writing_leaves_nothing(tmp_path):
    code = """
import os, signal, sys, time
from odflow import cli, files
def app(tokens):
    def run(*_, **__):
        with files.replacing("out.nc") as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
    return run
cli._app = app
sys.exit(cli.main())
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr, list(tmp_path.iterdir())) == (143, "", [])
