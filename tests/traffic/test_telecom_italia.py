from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from tests.traffic.telecom import DAY, MIDNIGHT, STEP, full_day, write_day, write_grid

from odflow import read_cells, read_telecom_italia
from odflow.errors import DataError, FormatError, OdflowError, UsageError
from odflow.traffic import telecom_italia
from odflow.traffic.city_grid import read_grid

MI, TN = "sms-call-internet-mi-2013-11-01.txt", "sms-call-internet-tn-2013-11-01.txt"
ROWS = [
    (1, 0, 0, 0.5, None, None, None, None),
    (1, 0, 39, 0.25, 0.125, 1, 2, 11.5),
    (1, 0, 33, None, None, None, 4, "1e-1"),
    (1, 2, 39, None, None, None, None, None),
    (10000, 2, 39, None, 3, None, None, 7),
]


def test_sums_over_countries_and_directions(tmp_path: Path) -> None:
    x = read_telecom_italia(write_day(tmp_path / MI, ROWS))
    assert x.dims == ("time", "cell", "service")
    assert (x.name, x.shape) == ("traffic", (3, 10_000, 3))
    assert x["service"].values.tolist() == ["sms", "call", "internet"]
    np.testing.assert_allclose(x.sel(cell="1").values[0], [0.875, 7, 11.6], rtol=1e-15)
    np.testing.assert_array_equal(x.sel(cell="10000").values, [[0, 0, 0], [np.nan] * 3, [3, 0, 7]])
    assert np.isnan(x.values[1]).all()  # no row at all: not measured
    assert float(x[0].sum()) + float(x[2].sum()) == pytest.approx(29.475, rel=1e-14)
    assert x["time"].values.astype("M8[m]").astype(str).tolist() == [f"2013-10-31T23:{k}" for k in ("00", "10", "20")]
    assert x.attrs["interval_s"] == 600.0
    assert x.attrs["local_time"] == "UTC+1 (times are UTC)"
    first, last = x.sel(cell="1"), x.sel(cell="9901")
    assert (float(first["x_m"]), float(first["y_m"])) == (117.5, 117.5)
    assert (float(last["x_m"]), float(last["y_m"])) == (117.5, 99.5 * 235)
    assert float(x.sel(cell="100")["x_m"]) == 99.5 * 235


@pytest.mark.parametrize("quirk", ["windows", "bom", "gzip", "no last line end", "empty lines", "gzip without suffix"])
def test_quirks_change_nothing(quirk: str, tmp_path: Path) -> None:
    plain = read_telecom_italia(write_day(tmp_path / MI, ROWS))
    path = write_day(tmp_path / MI, ROWS, "\r\n" if quirk == "windows" else "\n")
    data = path.read_bytes()
    if quirk.startswith("gzip"):
        path = path.with_name(MI + ".gz") if quirk == "gzip" else path
        data = gzip.compress(data)
    data = {"bom": b"\xef\xbb\xbf" + data, "no last line end": data[:-1], "empty lines": b"\n" + data + b"\n"}.get(
        quirk, data
    )
    path.write_bytes(data)
    assert read_telecom_italia(path).identical(plain)


def test_blocks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    at = zip(rng.integers(1, 10_001, 5000), rng.integers(0, 144, 5000), rng.random((5000, 5)), strict=True)
    path = write_day(tmp_path / MI, [(square, step, 39, *activity) for square, step, activity in at])
    whole = read_telecom_italia(path)
    monkeypatch.setattr(telecom_italia, "_BLOCK_BYTES", 4000)
    np.testing.assert_allclose(read_telecom_italia(path), whole, rtol=1e-14)


def test_squares_in_the_order_asked_for(tmp_path: Path) -> None:
    path = write_day(tmp_path / MI, ROWS)
    x = read_telecom_italia(path, [10000, "5000", 1])
    assert x["cell"].values.tolist() == ["10000", "5000", "1"]
    assert x.identical(read_telecom_italia(path).sel(cell=["10000", "5000", "1"]))
    np.testing.assert_array_equal(read_telecom_italia(path, [7])[[0, 2]], np.zeros((2, 1, 3)))  # others were measured


def test_several_days_and_a_day_between(tmp_path: Path) -> None:
    for day in (0, 2):
        write_day(tmp_path / f"sms-call-internet-mi-2013-11-0{day + 1}.txt", full_day([3, 4], day))
    (tmp_path / "milano-grid.geojson").write_text("ignored")
    x = read_telecom_italia(tmp_path, squares=[3, 4])
    assert x.sizes["time"] == 3 * 144
    assert (x.values[:144] == [0, 2, 1]).all()
    assert np.isnan(x.values[144:288]).all()
    assert (x.values[288:] == [0, 2, 1]).all()
    assert (np.diff(x["time"].values) == np.timedelta64(600, "s")).all()
    paths = sorted(tmp_path.glob("*.txt"))
    for given in (paths, paths[::-1], str(tmp_path / "sms*mi-2013-11-*.txt")):
        assert read_telecom_italia(given, squares=[3, 4]).identical(x)
    assert read_cells(tmp_path).sel(cell=["3", "4"]).identical(x)
    assert read_cells(paths[0]).sizes == {"time": 144, "cell": 10_000, "service": 3}
    copy = tmp_path / f"{paths[0].name}.gz"
    copy.write_bytes(gzip.compress(paths[0].read_bytes()))
    with pytest.raises(DataError, match=r"txt\.gz: has the interval 2013-10-31T23:00 UTC, and so has .*01\.txt"):
        read_telecom_italia(tmp_path)


def test_hours_are_sums_of_whole_hours(tmp_path: Path) -> None:
    rows = [row for row in full_day([5]) if row[1] != 8]
    x = read_telecom_italia(write_day(tmp_path / MI, rows), [5], "1h")
    assert x.attrs["interval_s"] == 3600.0
    assert x["time"].values[[0, -1]].astype("M8[h]").astype(str).tolist() == ["2013-10-31T23", "2013-11-01T22"]
    assert np.isnan(x.values[1]).all()  # ten minutes of it are missing
    assert (np.delete(x.values, 1, axis=0) == [0, 12, 6]).all()
    with pytest.raises(UsageError, match="interval is '5min', expected '10min' or '1h'"):
        read_telecom_italia(tmp_path / MI, interval="5min")


def test_trento_has_the_squares_that_occur_or_those_of_the_grid(tmp_path: Path) -> None:
    path = write_day(tmp_path / TN, [(38, 0, 39, 1, 1, None, None, 2), (11454, 0, 39, None, None, None, None, 5)])
    x = read_telecom_italia(path)
    assert x["cell"].values.tolist() == ["38", "11454"]
    assert x["x_m"].values.tolist() == [37_500.0, 104_500.0]  # 117 squares of 1 km in a row
    assert x["y_m"].values.tolist() == [500.0, 97_500.0]
    grid = write_grid(tmp_path / "trentino-grid.geojson", [38, 39, 11454], 117)
    y = read_telecom_italia(path, grid=grid)
    assert y["cell"].values.tolist() == ["38", "39", "11454"]
    np.testing.assert_array_equal(y.values[0], [[2, 0, 2], [0, 0, 0], [0, 0, 5]])
    assert y["longitude"].values == pytest.approx([11.375, 11.385, 12.045])
    assert y["latitude"].values == pytest.approx([46.005, 46.005, 46.975])
    assert y.identical(read_telecom_italia(path, grid=read_grid(grid)))
    assert read_telecom_italia(path, ["11454"], grid=grid)["latitude"].item() == pytest.approx(46.975)
    write_day(path, [(38, 0, 39, 1, 1, None, None, 2), (40, 0, 39, 1, 1, None, None, 2)])
    with pytest.raises(FormatError, match=r"11-01\.txt:2: square_id 40 is not in the grid"):
        read_telecom_italia(path, grid=grid)
    with pytest.raises(UsageError, match="square '40' is not in the grid of trento"):
        read_telecom_italia(path, [40], grid=grid)


GOOD = f"1\t{MIDNIGHT}\t39\t1\t\t\t\t2"
BAD = {
    f"1\t{MIDNIGHT}\t39\t1\t\t\t2": "has 7 columns, expected 8 with tabs between: square_id",
    f"1\t{MIDNIGHT}\t39\t1\t\t\t\t2\t": "has 9 columns",
    f"1,{MIDNIGHT},39,1,,,,2": "has 1 columns",
    f"1\t{MIDNIGHT}\t39\tmany\t\t\t\t2": "sms_in is 'many', expected a number",
    f"1\t{MIDNIGHT}\t39\t\t\t\t-1\t2": "call_out is '-1', expected a number, not negative",
    f"1\t{MIDNIGHT}\t39\t\t\t\t\tnan": "internet is 'nan'",
    f"1\t{MIDNIGHT}\t39\t\t\t\t\t1e999": "internet is not finite",
    f"1.5\t{MIDNIGHT}\t39\t\t\t\t\t1": "square_id is '1.5', expected a whole number",
    f"\t{MIDNIGHT}\t39\t\t\t\t\t1": "square_id is ''",
    f"1\t{MIDNIGHT}\t\t\t\t\t\t1": "country_code is ''",
    f"1\t{MIDNIGHT}\tIT\t\t\t\t\t1": "country_code is 'IT'",
    f"0\t{MIDNIGHT}\t39\t\t\t\t\t1": "square_id 0 is not in the grid",
    f"10001\t{MIDNIGHT}\t39\t\t\t\t\t1": "square_id 10001 is not in the grid",
    f"1\t{MIDNIGHT // 1000}\t39\t\t\t\t\t1": "time_interval 1383260400 is not from October 2013 to February 2014",
    f"1\t{MIDNIGHT + 1}\t39\t\t\t\t\t1": "is not the start of ten minutes",
}


@pytest.mark.parametrize("line", BAD)
@pytest.mark.parametrize("number", [1, 3000])
def test_wrong_lines_are_named(line: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telecom_italia, "_BLOCK_BYTES", 20_000)
    path = tmp_path / MI
    path.write_text("\n".join([GOOD] * (number - 1) + [line, GOOD]) + "\n")
    with pytest.raises(FormatError, match=re.escape(f"{path}:{number}: ") + ".*" + re.escape(BAD[line])) as caught:
        read_telecom_italia(path)
    assert "\n" not in str(caught.value)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / (MI + ".gz")
    rng = np.random.default_rng(0)
    lines = "".join(f"1\t{MIDNIGHT}\t39\t{x}\t\t\t\t2\n" for x in rng.random(20_000))
    path.write_bytes(gzip.compress(lines.encode())[:-1000])
    with pytest.raises(FormatError, match=re.escape(str(path))):
        read_telecom_italia(path)
    path.write_bytes(b"\x1f\x8b nonsense")
    with pytest.raises(FormatError, match=r"gz: is damaged"):
        read_telecom_italia(path)
    for data, message in ((b"", "is empty"), (b"\n\n", "has no rows|cannot be read"), (b"\x00\xff", "columns")):
        path.write_bytes(data)
        with pytest.raises(OdflowError, match=message):
            read_telecom_italia(path)


def test_which_city(tmp_path: Path) -> None:
    both = [write_day(tmp_path / name, ROWS) for name in (MI, TN)]
    with pytest.raises(UsageError, match="of both cities"):
        read_telecom_italia(both)
    other = write_day(tmp_path / "day.txt", ROWS)
    for read in (read_telecom_italia, read_cells):
        with pytest.raises(UsageError, match=r"day\.txt: the name tells no city; .* city='milano' or 'trento'"):
            read(other)
    assert read_telecom_italia(other, city="milano").identical(read_telecom_italia(both[0]))
    with pytest.raises(UsageError, match="city is 'rome'"):
        read_telecom_italia(other, city="rome")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(OdflowError, match="no such file"):
        read_telecom_italia(tmp_path / MI)
    with pytest.raises(OdflowError, match="no such files"):
        read_telecom_italia(tmp_path / "*.txt")
    with pytest.raises(OdflowError, match="no such files"):
        read_telecom_italia([])
    with pytest.raises(OdflowError, match="has no files such as sms-call-internet-mi"):
        read_telecom_italia(tmp_path)
    path = write_day(tmp_path / MI, ROWS)
    with pytest.raises(UsageError, match="give a list of labels"):
        read_telecom_italia(path, "12")
    for squares in ([], [1, 1]):
        with pytest.raises(UsageError, match="at least one, and each once"):
            read_telecom_italia(path, squares)


def test_years_of_nothing_are_refused(tmp_path: Path) -> None:
    path = write_day(tmp_path / MI, [*ROWS, (1, 150 * DAY // STEP, 39, 1, 1, 1, 1, 1)])
    with pytest.raises(FormatError, match=r"txt:6: time_interval \d+ is not from October 2013"):
        read_telecom_italia(path)
