"""Bad histories, known demands, models and estimates: one line each, naming the place."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

from odflow.traffic.files import read_loads, write

JUNK = bytes(range(256)) * 4
OTHER = list("abcz")


def stating(**attributes):
    """Change attributes of the demands."""
    return lambda data: data.assign(demand=data["demand"].assign_attrs(attributes))


def silent(data):
    """Drop the attributes of the demands."""
    return data.assign(demand=data["demand"].drop_attrs())


def everywhere(value):
    """Put one value everywhere."""
    return lambda data: data.where(data != data, value)


def from_b(value):
    """Put one value where demands come from b."""
    return lambda data: data.where(data["origin"] != "b", value)


def other_nodes(data):
    return data.assign_coords(origin=OTHER, destination=OTHER)


SNDLIB = (
    "<network><meta><time>20260105-0000</time><granularity>5min</granularity><unit>MBITPERSEC</unit></meta>\n"
    "<networkStructure><nodes>" + "".join(f'<node id="{node}"/>' for node in "abcd") + "</nodes></networkStructure>\n"
    '<demands><demand id="d1">\n<source>a</source><target>b</target><demandValue>1</demandValue>\n</demand></demands>\n'
    "</network>\n"
)
TOTEM = (
    '<TrafficMatrixFile><info><units><unit type="bandwidth" value="kbps"/></units>'
    "<date>2026-01-05 00:00</date><duration>300</duration></info>\n"
    '<IntraTM ASID="1"><src id="a"><dst id="b">1</dst></src></IntraTM></TrafficMatrixFile>\n'
)
HISTORY = {
    "no file": ("no.nc", "no.nc: no such file or folder", {}),
    "only NaN": ("history.nc", "history never measures the flow 'a->a', 'a->b'", {"history.nc": everywhere(np.nan)}),
    "only zeros": (
        "history.nc",
        "history holds no traffic",
        {"history.nc": everywhere(0.0)},
    ),
    "unknown node": (
        "history.nc",
        "past demands lack node 'd'; past demands have node 'z'",
        {"history.nc": other_nodes},
    ),
    "node missing": (
        "history.nc",
        "past demands lack node 'd'",
        {
            "history.nc": lambda data: data.isel(origin=slice(3), destination=slice(3)),
        },
    ),
    "infinite": (
        "history.nc",
        "demands hold inf at time 2026-01-05T00:00:00, origin 'b'",
        {"history.nc": from_b(np.inf)},
    ),
    "negative": (
        "history.nc",
        "demands hold -1 at time 2026-01-05T00:00:00, origin 'b'",
        {"history.nc": from_b(-1.0)},
    ),
    "unknown unit": (
        "history.nc",
        "history.nc: unknown unit 'parsec'",
        {"history.nc": stating(units="parsec")},
    ),
    "no unit": ("history.nc", "history.nc: states no unit; pass one", {"history.nc": silent}),
    "time twice": (
        "history.nc",
        "demands have the time 2026-01-05T00:00:00 twice",
        {"history.nc": lambda data: data.assign_coords(time=data["time"].values[[0, *range(83)]])},
    ),
    "loads": ("loads.nc", "loads.nc: has no variable 'demand'", {}),
    "a topology": ("net.xml", "net.xml: has no demands and no time; a topology is read by Network.read", {}),
    "negative in CSV": (
        "history.csv",
        "history.csv:7: demand -5 cannot be traffic",
        {"history.csv": (7, "2026-01-05,b,b,-5")},
    ),
    "pair twice in CSV": (
        "history.csv",
        "history.csv:7: time 2026-01-05T00:00:00, origin a, destination b occurred before",
        {"history.csv": (7, "2026-01-05,a,b,5")},
    ),
    "origin missing in CSV": (
        "history.csv",
        "history.csv:7: the origin is empty",
        {"history.csv": (7, "2026-01-05,,b,5")},
    ),
    "wide column without a pair": ("h.csv", "h.csv:1: column 'ab' names no pair", {"h.csv": "time,a->b,ab\n0,1,2\n"}),
    "wide pair twice": ("h.csv", "h.csv:1: pair 'a -> b' occurs twice", {"h.csv": "time,a->b,a -> b\n0,1,2\n"}),
    "truncated Parquet": ("history.parquet", "history.parquet: cannot be read as Parquet", {"history.parquet": 3000}),
    "truncated SNDlib": ("h.xml", "h.xml:2: not well-formed XML", {"h.xml": SNDLIB[:200]}),
    "entity bomb in SNDlib": (
        "h.xml",
        "h.xml: declares XML entities",
        {"h.xml": '<!DOCTYPE x [<!ENTITY a "ha">]>' + SNDLIB},
    ),
    "external entity in TOTEM": (
        "h.xml",
        "h.xml: declares XML entities, refused for safety",
        {"h.xml": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + TOTEM},
    ),
    "SNDlib demand is text": (
        "h.xml",
        "h.xml: demand 'd1' is 'lots', expected a number",
        {
            "h.xml": SNDLIB.replace(">1<", ">lots<"),
        },
    ),
    "SNDlib unknown node": (
        "h.xml",
        "h.xml: demand from 'a' to 'zz': no node 'zz' in the file",
        {
            "h.xml": SNDLIB.replace("<target>b", "<target>zz"),
        },
    ),
    "SNDlib unknown unit": (
        "h.xml",
        "h.xml: unknown unit 'FURLONG'",
        {"h.xml": SNDLIB.replace("MBITPERSEC", "FURLONG")},
    ),
    "SNDlib bad time": ("h.xml", "h.xml: time is 'someday'", {"h.xml": SNDLIB.replace("20260105-0000", "someday")}),
    "TOTEM demand is negative": (
        "h.xml",
        "h.xml: demand from 'a' to 'b': -3 cannot be traffic",
        {
            "h.xml": TOTEM.replace(">1<", ">-3<"),
        },
    ),
    "TOTEM unknown unit": ("h.xml", "h.xml: unknown unit 'furlong'", {"h.xml": TOTEM.replace("kbps", "furlong")}),
    "Zhang's file cut off": ("X01", "X01:1: has 5 numbers where 720 are due", {"X01": "1 2 3 4 5\n"}),
    "REPETITA without names": (
        "h.demands",
        "h.demands: numbers its nodes",
        {
            "h.demands": "DEMANDS 1\nlabel src dest bw\nd0 0 1 5\n",
        },
    ),
}


@pytest.mark.parametrize("name", HISTORY)
def test_history(refused, name):
    history, message, files = HISTORY[name]
    refused(f"estimate loads.nc -n net.csv --history {history} -o x.nc", message, files)


KNOWN = {
    "of other times": ("history.nc", "known demands lack the time 2026-01-12T00:00:00 of the loads", {}),
    "of other nodes": (
        "truth.nc",
        "known demands lack node 'd'; known demands have node 'z'",
        {"truth.nc": other_nodes},
    ),
    "only NaN": ("truth.nc", "known demands hold no measured value", {"truth.nc": everywhere(np.nan)}),
    "with a negative error": ("truth.nc --known-error -1", "known_error is -1.0, expected a relative error of 0", {}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_demands(refused, name):
    known, message, files = KNOWN[name]
    refused(f"estimate loads.nc -n net.csv --known {known} -o x.nc", message, files)


MODELS = {
    "no file": ("no.safetensors", "no.safetensors: no such file", {}),
    "a folder": ("folder", "folder: is a folder, expected a file", {}),
    "empty": ("m.safetensors", "m.safetensors: is empty", {"m.safetensors": b""}),
    "binary": ("m.safetensors", "m.safetensors: is not a model saved by odflow", {"m.safetensors": JUNK}),
    "NetCDF": ("loads.nc", "loads.nc: is not a model saved by odflow", {}),
    "pickle": (
        "m.safetensors",
        "m.safetensors: is not a model saved by odflow",
        {"m.safetensors": pickle.dumps({"a": 1})},
    ),
    "truncated": ("model.safetensors", "model.safetensors: is not a model saved", {"model.safetensors": 500}),
    "with a history": ("model.safetensors --history history.nc", "--model is fitted already; leave --history", {}),
}


@pytest.mark.parametrize("name", MODELS)
def test_models(refused, name):
    model, message, files = MODELS[name]
    refused(f"estimate loads.nc -n net.csv --model {model} -o x.nc", message, files)


def test_model_of_something_else(refused, workplace):
    save_file({"weights": np.ones(3)}, str(workplace / "m.safetensors"))
    command = "estimate loads.nc -n net.csv --model m.safetensors -o x.nc"
    refused(command, "m.safetensors: is not a model saved by odflow", {})


def test_model_of_another_network(refused, workplace):
    loads = read_loads(workplace / "loads.nc").isel(link=slice(6))
    write(loads.assign_coords(link=["l", "m", "in:p", "out:p", "in:q", "out:q"]), workplace / "other.nc")
    (workplace / "other.csv").write_text("id,source,target,capacity,metric\nl,p,q,1,1\nm,q,p,1,1\n")
    message = (
        "past demands lack node 'p', 'q'; past demands have node 'a', 'b', 'c', 'd' that the routing does not know"
    )
    refused("estimate other.nc -n other.csv --model model.safetensors -o x.nc", message, {})


EVALUATE = {
    "one file": ("truth.nc", 'Command "evaluate" parameter ESTIMATE requires an argument', {}),
    "no file": ("truth.nc no.nc", "no.nc: no such file or folder", {}),
    "other times": ("truth.nc history.nc", "times differ: '2026-01-12T00:00:00'", {}),
    "other nodes": ("truth.csv truth.nc", "nodes differ: 'd' only in the truth; 'z' only", {"truth.nc": other_nodes}),
    "unknown unit": (
        "truth.csv truth.nc",
        "truth.nc: unknown unit 'GBP'",
        {"truth.nc": stating(units="GBP")},
    ),
    "unit that is none": ("truth.nc truth.csv --estimate-unit parsec", "unknown unit 'parsec'", {}),
    "unit against the file": ("truth.nc truth.nc --unit Gbit/s", "truth.nc: says it is in bit/s, not Gbit/s", {}),
    "other interval": (
        "truth.csv truth.nc",
        "truth has intervals of 7200 s and estimate of 60 s",
        {"truth.nc": stating(interval_s=60.0)},
    ),
    "estimate with gaps": (
        "truth.csv truth.nc",
        "the estimate is NaN for 48 measured demands, the first b->a at 2026-01-12T00:00:00",
        {"truth.nc": from_b(np.nan)},
    ),
    "truth without traffic": (
        "truth.nc truth.nc",
        "the truth holds no traffic where both sides are measured",
        {"truth.nc": everywhere(0.0)},
    ),
    "truth never measured": ("truth.nc truth.csv", "the truth holds no", {"truth.nc": everywhere(np.nan)}),
    "loads as the estimate": ("truth.nc loads.nc", "loads.nc: has no variable 'demand'", {}),
    "quantiles": (
        "truth.csv truth.nc",
        "the estimate has the dim 'quantile'; score one at a time",
        {
            "truth.nc": lambda data: data.expand_dims(quantile=[0.1, 0.9]),
        },
    ),
    "loads without a network": ("truth.nc truth.nc --loads loads.nc", "needs --loads and one of --network and", {}),
    "network without loads": ("truth.nc truth.nc -n net.csv", "needs --loads and one of --network and", {}),
    "loads of other links": (
        "truth.nc truth.nc -n net.csv --loads loads.csv",
        "loads lack link 'cd'; loads have link 'zz'",
        {"loads.csv": (",cd,", ",zz,")},
    ),
    "loads of other times": (
        "truth.nc truth.nc -n net.csv --loads loads.nc",
        "times differ: '2026-01-12T10:00:00'",
        {"loads.nc": lambda data: data.isel(time=slice(5))},
    ),
}


@pytest.mark.parametrize("name", EVALUATE)
def test_evaluate(refused, name):
    arguments, message, files = EVALUATE[name]
    refused(f"evaluate {arguments}", message, files)
