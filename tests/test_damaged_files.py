"""Valid files with damage anywhere: a reader refuses them with one line, or reads something that can be used."""

from __future__ import annotations

import io
import json
import struct
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import odflow as of
from odflow.cli import main
from odflow.errors import OdflowError, OdflowWarning
from odflow.labels import check_demands, check_loads
from odflow.network.model import Network
from odflow.network.routing import Routing
from odflow.traffic.counters import read_interfaces, read_polls
from odflow.traffic.files import read_demands, read_loads, write
from odflow.traffic.polling import simulate_polls

Damage = list[tuple[str, float, int, bytes]]

PIECES = st.sampled_from([b"", b"\0", b"\xff", b",", b'"', b"\n", b"-", b"nan", b"inf", b"1e999", b"[", b"{}", b"null"])
DAMAGE = st.lists(
    st.tuples(st.sampled_from(["cut", "flip", "put", "drop"]), st.floats(0, 1), st.integers(0, 40), PIECES),
    min_size=1,
    max_size=4,
)
quick = settings(max_examples=60, deadline=None)


def damaged(data: bytes, damage: Damage) -> bytes:
    for kind, where, length, piece in damage:
        at = int(where * len(data))
        match kind:
            case "cut":
                data = data[:at]
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ (1 << length % 8)]) + data[at + 1 :]
            case "put":
                data = data[:at] + piece + data[at:]
            case "drop":
                data = data[:at] + data[at + length :]
    return data


def outcome(read: Callable[[Path], Any], path: Path) -> Any:
    """What was read, or None after an error of ours on one line; no other error or warning may pass."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", OdflowWarning)
        result, message = None, ""
        try:
            result = read(path)
        except OdflowError as error:
            message = str(error)
    assert message.isprintable()
    return result


@pytest.fixture(scope="module")
def matrices() -> xr.DataArray:
    rng = np.random.default_rng(0)
    times = np.datetime64("2026-01-05", "ns") + np.arange(12) * np.timedelta64(2, "h")
    return of.labels.demands(rng.uniform(1e6, 9e6, (12, 4, 4)), times, list("abcd"), 7200)


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, matrices: xr.DataArray, diamond: Network, diamond_routing: Routing
) -> Path:
    """Where the good files are."""
    folder = tmp_path_factory.mktemp("damaged")
    loads = diamond_routing.loads(matrices)
    for suffix in ("csv", "nc", "parquet"):
        write(matrices, folder / f"demands.{suffix}")
        write(loads, folder / f"loads.{suffix}")
    polls, interfaces, _ = simulate_polls(loads, network=diamond, period_s=7200, seed=1)
    for name, frame in (("polls", polls), ("interfaces", interfaces)):
        frame.to_csv(folder / f"{name}.csv", index=False)
        frame.to_parquet(folder / f"{name}.parquet")
    of.GaussianPosterior(rank=3).fit(matrices).save(folder / "model.safetensors")
    return folder


READERS: dict[str, Callable[[Path], Any]] = {
    **dict.fromkeys(("demands.csv", "demands.nc", "demands.parquet"), lambda path: check_demands(read_demands(path))),
    **dict.fromkeys(("loads.csv", "loads.nc", "loads.parquet"), lambda path: check_loads(read_loads(path))),
    **dict.fromkeys(("polls.csv", "polls.parquet"), read_polls),
    **dict.fromkeys(("interfaces.csv", "interfaces.parquet"), read_interfaces),
    "model.safetensors": of.load,
}


@pytest.mark.parametrize("name", READERS)
def test_undamaged_samples_are_read(folder: Path, name: str):
    assert outcome(READERS[name], folder / name) is not None


# not .nc: reading a damaged file has been seen to run without end; what is tried below comes back
@pytest.mark.parametrize("name", [name for name in READERS if not name.endswith(".nc")])
@quick
@given(damage=DAMAGE)
def test_nothing_but_our_errors(folder: Path, name: str, damage: Damage):
    path = folder / f"damaged-{name}"
    path.write_bytes(damaged((folder / name).read_bytes(), damage))
    outcome(READERS[name], path)


@pytest.mark.parametrize("name", ["demands.nc", "loads.nc"])
def test_a_netcdf_file_cut_anywhere_is_refused(folder: Path, name: str):
    data, path = (folder / name).read_bytes(), folder / f"cut-{name}"
    for size in np.linspace(1, len(data) - 1, 40).astype(int):
        path.write_bytes(data[:size])
        assert outcome(READERS[name], path) is None


@pytest.mark.parametrize("name", ["demands.nc", "loads.nc"])
def test_no_value_changes_unnoticed_in_netcdf(folder: Path, name: str):
    """Data blocks carry checksums: a flipped bit is noticed, or hit nothing that counts."""
    whole = READERS[name](folder / name)
    path = folder / f"flipped-{name}"
    good, rng = (folder / name).read_bytes(), np.random.default_rng(0)
    for at in rng.integers(0, len(good), 150):
        data = bytearray(good)
        data[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        read = outcome(READERS[name], path)
        if read is not None and read.sizes == whole.sizes:
            np.testing.assert_array_equal(read.values, whole.values)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | st.sampled_from(["", "x", "25h", "-1s", "nan"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["ab1", "x"]), inner, max_size=2),
    max_leaves=4,
)
FIELDS = ("kind", "estimator", "parameters", "nodes", "history_end", "odflow")
PARAMETERS = (
    "noise",
    "half_life",
    "window",
    "weeks",
    "correlation",
    "pooling",
    "floor",
    "rank",
    "sweeps",
    "screen",
    "x",
)


def with_header(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A model whose JSON header was changed."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    ours = json.loads(header["__metadata__"]["odflow"])
    change(ours)
    header["__metadata__"]["odflow"] = json.dumps(ours)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


@settings(max_examples=150, deadline=None)
@given(place=st.sampled_from(FIELDS + PARAMETERS), value=JSON, drop=st.booleans())
def test_models_with_another_header(
    folder: Path,
    diamond_routing: Routing,
    matrices: xr.DataArray,
    place: str,
    value: Any,
    drop: bool,
):
    def change(header: dict[str, Any]) -> None:
        target = header if place in FIELDS else header["parameters"]
        target[place] = value
        if drop:
            del target[place]

    def read_and_use(path: Path) -> Any:
        return of.load(path).estimate(diamond_routing.loads(matrices), diamond_routing)

    path = folder / "header.safetensors"
    path.write_bytes(with_header((folder / "model.safetensors").read_bytes(), change))
    estimate = outcome(read_and_use, path)
    assert estimate is None or (np.isfinite(estimate) & (estimate >= 0)).all()


CONFIG = """# as for odflow estimate
network = "net.csv"
method = "kl"
noise = 0.05
quantiles = [".1", ".9"]
top = 3
json = true
"""


@settings(max_examples=80, deadline=None)
@given(damage=DAMAGE)
def test_configuration_files(folder: Path, damage: Damage):
    path = folder / "run.toml"
    path.write_bytes(damaged(CONFIG.encode(), damage))
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["estimate", f"{folder}/nothing.nc", "-o", f"{folder}/x.nc", "--config", str(path)])
    assert (code, out.getvalue()) == (2, "")
    assert err.getvalue().startswith("odflow: error: ")
    assert err.getvalue().count("\n") == 1
