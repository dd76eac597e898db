"""The KL projection against independent optimisation and hand-computed tables."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_array

from odflow.estimate.projection import blocks, project, rows_of

FRACTIONAL = np.array([[1.0, 0.5, 0.0, 0.25], [0.0, 0.5, 1.0, 0.75]])


def kl(x: np.ndarray, p: np.ndarray) -> float:
    return float(np.sum(x * np.log(x / p) - x + p))


def constrained_minimum(A: np.ndarray, p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Minimise the dual of KL(x || p) s.t. A x = y by Newton-CG, a different route to the same point."""

    def dual(z: np.ndarray) -> float:
        return float(np.sum(p * np.exp(A.T @ z)) - y @ z)

    def gradient(z: np.ndarray) -> np.ndarray:
        return A @ (p * np.exp(A.T @ z)) - y

    z = minimize(dual, np.zeros(len(y)), jac=gradient, method="BFGS", options={"gtol": 1e-12}).x
    return p * np.exp(A.T @ z)


def test_marginals_of_a_two_by_two_table():
    # uniform prior and margins (3, 1), (2, 2): independence gives rows x columns / total
    A = csr_array(np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]], dtype=float))
    x = project(rows_of(A), np.ones((1, 4)), np.array([[3.0, 1.0, 2.0, 2.0]]))
    np.testing.assert_allclose(x, [[1.5, 1.5, 0.5, 0.5]], rtol=1e-9)


def test_fractional_rows_reach_the_constrained_minimum():
    p, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, 5.0])
    x = project(rows_of(csr_array(FRACTIONAL)), p[None], y[None], sweeps=2000, tolerance=1e-14)[0]
    np.testing.assert_allclose(FRACTIONAL @ x, y, rtol=1e-10)
    np.testing.assert_allclose(x, constrained_minimum(FRACTIONAL, p, y), rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_random_systems_reach_the_constrained_minimum(seed: int):
    rng = np.random.default_rng(seed)
    A = rng.choice([0.0, 0.25, 0.5, 1.0], size=(3, 8))
    p, y = rng.lognormal(0, 0.5, 8), A @ rng.lognormal(0, 0.5, 8)
    x = project(rows_of(csr_array(A)), p[None], y[None], sweeps=20_000, tolerance=1e-13)[0]
    best = constrained_minimum(A, p, y)
    assert kl(x, p) == pytest.approx(kl(best, p), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("A", [FRACTIONAL, (FRACTIONAL > 0).astype(float)], ids=["fractional", "binary"])
def test_noisy_rows_minimise_the_stated_objective(A: np.ndarray):
    p, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([8.0, 4.0])
    variance, phi = np.array([[0.5, 2.0]]), np.array([0.7])

    def objective(u: np.ndarray) -> float:
        x = np.exp(u)
        return kl(x, p) / phi[0] + float(np.sum((y - A @ x) ** 2 / (2 * variance[0])))

    best = np.exp(minimize(objective, np.log(p), method="BFGS", options={"gtol": 1e-10}).x)
    x = project(
        rows_of(csr_array(A)), p[None], y[None], variance=variance, dispersion=phi, sweeps=5000, tolerance=1e-14
    )
    np.testing.assert_allclose(x[0], best, rtol=2e-4)


def test_vanishing_noise_is_the_hard_constraint():
    p, y = np.ones((1, 4)), np.array([[4.0, 5.0]])
    rows = rows_of(csr_array(FRACTIONAL))
    soft = project(rows, p, y, variance=np.full((1, 2), 1e-8), dispersion=np.ones(1), sweeps=3000, tolerance=1e-13)
    np.testing.assert_allclose(soft, project(rows, p, y, sweeps=3000, tolerance=1e-13), rtol=1e-6)


def test_unmeasured_row_constrains_nothing():
    p, y = np.ones((1, 4)), np.array([[4.0, np.nan]])
    x = project(rows_of(csr_array(FRACTIONAL)), p, y, sweeps=500)
    alone = project(rows_of(csr_array(FRACTIONAL[:1])), p, y[:, :1], sweeps=500)
    np.testing.assert_allclose(x, alone, rtol=1e-12)


def test_measured_zero_empties_its_flows():
    A = csr_array(np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]))
    np.testing.assert_allclose(project(rows_of(A), np.ones((1, 3)), np.array([[0.0, 6.0]])), [[0.0, 0.0, 6.0]])


def test_prior_zero_is_lifted_so_that_loads_can_be_met():
    A = csr_array(np.array([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(project(rows_of(A), np.array([[0.0, 1.0]]), np.array([[5.0, 2.0]])), [[5.0, 2.0]])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_a_snapshot_does_not_depend_on_its_company(seed: int, T: int):
    rng = np.random.default_rng(seed)
    A = csr_array(rng.choice([0.0, 0.5, 1.0], size=(4, 9)))
    prior, truth = rng.lognormal(0, 1, (T, 9)), rng.lognormal(0, 1, (T, 9))
    y = (A @ truth.T).T
    together = project(rows_of(A), prior, y, tolerance=1e-3)
    alone = np.vstack([project(rows_of(A), prior[t : t + 1], y[t : t + 1], tolerance=1e-3) for t in range(T)])
    np.testing.assert_allclose(together, alone, rtol=1e-10)


def test_access_rows_need_no_copy():
    A = np.zeros((2, 9))
    A[0, 3:6] = 1
    A[1, 1::3] = 1
    first, second = rows_of(csr_array(A))
    assert (first.flows, second.flows) == (slice(3, 6, 1), slice(1, 8, 3))


@given(st.integers(1, 5000), st.integers(1, 300_000))
def test_blocks_cover_every_time_once(times: int, flows: int):
    spans = list(blocks(times, flows))
    assert spans[0].start == 0
    assert spans[-1].stop == times
    assert all(a.stop == b.start for a, b in pairwise(spans))
