"""Readers of polls and interface maps: exact values in, one clear line out for anything else."""

import gzip
import time
import warnings

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odflow.errors import FormatError, OdflowError
from odflow.traffic.counters import counters_to_loads, read_interfaces, read_polls
from odflow.traffic.polls import check_polls

HEADER = "time,node,interface,in_octets,out_octets\n"
MAP = "node,interface,direction,link\n"


def write(tmp_path, text, name="polls.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_octets_are_exact_up_to_64_bits(tmp_path):
    path = write(tmp_path, HEADER + "1704067200,r1,e0,18446744073709551615,9007199254740993\n1704067500,r1,e0,,0007\n")
    polls = read_polls(path)
    assert polls["in_octets"].dtype == "UInt64"
    assert int(polls["in_octets"][0]) == 2**64 - 1
    assert int(polls["out_octets"][0]) == 2**53 + 1
    assert polls["in_octets"].isna().tolist() == [False, True]
    assert int(polls["out_octets"][1]) == 7
    assert polls["time"].tolist() == [pd.Timestamp("2024-01-01 00:00"), pd.Timestamp("2024-01-01 00:05")]
    assert list(polls.columns) == ["time", "node", "interface", "in_octets", "out_octets"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1704067200", "2024-01-01T00:00:00"),
        ("1704067200.25", "2024-01-01T00:00:00.25"),
        ("1704067200.1", "2024-01-01T00:00:00.1"),
        ("1.7040672e9", "2024-01-01T00:00:00"),
        ("2024-01-01T00:00:00", "2024-01-01T00:00:00"),
        ("2024-01-01 00:00:00.5", "2024-01-01T00:00:00.5"),
        ("2024-01-01T02:00:00+02:00", "2024-01-01T00:00:00"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00"),
        ("0", "1970-01-01T00:00:00"),
    ],
)
def test_times(tmp_path, written, expected):
    polls = read_polls(write(tmp_path, f"{HEADER}{written},r1,e0,1,2\n"))
    assert polls["time"].dtype == "datetime64[ns]"
    assert polls["time"].to_numpy()[0] == np.datetime64(expected, "ns")


def test_columns_in_any_order_with_others_and_optional_ones(tmp_path):
    text = (
        "note,out_octets, node ,interface,time,in_octets,sys_uptime,discontinuity_time\n"
        '"x, y",2,r1,e0,1704067200,1,4294967295,\n\nz,4, r1 ,e0,1704067500,3,,2024-01-01\n'
    )
    polls = read_polls(write(tmp_path, text))
    assert polls["node"].tolist() == ["r1", "r1"]
    assert polls["in_octets"].tolist() == [1, 3]
    assert polls["sys_uptime"].isna().tolist() == [False, True]
    assert int(polls["sys_uptime"][0]) == 2**32 - 1
    assert polls["discontinuity_time"].isna().tolist() == [True, False]


def test_gzip_semicolons_and_byte_order_mark(tmp_path):
    text = (HEADER + "1704067200,r1,e0,1,2\n").encode()
    reference = read_polls(write(tmp_path, text))
    assert read_polls(write(tmp_path, gzip.compress(text), "polls.csv.gz")).equals(reference)
    assert read_polls(write(tmp_path, b"\xef\xbb\xbf" + text, "bom.csv")).equals(reference)
    assert read_polls(write(tmp_path, text.replace(b",", b";"), "semicolon.csv")).equals(reference)


def test_parquet(tmp_path):
    polls = read_polls(write(tmp_path, HEADER + "1704067200,r1,e0,18446744073709551615,2\n1704067500,r1,e0,,3\n"))
    polls.to_parquet(tmp_path / "polls.parquet")
    assert read_polls(tmp_path / "polls.parquet").equals(polls)
    polls.assign(time=polls["time"].dt.tz_localize("UTC"), node=polls["node"].astype("category")).to_parquet(
        tmp_path / "zoned.parquet"
    )
    assert read_polls(tmp_path / "zoned.parquet").equals(polls)
    assert check_polls(polls).equals(polls)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (HEADER, "no rows"),
        ("time,node,interface,in_octets\n1,r,e,1\n", ":1: no column 'out_octets'; needed are time, node"),
        ("a,b\n1,2\n", ":1: no column 'time', 'node', 'interface', 'in_octets', 'out_octets'"),
        (HEADER.replace("node", "time") + "1,1,e,1,2\n", "'time' occurs twice"),
        (HEADER + "1,r,e,1,2\n1,r,e,1\n", ":3: has 4 fields where 5 are due"),
        (HEADER + "1,r,e,1,2\n\n\n2,r,e,x,2\n", ":5: in_octets is 'x', expected a whole number from 0 to 18446744"),
        (HEADER + "1,r,e,1,-2\n", ":2: out_octets is '-2'"),
        (HEADER + "1,r,e,1.5,2\n", ":2: in_octets is '1.5'"),
        (HEADER + "1,r,e,1e9,2\n", ":2: in_octets is '1e9'"),
        (HEADER + "1,r,e,NaN,2\n", ":2: in_octets is 'NaN'"),
        (HEADER + "1,r,e,18446744073709551616,2\n", ":2: in_octets is '18446744073709551616'"),
        (HEADER + "1,r,e,99999999999999999999,2\n", ":2: in_octets is '99999999999999999999'"),
        (HEADER + "1,r,e,1234567890123456789012,2\n", ":2: in_octets is '1234567890123456789012'"),
        (HEADER + "1,,e,1,2\n", ":2: no node"),
        (HEADER + "1,r, ,1,2\n", ":2: no interface"),
        (HEADER + ",r,e,1,2\n", ":2: time is ''"),
        (HEADER + "1,r,e,1,2\nnoon,r,e,1,2\n", ":3: time is 'noon', expected unix seconds"),
        (
            HEADER + "1704067200000,r,e,1,2\n",
            r":2: time is '1704067200000', expected unix seconds \(not milliseconds\)",
        ),
        (HEADER + "-5,r,e,1,2\n", ":2: time is '-5'"),
        (HEADER + "1e300,r,e,1,2\n", ":2: time is '1e\\+300'"),
        (HEADER + "2024-01-01,r,e,1,2\n2024-13-01,r,e,1,2\n", ":3: time is '2024-13-01'"),
        (HEADER + "1969-12-31,r,e,1,2\n", ":2: time is '1969-12-31'"),
        (HEADER + "9999-01-01,r,e,1,2\n", ":2: time is '9999-01-01'"),
        (HEADER + "2024-01-01,r,e,1,2\n1704067200,r,e,1,2\n", ":3: time is '1704067200'"),
        (HEADER.strip() + ",sys_uptime\n1,r,e,1,2,4294967296\n", ":2: sys_uptime is '4294967296'.* 0 to 4294967295"),
        (b"\x00\x01\x02", "not a CSV"),
        (HEADER.encode() + b"1,r\xff,e,1,2\n", ":2: is not UTF-8"),
    ],
)
def test_faulty_polls_name_their_line(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(OdflowError, match=message) as caught:
        read_polls(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_faulty_parquet(tmp_path):
    path = write(tmp_path, b"PAR1 this is not parquet PAR1", "polls.parquet")
    with pytest.raises(FormatError, match="cannot be read as Parquet"):
        read_polls(path)
    frame = pd.DataFrame({"time": [1, 2], "node": "r", "interface": "e", "in_octets": [0.5, 1], "out_octets": 1})
    frame.to_parquet(path)
    with pytest.raises(FormatError, match=r"row 1: in_octets is '0\.5'"):
        read_polls(path)
    frame.drop(columns="node").to_parquet(path)
    with pytest.raises(FormatError, match="no column 'node'"):
        read_polls(path)
    frame.iloc[:0].to_parquet(path)
    with pytest.raises(FormatError, match="holds no rows"):
        read_polls(path)


def test_missing_file(tmp_path):
    with pytest.raises(OdflowError, match="no such file"):
        read_polls(tmp_path / "none.csv")


def test_interface_map(tmp_path):
    text = "node,interface,direction,link,bits,speed\nr1,to-r2,out,r1->r2,64,1e10\nr1,host,in,in:r1,,\n"
    names = read_interfaces(write(tmp_path, text))
    assert names[["node", "interface", "direction", "link"]].to_numpy().tolist() == [
        ["r1", "to-r2", "out", "r1->r2"],
        ["r1", "host", "in", "in:r1"],
    ]
    assert names["bits"].isna().tolist() == [False, True]
    assert int(names["bits"][0]) == 64
    np.testing.assert_array_equal(names["speed"], [1e10, np.nan])
    bare = read_interfaces(write(tmp_path, MAP + "r1,host,in,in:r1\n"))
    assert bare[["bits", "speed"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MAP, "no rows"),
        ("node,interface,link\nr,e,l\n", ":1: no column 'direction'"),
        (MAP + "r,e,in,l\nr,e,both,l\n", ":3: direction is 'both', expected 'in' or 'out'"),
        (MAP + "r,e,in,\n", ":2: no link"),
        (MAP + "r,e,in,l\nr,e,in,m\n", ":3: 'r', 'e', in is listed twice"),
        (MAP + "a,e,out,a->b\nb,e,in,a->b\n", ":3: link 'a->b' is fed by 'in' and 'out' counters"),
        (MAP.strip() + ",bits\nr,e,in,l,48\n", ":2: bits is 48, expected 32 or 64"),
        (MAP.strip() + ",bits\nr,e,in,l,wide\n", ":2: bits is 'wide'"),
        (MAP.strip() + ",speed\nr,e,in,l,10G\n", ":2: speed is '10G', expected a positive number of bit/s"),
        (MAP.strip() + ",speed\nr,e,in,l,0\n", ":2: speed is '0'"),
        (MAP.strip() + ",speed\nr,e,in,l,inf\n", ":2: speed is 'inf'"),
    ],
)
def test_faulty_map_names_its_line(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        read_interfaces(write(tmp_path, text, "map.csv"))


def test_a_million_rows_in_seconds_and_one_bad_one_found(tmp_path):
    count = 1_000_000
    frame = pd.DataFrame({"time": np.arange(count) // 1000 * 300 + 1704067200, "node": "r1"})
    frame["interface"] = [f"e{i}" for i in range(1000)] * (count // 1000)
    frame["in_octets"] = np.arange(count, dtype=np.uint64) + np.uint64(2**63)
    frame["out_octets"] = frame["in_octets"]
    path = tmp_path / "polls.csv"
    pyarrow.csv.write_csv(pyarrow.Table.from_pandas(frame), path)
    began = time.perf_counter()
    polls = read_polls(path)
    assert time.perf_counter() - began < 15
    assert len(polls) == count
    assert int(polls["in_octets"].iloc[-1]) == 2**63 + count - 1
    with path.open("a") as file:
        file.write("1704067200,r1,e0,oops,1\n")
    with pytest.raises(FormatError, match=rf":{count + 2}: in_octets is 'oops'"):
        read_polls(path)


FIELD = st.one_of(
    st.sampled_from(
        ["", "0", "1704067200", "1704067500.5", "2024-01-01T00:00:00Z", "18446744073709551615", "r1", "e0"]
    ),
    st.sampled_from(["in", "out", "-1", "1e400", "nan", "NaT", "inf", "32", "64", '"', "a\nb", "\x00", "9" * 30, "٣"]),
    st.text(max_size=6),
)


def only_odflow_errors(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call()
        except OdflowError as error:
            message = str(error)
    assert message.count("\n") == 0
    return None


@given(
    rows=st.lists(st.lists(FIELD, min_size=4, max_size=7), max_size=6),
    quoted=st.booleans(),
    columns=st.sampled_from(["", ",sys_uptime", ",sys_uptime,discontinuity_time"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fuzzed_fields(tmp_path, rows, quoted, columns):
    quote = '"' if quoted else ""
    body = "\n".join(",".join(f"{quote}{field}{quote}" for field in row) for row in rows)
    polls = only_odflow_errors(
        lambda: read_polls(write(tmp_path, f"{HEADER.strip()}{columns}\n{body}".encode("utf-8", "replace")))
    )
    only_odflow_errors(
        lambda: read_interfaces(write(tmp_path, f"{MAP.strip()},bits\n{body}".encode("utf-8", "replace")))
    )
    if polls is not None:
        names = pd.DataFrame(
            {"node": polls["node"][:1], "interface": polls["interface"][:1], "direction": "in", "link": "a"}
        )
        only_odflow_errors(lambda: counters_to_loads(polls, names, bits=64))


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fuzzed_bytes(tmp_path, data):
    for name, content in (("p.csv", data), ("q.csv", HEADER.encode() + data), ("r.parquet", data), ("s.csv.gz", data)):
        only_odflow_errors(lambda name=name, content=content: read_polls(write(tmp_path, content, name)))
        only_odflow_errors(lambda name=name, content=content: read_interfaces(write(tmp_path, content, name)))


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=4), st.none(), st.booleans()),
            st.one_of(st.text(max_size=2), st.none(), st.integers()),
            st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.none(), st.text(max_size=3), st.lists(st.none())),
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=150, deadline=None)
def test_fuzzed_frames(rows):
    frame = pd.DataFrame(rows, columns=["time", "node", "in_octets"], dtype=object)
    frame["interface"], frame["out_octets"] = "e0", 1
    names = pd.DataFrame({"node": ["r"], "interface": ["e0"], "direction": ["in"], "link": ["a"]})
    only_odflow_errors(lambda: counters_to_loads(frame, names))
