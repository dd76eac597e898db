"""Weights of two estimates."""

from __future__ import annotations

import numpy as np
import pytest

from odflow.estimate.mixing import Errors


def test_weights_of_least_error() -> None:
    errors = Errors(past=0.25, now=0.3, common=0.4)
    grid = np.linspace(0, 1, 10_001)
    assert errors.weight == pytest.approx(grid[np.argmin([errors.mixed(w) for w in grid])], abs=1e-4)
    assert errors.mixed(1.0) == pytest.approx(0.25)
    assert errors.mixed(0.0) == pytest.approx(0.3)
    assert Errors(past=0.1, now=0.5, common=0.4).weight == 1.0
    slight = Errors(past=0.2, now=0.3, common=0.55)  # 0.92 for the history gains 2 %
    assert slight.mixed(0.9) < slight.mixed(1.0)
    assert slight.weight == 1.0


def test_a_great_distance_tells_of_a_history_that_is_no_longer_true() -> None:
    before = Errors(past=0.2, now=0.3, common=0.4)
    usual = np.sqrt(0.2**2 + 0.3**2 - 2 * 0.4 * 0.2 * 0.3)
    assert before.at(usual) == pytest.approx(before)
    far = before.at(0.6)
    assert far.past**2 + far.now**2 - 2 * 0.4 * far.past * far.now == pytest.approx(0.36, rel=0.2)
    assert far.past / before.past > 2 > far.now / before.now >= 1
    assert far.weight < 0.3 < before.weight
