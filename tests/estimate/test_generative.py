"""Estimators that invert a generator: with a linear one whose answer is known, and with the real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # matrices are small here: threads only get into each other's way

from odflow import labels  # noqa: E402
from odflow.errors import LabelError, NotFittedError, UsageError  # noqa: E402
from odflow.estimate.generative_base import GenerativeEstimator  # noqa: E402
from odflow.generate.base import TrafficGenerator  # noqa: E402
from odflow.generate.config import GeneratorConfig  # noqa: E402
from odflow.generate.past import Past  # noqa: E402
from odflow.generate.scaling import FlowScaling  # noqa: E402
from odflow.network.epochs import RoutingEpochs  # noqa: E402
from odflow.network.routing import Routing  # noqa: E402
from odflow.testing import check_estimator  # noqa: E402

FACTORS = 8


class Linear(TrafficGenerator):
    """Mean TM plus principal components of the history times noise."""

    config_type = GeneratorConfig

    def _networks(self, flows: int) -> dict[str, torch.nn.Module]:
        return {"linear": torch.nn.Linear(FACTORS, flows)}

    def _task(self, networks: Any, config: Any) -> Any:
        raise NotImplementedError

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (FACTORS,)

    def fit(self, history: xr.DataArray, **_: Any) -> Linear:
        past = Past.of(history)
        x = past.values / past.values.mean()
        networks = self._networks(x.shape[1])
        _, size, direction = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
        weight = (direction[:FACTORS] * size[:FACTORS, None]).T / np.sqrt(len(x))
        networks["linear"].load_state_dict(
            {"weight": torch.from_numpy(weight).float(), "bias": torch.from_numpy(x.mean(axis=0)).float()}
        )
        scaling = FlowScaling(torch.ones(x.shape[1]))
        about = {"seed": 5, "data": "abc"}
        self._adopt(past.nodes, past.interval_s, past.end, past.values.mean(axis=0), networks, scaling, about)
        return self

    def decode(self, noise: torch.Tensor) -> torch.Tensor:
        return self._traffic(self.networks_["linear"](noise))


@dataclass(kw_only=True, eq=False)
class LinearTME(GenerativeEstimator):
    generator_type = Linear
    config_type = GeneratorConfig


def estimator(**fields: Any) -> LinearTME:
    return LinearTME(starts=50, steps=300, block=32, learning_rate=0.1, **fields)


@pytest.fixture(scope="module")
def world(diamond_routing: Routing) -> tuple[xr.DataArray, xr.DataArray]:
    """History and the day after: a few factors behind all flows, so that the loads say everything."""
    rng = np.random.default_rng(3)
    base = rng.lognormal(17, 0.7, 16)
    factors = 0.12 * rng.standard_normal((FACTORS, 16)) * base
    x = base + rng.standard_normal((224, FACTORS)).clip(-2, 2) @ factors
    times = np.datetime64("2026-01-05", "h") + np.arange(224)
    tm = labels.demands(np.maximum(x, 0.05 * base), times, diamond_routing.nodes, 3600)
    return tm[:200], tm[200:]


@pytest.fixture(scope="module")
def generator(world) -> Linear:
    return Linear().fit(world[0])


@pytest.fixture(scope="module")
def loads(world, diamond_routing: Routing) -> xr.DataArray:
    return diamond_routing.loads(world[1])


def off(found: xr.DataArray, expected: xr.DataArray) -> float:
    """Sum of absolute differences relative to the traffic."""
    return float(np.abs(found.values - expected.values).sum() / expected.sum())


def test_own_estimate_is_the_truth_where_loads_say_everything(world, generator, loads, diamond_routing: Routing):
    own = estimator(generator=generator, project=False).estimate(loads, diamond_routing)
    assert off(own, world[1]) < 5e-3
    assert own.dims == ("time", "origin", "destination")


def test_both_stages_come_from_one_inversion(generator, loads, diamond_routing: Routing):
    fast = replace(estimator(generator=generator), steps=5, sweeps=2000)
    both = fast.stages(loads, diamond_routing)
    assert both.dims == ("stage", "time", "origin", "destination")
    assert both["stage"].values.tolist() == ["own", "projected"]
    labels.check_demands(both, extra=("stage",))
    np.testing.assert_array_equal(both[1].values, fast.estimate(loads, diamond_routing).values)
    own = replace(fast, project=False).estimate(loads, diamond_routing)
    np.testing.assert_array_equal(both[0].values, own.values)
    largest = float(loads.max())
    assert np.abs(diamond_routing.loads(both[1].drop_vars("stage")) - loads).max() < 1e-6 * largest
    assert np.abs(diamond_routing.loads(own) - loads).max() > 1e-2 * largest


def test_projection_is_that_of_the_own_estimate(generator, loads, diamond_routing: Routing):
    from odflow.estimate.projection import project, rows_of

    both = estimator(generator=generator).stages(loads, diamond_routing)
    own, projected = both.values.reshape(2, len(loads), -1)
    np.testing.assert_array_equal(project(rows_of(diamond_routing.matrix), own, loads.values), projected)


def test_floor_lifts_what_the_generator_says_is_nothing(generator, loads, diamond_routing: Routing):
    class Nothing(Linear):
        def decode(self, noise: torch.Tensor) -> torch.Tensor:
            return super().decode(noise) * (torch.arange(16) % 5 > 0)

    none = Nothing()
    none.__dict__.update(generator.__dict__)
    both = estimator(generator=none, floor=0.1).stages(loads, diamond_routing).values.reshape(2, -1, 16)
    assert (both[0, :, ::5] == 0).all()
    assert (both[1, :, ::5] > 0).all()


def test_nodes_of_the_routing_in_another_order(world, generator, loads, diamond_routing: Routing):
    turned = diamond_routing.relabelled(diamond_routing.links[::-1], ("c", "a", "d", "b"))
    for project in (True, False):
        model = estimator(generator=generator, project=project)
        found = model.estimate(loads, turned)
        assert found["origin"].values.tolist() == ["c", "a", "d", "b"]
        expected = model.estimate(loads, diamond_routing).sel(origin=found["origin"], destination=found["destination"])
        np.testing.assert_allclose(found.values, expected.values, rtol=2e-3)
    other = world[0].assign_coords(origin=list("zbcd"), destination=list("zbcd"))
    with pytest.raises(LabelError, match="past demands lack node 'a'"):
        estimator(generator=Linear().fit(other)).estimate(loads, diamond_routing)


def test_counters_that_are_missing(world, generator, loads, diamond_routing: Routing):
    part = loads.copy(deep=True)
    part.values[:, 3] = part.values[5] = np.nan
    model = estimator(generator=generator, project=False)
    found = model.estimate(part, diamond_routing)
    assert np.isnan(found[5]).all()
    rest = np.arange(len(loads)) != 5
    assert off(found[rest], world[1][rest]) < 5e-3


def test_epochs_of_routing(world, generator, diamond_routing: Routing):
    cut = diamond_routing.without(links=["cd"])
    times = world[1]["time"].values
    epochs = RoutingEpochs(times[[0, 10]], (diamond_routing, cut))
    found = estimator(generator=generator, project=False).estimate(epochs.loads(world[1]), epochs)
    assert off(found, world[1]) < 5e-3


def test_known_demands_count(world, generator, loads, diamond_routing: Routing):
    few = loads.copy(deep=True)
    few.values[:, 2:] = np.nan
    known = world[1].copy(deep=True)
    known.values[:, :, 2:] = np.nan
    model = estimator(generator=generator, project=False)
    with_known = model.estimate(few, diamond_routing, known=known)
    assert off(with_known, world[1]) < 0.01 < 5 * off(model.estimate(few, diamond_routing), world[1])
    exact = replace(model, project=True, steps=3).estimate(few, diamond_routing, known=known)
    np.testing.assert_allclose(exact.values[:, :, :2], world[1].values[:, :, :2], rtol=1e-3)


def test_noisy_loads_are_met_in_part(world, generator, diamond_routing: Routing):
    rng = np.random.default_rng(0)
    loads = diamond_routing.loads(world[1])
    loads = loads.copy(data=loads.values * (1 + 0.1 * rng.standard_normal(loads.shape)))
    model = replace(estimator(generator=generator), steps=20, screen=False, noise=0.1)
    own, soft = model.stages(loads, diamond_routing).drop_vars("stage")
    hard = replace(model, noise=0.0).estimate(loads, diamond_routing)
    np.testing.assert_array_equal(replace(model, project=False).estimate(loads, diamond_routing).values, own.values)
    misfit = [float(np.abs(diamond_routing.loads(x) - loads).sum()) for x in (own, soft, hard)]
    assert misfit[0] > 1.01 * misfit[1] > 1.01 * misfit[2]


def test_what_the_result_says_about_itself(generator, loads, diamond_routing: Routing):
    model = replace(estimator(generator=generator, seed=3), steps=1)
    attrs = model.estimate(loads, diamond_routing).attrs
    assert attrs == {
        "units": "bit/s", "interval_s": 3600.0, "method": "LinearTME", "history_age_s": 0.0, "stage": "projected",
        "generator_seed": 5, "generator_data": "abc", "inversion_seed": 3,
    }  # fmt: skip
    assert replace(model, project=False).estimate(loads, diamond_routing).attrs["stage"] == "own"
    assert "stage" not in model.stages(loads, diamond_routing).attrs


def test_same_seed_same_bits(generator, loads, diamond_routing: Routing):
    runs = [
        replace(estimator(generator=generator, seed=s), steps=5).estimate(loads, diamond_routing) for s in (0, 0, 1)
    ]
    xr.testing.assert_identical(runs[0], runs[1])
    assert not np.array_equal(runs[0].values, runs[2].values)


def test_starts_are_decoded_once(generator, loads, diamond_routing: Routing):
    rows: list[int] = []

    class Counting(Linear):
        def decode(self, noise: torch.Tensor) -> torch.Tensor:
            rows.append(len(noise))
            return super().decode(noise)

    counting = Counting()
    counting.__dict__.update(generator.__dict__)
    model = replace(estimator(generator=counting), steps=0)
    epochs = RoutingEpochs(loads["time"].values[[0, 8]], (diamond_routing, diamond_routing))
    model.estimate(loads, epochs)
    assert rows == [32, 32, 16, 16]  # 50 starts, then two epochs of 8 and 16 snapshots
    model.estimate(loads, diamond_routing)
    assert rows[4:] == [32]
    model.seed = 1
    model.estimate(loads, diamond_routing)
    assert rows[5:] == [32, 32, 32]


def test_progress_over_epochs(generator, loads, diamond_routing: Routing):
    calls: list[tuple[int, int]] = []
    model = replace(estimator(generator=generator), steps=4)
    epochs = RoutingEpochs(loads["time"].values[[0, 8]], (diamond_routing, diamond_routing))
    model.estimate(loads, epochs, progress=lambda done, total, losses: calls.append((done, total)))
    assert calls == [(8 * k, 96) for k in range(1, 5)] + [(32 + 16 * k, 96) for k in range(1, 5)]


def test_fit_trains_unless_there_is_nothing_to_do(world, generator, loads, diamond_routing: Routing):
    given = estimator(generator=generator)
    assert given.fit(world[0][:50]) is given
    assert given.generator_ is generator
    for unfitted in (None, GeneratorConfig(), Linear()):
        model = estimator(generator=unfitted)
        with pytest.raises(NotFittedError, match=r"LinearTME needs past TMs"):
            model.estimate(loads, diamond_routing)
        with pytest.raises(UsageError, match="needs a history"):
            model.fit()
        model.fit(world[0])
        assert model.generator is unfitted
        assert not getattr(unfitted, "nodes_", ())
        np.testing.assert_array_equal(model.mean_, generator.mean_)
        xr.testing.assert_identical(
            model.estimate(loads[:3], diamond_routing), given.estimate(loads[:3], diamond_routing)
        )
        assert model.fit(world[0][:100]).mean_.sum() != generator.mean_.sum()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"generator": 3}, "needs a Linear or a GeneratorConfig, not a int"),
        ({"floor": 2.0}, "floor is 2"),
        ({"sweeps": 0}, "sweeps is 0"),
        ({"norm": "l0"}, "norm is 'l0'"),
    ],
)
def test_fields_that_make_no_sense(wrong, message: str):
    with pytest.raises(UsageError, match=message):
        LinearTME(**wrong)


def test_nothing_to_save(tmp_path: Path):
    with pytest.raises(NotFittedError, match="nothing to save"):
        estimator().save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_linear_estimator_keeps_the_house_rules():
    check_estimator(replace(estimator(generator=GeneratorConfig()), steps=20, sweeps=500), exact=True)
