"""``odflow counters``: from polled octets to link loads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

import odflow.cli.options as opt
from odflow.cli.console import Console, duration, percent, rate
from odflow.cli.inputs import ARRAYS, check_output

if TYPE_CHECKING:
    import xarray as xr


def counters(
    polls: Path,
    /,
    *,
    interfaces: Annotated[Path, Parameter(name=["--interfaces", "-i"], metavar="MAP")],
    output: opt.Output,
    interval: str = "5min",
    bits: Literal["auto", "32", "64"] = "auto",
    max_rate: float | None = None,
    max_gap: str | None = None,
    tolerance: float = 0.0,
    clock_tolerance: str = "5s",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    config: opt.Config = None,
) -> None:
    """Turn polled interface counters (SNMP octets) into link loads at fixed intervals.

    Octets are accounted exactly: counter wraps, resets, missed and duplicate polls and clock jumps are recognised,
    and what the polls do not determine is left out (NaN), never made up. Every load carries a quality flag.

    For example:

        odflow counters polls.csv --interfaces map.csv --interval 5min -o loads.nc
        odflow counters polls.parquet -i map.csv --interval 15min -o loads.csv

    Parameters
    ----------
    polls : Path
        CSV or Parquet, one row per poll: `time,node,interface,in_octets,out_octets[,sys_uptime]`; time in unix
        seconds or ISO 8601 (UTC if it has no zone), sys_uptime in hundredths of a second.
    interfaces : Path
        CSV `node,interface,direction,link[,bits][,speed]`: the octets of which direction (`in` or `out`) make the
        load of which link, for instance `r1,to-r2,out,r1->r2` and `r1,host,in,in:r1`; speed in bit/s.
    interval : str
        Length of the intervals, such as `5min`; usually that of polling, or a multiple.
    bits : str
        Width of counters whose width the map does not say.
    max_rate : float
        Rate in bit/s that no interface exceeds; more than that is no wrap but a reset.
    max_gap : str
        Longest time between polls whose octets may be shared out over intervals; 1.5 intervals by default.
    tolerance : float
        Call a load good if it is proven right to this fraction.
    clock_tolerance : str
        How far poll times and sys_uptime may disagree.
    """
    from odflow.traffic.counters import counters_to_loads, quality_summary, read_interfaces, read_polls
    from odflow.traffic.files import write

    console = Console(quiet or json)
    check_output(output, ARRAYS, [polls, interfaces])
    loads = counters_to_loads(
        read_polls(polls),
        read_interfaces(interfaces),
        interval,
        bits="auto" if bits == "auto" else 32 if bits == "32" else 64,
        max_rate=max_rate,
        max_gap=max_gap,
        tolerance=tolerance,
        clock_tolerance=clock_tolerance,
    )
    write(loads, output)
    counts = quality_summary(loads)["intervals"].to_dict()
    if json:
        Console().json({**_facts(loads), "quality": counts})
        return
    _show(console, output, loads, counts)


def _facts(loads: xr.DataArray) -> dict[str, Any]:
    times = loads["time"].values.astype("datetime64[s]")
    return {
        "links": loads.sizes["link"],
        "intervals": loads.sizes["time"],
        "interval_s": loads.attrs["interval_s"],
        "first": str(times[0]),
        "last": str(times[-1]),
        "unmapped_interfaces": loads.attrs.get("unmapped_interfaces", 0),
    }


def _show(console: Console, output: Path, loads: xr.DataArray, counts: dict[str, int]) -> None:
    import numpy as np

    facts, total = _facts(loads), max(sum(counts.values()), 1)
    console.say(
        f"{output}: {facts['links']} links, {facts['intervals']} x {duration(facts['interval_s'])} "
        f"from {facts['first']} UTC"
    )
    lines = [("quality", ", ".join(f"{flag} {percent(n / total)}" for flag, n in counts.items() if n))]
    missing = np.isnan(loads.values)
    if missing.any():
        worst = np.argsort(-missing.mean(axis=0), kind="stable")[:5]
        names = [f"{loads['link'].values[i]} {percent(missing[:, i].mean())}" for i in worst if missing[:, i].any()]
        lines.append(("not measured", f"{percent(missing.mean())} of the loads; most: {', '.join(names)}"))
    lines.append(("busiest", _busiest(loads)))
    if facts["unmapped_interfaces"]:
        lines.append(("not in the map", f"{facts['unmapped_interfaces']} polled interfaces"))
    console.fields(lines)


def _busiest(loads: xr.DataArray) -> str:
    import numpy as np

    peak = np.nan_to_num(loads.max("time").values)
    link = int(peak.argmax())
    return f"{loads['link'].values[link]}, up to {rate(float(peak[link]))}"
