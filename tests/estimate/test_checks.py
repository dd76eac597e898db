"""Checks of parameters that several estimators share."""

from __future__ import annotations

import pytest

from odflow import GaussianPosterior, KLProjection
from odflow.errors import UsageError


@pytest.mark.parametrize("value", [0, -3, 1.0, 2.5, True, "many", float("nan")])
@pytest.mark.parametrize("estimator", [KLProjection, GaussianPosterior])
def test_counts_are_whole_numbers(estimator: type, value: object) -> None:
    with pytest.raises(UsageError, match="expected a whole number of at least 1"):
        estimator(sweeps=value)
