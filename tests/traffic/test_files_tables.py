"""CSV and Parquet: known answers, and errors that name the line."""

import gzip
import time
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odflow.errors import FormatError, LabelError, OdflowError, UnitError, UsageError
from odflow.traffic.files import read_demands, read_loads

LONG = "time,origin,destination,demand\n"
TWO = LONG + "2024-01-01T00:00Z,a,b,1\n2024-01-01T00:05Z,b,a,2.5\n"
fuzz = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def written(tmp_path):
    def write(text, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_long_csv_known_answer(written):
    tm = read_demands(written(TWO))
    assert tm.name == "demand"
    assert tm.dims == ("time", "origin", "destination")
    assert tm["origin"].values.tolist() == tm["destination"].values.tolist() == ["a", "b"]
    np.testing.assert_array_equal(tm["time"].values, np.array(["2024-01-01T00:00", "2024-01-01T00:05"], "M8[ns]"))
    nan = np.nan  # pairs without a row are not measured
    np.testing.assert_array_equal(tm.values, [[[nan, 1], [nan, nan]], [[nan, nan], [2.5, nan]]])
    assert tm.attrs == {"units": "bit/s", "interval_s": 300.0}


def test_wide_csv_known_answer(written):
    tm = read_demands(written("Time, a->b ,b->a\n2024-01-01 00:05,3,\n2024-01-01 00:00,1,2\n"), unit="kbit/s")
    nan = np.nan
    np.testing.assert_array_equal(tm.values, [[[nan, 1e3], [2e3, nan]], [[nan, 3e3], [nan, nan]]])
    assert tm["origin"].values.tolist() == ["a", "b"]


def test_loads_long_and_wide_agree(written):
    long = read_loads(written("time,link,load\n0,x,1\n300,x,3\n0,in:a,2\n300,in:a,\n", "long.csv"))
    wide = read_loads(written("time,x,in:a\n0,1,2\n300,3,\n", "wide.csv"))
    np.testing.assert_array_equal(long.values, [[1, 2], [3, np.nan]])
    assert long["link"].values.tolist() == ["x", "in:a"]
    assert wide.identical(long)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-03-31T02:30:00+02:00", "2024-03-31T00:30"),
        ("2024-03-31T00:30:00Z", "2024-03-31T00:30"),
        ("2024-03-31 00:30", "2024-03-31T00:30"),
        ("2024-03-31T06:00+0530", "2024-03-31T00:30"),
        ("1711845000", "2024-03-31T00:30"),
        ("1711845000.250", "2024-03-31T00:30:00.250"),
        ("2024-03-31", "2024-03-31"),
        ("0", "1970-01-01"),
    ],
)
def test_times_are_utc(written, text, utc):
    tm = read_demands(written(f"{LONG}{text},a,b,1\n"), interval="5min")
    assert tm["time"].values[0] == np.datetime64(utc, "ns")


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("bit/s", 1), ("bps", 1), ("kbit/s", 1e3), ("kbps", 1e3), ("Mbit/s", 1e6), ("Mbps", 1e6), ("mbps", 1e6),
        ("MBITPERSEC", 1e6), ("Gb/s", 1e9), ("byte/s", 8), ("B/s", 8), ("kB/s", 8e3), ("MBps", 8e6), ("octets/s", 8),
    ],
)  # fmt: skip
def test_units(written, unit, factor):
    tm = read_demands(written(f"{LONG}0,a,b,3\n"), unit=unit, interval=60)
    assert tm.sel(origin="a", destination="b").item() == 3 * factor


BAD = {
    "not a number": (LONG + "0,a,b,1\n300,a,b,oops\n", ":3: demand is 'oops', expected a number"),
    "underscore": (LONG + "0,a,b,1_000\n", ":2: demand is '1_000'"),
    "negative": (LONG + "0,a,b,1\n\n300,a,b,-4\n", ":4: demand -4 cannot be traffic"),
    "infinite": (LONG + "0,a,b,inf\n", ":2: demand inf cannot be traffic"),
    "overflow": (LONG + "0,a,b,1e999\n", ":2: demand inf cannot be traffic"),
    "fields": (LONG + "0,a,b,1\n300,a,b\n", ":3: has 3 fields where 4 are due"),
    "too many": (LONG + "0,a,b,1,9\n", ":2: has 5 fields where 4 are due"),
    "twice": (LONG + "0,a,b,1\n1970-01-01,a,b,2\n", ":3: time 1970-01-01T00:00:00, origin a, destination b occurred"),
    "no time": (LONG + ",a,b,1\n", ":2: the time is empty"),
    "no origin": (LONG + "0, ,b,1\n", ":2: the origin is empty"),
    "word as time": (LONG + "now,a,b,1\n", ":2: time 'now' is neither ISO 8601"),
    "local date": (LONG + "01/02/2024,a,b,1\n", ":2: time '01/02/2024' is neither ISO 8601"),
    "compact date": (LONG + "20240101,a,b,1\n", ":2: time '20240101' is either a date or Unix seconds"),
    "milliseconds": (LONG + "1711845000000,a,b,1\n", ":2: time '1711845000000' is too large for Unix seconds"),
    "no month": (LONG + "2024-13-01,a,b,1\n", ":2: time '2024-13-01' is neither"),
    "far future": (LONG + "3000-01-01,a,b,1\n", ":2: time '3000-01-01' is neither"),
    "latin-1": (LONG.encode() + b"0,Z\xfcrich,b,1\n", ":2: is not UTF-8 text"),
    "no rows": (LONG, ": has a header and no rows"),
    "no header": ("\n\n", ": is not a CSV file with a header"),
    "empty": ("", ": is empty"),
    "wrong header": ("time,from,to,demand\n0,a,b,1\n", ":1: header is 'time,from,to,demand', expected time,"),
    "no value column": ("time,origin,destination\n0,a,b\n", ":1: header is 'time,origin,destination', expected time,"),
    "column twice": ("time,origin,destination,demand,demand\n", ":1: column 'demand' occurs twice"),
    "pair twice": ("time,a->b,a -> b\n0,1,2\n", ":1: pair 'a -> b' occurs twice"),
    "wide time twice": ("time,a->b\n0,1\n0,2\n", ":3: time 1970-01-01T00:00:00 occurred before"),
    "wide negative": ("time,a->b\n0,1\n300,-2\n", ":3: 'a->b': -2 cannot be traffic"),
    "quality hole": ("time,origin,destination,demand,quality\n0,a,b,1,0\n", "every cell needs a row"),
    "quality empty": ("time,origin,destination,demand,quality\n0,a,a,1,\n", ":2: quality is empty"),
    "two intervals": (
        "time,origin,destination,demand,interval_s\n0,a,b,1,300\n300,a,b,1,60\n",
        ":3: interval_s is 60, expected the same",
    ),
    "binary": (b"\x00\x01\x02", "is not a CSV file with a header"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_csv_names_the_place(written, name):
    text, message = BAD[name]
    with pytest.raises(OdflowError) as caught:
        read_demands(written(text), interval="5min")
    assert message in str(caught.value)
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_interval_must_be_known_and_fit(written):
    one = written(LONG + "0,a,b,1\n")
    with pytest.raises(UsageError, match="pass interval='5min'"):
        read_demands(one)
    assert read_demands(one, interval="15min").attrs["interval_s"] == 900
    with pytest.raises(UsageError, match="every 300 s, so intervals of 3600 s would overlap"):
        read_demands(written(TWO), interval="1h")
    for wrong in ("soon", "-5min", 0, "nan", float("nan")):
        with pytest.raises(UsageError, match="interval"):
            read_demands(one, interval=wrong)
    gap = read_demands(written(LONG + "".join(f"{t},a,b,1\n" for t in (0, 300, 600, 6000)), "gap.csv"))
    assert gap.attrs["interval_s"] == 300


def test_unknown_unit(written):
    with pytest.raises(UnitError, match="unknown unit 'MBPS'; use bit/s"):
        read_demands(written(TWO), unit="MBPS")


def test_nodes_order_superset_and_rename(written):
    path = written(TWO)
    tm = read_demands(path, nodes=["c", "b", "a"])
    assert tm["origin"].values.tolist() == ["c", "b", "a"]
    assert tm.sel(origin="a", destination="b").values[0] == 1
    assert np.isnan(tm.sel(origin="c")).all()
    with pytest.raises(LabelError, match=r"has node 'b' where 'B' is asked for.*rename=\{'b': 'B'\}"):
        read_demands(path, nodes=["a", "B"])
    assert read_demands(path, nodes=["B", "a"], rename={"b": "B"}).sel(origin="a", destination="B").values[0] == 1
    with pytest.raises(LabelError, match="has no node 'x' to rename"):
        read_demands(path, rename={"x": "y"})
    with pytest.raises(LabelError, match="two nodes the name 'a'"):
        read_demands(path, rename={"b": "a"})
    with pytest.raises(UsageError, match="give a list of labels"):
        read_demands(path, nodes="ab")


def test_semicolons_bom_and_gzip(written):
    text = "\ufeff" + TWO.replace(",", ";")
    assert read_demands(written(text)).identical(read_demands(written(TWO, "plain.csv")))
    zipped = written(gzip.compress(TWO.encode()), "t.csv.gz")
    assert read_demands(zipped).identical(read_demands(written(TWO, "plain.csv")))
    with pytest.raises(OdflowError, match="cannot be read"):
        read_demands(written(gzip.compress(TWO.encode())[:-9], "cut.csv.gz"))


def test_quoted_header(written):
    tm = read_demands(written('"time","origin","destination","demand"\n0,a,b,1\n300,a,b,2\n'))
    assert tm.sel(origin="a", destination="b").values.tolist() == [1, 2]
    loads = read_loads(written('time,"l,1",m\n0,1,2\n300,3,4\n', "wide.csv"))
    assert loads["link"].values.tolist() == ["l,1", "m"]
    assert loads.sel(link="l,1").values.tolist() == [1, 3]


def test_quoted_labels_and_empty_values(written):
    tm = read_demands(written(LONG + '0,"a, b",c,\n0,c,"a, b",NaN\n300,c,c,0\n'))
    assert tm["origin"].values.tolist() == ["a, b", "c"]
    assert np.isnan(tm.values).sum() == 7
    assert tm.sel(origin="c", destination="c").values[1] == 0


def test_million_rows_with_one_bad_row_take_seconds(tmp_path):
    stamps = np.datetime_as_string(np.datetime64("2020-01-01", "s") + 300 * np.arange(2500), unit="s")
    rows = [f"{t},r{o},r{d},{o}.{d}5" for t in stamps for o in range(20) for d in range(20)]
    rows[777_775] = "2020-01-01T00:00:00,r1,r2,12x"
    path = tmp_path / "big.csv"
    path.write_text(LONG + "\n".join(rows) + "\n")
    begin = time.perf_counter()
    with pytest.raises(FormatError, match=r"big\.csv:777777: demand is '12x', expected a number"):
        read_demands(path)
    assert time.perf_counter() - begin < 15  # about 2 s; the rest is for a busy machine


def test_foreign_parquet(tmp_path):
    path = tmp_path / "t.parquet"
    times = pa.array([0, 300_000, 0], pa.timestamp("ms", tz="Europe/Berlin"))
    table = {"time": times, "origin": ["a", "a", "b"], "destination": ["b", "b", "a"], "demand": pa.array([1, 2, None])}
    pyarrow.parquet.write_table(pa.table(table), path)
    tm = read_demands(path, unit="Mbit/s")
    np.testing.assert_array_equal(tm.sel(origin="a", destination="b"), [1e6, 2e6])
    assert tm["time"].values[0] == np.datetime64("1970-01-01")
    assert np.isnan(tm.sel(origin="b")).all()


def test_bad_parquet(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(FormatError, match="cannot be read as Parquet"):
        read_demands(path)
    pyarrow.parquet.write_table(pa.table({"time": [0], "origin": ["a"], "demand": [1.0]}), path)
    with pytest.raises(FormatError, match="has no column 'destination'"):
        read_demands(path)
    columns = {"time": [0, 300], "origin": ["a", "a"], "destination": ["b", "b"], "demand": [1.0, -1.0]}
    pyarrow.parquet.write_table(pa.table(columns), path)
    with pytest.raises(FormatError, match="row 2: demand -1 cannot be traffic"):
        read_demands(path)
    pyarrow.parquet.write_table(pa.table(columns | {"demand": ["x", "y"]}), path)
    with pytest.raises(FormatError, match="cannot be read as Parquet"):
        read_demands(path)


WORDS = (
    ",0,1,a,b,nan,inf,-1,1e309,2024-01-01,2024-01-01T00:05Z,now,0x1,é,->,a->b,"
    "time,origin,destination,demand,link,load,quality,valid,bound,sample,quantile,interval_s"
)
CELL = st.sampled_from(['"', *WORDS.split(",")]) | st.text(max_size=5)
LINES = st.lists(st.lists(CELL, max_size=6).map(",".join), max_size=6).map("\n".join)


@fuzz
@given(text=LINES | LINES.map(LONG.__add__) | st.text(max_size=60).map(lambda t: "time,link,load\n" + t))
def test_only_odflow_errors_escape_csv(tmp_path, text):
    path = tmp_path / "fuzz.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for read in (read_demands, read_loads):
            array, message = None, "fuzz.csv"
            try:
                array = read(path, interval="1s")
            except OdflowError as error:
                message = str(error)
            assert "fuzz.csv" in message
            assert "\n" not in message
            assert array is None or not (array.values < 0).any()


@fuzz
@given(data=st.binary(max_size=300))
def test_only_odflow_errors_escape_binary(tmp_path, data):
    for name in ("t.parquet", "t.csv.gz", "t.csv", "t.nc"):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(OdflowError):
            read_loads(path)
