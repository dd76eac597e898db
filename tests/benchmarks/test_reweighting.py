"""Cost of weighing many samples with a large network."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from benchmarks.reweighting import Job, _apart, _losses, _per_step


def test_thirty_thousand_samples_and_a_million_parameters_fit_in_4_gib() -> None:
    measured = _apart(Job("large"))
    assert measured["parameters"] > 1_000_000
    assert 100 < measured["peak_mib"] < 4096
    assert 0 < measured["step_s"] < 20


def test_numbers_of_the_table() -> None:
    assert _per_step([(1, 10.0), (4, 11.0), (11, 15.0)]) == 0.5
    assert _losses([2.2, 4.0], [2.0, 4.0]) == ["3.1000 (2.2000 to 4.0000)", "5.0 (0.0 to 10.0) %"]
    assert _losses([2.0], [2.0]) == ["2.0000 (2.0000 to 2.0000)", ""]
