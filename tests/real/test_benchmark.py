"""The published protocol on the real data: the values that independent computations gave."""

from __future__ import annotations

import pytest

from odflow.evaluate.estimation import EstimationBenchmark, run
from odflow.evaluate.protocol import METHODS

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def abilene(real_data):
    return run(EstimationBenchmark(dataset="abilene"))


@pytest.fixture(scope="module")
def geant(real_data):
    return run(EstimationBenchmark(dataset="geant"))


def mean_tre(result, method):
    return result.row(method).score.all.tre.mean


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("gravity", 0.514),
        ("gravity+kl", 0.325),
        ("mean+kl", 0.251),
        ("last-week+kl", 0.187),
        ("oracle:test-mean+kl", 0.176),
        ("oracle:previous+kl", 0.099),
    ],
)
def test_abilene_week_17(abilene, method, value):
    assert mean_tre(abilene, method) == pytest.approx(value, abs=2e-3)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("gravity", 1.038),
        ("gravity+kl", 0.617),
        ("mean+kl", 0.331),
        ("last-week+kl", 0.148),
        ("oracle:test-mean+kl", 0.125),
        ("oracle:previous+kl", 0.069),
    ],
)
def test_geant_week_12(geant, method, value):
    assert mean_tre(geant, method) == pytest.approx(value, abs=2e-3)


def test_gaussian_posterior_beats_everything_published(abilene, geant):
    assert round(mean_tre(abilene, "gaussian"), 3) <= 0.180
    assert mean_tre(geant, "gaussian") <= 0.132
    for result in (abilene, geant):
        assert mean_tre(result, "gaussian") < min(row.tre_mean for row in result.published)


def test_the_split_is_that_of_the_protocol(abilene, geant):
    assert abilene.split.train.startswith("32256 intervals of 300 s, 2004-03-01T00:00 to")
    assert abilene.split.test == "2016 intervals of 300 s, 2004-07-17T00:00 to 2004-07-23T23:55 UTC"
    assert geant.split.train.startswith("7392 intervals of 900 s, 2005-01-01T00:30 to")
    assert geant.split.test == "672 intervals of 900 s, 2005-03-25T12:00 to 2005-04-01T11:45 UTC"
    assert all(len(result.split.sha256) == 64 for result in (abilene, geant))


@pytest.mark.parametrize(("dataset", "times", "measured"), [("bell_labs", 144, True), ("cmu", 237, False)])
def test_small_sets_use_their_second_half(real_data, dataset, times, measured):
    result = run(EstimationBenchmark(dataset=dataset))
    assert [row.method for row in result.rows] == list(METHODS)
    assert result.rows[0].score.times == times
    assert result.split.measured is measured
    assert result.published == ()
    assert mean_tre(result, "recency+kl") < mean_tre(result, "gravity")
    assert result.row("recency+kl").score.all.residual.mean < 0.01


def test_noise_aware_beats_exact_projection_and_the_bare_prior(real_data):
    methods = ("last-week", "last-week+kl")
    told = run(EstimationBenchmark(methods=methods, noise=0.05))
    exact = run(EstimationBenchmark(methods=methods, noise=0.05, assumed_noise=0.0))
    aware = mean_tre(told, "last-week+kl")
    assert aware < mean_tre(exact, "last-week+kl") - 0.005
    assert aware < mean_tre(told, "last-week") - 0.05


def test_a_tenth_of_the_counters_missing_costs_little(real_data, abilene):
    gaps = run(EstimationBenchmark(methods=("last-week+kl", "gaussian"), missing_links=0.1))
    assert len(gaps.split.missing) == 3
    for method in ("last-week+kl", "gaussian"):
        assert mean_tre(gaps, method) - mean_tre(abilene, method) < 0.01
