"""Zhang's X files: unit, columns, times by name, errors that name the line."""

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odflow.errors import OdflowError
from odflow.traffic.files import read_demands
from odflow.traffic.zhang import ABILENE, COLUMNS, WEEKS

fuzz = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
# two nodes, two rows; column c of pair p in row t is 1000 t + 10 p + c
TINY = "\n".join(" ".join(f"{1000 * t + 10 * p + c}" for p in range(4) for c in range(1, 6)) for t in range(2)) + "\n"


def tiny(tmp_path, text=TINY, name="X01"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(("column", "number"), [("measured", 1), *((c, c) for c in range(1, 6)),
                                                *((name, i) for i, name in enumerate(COLUMNS, 1))])  # fmt: skip
def test_columns_and_unit(tmp_path, column, number):
    tm = read_demands(tiny(tmp_path), nodes=["p", "q"], column=column)
    raw = np.array([[number, 10 + number, 20 + number, 30 + number], [1000 + number + 10 * p for p in range(4)]])
    np.testing.assert_allclose(tm.values.reshape(2, 4), raw * 100 * 8 / 300, rtol=1e-15)
    assert tm.attrs["column"] == COLUMNS[number - 1]
    assert tm.attrs["interval_s"] == 300


def test_times_by_the_readme_or_by_start(tmp_path):
    assert len(WEEKS) == 24
    for week in ("X01", "X03", "X24"):
        tm = read_demands(tiny(tmp_path, name=week), nodes=["p", "q"])
        start = np.datetime64({"X01": "2004-03-01", "X03": "2004-04-02", "X24": "2004-09-04"}[week], "ns")
        assert tm["time"].values.tolist() == [start.astype(int), start.astype(int) + 300 * 10**9]
    with pytest.raises(OdflowError, match="states no time; pass start="):
        read_demands(tiny(tmp_path, name="Y"), nodes=["p", "q"])
    tm = read_demands(tiny(tmp_path, name="Y"), nodes=["p", "q"], start="2024-01-01T00:05")
    assert tm["time"].values[1] == np.datetime64("2024-01-01T00:10")


def test_several_files(tmp_path):
    for name in ("X02", "X01"):
        tiny(tmp_path, name=name)
    tm = read_demands(tmp_path, nodes=["p", "q"])
    assert tm["time"].values.astype("M8[m]").astype(str).tolist() == [
        "2004-03-01T00:00", "2004-03-01T00:05", "2004-03-08T00:00", "2004-03-08T00:05"]  # fmt: skip
    for name in ("X01", "X02"):
        (tmp_path / name).rename(tmp_path / name.lower())
    tm = read_demands(tmp_path, nodes=["p", "q"], start="2024-01-01")
    assert tm["time"].values[2] == np.datetime64("2024-01-01T00:10")
    tm = read_demands(tmp_path, nodes=["p", "q"], start=["2024-01-01", "2023-01-01"])
    assert tm["time"].values[0] == np.datetime64("2023-01-01")
    with pytest.raises(OdflowError, match="3 start times for 2 files"):
        read_demands(tmp_path, nodes=["p", "q"], start=["2024-01-01"] * 3)
    with pytest.raises(OdflowError, match=r"x01 and .*x02 both hold the time 2024-01-01T00:00:00"):
        read_demands(tmp_path, nodes=["p", "q"], start=["2024-01-01"] * 2)
    with pytest.raises(OdflowError, match="start: time 'today' is neither"):
        read_demands(tmp_path, nodes=["p", "q"], start="today")


def test_gzip_and_unpacked_files_still_called_gz(tmp_path):
    packed = tmp_path / "X01.gz"
    packed.write_bytes(gzip.compress(TINY.encode()))
    tm = read_demands(packed, nodes=["p", "q"])
    packed.write_text(TINY)
    assert read_demands(packed, nodes=["p", "q"]).identical(tm)
    packed.write_bytes(gzip.compress(TINY.encode())[:-6])
    with pytest.raises(OdflowError, match=r"X01\.gz: cannot be read"):
        read_demands(packed, nodes=["p", "q"])


def test_twelve_nodes_of_abilene_by_default(tmp_path):
    rows = " ".join(str(k) for k in range(720)) + "\n"
    tm = read_demands(tiny(tmp_path, rows * 2))
    assert tm["origin"].values.tolist() == list(ABILENE) == sorted(ABILENE)
    assert tm.sel(origin="ATLAng", destination="ATLA-M5").values[0] == 5 * 12 * 800 / 300


BAD = [
    (TINY.replace("11 ", "", 1), ":1: has 19 numbers where 20 are due"),
    (TINY.replace("1011 ", "", 1), ":2: has 19 numbers where 20 are due"),
    (TINY.replace("1011 ", "1011 7 ", 1), ":2: has 21 numbers where 20 are due"),
    (TINY.replace("1011 ", "x ", 1), ":2: value 6 is 'x', expected a number"),
    (TINY.replace("1011 ", "nan ", 1), ":2: value 6 is 'nan', expected a number"),
    ("\n" + TINY.replace("1011 ", "-3 ", 1), ":3: a demand of -3 cannot be traffic"),
    (TINY.replace("1011 ", "1e999 ", 1), ":2: a demand of inf cannot be traffic"),
    ("\n\n", ": holds no rows of 20 numbers"),
    ("", ": is empty"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[case[1] for case in BAD])
def test_bad_files_name_the_line(tmp_path, text, message):
    with pytest.raises(OdflowError) as caught:
        read_demands(tiny(tmp_path, text), nodes=["p", "q"], format="zhang")
    assert f"X01{message}" in str(caught.value)


def test_options_that_make_no_sense(tmp_path):
    path = tiny(tmp_path)
    for column in (0, 6, True, "realod", None):
        with pytest.raises(OdflowError, match="does not exist; use 'measured', 1 to 5"):
            read_demands(path, nodes=["p", "q"], column=column)
    with pytest.raises(OdflowError, match="have a unit of their own"):
        read_demands(path, nodes=["p", "q"], unit="bit/s")
    with pytest.raises(OdflowError, match=":1: has 20 numbers where 45 are due"):
        read_demands(path, nodes=["p", "q", "r"])
    with pytest.raises(OdflowError, match="nodes names 'p' more than once"):
        read_demands(path, nodes=["p", "p"])


@fuzz
@given(junk=st.text(max_size=8), cut=st.integers(0, len(TINY)), skip=st.integers(0, 60))
def test_only_odflow_errors_escape(tmp_path, junk, cut, skip):
    path = tmp_path / "X01"
    path.write_text(TINY[:cut] + junk + TINY[cut + skip :], encoding="utf-8", errors="replace")
    try:
        tm = read_demands(path, nodes=["p", "q"], format="zhang")
    except OdflowError:
        return
    assert (tm.values >= 0).all()
