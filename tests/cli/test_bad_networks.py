"""Bad topologies and routings through the command line: one line each, naming the place."""

from __future__ import annotations

import pytest

COLUMNS = "id,source,target,capacity,metric\n"
LAUGHS = '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
XML = '<?xml version="1.0" encoding="UTF-8"?>'
PAGE = "<!DOCTYPE html>\n<html><head><title>404</title></head><body>Not found<br></body></html>\n"
JUNK = bytes(range(256)) * 4


def with_links(*rows):
    return {"n.csv": COLUMNS + "\n".join(("l,a,b,1e9,1", *rows)) + "\n"}


SHOW = {
    "no file": ("no.xml", "no.xml: no such file", {}),
    "no file, but of topohub": (
        "sndlib/polska",
        "sndlib/polska: no such file; the network of topohub is topohub:sndlib/polska",
        {},
    ),
    "a folder": ("folder", "folder: is a folder, expected a file", {}),
    "empty file": ("n.xml", "n.xml: is empty", {"n.xml": ""}),
    "blank file": ("n.csv", "n.csv:1: columns are ''", {"n.csv": "\n \n"}),
    "unknown suffix and content": ("n.doc", "n.doc:1: is no topology format that odflow knows", {"n.doc": "hello"}),
    "binary as GraphML": ("n.graphml", "n.graphml:1: not well-formed XML (invalid token)", {"n.graphml": JUNK}),
    "binary as GML": ("n.gml", "n.gml: is not a text file", {"n.gml": JUNK}),
    "binary as REPETITA": ("n.graph", "n.graph: is not a text file", {"n.graph": JUNK}),
    "binary as CSV": ("n.csv", "n.csv: is not a text file", {"n.csv": JUNK}),
    "UTF-16": ("n.csv", "n.csv: is UTF-16 text; save it as UTF-8", {"n.csv": COLUMNS.encode("utf-16")}),
    "web page as XML": ("n.xml", "n.xml: is a web page (HTML)", {"n.xml": PAGE}),
    "web page as GraphML": ("n.graphml", "n.graphml: is a web page (HTML)", {"n.graphml": PAGE}),
    "web page as REPETITA": ("n.graph", "n.graph:1: expected 'NODES <count>'", {"n.graph": PAGE}),
    "web page as CSV": ("n.csv", "n.csv:1: columns are '<!DOCTYPE html>'", {"n.csv": PAGE}),
    "XML of something else": ("n.xml", "n.xml: root element is <TrafficMatrixFile>", {"n.xml": "<TrafficMatrixFile/>"}),
    "truncated SNDlib XML": ("net.xml", "net.xml:40: not well-formed XML", {"net.xml": 900}),
    "truncated TOTEM": ("totem.xml", "totem.xml:38: not well-formed XML", {"totem.xml": 900}),
    "truncated GraphML": ("net.graphml", "net.graphml:25: not well-formed XML", {"net.graphml": 900}),
    "truncated GML": ("net.gml", "net.gml:23: a list opened here is not closed", {"net.gml": 330}),
    "truncated REPETITA": ("net.graph", "net.graph:13: EDGES announces 10 rows", {"net.graph": 150}),
    "truncated SNDlib native": ("net.txt", "net.txt: section LINKS is not closed", {"net.txt": 300}),
    "entity bomb in SNDlib": ("net.xml", "net.xml: declares XML entities, refused", {"net.xml": (XML, LAUGHS)}),
    "entity bomb in TOTEM": ("totem.xml", "totem.xml: declares XML entities, refused", {"totem.xml": (XML, LAUGHS)}),
    "entity bomb in GraphML": ("net.graphml", "net.graphml: declares XML entities", {"net.graphml": (XML, LAUGHS)}),
    "external entity in SNDlib": ("net.xml", "net.xml: declares XML entities, refused", {"net.xml": (XML, OUTSIDE)}),
    "external entity in TOTEM": ("totem.xml", "totem.xml: declares XML entities", {"totem.xml": (XML, OUTSIDE)}),
    "external entity in GraphML": ("net.graphml", "net.graphml: declares XML ent", {"net.graphml": (XML, OUTSIDE)}),
    "no header": ("n.csv", "n.csv:1: columns are 'l,a,b,1,1', expected id,source", {"n.csv": "l,a,b,1,1\n"}),
    "wrong delimiter": ("n.csv", "n.csv:1: columns are 'id;source", {"n.csv": COLUMNS.replace(",", ";")}),
    "column missing": ("n.csv", "n.csv:1: columns are 'id,source'", {"n.csv": "id,source\nl,a\n"}),
    "column twice": ("n.csv", "n.csv:1: columns are 'id,source,target,target'", {"n.csv": "id,source,target,target\n"}),
    "row too short": ("n.csv", "n.csv:3: 4 cells, expected 5", with_links("m,b,a,1")),
    "link id twice": ("n.csv", "n.csv:3: link id 'l' is used twice", with_links("l,b,a,1,1")),
    "end missing": ("n.csv", "n.csv:3: id, source and target must not be empty", with_links("m,,a,1,1")),
    "metric is NaN": ("n.csv", "n.csv:3: metric of link 'm' is 'nan'", with_links("m,b,a,1,nan")),
    "metric is infinite": ("n.csv", "n.csv:3: metric of link 'm' is 'inf'", with_links("m,b,a,1,inf")),
    "metric is text": ("n.csv", "n.csv:3: metric of link 'm' is 'ten'", with_links("m,b,a,1,ten")),
    "quote not closed": ("n.csv", "n.csv:3: not a valid CSV row", with_links('"m,b,a,1,1')),
    "SNDlib capacity is text": (
        "net.xml",
        "net.xml: capacity of link 'ab1' is 'fast'",
        {"net.xml": ("<capacity>1000<", "<capacity>fast<")},
    ),
    "TOTEM capacity is text": (
        "totem.xml",
        "totem.xml: bandwidth of link 'ab1' is 'fast'",
        {"totem.xml": ("<bw>1000000<", "<bw>fast<")},
    ),
    "GML capacity is text": (
        "net.gml",
        "net.gml:29: capacity of edge a--b is 'fast'",
        {"net.gml": ("capacity 1000000000.0", "capacity fast")},
    ),
    "SNDlib native capacity is text": (
        "net.txt",
        "net.txt:17: capacity of link 'ab2' is 'fast'",
        {"net.txt": ("ab2 ( a b ) 1000", "ab2 ( a b ) fast")},
    ),
    "GraphML edge to nowhere": (
        "net.graphml",
        "net.graphml: an edge ends at node 'zz'",
        {"net.graphml": ('target="b"', 'target="zz"')},
    ),
    "GML edge to nowhere": ("net.gml", "net.gml:29: an edge ends at node '99'", {"net.gml": ("target 1", "target 99")}),
    "REPETITA edge to nowhere": (
        "net.graph",
        "net.graph:10: edge end '99' is not a node number from 0 to 3",
        {"net.graph": ("ab1 0 1", "ab1 0 99")},
    ),
    "topohub has no such network": ("topohub:sndlib/nope", "topohub has no 'sndlib/nope'; similar: 'sndlib/", {}),
    "topohub has no such group": ("topohub:../../etc/passwd", "topohub has no '../../etc/passwd'; its groups are", {}),
}


@pytest.mark.parametrize("name", SHOW)
def test_show(refused, name):
    net, message, files = SHOW[name]
    refused(f"network show {net}", message, files)


CONVERT = {
    "to itself": ("net.csv net.csv", "output 'net.csv' is also an input", {}),
    "to an unknown format": ("net.csv x.docx", "cannot write 'x.docx': the suffix must be one of '.xml', '.txt'", {}),
    "to a missing folder": ("net.csv none/x.gml", "cannot write to none: no such folder", {}),
    "to a format without blanks": ("n.csv x.graph", "link id 'm 2' has a character", with_links("m 2,b,a,1,1")),
    "of nothing": ("no.csv x.gml", "no.csv: no such file", {}),
}


@pytest.mark.parametrize("name", CONVERT)
def test_convert(refused, name):
    what, message, files = CONVERT[name]
    refused(f"network convert {what}", message, files)


ROUTE = {
    "header only": ("n.csv", "network 'n': there are no nodes", {"n.csv": COLUMNS}),
    "negative metric": ("n.csv", "link 'm' has a metric that is not positive; correct it", with_links("m,b,a,1,-2")),
    "metric of zero": ("n.csv", "link 'm' has a metric that is not positive; correct it", with_links("m,b,a,1,0")),
    "metric missing": ("n.csv", "link 'm' has no metric; give one, or route by metric='hops'", with_links("m,b,a,1,")),
    "capacity missing": ("n.csv --metric inverse-capacity", "link 'm' has no capacity", with_links("m,b,a,,1")),
    "capacity of zero": ("n.csv --metric inverse-capacity", "link 'm' has a capacity that is", with_links("m,b,a,0,1")),
    "self-loop": ("n.csv", "network 'n': link 'm' starts and ends at the same node", with_links("m,b,b,1,1")),
    "link like an access link": ("n.csv", "link id 'in:a' looks like an access link", with_links("in:a,b,a,1,1")),
    "SNDlib link to nowhere": (
        "net.xml",
        "network 'net': link 'ab1' ends at unknown node 'zz'",
        {"net.xml": ("<target>b<", "<target>zz<")},
    ),
    "TOTEM link to nowhere": (
        "totem.xml",
        "link 'ab1' ends at unknown node 'zz'",
        {"totem.xml": ('<to if="0" node="b"', '<to if="0" node="zz"')},
    ),
    "SNDlib link id twice": (
        "net.xml",
        "link id 'ab1' used more than once",
        {"net.xml": ('<link id="ab2"', '<link id="ab1"')},
    ),
    "no nodes": (
        "n.graphml",
        "network 'n': there are no nodes",
        {"n.graphml": '<graphml><graph edgedefault="directed"/></graphml>'},
    ),
    "failure of an unknown link": ("net.csv --fail zz", "network 'net' has no link 'zz'", {}),
    "failure of an unknown node": ("net.csv --fail-node zz", "network 'net' has no node 'zz'", {}),
    "failure of everything": (
        "net.csv --fail-node a --fail-node b --fail-node c --fail-node d",
        "no edge nodes left; at least one must stay up",
        {},
    ),
    "unknown edge node": ("net.csv --edge-nodes a,zz", "edge node 'zz' is not in network 'net'", {}),
    "edge node twice": ("net.csv --edge-nodes a,a", "edge node 'a' is named more than once", {}),
    "empty list of edge nodes": ("net.csv --edge-nodes ''", "Invalid value for --edge-nodes: it is empty", {}),
    "unknown metric": ("net.csv --metric miles", 'Invalid value "miles" for --metric', {}),
}


@pytest.mark.parametrize("name", ROUTE)
def test_route(refused, name):
    options, message, files = ROUTE[name]
    refused(f"route {options} -o x.csv", message, files)


HEADER = "link,origin,destination,fraction\n"
ROUTING = {
    "fraction above 1": ("r.csv:2: fraction 1.5 is not in [0, 1]", HEADER + "l,a,b,1.5\n"),
    "negative fraction": ("r.csv:2: fraction -0.5 is not in [0, 1]", HEADER + "l,a,b,-0.5\n"),
    "fraction is NaN": ("r.csv:2: fraction nan is not in [0, 1]", HEADER + "l,a,b,nan\n"),
    "fraction is text": ("r.csv:2: fraction is 'half', expected a number", HEADER + "l,a,b,half\n"),
    "entry twice": ("r.csv:4: link 'l' from 'a' to 'b' is given twice", HEADER + "l,a,b,.5\nm,a,b,.5\nl,a,b,.5\n"),
    "unknown column": (
        "r.csv:1: columns are 'link,origin,destination,frac",
        HEADER[:-1] + ",hue\nl,a,b,1,x\n",
    ),
    "column missing": ("r.csv:1: columns are 'link,origin,destination', expected link", "link,origin,destination\n"),
    "row too short": ("r.csv:2: 3 cells, expected 4", HEADER + "l,a,b\n"),
    "link missing": ("r.csv:2: link is empty", HEADER + ",a,b,1\n"),
    "wrong delimiter": ("r.csv:1: columns are 'link;origin", HEADER.replace(",", ";") + "l;a;b;1\n"),
    "header only": ("r.csv: has a header and no rows", HEADER),
    "UTF-16": ("r.csv: is UTF-16 text", (HEADER + "l,a,b,1\n").encode("utf-16")),
    "binary": ("r.csv: is not a text file", JUNK),
    "start is no time": ("r.csv:2: start is 'soon', expected a UTC time", f"start,{HEADER}soon,l,a,b,1\n"),
    "other network": ("loads have link 'ab1', 'ab2', 'ac', 'ba1', 'ba2' and 13 more", HEADER + "l,a,b,1\n"),
}


@pytest.mark.parametrize("name", ROUTING)
def test_routing(refused, name):
    message, content = ROUTING[name]
    refused("estimate loads.nc --routing r.csv -o x.nc", message, {"r.csv": content})


ROUTING_FILES = {
    "no file": ("no.csv", "no.csv: no such file", {}),
    "a topology": ("net.graphml", "a routing file is .csv or .nc, not '.graphml' (net.graphml)", {}),
    "a topology as CSV": ("net.csv", "net.csv:1: columns are 'id,source,target,capacity,metric', expected link,", {}),
    "NetCDF of something else": ("history.nc", "history.nc: is a NetCDF file but holds no routing", {}),
    "binary as NetCDF": ("r.nc", "r.nc: cannot be read as NetCDF (it is no HDF5 file", {"r.nc": JUNK}),
    "truncated NetCDF": ("routing.nc", "routing.nc: cannot be read as NetCDF", {"routing.nc": 4000}),
    "link missing": (
        "routing.csv",
        "loads have link 'cd' that the routing does not know",
        {"routing.csv": ("cd,", "dc,")},
    ),
    "epochs that begin too late": (
        "epochs.csv",
        "time 2026-01-12T00:00:00 lies before the first routing epoch, 2026-01-12T06:00:00",
        {"epochs.csv": ("1678-01-01T00:00:00", "2026-01-12T06:00:00")},
    ),
}


@pytest.mark.parametrize("name", ROUTING_FILES)
def test_routing_files(refused, name):
    file, message, files = ROUTING_FILES[name]
    refused(f"estimate loads.nc --routing {file} -o x.nc", message, files)


DIAGNOSE = {
    "no file": ("no.csv", "no.csv: no such file", {}),
    "not a network": ("n.docx", "n.docx:1: is no topology format that odflow knows", {"n.docx": "hm"}),
    "loads instead of a routing": ("loads.nc", "loads.nc: is a NetCDF file but holds no routing", {}),
    "routing without its fractions": ("r.csv", "r.csv:1: columns are 'link,origin'", {"r.csv": "link,origin\n"}),
    "bounds without loads": ("net.csv --bounds", "--bounds needs the loads; give --loads FILE", {}),
    "time without loads": ("net.csv --time 2026-01-12", "--time needs the loads; give --loads FILE", {}),
    "time that is none": ("net.csv --loads loads.nc --time noon", "--time is 'noon', expected a time in UTC", {}),
    "time with a zone": ("net.csv --loads loads.nc --time 2026-01-12T00:00Z", "--time is '2026-01-12T00:00Z'", {}),
    "time without loads then": ("net.csv --loads loads.nc --time 2025-01-12", "no interval that starts at 2025-01", {}),
    "loads of several epochs": ("epochs.csv --loads loads.nc", "the loads span 2 routing epochs; select", {}),
    "epochs without loads": ("epochs.nc", "routing epochs need loads (--loads FILE --time TIME)", {}),
    "loads lack a link": (
        "net.csv --loads loads.nc",
        "loads lack link 'bd'; --missing nan treats what is absent as not measured",
        {"loads.nc": lambda data: data.drop_sel(link=["bd"])},
    ),
    "loads have another link": (
        "net.csv --loads loads.csv",
        "loads have link 'zz' that the routing does not know",
        {"loads.csv": (",cd,", ",zz,")},
    ),
    "top of nothing": ("net.csv --top many", 'Invalid value for --top: unable to convert "many" into int', {}),
}


@pytest.mark.parametrize("name", DIAGNOSE)
def test_diagnose(refused, name):
    options, message, files = DIAGNOSE[name]
    refused(f"diagnose {options}", message, files)
