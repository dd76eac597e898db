from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import odflow as of
from odflow.errors import DataError, LabelError, UsageError
from odflow.network.model import Network, Node
from odflow.network.routing import Routing
from odflow.traffic.series import SeriesSet, from_cells, from_tms, regular, series_array

START = np.datetime64("2026-01-05", "ns")


def tms(steps: list[int], nodes: str = "abcd") -> xr.DataArray:
    """Demand k of TM t is 100 t + k."""
    n = len(nodes)
    values = 100 * np.array(steps)[:, None] + np.arange(n * n)
    return of.demands(values, START + np.array(steps) * np.timedelta64(300, "s"), list(nodes), 300)


def test_ingress_and_egress(diamond: Network) -> None:
    x = from_tms(tms([0, 1, 4]), network=diamond)
    assert (x.name, x.dims, x.shape) == ("traffic", ("time", "node", "service"), (5, 4, 2))
    assert x["service"].values.tolist() == ["ingress", "egress"]
    assert x["unit"].values.tolist() == ["bit/s", "bit/s"]
    assert x.attrs == {"interval_s": 300.0, "units": "bit/s"}
    np.testing.assert_array_equal(x.sel(node="b", service="ingress"), [22, 422, np.nan, np.nan, 1622])
    np.testing.assert_array_equal(x.sel(node="b", service="egress"), [28, 428, np.nan, np.nan, 1628])
    np.testing.assert_array_equal(x["time"], START + np.arange(5) * np.timedelta64(300, "s"))
    assert x["latitude"].values.tolist() == [0, 1, -1, 0]
    assert x["longitude"].values.tolist() == [0, 1, 1, 2]


def test_not_measured_stays_so(diamond_routing: Routing) -> None:
    demands = tms([0, 1, 2]).assign_coords(valid=("time", [True, False, True]))
    demands[2, 0, 1] = np.nan
    x = from_tms(demands)
    assert np.isnan(x.values[1]).all()
    assert np.isnan(x.values[2]).tolist() == [[True, False], [False, True], [False, False], [False, False]]
    links = from_tms(demands, diamond_routing)
    assert np.isnan(links.values[1]).all()
    lost = links["node"].values[np.isnan(links.values[2, :, 0])].tolist()
    assert sorted(lost) == ["ab1", "ab2", "in:a", "out:b"]


def test_link_loads_and_flows(diamond_routing: Routing) -> None:
    demands = tms([0, 2])
    links = from_tms(demands, diamond_routing)
    assert links["node"].values.tolist() == list(diamond_routing.links)
    assert links["service"].values.tolist() == ["load"]
    np.testing.assert_array_equal(links.values[[0, 2], :, 0], diamond_routing.loads(demands).values)
    assert np.isnan(links.values[1]).all()
    flows = from_tms(demands, flows=True)
    assert flows["node"].values[[0, 1, 15]].tolist() == ["a->a", "a->b", "d->d"]
    np.testing.assert_array_equal(flows.values[2, :, 0], 200 + np.arange(16))
    with pytest.raises(UsageError, match="give routing= or flows=True, not both"):
        from_tms(demands, diamond_routing, flows=True)


def test_places_only_where_all_are_known(diamond: Network) -> None:
    some = Network((Node("a", 1.0, 2.0), *(Node(name) for name in "bcd")), (), name="some")
    assert "latitude" not in from_tms(tms([0, 1]), network=some).coords
    with pytest.raises(LabelError, match="the network has no node 'e'"):
        from_tms(tms([0, 1], "abcde"), network=diamond)


def test_times_that_fit_no_axis() -> None:
    demands = tms([0, 1, 2])
    late = demands.assign_coords(time=demands["time"].values + np.array([0, 0, 7], "m8[s]"))
    with pytest.raises(LabelError, match="00:10:07 is no whole number of intervals of 300 s after the first"):
        from_tms(late)
    with pytest.raises(LabelError, match=r"3 of 100001 intervals from 2026-01-05T00:00:00 to .* is a time wrong"):
        from_tms(tms([0, 1, 100_000]))
    with pytest.raises(LabelError, match="do not rise"):
        regular(from_tms(demands)[::-1])


def test_cells_become_nodes() -> None:
    config = of.CellularConfig(weeks=0.2, stations=4, width_km=2, height_km=2, interval="30min")
    cells = of.CellularSimulator(config).run(0)
    x = from_cells(cells.transpose("service", "cell", "time"))
    np.testing.assert_array_equal(x.values, cells.values)
    for name in ("x_m", "y_m", "unit", "time", "service"):
        np.testing.assert_array_equal(x[name].values, cells[name].values)
    assert x["node"].values.tolist() == cells["cell"].values.tolist()
    gap = from_cells(cells.isel(time=[0, 1, 5]))
    assert np.isnan(gap.values[2:5]).all()
    np.testing.assert_array_equal(gap.values[5], cells.values[5])
    assert from_cells(cells.drop_vars("cell"))["node"].values.tolist() == ["0", "1", "2", "3"]
    for wrong in (cells[0], cells.rename(cell="node"), cells.values, cells.drop_attrs()):
        with pytest.raises(DataError, match="expected traffic of cells"):
            from_cells(wrong)


def test_parts_of_a_set() -> None:
    time = START + np.arange(10) * np.timedelta64(1, "h")
    x = series_array(np.arange(20.0).reshape(10, 2, 1), time, ["a", "b"], ["load"], ["bit/s"], 3600)
    x[3] = np.nan
    found = SeriesSet("made up", x, time[7], time[8], "", "")
    parts = [found.train, found.validation, found.test]
    assert [part.sizes["time"] for part in parts] == [7, 1, 2]
    assert xr.concat(parts, "time").equals(x)
    assert repr(found) == (
        "<SeriesSet 'made up': 2 nodes x load, 10 intervals of 3600 s, 2026-01-05T00:00 to 2026-01-05T09:00 "
        "(7 train, 1 validation, 2 test), 10.0% not measured>"
    )


def test_names_that_are_not_known(tmp_path, monkeypatch) -> None:
    with pytest.raises(UsageError, match="unknown set of series 'nsfnet'; use one of milan, c2tm, lte-elborn"):
        of.data.series("nsfnet")
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(tmp_path))
    monkeypatch.setenv("ODFLOW_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"milan_dgrn25.*npz is not here; set ODFLOW_REAL_DATA"):
        of.data.series("milan")
    (tmp_path / "milan_dgrn25_internet_10min.npz").write_text("nonsense")
    with pytest.raises(of.errors.FormatError, match="is damaged"):
        of.data.series("milan")
