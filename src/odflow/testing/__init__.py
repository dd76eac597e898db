"""Checks that every routing operator and every estimator must pass, yours as well as ours.

Each check raises ``AssertionError`` saying what was expected and what came.
"""

from odflow.testing.estimators import check_estimator
from odflow.testing.operators import check_operator

__all__ = ["check_estimator", "check_operator"]
