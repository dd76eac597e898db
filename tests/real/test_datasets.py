"""The real data sets: protocol splits, routing that fits, originals that assemble to the same."""

import tarfile

import numpy as np
import pytest

from odflow import data as public
from odflow.errors import NetworkError
from odflow.traffic import originals
from odflow.traffic.datasets import abilene, bell_labs, check, cmu, geant

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def _here(real_data, monkeypatch):
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(real_data))


def arrays(real_data, name):
    with np.load(real_data / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def span(array):
    return array["time"].values[[0, -1]].astype("M8[m]").astype(str).tolist()


def test_abilene():
    data = abilene()
    assert data.demands.shape == (34272, 12, 12)
    assert span(data.train) == ["2004-03-01T00:00", "2004-07-16T23:55"]
    assert span(data.test) == ["2004-07-17T00:00", "2004-07-23T23:55"]
    assert (data.train.sizes["time"], data.test.sizes["time"]) == (32256, 2016)
    assert data.loads is None
    assert np.shares_memory(data.train.values, data.demands.values)
    assert data.demands["valid"].all()
    link = next(link for link in data.network.links if link.id == "ATLAng->IPLSng")
    assert (link.capacity, link.metric) == (2.48e9, 587)
    assert len(data.routing.links) == 54
    assert float(data.demands.sel(origin="ATLA-M5", destination="ATLAng")[0]) == pytest.approx(522208, rel=6e-8)
    assert data.sha256 == check("abilene").sha256
    assert public.abilene is abilene


def test_geant():
    data = geant()
    assert (data.train.sizes["time"], data.test.sizes["time"]) == (7392, 672)
    assert span(data.demands) == ["2005-01-01T00:30", "2005-04-01T11:45"]
    assert int((~data.demands["valid"]).sum()) == 22
    loads = data.routing.loads(data.test)
    assert loads.sizes["link"] == 120
    np.testing.assert_allclose(loads.sel(link="in:12"), data.test.sel(origin="12").sum("destination"))
    with pytest.raises(NetworkError, match="has no metric; give one, or route by metric='hops'"):
        data.routing.without(links=["10->3"])
    assert data.routing.without(links=["10->3"], metric="hops").matrix[0].nnz == 0


def test_bell_labs(real_data):
    data = bell_labs()
    assert (data.train.sizes["time"], data.test.sizes["time"]) == (143, 144)
    np.testing.assert_allclose(data.routing.loads(data.demands), data.loads, rtol=1e-6)
    assert span(data.demands) == ["1999-02-22T00:02", "1999-02-22T23:52"]
    # the unit was decided by this: flows are whole bytes per 297 s
    flows = arrays(real_data, "bell_labs")["X"]
    small = flows[(flows > 0) & (flows < 1000)]
    whole = {s: float((np.abs(small * s - np.rint(small * s)) < 2e-3).mean()) for s in range(290, 306)}
    assert max(whole, key=whole.get) == 297
    assert whole.pop(297) > 0.8
    assert max(whole.values()) < 0.02
    assert float(data.demands[0].sel(origin="fddi", destination="local")) == 39825.19 * 8


def test_cmu(real_data):
    data = cmu()
    assert (data.train.sizes["time"], data.test.sizes["time"]) == (236, 237)
    raw = arrays(real_data, "cmu")
    np.testing.assert_allclose(data.routing.loads(data.demands), raw["Y_full"] * 8 / 300, rtol=1e-12)
    across = data.demands.sel(origin=["1", "2", "3", "4"], destination=[str(n) for n in range(5, 13)])
    loads = data.routing.loads(data.demands)
    np.testing.assert_allclose(loads.sel(link="r1->r2"), across.sum(("origin", "destination")), rtol=1e-12)


def test_geant_flags_and_routing_can_be_had_from_the_originals(real_data):
    raw = arrays(real_data, "geant")
    total = raw["tm"].astype(float).sum((1, 2))
    np.testing.assert_array_equal(np.abs(np.log(total / np.median(total))) < np.log(4), raw["valid"])
    nodes = raw["nodes"].tolist()
    ends = [(nodes[a], nodes[b]) for a, b in zip(raw["link_src"], raw["link_dst"], strict=True)]
    np.testing.assert_array_equal(originals.few_hops(nodes, ends), raw["A"])


def test_geant_archive_assembles_to_the_same(real_data, tmp_path, monkeypatch):
    monkeypatch.setattr(originals, "_GEANT_TMS", 4)
    with tarfile.open(tmp_path / "traffic-matrices-anonymized-v2.tar.bz2", "w:bz2") as tar:
        for path in (real_data / "formats" / "totem-geant").iterdir():
            tar.add(path, arcname=f"traffic-matrices/{path.name}")
    made, raw = originals.geant(tmp_path), arrays(real_data, "geant")
    np.testing.assert_allclose(made["tm"], raw["tm"][:4], rtol=1.3e-7)  # both are float32
    for name in ("nodes", "A", "link_labels", "link_src", "link_dst"):
        np.testing.assert_array_equal(made[name], raw[name])
    np.testing.assert_array_equal(made["timestamps"], raw["timestamps"][:4])


def test_abilene_files_assemble_to_the_same(real_data, tmp_path, monkeypatch):
    monkeypatch.setattr(originals, "_WEEKS", ("X01",))
    monkeypatch.setattr(originals, "_WEEK", 36)
    raw = arrays(real_data, "abilene")
    nodes = raw["nodes"].tolist()
    lines = ["router", "name city latitude longitude"]
    lines += [f"{node}\tCity\t{lat}\t{lon}" for node, lat, lon in zip(nodes, raw["lat"], raw["lon"], strict=True)]
    costs = zip(raw["link_src"], raw["link_dst"], raw["link_capacity_mbps"], raw["link_ospf_metric"], strict=True)
    lines += [
        "link",
        *(f"{nodes[a]}\t{nodes[b]}\t{capacity * 1e3:.0f} {metric:.0f}" for a, b, capacity, metric in costs),
    ]
    (tmp_path / "topo-2003-04-10.txt").write_text("\n".join(lines))
    (tmp_path / "X01.gz").write_bytes((real_data / "formats" / "zhang" / "X01-36").read_bytes())
    made = originals.abilene(tmp_path)
    np.testing.assert_array_equal(made["tm"], raw["tm"][:36])
    np.testing.assert_array_equal(made["timestamps"], raw["timestamps"][:36])
    for name in set(made) - {"tm", "timestamps", "interval_s"}:
        np.testing.assert_array_equal(made[name], raw[name])


def test_bell_labs_and_cmu_assemble_to_the_same(real_data, tmp_path):
    raw = arrays(real_data, "bell_labs")
    nodes = ("fddi", "switch", "local", "corp")
    names = [f"{a}->{b}" for a in nodes for b in nodes] + [f"src {a}" for a in nodes] + [f"dst {b}" for b in nodes[:3]]
    lines = ["row.names,value,nme,method,time,od,orig,dest,node"]
    for x, y, hours in zip(raw["X"], raw["Y"], raw["tvec"], strict=True):
        clock = str(np.datetime64("1999-02-22", "s") + round(hours * 3600))[11:]
        values = zip(names, [*x, *y], strict=True)
        lines += [f"1,{value:.6e},{name},obs,(02/22/99 {clock}),1,,," for name, value in values]
    (tmp_path / "1router.csv").write_text("\n".join(lines))
    made = originals.bell_labs(tmp_path)
    for name in ("X", "Y", "A"):
        np.testing.assert_allclose(made[name], raw[name], rtol=1e-6)
    np.testing.assert_allclose(made["tvec"], raw["tvec"], atol=1e-9)

    raw = arrays(real_data, "cmu")
    np.savetxt(
        tmp_path / "cmu_X.csv", raw["X"], delimiter=",", header=",".join(f"V{k}" for k in range(144)), comments=""
    )
    made = originals.cmu(tmp_path)
    np.testing.assert_array_equal(made["X"], raw["X"])
    np.testing.assert_array_equal(made["A_full"], raw["A_full"])
