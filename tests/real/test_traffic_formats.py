"""The same real snapshots in every format agree with one another, within what each rounds."""

import time

import numpy as np
import pytest

from odflow.errors import LabelError, OdflowError
from odflow.traffic.files import read_demands, write

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def formats(real_data):
    return real_data / "formats"


@pytest.fixture(scope="module")
def truth(real_data):
    """First 36 Abilene TMs, bit/s; stored as float32 in Mbit/s, so right to 6e-8."""
    with np.load(real_data / "abilene.npz") as data:
        return data["tm"][:36].astype(float) * 1e6, [str(node) for node in data["nodes"]]


def test_zhang_measured_column(formats, truth):
    tm = read_demands(formats / "zhang" / "X01-36", start="2004-03-01")
    assert tm["origin"].values.tolist() == truth[1]
    np.testing.assert_allclose(tm.values, truth[0], rtol=6e-8)
    assert tm["time"].values[-1] == np.datetime64("2004-03-01T02:55")


def test_zhang_estimates_are_what_their_names_say(formats):
    path = formats / "zhang" / "X01-36"
    measured, simple = (read_demands(path, start="2004-03-01", column=column) for column in (1, 2))
    # the simple gravity model keeps row and column totals and is of rank 1
    for dim in ("origin", "destination"):
        np.testing.assert_allclose(simple.sum(dim), measured.sum(dim), rtol=0.02)
    tomogravity = read_demands(path, start="2004-03-01", column="simpleTomogravityOD")
    off = float(np.abs(tomogravity - measured).sum() / measured.sum())
    assert 0.01 < off < float(np.abs(simple - measured).sum() / measured.sum())


def test_totem_abilene(formats, truth):
    tm = read_demands(str(formats / "totem-abilene" / "TM-*.xml"))
    assert tm["origin"].values.tolist() == truth[1]
    np.testing.assert_allclose(tm.values, truth[0][:4], rtol=6e-8)
    assert tm["time"].values.astype("M8[m]").astype(str).tolist() == [f"2004-03-01T00:{m:02d}" for m in (0, 5, 10, 15)]
    assert tm.attrs["interval_s"] == 300


def test_sndlib_abilene(formats, truth):
    path = str(formats / "sndlib" / "demandMatrix-*.xml")
    tm = read_demands(path, rename={"ATLAM5": "ATLA-M5"}, nodes=truth[1])
    off_diagonal = ~np.eye(12, dtype=bool)
    # SNDlib rounds to 1e-6 Mbit/s and leaves out traffic within a node
    np.testing.assert_allclose(tm.values[:, off_diagonal], truth[0][:3, off_diagonal], rtol=6e-8, atol=0.5 + 1e-3)
    assert (tm.values[:, ~off_diagonal] == 0).all()
    assert tm.attrs["interval_s"] == 300
    with pytest.raises(LabelError, match=r"'ATLAM5' where 'ATLA-M5' is asked for.*rename=\{'ATLAM5': 'ATLA-M5'\}"):
        read_demands(path, nodes=truth[1])


def test_sndlib_planning_instances(formats):
    with pytest.raises(OdflowError, match="states no time"):
        read_demands(formats / "sndlib" / "sndlib_geant.xml")
    tm = read_demands(formats / "sndlib" / "sndlib_geant.xml", start="2005-01-01", interval="1h")
    assert tm.sel(origin="cz1.cz", destination="ny1.ny").item() == 13138e6
    assert tm.sizes["origin"] == 22


def test_totem_geant(formats, real_data):
    tm = read_demands(str(formats / "totem-geant" / "IntraTM-*.xml"))
    with np.load(real_data / "geant.npz") as data:
        assert tm["origin"].values.tolist() == data["nodes"].tolist()
        np.testing.assert_allclose(tm.values, data["tm"][:4].astype(float) * 1e6, rtol=6e-8)
        np.testing.assert_array_equal(tm["time"].values.astype("M8[s]").astype(int), data["timestamps"][:4])
    assert tm.attrs["interval_s"] == 900


def test_folders_with_other_files_name_the_stranger(formats):
    with pytest.raises(
        OdflowError, match=r"topology\.xml: is a TOTEM topology, not a traffic matrix; choose the files"
    ):
        read_demands(formats / "totem-abilene")


def test_every_array_format_holds_a_real_day(formats, tmp_path):
    tm = read_demands(formats / "zhang" / "X01-36", start="2004-03-01")
    for suffix in ("nc", "zarr", "parquet", "csv"):
        write(tm, tmp_path / f"tm.{suffix}")
        assert read_demands(tmp_path / f"tm.{suffix}").values.tobytes() == tm.values.tobytes()


def test_two_thousand_totem_files_in_seconds(formats, tmp_path):
    text = (formats / "totem-abilene" / "TM-2004-03-01-0015.xml").read_text()
    stamps = np.datetime64("2004-03-01", "m") + 5 * np.arange(2016)
    for stamp in np.datetime_as_string(stamps):
        (tmp_path / f"TM-{stamp.replace('T', '-').replace(':', '')}.xml").write_text(text)
    begin = time.perf_counter()
    tm = read_demands(tmp_path)
    assert time.perf_counter() - begin < 10
    assert tm.shape == (2016, 12, 12)
    assert (tm.values == tm.values[0]).all()
