"""Small networks and the real-data folder, shared by all tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from odflow.network.model import Link, Network, Node
from odflow.network.routing import Routing

# a shell starts background jobs with SIGINT ignored, and children inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)


def _real_data_folder() -> Path:
    given = os.environ.get("ODFLOW_REAL_DATA")
    return Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; the test is skipped where it is missing."""
    folder = _real_data_folder()
    if not folder.is_dir():
        pytest.skip("real-data folder not found (../shared/data; set ODFLOW_REAL_DATA to its place)")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread, if it is loaded: small tensors are quicker without help."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def diamond() -> Network:
    """Four nodes, all metrics 1: a-b (two parallel links), a-c, b-d and c-d, each in both directions."""
    ends = {"ab1": "ab", "ab2": "ab", "ac": "ac", "bd": "bd", "cd": "cd"}
    links = [Link(name, s, t, capacity=1e9, metric=1.0) for name, (s, t) in ends.items()]
    back = {"ba1": "ba", "ba2": "ba", "ca": "ca", "db": "db", "dc": "dc"}
    links += [Link(name, s, t, capacity=1e9, metric=1.0) for name, (s, t) in back.items()]
    nodes = tuple(Node(name, latitude, longitude) for name, latitude, longitude in _PLACES)
    return Network(nodes, tuple(links), name="diamond")


_PLACES = (("a", 0.0, 0.0), ("b", 1.0, 1.0), ("c", -1.0, 1.0), ("d", 0.0, 2.0))


@pytest.fixture(scope="session")
def diamond_routing(diamond: Network) -> Routing:
    """ECMP routing of the diamond with access links."""
    return Routing.shortest_path(diamond)
