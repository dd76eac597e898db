"""What weights of worlds say about parameters, where it is known."""

from __future__ import annotations

import numpy as np
import pytest

import odflow as of
from odflow.errors import DataError
from odflow.sim2real import drawn_values, posterior, posterior_figure


@pytest.fixture
def worlds():
    """Parameter a runs from 1 to 100, b is a permutation of it; only worlds with a in 41 to 60 have weight."""
    a = np.arange(1.0, 101.0)
    b = (37 * np.arange(100) % 101).astype(float)
    return np.stack([b, a], axis=1), ((a > 40) & (a <= 60)) * 3.0


def test_weights_that_select_an_interval(worlds) -> None:
    values, weights = worlds
    found = posterior(["b", "a"], values, weights)
    first, second = found.parameters
    assert (first.name, second.name) == ("a", "b")
    assert first.prior == (5.0, 50.0, 95.0)
    assert first.posterior == (41.0, 50.0, 59.0)
    assert first.spread_left == pytest.approx(18 / 90)
    assert first.distance == pytest.approx(0.4)
    assert found.effective == pytest.approx(20.0)
    assert found.chance == pytest.approx(1.358 * np.sqrt(1 / 20 - 1 / 100))
    assert second.distance < found.chance < first.distance
    np.testing.assert_array_equal(found.values, values[:, ::-1])
    assert found.weights.sum() == pytest.approx(1.0)


def test_equal_weights_change_nothing(worlds) -> None:
    values, _ = worlds
    found = posterior(["b", "a"], values, np.full(100, 0.3))
    for one in found.parameters:
        assert one.prior == one.posterior
        assert one.spread_left == 1.0
        assert one.distance == pytest.approx(0.0, abs=1e-12)
    assert found.effective == pytest.approx(100.0)
    assert found.chance == pytest.approx(0.0, abs=1e-6)


def test_ties_and_a_parameter_that_does_not_vary() -> None:
    values = np.array([[1.0, 7.0], [1.0, 7.0], [2.0, 7.0], [2.0, 7.0]])
    found = posterior(["two", "fixed"], values, np.array([3.0, 0.0, 1.0, 0.0]))
    two, fixed = found.parameters
    assert two.distance == pytest.approx(0.25)
    assert two.posterior == (1.0, 1.0, 2.0)
    assert fixed.distance == pytest.approx(0.0)
    assert np.isnan(fixed.spread_left)
    assert fixed.posterior == (7.0, 7.0, 7.0)


def test_chance_is_that_of_weights_without_meaning() -> None:
    rng = np.random.default_rng(0)
    weights = rng.permutation(np.repeat([0.02, 1.0], [140, 60]))
    values = rng.random((200, 1500))
    found = posterior([str(k) for k in range(1500)], values, weights)
    above = np.mean([one.distance > found.chance for one in found.parameters])
    assert 0.02 < above < 0.07


def test_table(worlds) -> None:
    values, weights = worlds
    lines = str(posterior(["b", "busy_hour"], values, weights)).splitlines()
    assert lines[0] == "100 worlds, effectively 20.0; distances below 0.27 can be chance"
    assert " ".join(lines[1].split()) == "parameter prior 5 - 50 - 95 % posterior 5 - 50 - 95 % spread left distance"
    assert " ".join(lines[2].split()) == "busy_hour 5 - 50 - 95 41 - 50 - 59 20% 0.40"
    assert len({len(line) for line in lines[1:]}) == 1


def test_values_of_random_worlds() -> None:
    network = of.Network((of.Node("a"), of.Node("b")), ())
    simulator = of.BackboneSimulator(network, of.BackboneConfig(interval="6h"))
    worlds = list(of.randomize(simulator, of.BackboneRandomization(weekend=(0.8, 0.8)), 3))
    names, values = drawn_values(worlds)
    assert values.shape == (3, len(names))
    assert not {"weekend", "total", "weeks"} & set(names)
    assert values[:, names.index("busy_hour")].tolist() == [world.config.busy_hour for world in worlds]
    city = of.CellularSimulator(of.CellularConfig(weeks=0.2, stations=2, width_km=1, height_km=1))
    cities = list(of.randomize(city, of.CellularRandomization(), 2))
    names, values = drawn_values(cities)
    assert values[1, names.index("sms.swing")] == cities[1].config.services[0].swing
    with pytest.raises(DataError, match="1 worlds that differ in no parameter"):
        drawn_values(worlds[:1])


def test_figure(worlds) -> None:
    values, weights = worlds
    figure = posterior_figure(posterior(["b", "a"], values, weights), count=1)
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "a  (0.40)"
    heights = [patch.get_height() for patch in axes.patches[:12]]
    assert sum(heights) == pytest.approx(1.0)
    outline = axes.patches[12].get_path().vertices
    inside = outline[outline[:, 1] > 0][:, 0]
    assert inside.min() > 33
    assert inside.max() < 68
    assert len(posterior_figure(posterior(["b", "a"], values, weights)).axes) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones(99)}, r"values of shape \(100, 2\), expected one row for each of 99 weights"),
        ({"names": ["a"]}, "one column for each of 1 names"),
        ({"weights": np.zeros(100)}, "not all 0"),
        ({"weights": np.linspace(-1, 1, 100)}, "0 or more"),
        ({"values": np.full((100, 2), np.nan)}, "not finite"),
    ],
)
def test_bad_input(worlds, change, message: str) -> None:
    values, weights = worlds
    with pytest.raises(DataError, match=message):
        posterior(**{"names": ["b", "a"], "values": values, "weights": weights} | change)
