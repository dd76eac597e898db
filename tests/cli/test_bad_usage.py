"""Bad options, outputs, configuration files and names of data sets: one line each, naming the place."""

from __future__ import annotations

import pytest

COLUMNS = "id,source,target,capacity,metric\n"

OPTIONS = {
    "--noise -1": "noise is -1, expected 0 or more (0.05 = 5 %)",
    "--noise abc": 'Invalid value for --noise: unable to convert "abc" into float',
    "--noise nan": "noise is nan, expected 0 or more",
    "--noise inf": "noise is inf, expected 0 or more",
    "--history history.nc --quantiles 1.5": "quantiles are [1.5], expected increasing values between 0 and 1",
    "--history history.nc --quantiles .9,.1": "quantiles are [0.9, 0.1], expected increasing values",
    "--history history.nc --quantiles abc": "Invalid value for --quantiles: 'abc' is not a number",
    "--history history.nc --quantiles ,": "Invalid value for --quantiles: it is empty",
    "--method kl --quantiles .5": "only --method moments, simulated-prior, gaussian, student-t, loads-and-history, "
    "stacked, diffusion-posterior, stacked-pretrained, diffusion-pretrained give quantiles",
    "--method nope": 'Invalid value "nope" for --method. Choose from: "auto", "gravity"',
    "--method gaussian": "--method gaussian learns from past traffic matrices; give --history",
    "--method gravity --history history.nc": "--method gravity uses no history; leave --history out",
    "--missing maybe": 'Invalid value "maybe" for --missing',
    "--metric miles": 'Invalid value "miles" for --metric',
    "--half-life 5": "Unknown option: --half-life",
    "--top many": 'Invalid value for --top: unable to convert "many" into int',
    "--unit": "parameter --unit requires an argument",
    "--known-error x": "Invalid value for --known-error",
    "--routing routing.csv": "give either --network NET or --routing FILE, not both",
    "--save-model m.pkl": "cannot write 'm.pkl': the suffix must be '.safetensors'",
    "--save-model none/m.safetensors": "cannot write to none: no such folder",
    "--network no.xml": "specified multiple times",
    "more.nc": "Unused Tokens: ['more.nc']",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_options_of_estimate(refused, options):
    refused(f"estimate loads.nc --network net.csv -o x.nc {options}", OPTIONS[options], {})


COMMANDS = {
    "nonsense": 'Unknown command "nonsense"',
    "estmate loads.nc": 'Unknown command "estmate". Did you mean "estimate"?',
    "network shw net.csv": 'Unknown command "shw". Did you mean "show"?',
    "estimate": "parameter LOADS requires an argument",
    "estimate loads.nc -n net.csv": "parameter --output requires an argument",
    "estimate loads.nc -o x.nc": "give either --network NET or --routing FILE",
    "estimate loads.nc -n no.xml -o x.nc": "no.xml: no such file",
    "network show": "parameter NET requires an argument",
    "network convert net.csv": "parameter OUT requires an argument",
    "route": "parameter NET requires an argument",
    "route net.csv": "parameter --output requires an argument",
    "diagnose": "parameter NET requires an argument",
    "data fetch": 'Unknown command "fetch". Available commands: list, get, check',
    "data list abilene": "Unused Tokens: ['abilene']",
    "data get nope": "unknown data set 'nope'; use one of abilene, geant, bell_labs, cmu",
    "data get abilene nope": "unknown data set 'nope'; use one of abilene",
    "data check nope": "unknown data set 'nope'; use one of abilene",
    "data check abilene": "data set 'abilene' is not here; run 'odflow data get abilene', or set ODFLOW_REAL_DATA",
    "benchmark estimation --dataset nope": "unknown data set 'nope'; there are abilene",
    "benchmark estimation --dataset geant --json x.json": "data set 'geant' is not here; run 'odflow data get",
    "benchmark estimation --methods nope": "unknown method 'nope'; methods are gravity",
    "benchmark estimation --methods": "no method to compare; choose from gravity",
    "benchmark estimation --noise -1": "noise=-1 makes no sense; give a value from 0",
    "benchmark estimation --noise x": 'Invalid value for --noise: unable to convert "x" into float',
    "benchmark estimation --missing-links 2": "missing_links=2 makes no sense; give a value from 0 to 1",
    "benchmark estimation --seed -1": "seed=-1 makes no sense",
    "benchmark estimation --json x.txt": "cannot write 'x.txt': the suffix must be '.json'",
    "benchmark estimation --markdown none/x.md": "cannot write to none: no such folder",
    "benchmark estimation --nope": "Unknown option: --nope",
    "benchmark speed --parts nope": "unknown part 'nope' of the speed benchmark; parts are projection, sizes",
    "benchmark speed --max-nodes 0": "max_nodes=0; the smallest generated network has 12 nodes",
    "benchmark speed --max-nodes x": "Invalid value for --max-nodes",
    "benchmark speed --json x.txt": "cannot write 'x.txt': the suffix must be '.json'",
    "demo --seed -1": 'Invalid value "-1" for --seed. Must be >= 0',
    "demo --seed x": "Invalid value for --seed",
    "demo --network topohub:nope": "topohub has no 'nope'; its groups are",
    "demo --network no.xml": "no.xml: no such file",
    "demo --network topohub:gabriel/125/0": "the demo needs a network of 2 to 100 nodes; this one has 125",
    "demo --metric miles": 'Invalid value "miles" for --metric',
    "demo -o net.csv": "cannot write to net.csv: not a folder",
    "demo -o none/demo": "cannot write to none: no such folder",
    "demo -o .": "holds other files",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(refused, command):
    refused(command, COMMANDS[command], {})


def test_demo_of_a_network_that_cannot_be_routed(refused):
    refused("demo --network n.csv", "link 'l' has no metric; give one", {"n.csv": COLUMNS + "l,a,b,,\n"})


OUTPUTS = {
    "x.txt": "cannot write 'x.txt': the suffix must be one of '.nc', '.zarr', '.parquet', '.csv'",
    "x": "cannot write 'x': the suffix must be one of",
    "folder": "cannot write 'folder': the suffix must be one of",
    "none/x.nc": "cannot write to none: no such folder",
    "loads.csv/x.nc": "cannot write to loads.csv: not a folder",
    "loads.nc": "output 'loads.nc' is also an input",
    "folder/../net.csv": "output 'folder/../net.csv' is also an input",
    "history.nc": "output 'history.nc' is also an input",
    "''": "cannot write '.': the suffix must be one of",
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_outputs_of_estimate(refused, output):
    refused(f"estimate loads.nc -n net.csv --history history.nc -o {output}", OUTPUTS[output], {})


def test_outputs_in_the_way(refused, workplace):
    (workplace / "taken.nc").mkdir()
    (workplace / "lost.nc").symlink_to("none/lost.nc")
    refused("estimate loads.nc -n net.csv -o taken.nc", "cannot write taken.nc: it is a folder", {})
    refused("estimate loads.nc -n net.csv -o lost.nc", "cannot write lost.nc: No such file or directory", {})


TOML = {
    "unknown key": ("nosie = 0.1", 'Unknown option: "[nosie]" from run.toml'),
    "unknown table": ("[estimate]\nnoise = 0.1", 'Unknown option: "[estimate][noise]" from run.toml'),
    "no value": ("top = 3\nnoise = ", "run.toml: is not valid TOML"),
    "quote not closed": ("method = 'kl", "run.toml: is not valid TOML"),
    "key twice": ("noise = 1\nnoise = 2", "run.toml: is not valid TOML: Cannot overwrite a value"),
    "number too long": (f"noise = {'9' * 5000}", "run.toml: is not valid TOML"),
    "nested too deep": (f"noise = {'[' * 5000}", "run.toml: is not valid TOML"),
    "text for a number": ("noise = 'much'", 'Invalid value for [noise] from run.toml: unable to convert "much"'),
    "true for a number": ("noise = true", "Invalid value for [noise] from run.toml"),
    "list for a number": ("noise = [1, 2]", "Invalid value for [noise] from run.toml"),
    "date for a number": ("noise = 2026-01-01", "Invalid value for [noise] from run.toml"),
    "unknown method": ("method = 'best'", 'Invalid value "best" for [method] from run.toml'),
    "negative noise": ("noise = -1", "noise is -1, expected 0 or more"),
    "an argument": ("loads = 'loads.nc'", 'Unknown option: "[loads]" from run.toml'),
    "empty": ("", "run.toml: is empty"),
    "UTF-16": ("noise = 1".encode("utf-16"), "run.toml: is UTF-16 text"),
    "binary": (bytes(range(256)), "run.toml: is not a text file"),
}


@pytest.mark.parametrize("name", TOML)
def test_configuration_files(refused, name):
    content, message = TOML[name]
    refused("estimate loads.nc -n net.csv -o x.nc --config run.toml", message, {"run.toml": content})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--config no.toml", "no.toml: no such file"),
        ("--config folder", "folder: is a folder, expected a file"),
        ("--config", "parameter --config requires an argument"),
    ],
)
def test_configuration_files_that_are_none(refused, options, message):
    refused(f"benchmark estimation {options}", message, {})


def test_data_set_that_is_damaged(refused, workplace, monkeypatch):
    (workplace / "abilene.npz").write_bytes(b"PK\x03\x04 and then nothing")
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(workplace))
    refused("benchmark estimation --dataset abilene --json x.json", "abilene.npz: is damaged", {})
    (workplace / "abilene.npz").unlink()
    (workplace / "abilene.npz").symlink_to(workplace / "loads.nc")
    refused("benchmark estimation --dataset abilene --json x.json", "abilene.npz: is damaged", {})
