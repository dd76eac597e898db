"""Both routes to a weighted Gram matrix agree with dense algebra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from odflow.estimate import gram


@pytest.mark.parametrize("limit", [0, 10_000])
def test_gram_is_r_w_r(limit: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gram, "_MAP_ENTRIES", limit)
    monkeypatch.setattr(gram, "_COLUMNS", 4)
    rng = np.random.default_rng(0)
    R = rng.choice([0.0, 0.5, 1.0, -1.0], size=(4, 9))
    w = rng.random((3, 9))
    expected = np.stack([R @ np.diag(k) @ R.T for k in w])
    found = gram.Gram(csr_array(R))
    np.testing.assert_allclose(found(w), expected, atol=1e-14)
    M = rng.random((3, 4, 4))
    forms = np.stack([np.diag(R.T @ one @ R) for one in M])
    np.testing.assert_allclose(found.quadratic(M), forms, atol=1e-14)


def test_batches_cover_every_time_once():
    spans = list(gram.batches(10, 1800))
    assert [(s.start, s.stop) for s in spans] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]


def test_independent_rows():
    rng = np.random.default_rng(1)
    R = np.zeros((7, 9))
    R[[0, 2, 3, 5]] = rng.choice([0.0, 0.5, 1.0], size=(4, 9)) + np.eye(4, 9)
    R[1], R[4] = R[0] + R[3], 1e-6 * R[2]
    found = gram.independent(csr_array(R))
    assert len(found) == 4 == np.linalg.matrix_rank(R[found])
    assert 6 not in found
    assert (np.diff(found) > 0).all()
    assert gram.independent(csr_array((0, 9))).tolist() == []
