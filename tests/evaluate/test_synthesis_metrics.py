"""Measures of synthetic TMs against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import norm, rankdata, wasserstein_distance

from odflow.errors import DataError
from odflow.evaluate.synthesis_metrics import (
    BANDWIDTHS,
    classifier_auc,
    copying_ratio,
    correlation_error,
    frechet,
    mmd2,
    relative_wasserstein,
    wasserstein,
)
from odflow.evaluate.synthesis_rivals import GaussianCopula, Resample
from odflow.evaluate.synthesis_space import fit_space, nearest, squares


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def real(rng):
    """400 TMs of six flows that share a factor."""
    return np.exp(0.4 * rng.standard_normal((400, 6)) + 0.5 * rng.standard_normal((400, 1))) * [1, 2, 5, 10, 50, 100]


def test_wasserstein_of_a_shift_is_the_shift(real, rng):
    shift = np.arange(6.0)
    np.testing.assert_allclose(wasserstein(real, rng.permutation(real) + shift), shift, atol=1e-12)
    by_volume, by_flow = relative_wasserstein(real, real + shift)
    assert by_volume == pytest.approx(shift.sum() / real.mean(axis=0).sum())
    assert by_flow == pytest.approx((shift / real.mean(axis=0)).mean())


@pytest.mark.parametrize("n", [1, 7, 100, 400])
def test_wasserstein_is_that_of_scipy_for_any_numbers(real, rng, n):
    other = rng.lognormal(size=(n, 6)) * 10
    expected = [wasserstein_distance(a, b) for a, b in zip(real.T, other.T, strict=True)]
    np.testing.assert_allclose(wasserstein(real, other), expected)
    np.testing.assert_allclose(wasserstein(other, real), expected)


def test_flows_with_next_to_no_traffic_do_not_decide(real):
    """Their mean counts as 0.1 % of the mean demand, in the distances too."""
    x = real[:, :2]
    empty, synthetic = np.column_stack([x, np.zeros(400)]), np.column_stack([x, np.full(400, 0.01)])
    by_volume, by_flow = relative_wasserstein(empty, synthetic)
    demand = x.mean(axis=0).sum() / 3
    assert by_volume == pytest.approx(0.01 / (3 * demand))
    assert by_flow == pytest.approx(0.01 / (1e-3 * demand) / 3)
    with pytest.raises(DataError, match="no traffic"):
        relative_wasserstein(np.zeros((3, 2)), np.ones((3, 2)))
    tiny = np.column_stack([x, 1e-9 * real[:, 5]])
    assert fit_space(tiny).scale[2] == pytest.approx(1e-3 * demand)
    assert frechet(tiny, np.column_stack([x, 1e-7 * real[:, 5]])) < 1e-3
    assert classifier_auc(tiny, np.column_stack([x[::-1], 1e-8 * real[:, 5]])) < 0.6


def test_correlation_error(rng):
    a = rng.random(50)
    same, opposed = np.column_stack([a, 2 * a + 1]), np.column_stack([a, 3 - a])
    assert correlation_error(same, opposed) == pytest.approx(2)
    assert correlation_error(same, same) == pytest.approx(0)
    # constant among the real ones: left out; among the synthetic ones: correlation 0
    assert correlation_error(np.column_stack([same, np.ones(50)]), np.column_stack([opposed, a])) == pytest.approx(2)
    assert correlation_error(same, np.column_stack([a, np.full(50, 0.1)])) == pytest.approx(1)
    assert np.isnan(correlation_error(np.column_stack([a, np.ones(50)]), same))


def test_correlation_error_is_that_of_numpy(real, rng):
    other = rng.lognormal(size=(300, 6))
    difference = np.abs(np.corrcoef(real.T) - np.corrcoef(other.T))
    assert correlation_error(real, other) == pytest.approx(difference[np.triu_indices(6, 1)].mean())


def test_space_has_the_axes_of_standardised_flows(rng):
    a, b = rng.standard_normal((2, 500))
    tms = np.column_stack([10 + a, 1000 + 100 * a + 20 * b, np.full(500, 3.0)])
    space = fit_space(tms, share=1.0)
    r = np.corrcoef(tms[:, :2].T)[0, 1]
    np.testing.assert_allclose(space.shares, [(1 + r) / 2, (1 - r) / 2])
    np.testing.assert_allclose(np.abs(space.axes[:, 0]), [2**-0.5, 2**-0.5, 0], atol=1e-12)
    np.testing.assert_allclose(space(tms).var(axis=0), [1 + r, 1 - r])
    np.testing.assert_allclose(space(tms).mean(axis=0), 0, atol=1e-9)
    assert fit_space(tms, share=0.9).axes.shape == (3, 1)
    assert fit_space(tms, share=1.0, most=1).axes.shape == (3, 1)


def test_frechet_between_known_normal_distributions(real):
    """A shift of one standard deviation per flow, and a spread of the wrong size, in all directions."""
    space = fit_space(real, share=1.0)
    mean, spread = real.mean(axis=0), real.std(axis=0)
    assert frechet(real, real, space) == pytest.approx(0, abs=1e-9)
    assert frechet(real, real + spread, space) == pytest.approx(6)
    assert frechet(real, mean + 0.5 * (real - mean), space) == pytest.approx(6 * 0.25 * 400 / 399)


def test_frechet_is_the_formula_with_a_matrix_root(real, rng):
    other = rng.lognormal(size=(300, 6)) * [3, 1, 5, 8, 60, 90]
    space = fit_space(real, most=4)
    a, b = space(real), space(other)
    c, d = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert frechet(real, other, space) == pytest.approx(expected)


def test_mmd_is_the_sum_over_pairs(rng):
    a, b = rng.random((20, 3)), rng.random((15, 3)) + 0.3
    space = fit_space(a, share=1.0)
    x, y = space(a), space(b)
    median = np.median([((x[i] - x[j]) ** 2).sum() for i in range(20) for j in range(i)])

    def k(p, q):
        return np.mean([np.exp(-((p - q) ** 2).sum() / (2 * median * s**2)) for s in BANDWIDTHS])

    one = np.mean([k(p, q) for i, p in enumerate(x) for j, q in enumerate(x) if i != j])
    two = np.mean([k(p, q) for i, p in enumerate(y) for j, q in enumerate(y) if i != j])
    cross = np.mean([k(p, q) for p in x for q in y])
    assert mmd2(a, b) == pytest.approx(one + two - 2 * cross)


def test_mmd_is_unbiased_and_finds_a_difference(rng):
    space = fit_space(rng.standard_normal((500, 4)), share=1.0)
    found = np.array([mmd2(*rng.standard_normal((2, 40, 4)), space) for _ in range(200)])
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(len(found))
    assert 0.3 < (found < 0).mean() < 0.8
    assert mmd2(rng.standard_normal((200, 4)), rng.standard_normal((200, 4)) + 1, space) > 10 * found.std()


def test_mmd_draws_with_its_seed(real, rng):
    other = rng.permutation(real) * 1.1
    assert mmd2(real, other, most=50, seed=1) == mmd2(real, other, most=50, seed=1)
    assert mmd2(real, other, most=50, seed=1) != mmd2(real, other, most=50, seed=2)
    with pytest.raises(DataError, match="at least two"):
        mmd2(real, other[:1])


def test_auc_of_the_same_and_of_disjoint_distributions(rng):
    a, b = np.exp(rng.standard_normal((2, 400, 5)))
    assert classifier_auc(a, b) == pytest.approx(0.5, abs=0.06)
    assert classifier_auc(a, 100 * b + 1000) == pytest.approx(1, abs=1e-6)
    assert classifier_auc(a, b, seed=3) == classifier_auc(a, b, seed=3)


def test_auc_finds_what_no_flow_shows_alone(rng):
    """The same marginals, but the flows rise together among the real ones and not among the others."""
    common = rng.standard_normal((800, 1))
    real = np.exp(0.9 * common + 0.45 * rng.standard_normal((800, 4)))
    synthetic = np.take_along_axis(real, rng.permuted(np.tile(np.arange(800)[:, None], 4), axis=0), axis=0)
    assert wasserstein(real, synthetic).max() == 0
    assert classifier_auc(real, synthetic) > 0.75


def test_groups_are_left_out_together(rng):
    """Days that are all alike within and belong to either side by chance: only leaking tells the sides apart."""
    places = np.exp(2 * rng.standard_normal((60, 3)))
    days = [np.repeat(np.arange(0, 60, 2), 10), np.repeat(np.arange(1, 60, 2), 10)]
    real, synthetic = (places[day] * (1 + 0.01 * rng.random((300, 3))) for day in days)
    assert classifier_auc(real, synthetic) > 0.8
    assert classifier_auc(real, synthetic, groups=(days[0], days[1])) < 0.65


def test_too_few_tms_for_a_classifier(rng):
    with pytest.raises(DataError, match="too few for 5 parts"):
        classifier_auc(rng.random((1, 3)), rng.random((1, 3)))


def test_copies_have_ratio_zero_and_strangers_a_large_one(real, rng):
    train, held_out = real[:200], real[200:]
    assert copying_ratio(train, held_out, rng.permutation(train)) == pytest.approx(0, abs=1e-6)
    assert copying_ratio(train, held_out, held_out) == 1
    assert copying_ratio(train, held_out, held_out + 10 * real.std(axis=0)) > 5
    assert np.isnan(copying_ratio(train, train, held_out))


def test_neighbours_of_the_same_day_do_not_count():
    train, points = np.array([[0.0], [1.0], [5.0]]), np.array([[0.1], [4.0]])
    np.testing.assert_allclose(nearest(train, points), [0.1, 1])
    groups = np.array([0, 0, 1]), np.array([0, 1])
    np.testing.assert_allclose(nearest(train, points, groups), [4.9, 3])
    with pytest.raises(DataError, match="too short"):
        nearest(train[:2], points, (np.zeros(2, int), np.zeros(2, int)))


def test_nearest_in_blocks_is_nearest(rng, monkeypatch):
    train, points = rng.random((50, 3)), rng.random((23, 3))
    expected = np.sqrt(squares(points, train).min(axis=1))
    np.testing.assert_allclose(expected, [np.linalg.norm(train - p, axis=1).min() for p in points])
    monkeypatch.setattr("odflow.evaluate.synthesis_space._BLOCK", 200)
    np.testing.assert_array_equal(nearest(train, points), expected)


@pytest.mark.parametrize("measure", [wasserstein, correlation_error, frechet, mmd2, classifier_auc])
def test_sets_that_do_not_fit_are_refused(measure, real):
    with pytest.raises(DataError, match="6 flows and synthetic ones 5"):
        measure(real, real[:, :5])
    hole = real.copy()
    hole[3, 2] = np.nan
    with pytest.raises(DataError, match="synthetic TMs hold values that are not measured"):
        measure(real, hole)
    with pytest.raises(DataError, match="real TMs of shape"):
        measure(real[0], real)


def test_nothing_varies():
    with pytest.raises(DataError, match="all the same"):
        fit_space(np.ones((5, 3)))


def test_resampling_gives_training_tms_with_a_jitter(real):
    drawn = Resample(real, jitter=0.0).sample(1000, seed=1)
    assert np.isin(drawn[:, 0], real[:, 0]).all()
    jittered = Resample.of(real).sample(4000, seed=1)
    distance = np.abs(np.log(jittered[:, 5, None] / real[None, :, 5])).min(axis=1)
    assert 0 < np.median(distance) < 0.05
    np.testing.assert_allclose(jittered.mean(axis=0), real.mean(axis=0), rtol=0.06)


def test_copula_keeps_each_flow_and_how_they_move_together(real):
    real = np.where(real < np.quantile(real, 0.2, axis=0), 0.0, real)  # a fifth of zeros
    drawn = GaussianCopula.of(real).sample(20000, seed=2)
    assert (drawn == 0).mean(axis=0) == pytest.approx(0.2, abs=0.015)
    for q in (0.3, 0.5, 0.9):
        np.testing.assert_allclose(np.quantile(drawn, q, axis=0), np.quantile(real, q, axis=0), rtol=0.06)
    assert (drawn <= real.max(axis=0)).all()
    scores, expected = (norm.ppf((rankdata(x, axis=0) - 0.5) / len(x)) for x in (drawn, real))
    np.testing.assert_allclose(np.corrcoef(scores.T), np.corrcoef(expected.T), atol=0.08)
    np.testing.assert_array_equal(GaussianCopula.of(real).sample(5, seed=2), GaussianCopula.of(real).sample(5, seed=2))


def test_copula_of_constant_flows(real):
    drawn = GaussianCopula.of(np.column_stack([real[:, 0], np.full(400, 5.0), np.zeros(400)])).sample(50, seed=0)
    assert (drawn[:, 1:] == [5, 0]).all()
    assert np.ptp(drawn[:, 0]) > 0
