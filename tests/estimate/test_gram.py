"""Both routes to a weighted Gram matrix agree with dense algebra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from odflow.estimate import gram


@pytest.mark.parametrize("limit", [0, 10_000])
def test_gram_is_r_w_r(limit: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gram, "_MAP_ENTRIES", limit)
    rng = np.random.default_rng(0)
    R = rng.choice([0.0, 0.5, 1.0, -1.0], size=(4, 9))
    w = rng.random((3, 9))
    expected = np.stack([R @ np.diag(k) @ R.T for k in w])
    np.testing.assert_allclose(gram.gram(csr_array(R))(w), expected, atol=1e-14)


def test_batches_cover_every_time_once():
    spans = list(gram.batches(10, 1800))
    assert [(s.start, s.stop) for s in spans] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]
