"""Bad polls and interface maps: one line each, naming the place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

JUNK = bytes(range(256)) * 4
HEADER = "time,node,interface,in_octets,out_octets\n"
MAP = "node,interface,direction,link\n"

POLLS = {
    "octets are negative": ("2026-01-12 00:00:00,a,to-c,-5,7,1", "in_octets is '-5', expected a whole number"),
    "octets beyond 64 bits": (
        "2026-01-12 00:00:00,a,to-c,5,18446744073709551616,1",
        "out_octets is '18446744073709551616', expected a whole number from 0 to 18446744073709551615",
    ),
    "octets are broken": ("2026-01-12 00:00:00,a,to-c,5.5,7,1", "in_octets is '5.5', expected a whole number"),
    "octets are rounded": ("2026-01-12 00:00:00,a,to-c,1e5,7,1", "in_octets is '1e5', expected a whole number"),
    "octets are text": ("2026-01-12 00:00:00,a,to-c,lots,7,1", "in_octets is 'lots', expected a whole number"),
    "uptime is negative": ("2026-01-12 00:00:00,a,to-c,5,7,-1", "sys_uptime is '-1', expected a whole number"),
    "uptime beyond 32 bits": ("2026-01-12 00:00:00,a,to-c,5,7,4294967296", "sys_uptime is '4294967296'"),
    "time is text": ("someday,a,to-c,5,7,1", "time is 'someday', expected unix seconds"),
    "time is missing": (",a,to-c,5,7,1", "time is '', expected unix seconds"),
    "time is in milliseconds": (
        "1768176000000,a,to-c,5,7,1",
        "time is '1768176000000', expected unix seconds (not milli",
    ),
    "time before 1970": ("1969-01-12 00:00:00,a,to-c,5,7,1", "time is '1969-01-12 00:00:00', expected unix seconds"),
    "node is missing": ("2026-01-12 00:00:00,,to-c,5,7,1", "no node"),
    "interface is missing": ("2026-01-12 00:00:00,a,,5,7,1", "no interface"),
    "row is too short": ("2026-01-12 00:00:00,a,to-c", "has 3 fields where 6 are due"),
}


@pytest.mark.parametrize("name", POLLS)
def test_polls(refused, name):
    row, message = POLLS[name]
    refused("counters polls.csv -i map.csv --interval 2h -o x.nc", f"polls.csv:4: {message}", {"polls.csv": (4, row)})


FILES = {
    "no polls": ("no.csv", "no.csv: no such file", {}),
    "columns missing": ("p.csv", "p.csv:1: no column 'in_octets', 'out_octets'", {"p.csv": "time,node,interface\n"}),
    "column twice": ("p.csv", "p.csv:1: column 'in_octets' occurs twice", {"p.csv": HEADER[:-1] + ",in_octets\n"}),
    "empty": ("p.csv", "p.csv: is empty", {"p.csv": ""}),
    "header only": ("p.csv", "p.csv: has a header and no rows", {"p.csv": HEADER}),
    "wrong delimiter": ("p.csv", "p.csv:1: no column 'time', 'node'", {"p.csv": HEADER.replace(",", "|")}),
    "UTF-16": ("p.csv", "p.csv: is UTF-16 text; save it as UTF-8", {"p.csv": HEADER.encode("utf-16")}),
    "binary": ("p.csv", "p.csv: is not a CSV file with a header", {"p.csv": JUNK}),
    "binary as Parquet": ("p.parquet", "p.parquet: cannot be read as Parquet", {"p.parquet": JUNK}),
    "truncated Parquet": ("polls.parquet", "polls.parquet: cannot be read as Parquet", {"polls.parquet": 2000}),
    "Parquet of loads": ("loads.parquet", "loads.parquet: no column 'node', 'interface'", {}),
    "CSV of loads": ("loads.csv", "loads.csv:1: no column 'node', 'interface', 'in_octets', 'out_octets'", {}),
    "a single poll": ("p.csv", "cover no whole interval of 7200 s", {"p.csv": HEADER + "2026-01-12,a,to-c,5,7\n"}),
    "only unknown interfaces": (
        "p.csv",
        "no polled interface is in the map: the polls have 'z e0', the map 'a to-b:ab1'",
        {"p.csv": HEADER + "2026-01-12,z,e0,5,7\n2026-01-13,z,e0,6,8\n"},
    ),
    "polls too far apart": (
        "p.csv",
        "no interval can be used, most are flagged 'gap'",
        {"p.csv": HEADER + "2026-01-12,a,to-c,5,7\n2026-01-13,a,to-c,6,8\n"},
    ),
    "polls without answers": (
        "p.csv",
        "no interval can be used, most are flagged 'gap'",
        {"p.csv": HEADER + "2026-01-12 00:00,a,to-c,,\n2026-01-12 02:00,a,to-c,,\n"},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_polls(refused, name):
    polls, message, files = FILES[name]
    refused(f"counters {polls} -i map.csv --interval 2h -o x.nc", message, files)


PARQUET = {
    "octets are floats": ({"in_octets": [5.0, 5.5]}, "row 2: in_octets is '5.5', expected a whole number"),
    "octets are negative": ({"out_octets": [5, -5]}, "row 2: out_octets is '-5', expected a whole number"),
    "time is missing": ({"time": [pd.NaT, pd.Timestamp("2026-01-12")]}, "row 1: time is 'None', expected unix"),
    "node is missing": ({"node": ["a", None]}, "row 2: no node"),
}


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_of_polls(refused, workplace, name):
    columns, message = PARQUET[name]
    good = {"time": np.array(["2026-01-12", "2026-01-13"], dtype="datetime64[ns]"), "node": ["a", "a"]}
    good |= {"interface": ["to-c", "to-c"], "in_octets": [1, 2], "out_octets": [1, 2]}
    pd.DataFrame(good | columns).to_parquet(workplace / "p.parquet")
    refused("counters p.parquet -i map.csv --interval 2h -o x.nc", f"p.parquet: {message}", {})


MAPS = {
    "direction unknown": ("a,to-c,both,ac,64,1e9", "direction is 'both', expected 'in' or 'out'"),
    "link fed from both ends": ("c,to-a,in,ab2,64,1e9", "link 'ab2' is fed by 'in' and 'out' counters"),
    "counter twice": ("a,to-b:ab1,out,zz,64,1e9", "'a', 'to-b:ab1', out is listed twice; keep one row"),
    "bits of no counter": ("a,to-c,out,ac,48,1e9", "bits is 48, expected 32 or 64"),
    "bits are text": ("a,to-c,out,ac,many,1e9", "bits is 'many', expected a whole number"),
    "speed is negative": ("a,to-c,out,ac,64,-1", "speed is '-1', expected a positive number of bit/s"),
    "speed is text": ("a,to-c,out,ac,64,fast", "speed is 'fast', expected a positive number of bit/s"),
    "link is missing": ("a,to-c,out,,64,1e9", "no link"),
    "row is too short": ("a,to-c,out", "has 3 fields where 6 are due"),
}


@pytest.mark.parametrize("name", MAPS)
def test_interface_map(refused, name):
    row, message = MAPS[name]
    refused("counters polls.csv -i map.csv --interval 2h -o x.nc", f"map.csv:4: {message}", {"map.csv": (4, row)})


MAP_FILES = {
    "no file": ("no.csv", "no.csv: no such file", {}),
    "empty": ("m.csv", "m.csv: is empty", {"m.csv": ""}),
    "header only": ("m.csv", "m.csv: has a header and no rows", {"m.csv": MAP}),
    "column missing": ("m.csv", "m.csv:1: no column 'direction'", {"m.csv": "node,interface,link\na,b,c\n"}),
    "UTF-16": ("m.csv", "m.csv: is UTF-16 text; save it as UTF-8", {"m.csv": MAP.encode("utf-16")}),
    "the polls": ("polls.csv", "polls.csv:1: no column 'direction', 'link'", {}),
    "a topology": ("net.xml", "net.xml:1: no column 'node', 'interface', 'direction', 'link'", {}),
}


@pytest.mark.parametrize("name", MAP_FILES)
def test_files_of_interface_maps(refused, name):
    interfaces, message, files = MAP_FILES[name]
    refused(f"counters polls.csv -i {interfaces} --interval 2h -o x.nc", message, files)


OPTIONS = {
    "--interval often": "interval is 'often', expected a length of time such as '5min'",
    "--interval=-5min": "interval is '-5min', expected a length of time",
    "--interval 0s": "interval is '0s', expected a length of time",
    "--interval 300": "interval is '300', expected a length of time",
    "--interval 1s --max-gap never": "max_gap is 'never', expected a length of time",
    "--bits 48": 'Invalid value "48" for --bits. Choose from: "auto", "32", "64"',
    "--max-rate fast": 'Invalid value for --max-rate: unable to convert "fast" into float',
    "--max-rate -1": "max_rate is -1.0, expected a positive number of bit/s",
    "--max-rate nan": "max_rate is nan, expected a positive number of bit/s",
    "--tolerance 2": "tolerance is 2.0, expected a fraction from 0 up to, not including, 1",
    "--clock-tolerance x": "clock_tolerance is 'x', expected a length of time",
    "--nope 1": "Unknown option: --nope",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_options(refused, options):
    refused(f"counters polls.csv -i map.csv {options} -o x.nc", OPTIONS[options], {})


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("counters polls.csv -o x.nc", "parameter --interfaces requires an argument"),
        ("counters polls.csv -i map.csv", "parameter --output requires an argument"),
        ("counters polls.csv -i map.csv -o polls.csv", "output 'polls.csv' is also an input"),
        ("counters polls.csv -i map.csv -o folder/../map.csv", "output 'folder/../map.csv' is also an input"),
        ("counters polls.csv -i map.csv -o x.txt", "cannot write 'x.txt': the suffix must be one of '.nc', '.zarr'"),
        ("counters polls.csv -i map.csv -o none/x.nc", "cannot write to none: no such folder"),
    ],
)
def test_outputs(refused, command, message):
    refused(command, message, {})
