"""A small network as files, and the command line called in this process."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

import odflow as of
from odflow.cli import main
from odflow.network.epochs import RoutingEpochs
from odflow.network.formats import write_network
from odflow.network.model import Network
from odflow.network.routing import Routing
from odflow.traffic.files import write
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic
from odflow.traffic.polling import simulate_polls

Content = str | bytes | int | tuple[int | str, str] | Callable[[xr.Dataset], xr.Dataset]


@dataclass(frozen=True)
class Ran:
    """What a command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


@pytest.fixture
def odflow(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command and return what it did."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def files(tmp_path: Path, traffic: xr.DataArray, diamond: Network, diamond_routing: Routing) -> Path:
    """A folder with net.graphml, routing.csv, history.nc (one week), truth.nc and loads.nc (a day)."""
    history, truth = traffic[:84], traffic[84:96]
    diamond.write(tmp_path / "net.graphml")
    diamond_routing.write(tmp_path / "routing.csv")
    write(history, tmp_path / "history.nc")
    write(truth, tmp_path / "truth.nc")
    write(diamond_routing.loads(truth), tmp_path / "loads.nc")
    return tmp_path


@pytest.fixture(scope="session")
def traffic(diamond: Network) -> xr.DataArray:
    """Two weeks of two-hour intervals on the diamond."""
    return plausible_traffic(diamond, PlausibleTraffic(weeks=2, interval="2h", total=1e9), seed=3)


@pytest.fixture(scope="session")
def good_files(
    tmp_path_factory: pytest.TempPathFactory, traffic: xr.DataArray, diamond: Network, diamond_routing: Routing
) -> Path:
    """A folder with every kind of input, all of it right: a network, a week of history and the day after."""
    folder = tmp_path_factory.mktemp("good")
    history, truth = traffic[:84], traffic[84:96]
    loads = diamond_routing.loads(truth)
    for suffix in ("csv", "gml", "graph", "graphml", "txt", "xml"):
        diamond.write(folder / f"net.{suffix}")
    write_network(diamond, folder / "totem.xml", "totem")
    epochs = RoutingEpochs.from_events(diamond_routing, [(truth["time"].values[6], ["ab1"])])
    for suffix in ("csv", "nc"):
        diamond_routing.write(folder / f"routing.{suffix}")
        epochs.write(folder / f"epochs.{suffix}")
    for suffix in ("csv", "nc", "parquet"):
        for name, array in (("history", history), ("truth", truth), ("loads", loads)):
            write(array, folder / f"{name}.{suffix}")
    polls, interfaces, _ = simulate_polls(loads, network=diamond, period_s=7200, wraps=0.5, seed=1)
    polls.to_csv(folder / "polls.csv", index=False)
    polls.to_parquet(folder / "polls.parquet")
    interfaces.to_csv(folder / "map.csv", index=False)
    of.GaussianPosterior().fit(history).save(folder / "model.safetensors")
    (folder / "folder").mkdir()
    return folder


@pytest.fixture
def workplace(good_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the good files, as the current folder, without any data set."""
    folder = tmp_path / "work"
    shutil.copytree(good_files, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(tmp_path / "no-data"))
    monkeypatch.setenv("ODFLOW_CACHE", str(tmp_path / "no-cache"))
    return folder


@pytest.fixture
def refused(workplace: Path, odflow: Callable[..., Ran]) -> Callable[[str, str, Mapping[str, Content]], None]:
    """Check that a command refuses bad files: exit code 2, one line that holds a text, nothing written.

    Outputs are named ``x.*``; existing ones stay as they are. Files are given as their content (text, bytes) or as
    what changes the good file of that name: how many bytes are left of it, a line number and its new text,
    what to replace by what, or a function of its dataset.
    """

    def check(command: str, message: str, files: Mapping[str, Content]) -> None:
        for name, content in files.items():
            _spoil(workplace / name, content)
        _refuses(odflow, workplace, command, message)
        outputs = [token for token in shlex.split(command) if token.startswith("x.")]
        for output in outputs:
            (workplace / output).write_bytes(b"as it was")
        if outputs:
            _refuses(odflow, workplace, command, message)

    return check


def _refuses(odflow: Callable[..., Ran], folder: Path, command: str, message: str) -> None:
    before = _everything(folder)
    ran = odflow(*shlex.split(command))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("odflow: error: ")
    assert ran.err.count("\n") == 1
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert _everything(folder) == before


def _everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def _spoil(path: Path, content: Content) -> None:
    match content:
        case str():
            path.write_text(content, encoding="utf-8")
        case bytes():
            path.write_bytes(content)
        case int():
            path.write_bytes(path.read_bytes()[:content])
        case (int(number), text):
            lines = path.read_text().split("\n")
            lines[number - 1] = text
            path.write_text("\n".join(lines))
        case (str(old), new):
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new))
        case change:
            dataset = change(xr.load_dataset(path, engine="h5netcdf"))
            for variable in dataset.variables.values():
                variable.encoding = {}
            dataset.to_netcdf(path, engine="h5netcdf")
