"""Bad loads: one line each, naming the place."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from odflow.traffic.files import read_loads

JUNK = bytes(range(256)) * 4
LONG = "time,link,load\n"


def stating(**attributes):
    """Change attributes of the loads."""
    return lambda data: data.assign(load=data["load"].assign_attrs(attributes))


def silent(data):
    """Drop the attributes of the loads."""
    return data.assign(load=data["load"].drop_attrs())


def nothing(data):
    """Make every value NaN."""
    return data.where(data != data)


def on_cd(value):
    """Put one value on link cd."""
    return lambda data: data.where(data["link"] != "cd", value)


def other_times(*rows):
    """Take times from these rows."""
    return lambda data: data.assign_coords(time=data["time"].values[[*rows, *range(len(rows), data.sizes["time"])]])


LOADS = {
    "no file": ("no.nc", "no.nc: no such file or folder", {}),
    "glob without a match": ("'no*.nc'", "no*.nc: matches no file", {}),
    "empty folder": ("folder", "folder: an empty folder", {}),
    "folder of all sorts": (".", "is csv but epochs.nc is netcdf; choose the files", {}),
    "empty NetCDF": ("l.nc", "l.nc: is empty", {"l.nc": ""}),
    "empty CSV": ("l.csv", "l.csv: is empty", {"l.csv": ""}),
    "empty Parquet": ("l.parquet", "l.parquet: is empty", {"l.parquet": ""}),
    "binary as NetCDF": ("l.nc", "l.nc: cannot be read as NetCDF: it is no HDF5 file", {"l.nc": JUNK}),
    "binary as CSV": ("l.csv", "l.csv: is not a CSV file with a header", {"l.csv": JUNK}),
    "binary as Parquet": ("l.parquet", "l.parquet: cannot be read as Parquet", {"l.parquet": JUNK}),
    "binary as nothing known": ("l.dat", "l.dat: is of no format that odflow knows", {"l.dat": JUNK}),
    "classic NetCDF": ("l.nc", "l.nc: cannot be read as NetCDF: it is no HDF5 file", {"l.nc": b"CDF\x01" + bytes(99)}),
    "web page as CSV": ("l.csv", "l.csv:1: header is '<!DOCTYPE html>'", {"l.csv": "<!DOCTYPE html>\n<html>\n"}),
    "web page as XML": ("l.xml", "l.xml: is a web page (HTML)", {"l.xml": "<!DOCTYPE html>\n<html>\n"}),
    "truncated NetCDF": ("loads.nc", "loads.nc: cannot be read as NetCDF", {"loads.nc": 5000}),
    "truncated Parquet": ("loads.parquet", "loads.parquet: cannot be read as Parquet", {"loads.parquet": 900}),
    "NetCDF of demands": ("truth.nc", "truth.nc: has no variable 'load' with dims ('time', 'link'), only 'demand'", {}),
    "NetCDF of a routing": ("routing.nc", "routing.nc: has no variable 'load'", {}),
    "NetCDF of the weather": (
        "loads.nc",
        "loads.nc: has no variable 'load'",
        {
            "loads.nc": lambda data: xr.Dataset({"t2m": ("latitude", [280.5])}),
        },
    ),
    "CSV of demands": (
        "history.csv",
        "history.csv:1: header is 'time,origin,destination,demand', expected time,link",
        {},
    ),
    "CSV of polls": ("polls.csv", "polls.csv:1: header is 'time,node,interface,in_octets", {}),
    "CSV of a network": ("net.csv", "net.csv:1: header is 'id,source,target,capacity,metric', expected time,link", {}),
    "XML of a network": ("net.xml", "net.xml: sndlib-xml holds demands, not loads", {}),
    "a model": ("model.safetensors", "model.safetensors: is of no format that odflow knows", {}),
    "unknown unit": ("loads.nc", "loads.nc: unknown unit 'furlong'", {"loads.nc": stating(units="furlong")}),
    "no unit": ("loads.nc", "loads.nc: states no unit; pass one", {"loads.nc": silent}),
    "unit against the file": ("loads.nc --unit Mbit/s", "loads.nc: says it is in bit/s, not Mbit/s; leave out", {}),
    "unit that is none": ("loads.csv --unit furlong", "unknown unit 'furlong'; use bit/s, kbit/s", {}),
    "no interval": ("l.csv", "l.csv: one time does not tell how long its interval is", {"l.csv": LONG + "0,ab1,5\n"}),
    "interval is text": (
        "loads.nc",
        "interval_s is 'five', expected",
        {"loads.nc": stating(interval_s="five")},
    ),
    "negative interval": ("loads.nc", "loads.nc: interval_s is -5", {"loads.nc": stating(interval_s=-5)}),
    "interval against the file": ("loads.nc --interval 5min", "loads.nc: has intervals of 7200 s, not 300 s", {}),
    "interval that is none": ("loads.csv --interval often", "interval is 'often', expected a length of time", {}),
    "interval that overlaps": ("loads.csv --interval 3h", "loads.csv: has a value every 7200 s, so intervals", {}),
    "negative": ("loads.nc", "loads hold -1 at time 2026-01-12T00:00:00, link 'cd'", {"loads.nc": on_cd(-1.0)}),
    "infinite": ("loads.nc", "loads hold inf at time 2026-01-12T00:00:00, link 'cd'", {"loads.nc": on_cd(np.inf)}),
    "only NaN": ("loads.nc", "the loads hold no measured value", {"loads.nc": nothing}),
    "text": ("loads.nc", "loads.nc: 'load' holds no numbers", {"loads.nc": lambda data: data.astype(str)}),
    "link missing": (
        "loads.nc",
        "loads lack link 'bd'; --missing nan",
        {"loads.nc": lambda data: data.drop_sel(link=["bd"])},
    ),
    "links of another network": (
        "loads.nc",
        "loads have link 'L0', 'L1'",
        {
            "loads.nc": lambda data: data.assign_coords(link=[f"L{i}" for i in range(data.sizes["link"])]),
        },
    ),
    "link too many": (
        "loads.csv",
        "loads have link 'zz' that the routing does not know",
        {"loads.csv": ("in:a,", "zz,")},
    ),
    "link twice": (
        "loads.nc",
        "loads.nc: loads name link 'ab1' more than once",
        {
            "loads.nc": lambda data: data.assign_coords(link=["ab1"] * data.sizes["link"]),
        },
    ),
    "time twice": ("loads.nc", "loads have the time 2026-01-12T00:00:00 twice", {"loads.nc": other_times(0, 0)}),
    "times out of order": (
        "loads.nc",
        "loads have the time 2026-01-12T02:00:00 after",
        {"loads.nc": other_times(2, 1)},
    ),
    "time missing": (
        "loads.nc",
        "loads.nc: loads have an empty time at row 0",
        {
            "loads.nc": lambda data: data.assign_coords(time=[np.datetime64("NaT"), *data["time"].values[1:]]),
        },
    ),
    "times are numbers": (
        "loads.nc",
        "loads.nc: the times of 'load' are not dates",
        {
            "loads.nc": lambda data: data.assign_coords(time=np.arange(data.sizes["time"])),
        },
    ),
    "links without names": (
        "loads.nc",
        "'load' has no labels along 'link'",
        {"loads.nc": lambda data: data.drop_vars("link")},
    ),
    "no times": ("loads.nc", "loads are empty: shape (0, 18)", {"loads.nc": lambda data: data.isel(time=slice(0))}),
    "one dim too many": (
        "loads.nc",
        "loads.nc: has no variable 'load' with dims",
        {"loads.nc": lambda data: data.expand_dims("region")},
    ),
    "header only": ("l.csv", "l.csv: has a header and no rows", {"l.csv": LONG}),
    "no header": ("l.csv", "l.csv:1: header is '0,ab1,5', expected time,link,load", {"l.csv": "0,ab1,5\n"}),
    "column missing": (
        "l.csv",
        "l.csv:1: header is 'time,load', expected time,link,load",
        {"l.csv": "time,load\n0,5\n"},
    ),
    "column twice": ("l.csv", "l.csv:1: column 'load' occurs twice", {"l.csv": "time,link,load,load\n0,ab1,5,5\n"}),
    "wide column twice": ("l.csv", "l.csv:1: column 'ab1' occurs twice", {"l.csv": "time,ab1,ab1\n0,5,5\n"}),
    "wrong delimiter": ("l.csv", "l.csv:1: header is 'time|link|load'", {"l.csv": LONG.replace(",", "|")}),
    "two delimiters": ("l.csv", "l.csv:2: has 1 fields where 3 are due", {"l.csv": LONG + "0;ab1;5\n"}),
    "UTF-16": ("l.csv", "l.csv: is UTF-16 text; save it as UTF-8", {"l.csv": LONG.encode("utf-16")}),
    "Latin-1": ("l.csv", "l.csv:2: is not UTF-8 text", {"l.csv": LONG.encode() + b"0,Z\xfcrich,5\n"}),
}


@pytest.mark.parametrize("name", LOADS)
def test_loads(refused, name):
    loads, message, files = LOADS[name]
    refused(f"estimate {loads} -n net.csv -o x.nc", message, files)


ROWS = {
    "text": ("2026-01-12,ab1,fast", "load is 'fast', expected a number (empty = not measured)"),
    "negative": ("2026-01-12,ab1,-3", "load -3 cannot be traffic"),
    "infinite": ("2026-01-12,ab1,inf", "load inf cannot be traffic"),
    "decimal comma": ("2026-01-12,ab1,3,5", "has 4 fields where 3 are due"),
    "quoted decimal comma": ('2026-01-12,ab1,"3,5"', "load is '3,5', expected a number"),
    "thousands": ("2026-01-12,ab1,1_000", "load is '1_000', expected a number"),
    "unit in the value": ("2026-01-12,ab1,5 Mbit/s", "load is '5 Mbit/s', expected a number"),
    "time missing": (",ab1,5", "the time is empty"),
    "30 February": ("2026-02-30,ab1,5", "time '2026-02-30' is neither ISO 8601"),
    "hour 25": ("2026-01-12T25:00,ab1,5", "time '2026-01-12T25:00' is neither ISO 8601"),
    "American date": ("01/12/2026 00:00,ab1,5", "time '01/12/2026 00:00' is neither ISO 8601"),
    "German date": ("12.01.2026,ab1,5", "time '12.01.2026' is neither ISO 8601"),
    "zone by name": ("2026-01-12 00:00 CET,ab1,5", "time '2026-01-12 00:00 CET' is neither ISO 8601"),
    "milliseconds": ("1768176000000,ab1,5", "time '1768176000000' is too large for Unix seconds"),
    "link missing": ("2026-01-12,,5", "the link is empty"),
    "too short": ("2026-01-12,ab1", "has 2 fields where 3 are due"),
    "quote not closed": ('"2026-01-12,ab1,5', "has 1 fields where 3 are due"),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_loads(refused, name):
    row, message = ROWS[name]
    refused("estimate loads.csv -n net.csv -o x.nc", f"loads.csv:2: {message}", {"loads.csv": (2, row)})


@pytest.mark.parametrize("time", ["2026-01-12T00:00:00Z", "2026-01-12T02:00:00+02:00", "1768176000"])
def test_the_same_time_in_any_zone_twice(refused, time):
    message = "loads.csv:3: time 2026-01-12T00:00:00, link ab2 occurred before"
    refused("estimate loads.csv -n net.csv -o x.nc", message, {"loads.csv": (2, f"{time},ab2,5")})


def test_one_bad_row_among_a_million(refused, good_files):
    links = read_loads(good_files / "loads.nc")["link"].values.tolist()
    rows = [f"{3600 * time},{link},1" for time in range(1_000_000 // len(links) + 1) for link in links][:1_000_000]
    for value, message in (("x", "load is 'x', expected a number"), ("-1", "load -1 cannot be traffic")):
        rows[777_775] = f"0,ab1,{value}"
        refused(
            "estimate big.csv -n net.csv -o y.nc",
            f"big.csv:777777: {message}",
            {"big.csv": LONG + "\n".join(rows)},
        )
