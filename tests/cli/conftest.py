"""A small network as files, and the command line called in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

from odflow.cli import main
from odflow.network.model import Network
from odflow.network.routing import Routing
from odflow.traffic.files import write
from odflow.traffic.plausible import PlausibleTraffic, plausible_traffic


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
