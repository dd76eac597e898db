"""Data sets by name, without the real ones: places, downloads over loopback, checksums, messages."""

import gc
import gzip
import http.server
import io
import json
import tarfile
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from odflow.errors import DataError, FormatError, OdflowError, UsageError
from odflow.traffic import datasets, download, originals
from odflow.traffic.zhang import ABILENE

# connections that the http client keeps open are closed whenever it is collected, which is none of our business
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
NODES = ("fddi", "switch", "local", "corp")


def router_csv(times=("00:02:43", "00:07:44", "23:52:43"), scale=1.0):
    """Rows as in 1router.csv: flow k at time t is 100 t + k."""
    lines = ["row.names,value,nme,method,time,od,orig,dest,node"]
    for t, time in enumerate(times):
        flow = scale * (100 * t + np.arange(16.0).reshape(4, 4))
        named = [(f"{a}->{b}", flow[i, j]) for i, a in enumerate(NODES) for j, b in enumerate(NODES)]
        named += [(f"src {a}", flow[i].sum()) for i, a in enumerate(NODES)]
        named += [(f"dst {b}", flow[:, j].sum()) for j, b in enumerate(NODES)] + [("total", flow.sum())]
        lines += [f"1,{value:.6e},{name},obs,(02/22/99 {time}),1,a,b," for name, value in named]
    return "\n".join(lines) + "\n"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("ODFLOW_CACHE", str(folder))
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(tmp_path / "real"))
    return folder


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A loopback server of the folder ``web``, which notes what it was asked for."""
    web = tmp_path / "web"
    web.mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(web))

        def log_message(self, *_):
            asked.append(self.path)

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    address = f"http://127.0.0.1:{running.server_address[1]}"
    for name, files in download.ORIGINALS.items():
        local = tuple(replace(one, url=f"{address}/{one.file}") if one.url else one for one in files)
        monkeypatch.setitem(download.ORIGINALS, name, local)
    yield web, asked
    running.shutdown()
    running.server_close()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_download_assemble_and_read(cache, server):
    web, asked = server
    (web / "1router.csv").write_text(router_csv())
    path = datasets.get("bell_labs", progress=False)
    assert path == cache / "bell_labs.npz"
    assert asked == ["/1router.csv"]
    data = datasets.bell_labs()
    assert data.demands["origin"].values.tolist() == list(NODES)
    np.testing.assert_array_equal(data.demands.values[1].ravel(), 8 * (100 + np.arange(16)))  # byte/s
    assert data.loads["link"].values.tolist() == [f"in:{n}" for n in NODES] + [f"out:{n}" for n in NODES[:3]]
    np.testing.assert_allclose(data.routing.loads(data.demands), data.loads, rtol=1e-6)
    stamps = ["1999-02-22T00:02:43", "1999-02-22T00:07:44", "1999-02-22T23:52:43"]
    assert data.demands["time"].values.astype("M8[s]").astype(str).tolist() == stamps
    assert (data.train.sizes["time"], data.test.sizes["time"]) == (1, 2)
    assert data.demands.attrs["interval_s"] == 300
    assert "measured" in repr(data)
    assert "1 train, 2 test" in repr(data)
    assert datasets.get("bell_labs") == path
    path.unlink()
    assert datasets.get("bell_labs", progress=False) == path  # from the originals in the cache
    assert asked == ["/1router.csv"]
    assert not list(cache.rglob(".odflow-*"))


def test_checksums_are_recorded_at_first_use_and_checked_afterwards(cache, server):
    web, _ = server
    (web / "1router.csv").write_text(router_csv())
    path = datasets.get("bell_labs", progress=False)
    records = json.loads((cache / "sha256.json").read_text())
    assert set(records) == {"bell_labs/1router.csv", "bell_labs.npz"}
    found = datasets.check("bell_labs")
    assert found.path == path
    assert found.sha256 == found.recorded == records["bell_labs.npz"] == datasets.bell_labs().sha256
    path.write_bytes(path.read_bytes() + b"x")
    for use in (lambda: datasets.check("bell_labs"), datasets.bell_labs, lambda: datasets.get("bell_labs")):
        with pytest.raises(DataError, match=r"bell_labs\.npz: has changed since its first use"):
            use()
    path.unlink()
    (cache / "bell_labs" / "1router.csv").write_text(router_csv(scale=2))
    with pytest.raises(DataError, match=r"1router\.csv: has changed since its first use"):
        datasets.get("bell_labs", progress=False)
    (cache / "sha256.json").write_text("[]")
    with pytest.raises(OdflowError, match="not a list of checksums; delete it"):
        datasets.get("bell_labs", progress=False)
    (cache / "sha256.json").write_text("{")
    with pytest.raises(OdflowError, match=r"cannot be read .* delete it to start afresh"):
        datasets.get("bell_labs", progress=False)


def test_without_a_network_the_message_says_what_to_put_where(cache, server):
    with pytest.raises(OdflowError) as caught:
        datasets.get("bell_labs", progress=False)  # 404
    target = cache / "bell_labs" / "1router.csv"
    assert "cannot download http://127.0.0.1" in str(caught.value)
    assert f"put it at {target}, then run 'odflow data get bell_labs' again" in str(caught.value)
    assert not target.exists()
    target.write_text(router_csv())
    datasets.get("bell_labs", progress=False)
    assert datasets.bell_labs().demands.sizes["time"] == 3


def test_unreachable_server(cache, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    one = download.Original("1router.csv", "http://127.0.0.1:9/1router.csv")
    monkeypatch.setitem(download.ORIGINALS, "bell_labs", (one,))
    with pytest.raises(OdflowError, match=r"cannot download http://127.0.0.1:9/1router.csv \(ConnectionError\)"):
        datasets.get("bell_labs", progress=False)
    assert list((cache / "bell_labs").iterdir()) == []


def test_what_has_no_address_is_made_by_hand(cache):
    with pytest.raises(OdflowError, match=r"in R: .*write.csv\(cmu\$X, 'cmu_X.csv', row.names=FALSE\); put it at "):
        datasets.get("cmu")
    flows = np.arange(4 * 144.0).reshape(4, 144)
    header = ",".join(f'"V{k}"' for k in range(144))
    np.savetxt(cache / "cmu" / "cmu_X.csv", flows, delimiter=",", header=header, comments="")
    datasets.get("cmu")
    data = datasets.cmu()
    np.testing.assert_allclose(data.demands.values[2].ravel(), flows[2] * 8 / 300)
    loads = data.routing.loads(data.demands)
    across = data.demands.sel(origin=[str(n) for n in range(1, 5)], destination=[str(n) for n in range(5, 13)])
    np.testing.assert_allclose(loads.sel(link="r1->r2"), across.sum(("origin", "destination")))
    np.testing.assert_allclose(loads.sel(link="in:7"), data.demands.sel(origin="7").sum("destination"))
    np.testing.assert_allclose(loads.sel(link="out:7"), data.demands.sel(destination="7").sum("origin"))
    assert len(data.routing.links) == 26


def topology():
    """The form of topo-2003-04-10.txt: a ring of 12 both ways, and three chords."""
    lines = ["router", "# name\tcity\tlatitude\tlongitude"]
    lines += [f"{node}\tCity_XX\t{30 + k}.5\t-{80 + k}" for k, node in enumerate(ABILENE)]
    ends = [(k, (k + 1) % 12) for k in range(12)] + [(0, 6), (1, 7), (2, 8)]
    lines += ["", "link", "# from\tto\tcapacity(kbps) OSPF", ""]
    lines += [f"{ABILENE[a]}\t{ABILENE[b]}\t9920000 {100 + a + b}" for p, q in ends for a, b in ((p, q), (q, p))]
    return "\n".join(lines) + "\n"


def test_abilene_from_its_originals(cache, server, monkeypatch):
    web, asked = server
    monkeypatch.setattr(originals, "_WEEKS", ("X01", "X03"))
    monkeypatch.setattr(originals, "_WEEK", 3)
    kept = tuple(one for one in download.ORIGINALS["abilene"] if one.file[:3] in ("X01", "X03", "top"))
    monkeypatch.setitem(download.ORIGINALS, "abilene", kept)
    (web / "topo-2003-04-10.txt").write_text(topology())
    for week in ("X01", "X03"):
        rows = "".join(" ".join(str(1000 * t + k) for k in range(720)) + "\n" for t in range(3))
        (web / f"{week}.gz").write_bytes(gzip.compress(rows.encode()))
    path = datasets.get("abilene", progress=False)
    assert asked == ["/topo-2003-04-10.txt", "/X01.gz", "/X03.gz"]
    with np.load(path) as data:
        np.testing.assert_allclose(data["tm"][4].ravel(), (1000 + np.arange(0, 720, 5)) * 800 / 300 / 1e6, rtol=1e-6)
        assert data["timestamps"][[0, 3]].tolist() == [1078099200, 1080864000]  # 2004-03-01 and 2004-04-02
        assert data["A"].shape == (54, 144)
        assert data["link_labels"][0] == "ATLA-M5->ATLAng"
        assert data["link_ospf_metric"][0] == 101
        assert data["lat"][1] == 31.5
    with pytest.raises(DataError, match="data set 'abilene' has 6 TMs, the protocol needs 34272"):
        datasets.abilene()
    (cache / "abilene" / "X03.gz").write_bytes(gzip.compress(rows.splitlines()[0].encode()))
    (cache / "sha256.json").unlink()
    path.unlink()
    with pytest.raises(FormatError, match=r"X03\.gz: has 1 rows where a week has 3"):
        datasets.get("abilene", progress=False)


def test_geant_from_its_archive(cache, server, monkeypatch):
    web, _ = server
    monkeypatch.setattr(originals, "_GEANT_TMS", 3)
    links = "".join(
        f'<link id="{a}_{b}"><from node="{a}"/><to node="{b}"/></link>' for a, b in ("12", "21", "23", "32")
    )
    nodes = "".join(f'<node id="{n}"/>' for n in (3, 1, 2))
    domain = f"<domain><topology><nodes>{nodes}</nodes><links>{links}</links></topology></domain>"
    with tarfile.open(web / "traffic-matrices-anonymized-v2.tar.bz2", "w:bz2") as tar:
        files = {"topology-anonymised.xml": domain}
        for k in range(4):
            pairs = f'<src id="1"><dst id="3">{10**k}</dst></src>'
            time = f"<info><date>2005-01-01T0{k}:30:00</date><duration>900</duration></info>"
            text = f'<TrafficMatrixFile>{time}<IntraTM ASID="1">{pairs}</IntraTM></TrafficMatrixFile>'
            files[f"traffic-matrices/IntraTM-2005-01-01-0{k}-30.xml"] = text
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    path = datasets.get("geant", progress=False)
    with np.load(path) as data:
        np.testing.assert_allclose(data["tm"][:, 0, 2], [1e-3, 1e-2, 1e-1], rtol=1e-6)
        assert data["tm"].sum() == data["tm"][:, 0, 2].sum()
        assert data["nodes"].tolist() == ["1", "2", "3"]
        assert data["link_labels"][:6].tolist() == ["1->2", "2->1", "2->3", "3->2", "in:1", "out:1"]
        assert data["A"][:, 2].nonzero()[0].tolist() == [0, 2, 4, 9]  # 1->2, 2->3, in:1, out:3
        assert data["valid"].tolist() == [False, True, False]
    assert sorted(entry.name for entry in (cache / "geant").iterdir()) == ["traffic-matrices-anonymized-v2.tar.bz2"]


def test_damaged_originals_are_named(cache):
    for name, file, text, message in (
        ("bell_labs", "1router.csv", "<html>", "is not the 1router.csv of networkTomography"),
        ("bell_labs", "1router.csv", router_csv().replace("src fddi", "src"), "is not the 1router.csv"),
        ("bell_labs", "1router.csv", router_csv().replace("(02/22", "(22/22"), "is not the 1router.csv"),
        ("cmu", "cmu_X.csv", "a,b\n1,2\n", "has 2 columns where 144 numbers are due"),
        ("cmu", "cmu_X.csv", "a,b\n1,x\n", "is not a table of numbers"),
        ("geant", "traffic-matrices-anonymized-v2.tar.bz2", "<html>", "cannot be unpacked"),
    ):
        target = cache / name / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        (cache / "sha256.json").unlink(missing_ok=True)
        with pytest.raises(OdflowError, match=message) as caught:
            datasets.get(name)
        assert str(target) in str(caught.value)
        assert not (cache / f"{name}.npz").exists()


def test_places_in_order(cache, tmp_path, monkeypatch):
    assert datasets.available() == [(name, None) for name in ("abilene", "geant", "bell_labs", "cmu")]
    with pytest.raises(OdflowError, match="'cmu' is not here; run 'odflow data get cmu', or set ODFLOW_REAL_DATA"):
        datasets.cmu()
    with pytest.raises(OdflowError, match="'cmu' is not here"):
        datasets.check("cmu")
    for call in (datasets.get, datasets.check):
        with pytest.raises(UsageError, match="unknown data set 'nsfnet'; use one of abilene, geant, bell_labs, cmu"):
            call("nsfnet")
    cache.mkdir()
    arrays = originals.bell_labs(_with(tmp_path / "o", "1router.csv", router_csv()))
    np.savez(cache / "bell_labs.npz", **arrays)
    assert dict(datasets.available())["bell_labs"] == cache / "bell_labs.npz"
    for real in (tmp_path / "real", tmp_path / "shared" / "data"):
        real.mkdir(parents=True)
        np.savez(real / "bell_labs.npz", **arrays)
        assert dict(datasets.available())["bell_labs"].resolve() == real / "bell_labs.npz"
        assert datasets.check("bell_labs").recorded is None
        monkeypatch.delenv("ODFLOW_REAL_DATA")
        (tmp_path / "work").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "work")
        if real.name == "real":
            monkeypatch.setenv("ODFLOW_REAL_DATA", "")  # as if unset
    assert not (tmp_path / "shared" / "data" / "sha256.json").exists()


def _with(folder: Path, name: str, text: str) -> Path:
    folder.mkdir()
    (folder / name).write_text(text)
    return folder


def test_damaged_data_sets_are_named(cache, tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    good = originals.bell_labs(_with(tmp_path / "o", "1router.csv", router_csv()))
    path = real / "bell_labs.npz"
    np.savez(path, **good)
    assert datasets.bell_labs().demands.sizes["time"] == 3
    whole = path.read_bytes()
    for data in (b"nothing", whole[:100], whole[: len(whole) // 2], b"\x93NUMPY" + whole):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"bell_labs\.npz: is damaged"):
            datasets.bell_labs()
    for broken in (
        {name: good[name] for name in ("X", "Y", "A")},
        good | {"X": good["X"][:, :5]},
        good | {"tvec": np.array(["a", "b", "c"])},
        good | {"Y": good["Y"] * 2},
        good | {"A": good["A"] * 2},
        good | {"X": -good["X"]},
    ):
        np.savez(path, **broken)
        with pytest.raises(OdflowError) as caught:
            datasets.bell_labs()
        assert "\n" not in str(caught.value)


def test_no_address_of_a_download_is_other_than_http():
    addresses = [one.url for files in download.ORIGINALS.values() for one in files if one.url]
    assert len(addresses) == 18 + 1 + 1
    assert all(address.startswith("https://") for address in addresses)
