"""Link loads after failures."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import odflow as of
from odflow import labels
from odflow.errors import DataError, NetworkError, NotFittedError, RoutingError, UsageError
from odflow.estimate.failure_loads import _Change as Change
from odflow.estimate.failure_loads import _quantiles as quantiles_of
from odflow.estimate.failure_loads import _stretch as stretch_of
from odflow.network.epochs import RoutingEpochs
from odflow.network.failures import each_link, each_node
from odflow.network.model import Network
from odflow.network.routing import Routing


@pytest.fixture(scope="module")
def tms(diamond: Network) -> xr.DataArray:
    """Four weeks of hours; flows with a daily cycle and noise of their own."""
    rng = np.random.default_rng(0)
    times = np.datetime64("2026-01-05", "h") + np.arange(4 * 168)
    size, phase = rng.lognormal(0, 0.7, 16), rng.uniform(0, 6.28, 16)
    cycle = np.exp(0.5 * np.sin(2 * np.pi * np.arange(len(times))[:, None] / 24 + phase))
    return labels.demands(1e7 * size * cycle * rng.lognormal(0, 0.3, cycle.shape), times, diamond.node_ids, 3600)


@pytest.fixture(scope="module")
def fitted(tms: xr.DataArray) -> of.GaussianPosterior:
    return of.GaussianPosterior().fit(tms[: 3 * 168])


def test_loads_of_known_matrices_are_exact(tms: xr.DataArray, diamond_routing: Routing) -> None:
    failures = [*each_link(diamond_routing.network), *each_node(diamond_routing.nodes)]
    found = of.whatif(tms[-48:], diamond_routing, failures, levels=(0.1, 0.9))
    before = diamond_routing.loads(tms[-48:])
    np.testing.assert_allclose(found.before, before.max("time"))
    for one in failures:
        matrix = diamond_routing.without(one.links, one.nodes).matrix
        after = before.copy(data=(matrix @ tms.values[-48:].reshape(48, -1).T).T)
        for level in (0.1, 0.9):
            np.testing.assert_allclose(found.after.sel(failure=one.name, quantile=level), after.max("time"), atol=1e-3)
        loaded = after.max("time").values > 0
        when = after["time"].values[after.values.argmax(axis=0)]
        np.testing.assert_array_equal(found.time.sel(failure=one.name).values[loaded], when[loaded])
    assert found.lost.sel(failure="ac both ways") == 0
    gone = tms[-48:].sel(origin="d").sum() + tms[-48:].sel(destination="d").sum()
    gone -= tms[-48:].sel(origin="d", destination="d").sum()
    assert float(found.lost.sel(failure="d")) == pytest.approx(float(gone / tms[-48:].sum()))
    assert not found.calibrated
    assert found.down.sel(failure="d").values.tolist() == [
        link in ("bd", "db", "cd", "dc") for link in diamond_routing.links
    ]


def test_failures_of_one_name_stay_apart(tms: xr.DataArray, diamond_routing: Routing) -> None:
    failures = [of.Failure(links=("ac", "ca"), name="x"), of.Failure(links=("bd", "db"), name="x")]
    found = of.whatif(tms[-24:], diamond_routing, failures)
    assert [row["failure"] for row in found.worst()] == ["x", "x"]
    assert {row["link"] for row in found.rows()[:8]}.isdisjoint({"ac", "ca"})
    assert len(found.rows()) == 2 * 8


def test_the_worst_link_is_the_fullest(tms: xr.DataArray, diamond: Network) -> None:
    links = [of.Link(k.id, k.source, k.target, 1e8 if k.id == "ca" else 1e10, 1.0) for k in diamond.links]
    routing = Routing.shortest_path(Network(diamond.nodes, links))
    found = of.whatif(tms[-24:], routing, each_link(routing.network))
    worst = found.worst()
    assert [row["link"] for row in worst[:4]] == ["ca"] * 4
    usage = [row["q0.95"] / row["capacity"] for row in worst]
    assert usage == sorted(usage, reverse=True)
    assert worst[0]["q0.5"] / 1e8 == pytest.approx(float(found.utilisation.sel(link="ca", quantile=0.5).max()))
    rows = found.rows()
    assert len(rows) == 5 * (len(links) - 2)
    assert not any(row["link"] in ("cd", "dc") for row in rows if row["failure"] == "cd both ways")
    bare = Routing.shortest_path(Network(diamond.nodes, [of.Link(k.id, k.source, k.target, None, 1.0) for k in links]))
    gain = [row["q0.95"] - row["before"] for row in of.whatif(tms[-24:], bare, each_link(bare.network)).worst()]
    assert gain == sorted(gain, reverse=True)
    assert gain[0] > 0


def test_intervals_from_loads(tms: xr.DataArray, fitted: of.GaussianPosterior, diamond_routing: Routing) -> None:
    now, failures = tms[-168:], each_link(diamond_routing.network)
    loads = diamond_routing.loads(now)
    found = of.whatif(loads, diamond_routing, failures, fitted, seed=3)
    assert not found.calibrated
    np.testing.assert_allclose(found.before, loads.max("time"), rtol=2e-3)
    low, middle, high = found.after.transpose("quantile", ...).values
    assert (low <= middle).all()
    assert (middle <= high).all()
    one = failures[2]
    after = diamond_routing.without(one.links)
    changed = abs(after.matrix - diamond_routing.matrix).sum(axis=1) > 0
    np.testing.assert_allclose((high - low)[2, ~changed], 0, atol=2e-3 * high.max())
    link = diamond_routing.links.index("bd")
    assert changed[link]
    when = found.time.values[2, link]
    draws = fitted.sample(loads.sel(time=[when]), diamond_routing, 800, seed=5)
    direct = [after.loads(draw).sel(link="bd").item() for draw in draws]
    assert middle[2, link] == pytest.approx(np.median(direct), rel=0.02)
    assert high[2, link] - low[2, link] == pytest.approx(np.subtract(*np.quantile(direct, (0.95, 0.05))), rel=0.35)


def test_back_tests_make_intervals_hold(tms: xr.DataArray, diamond_routing: Routing) -> None:
    past, now = tms[: 3 * 168], tms[3 * 168 :: 5]
    truth, p = now.values.reshape(len(now), -1), np.array([0.05, 0.5, 0.95])
    after = [diamond_routing.without(one.links) for one in each_link(diamond_routing.network)]
    changes = [Change.of(diamond_routing, one) for one in after]
    covered = []
    for estimator in (of.GaussianPosterior(), of.GaussianPosterior(correlation=0.9, pooling=0.9)):
        estimator.fit(past)
        stretch = stretch_of(estimator, past, diamond_routing, changes, 40, 0)
        draws = estimator.sample(diamond_routing.loads(now), diamond_routing, 40).values.reshape(40, len(now), -1)
        for each in (None, stretch):
            hits = []
            for change in changes:
                low, _, high = quantiles_of(change.loads(draws), p, each)
                true, wide = change.loads(truth), high - low > 1e-3 * high.max()
                hits.append(((low <= true) & (true <= high))[wide])
            covered.append(np.concatenate(hits).mean())
    assert covered[2] < 0.85
    assert all(0.87 < one < 0.96 for one in (covered[1], covered[3]))


def test_calibrated_intervals_are_another_width(
    tms: xr.DataArray, fitted: of.GaussianPosterior, diamond_routing: Routing
) -> None:
    loads, failures = diamond_routing.loads(tms[-5:]), each_link(diamond_routing.network)[:1]
    bare = of.whatif(loads, diamond_routing, failures, fitted, samples=30)
    found = of.whatif(loads, diamond_routing, failures, fitted, history=tms[: 3 * 168], samples=30)
    assert found.calibrated
    width, before = ((one.after[0, -1] - one.after[0, 0]).values for one in (found, bare))
    open_ = before > 1e-2 * float(bare.after.max())
    assert open_.sum() >= 4
    assert (width[open_] > 1.02 * before[open_]).all()
    assert (width[open_] < 2 * before[open_]).all()
    np.testing.assert_allclose(width[~open_], 0, atol=1e-4 * float(bare.after.max()))


def test_pretrained_networks_are_tried_too(tms: xr.DataArray, diamond_routing: Routing) -> None:
    pytest.importorskip("torch")
    past, loads = tms[: 3 * 168], diamond_routing.loads(tms[-5:])
    failures, ours = each_link(diamond_routing.network)[2:3], of.StackedEstimator(weights="pretrained")
    bare = of.whatif(loads, diamond_routing, failures, ours.fit(past, diamond_routing), samples=30)
    found = of.whatif(loads, diamond_routing, failures, ours, history=past, samples=30)
    assert (found.calibrated, bare.calibrated) == (True, False)
    width, before = ((one.after[0, -1] - one.after[0, 0]).values for one in (found, bare))
    open_ = before > 1e-2 * float(bare.after.max())
    assert open_.any()
    ratio = width[open_] / before[open_]
    assert (np.abs(ratio - 1) > 1e-3).all()
    assert (ratio < 2).all()


def test_estimators_without_draws_have_no_intervals(tms: xr.DataArray, diamond_routing: Routing) -> None:
    loads, failures = diamond_routing.loads(tms[-12:]), each_link(diamond_routing.network)
    found = of.whatif(loads, diamond_routing, failures, of.KLProjection())
    x = of.KLProjection().estimate(loads, diamond_routing)
    after = diamond_routing.without(failures[4].links).loads(x)
    for values in found.after.values[4]:
        np.testing.assert_allclose(values, after.max("time"), atol=1e-3)


def test_refusals(tms: xr.DataArray, fitted: of.GaussianPosterior, diamond_routing: Routing) -> None:
    failures, loads = each_link(diamond_routing.network), diamond_routing.loads(tms[-3:])
    with pytest.raises(UsageError, match="need a fitted estimator"):
        of.whatif(loads, diamond_routing, failures)
    with pytest.raises(UsageError, match="no failure"):
        of.whatif(tms[-3:], diamond_routing, [])
    with pytest.raises(NotFittedError):
        of.whatif(loads, diamond_routing, failures, of.GaussianPosterior())
    with pytest.raises(NetworkError, match="has no link 'zz'"):
        of.whatif(tms[-3:], diamond_routing, [of.Failure(links=["zz"])])
    bare = Routing(diamond_routing.matrix, diamond_routing.links, diamond_routing.nodes)
    with pytest.raises(RoutingError, match="no network"):
        of.whatif(tms[-3:], bare, failures)
    epochs = RoutingEpochs(["2026-01-01"], [diamond_routing])
    with pytest.raises(RoutingError, match="one routing"):
        of.whatif(tms[-3:], epochs, failures)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="samples"):
        of.whatif(loads, diamond_routing, failures, fitted, samples=0)
    with pytest.raises(DataError, match="never measured"):
        of.whatif(tms[-3:].where(tms["origin"] != "a"), diamond_routing, failures)


def test_missing_demands_at_some_times(tms: xr.DataArray, diamond_routing: Routing) -> None:
    some, failures = tms[-10:].copy(), each_link(diamond_routing.network)
    top = int(diamond_routing.loads(some).sel(link="ac").values.argmax())
    some[top, 0, 2] = np.nan
    found = of.whatif(some, diamond_routing, failures)
    rest = some.isel(time=[k for k in range(10) if k != top])
    assert float(found.before.sel(link="ac")) == pytest.approx(float(diamond_routing.loads(rest).sel(link="ac").max()))


def test_a_short_history_gives_intervals_as_they_are(
    tms: xr.DataArray, fitted: of.GaussianPosterior, diamond_routing: Routing
) -> None:
    loads, failures = diamond_routing.loads(tms[-3:]), each_link(diamond_routing.network)
    with_short = of.whatif(loads, diamond_routing, failures, fitted, history=tms[:1], samples=20)
    without = of.whatif(loads, diamond_routing, failures, fitted, samples=20)
    assert not with_short.calibrated
    np.testing.assert_array_equal(with_short.after, without.after)
