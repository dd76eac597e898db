from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from odflow.errors import UsageError
from odflow.forecast.mstnet_config import MSTNetConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"past": 0}, "past is 0, expected a whole number of at least 1"),
        ({"lead": 1.5}, "lead is 1.5, expected a whole number"),
        ({"start": 30}, "start is 30, expected at most the window, past = 24"),
        ({"width": 23}, "width is 23, expected a multiple of heads, 2"),
        ({"quantiles": ()}, "expected numbers between 0 and 1 in rising order"),
        ({"quantiles": (0.5, 0.5)}, "in rising order"),
        ({"quantiles": (0.0, 0.5)}, "between 0 and 1"),
        ({"quantiles": (0.1, 0.5)}, "expected 0.5, the forecast itself, in the middle"),
        ({"quantiles": (0.1, 0.4, 0.9)}, "in the middle"),
        ({"dropout": 1.0}, "dropout is 1.0, expected a share"),
        ({"smoothing": -0.1}, "smoothing is -0.1, expected a share"),
        ({"temperature": 0.0}, "temperature is 0.0, expected a positive number"),
        ({"sharing": "firm"}, "sharing is 'firm', expected one of soft, tied, hard, none"),
        ({"anchor": -1.0}, "anchor is -1.0, expected a number of 0 or more"),
        ({"probsparse": 0}, "probsparse is 0"),
        ({"steps": 0}, "steps is 0"),
    ],
)
def test_nonsense(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MSTNetConfig(**changes)


def test_tasks_attend_only_between_branches() -> None:
    assert MSTNetConfig().tasks_attend
    assert not MSTNetConfig(task_attention=False).tasks_attend
    assert not MSTNetConfig(sharing="hard").tasks_attend
    assert not MSTNetConfig(sharing="none").tasks_attend
    assert MSTNetConfig.full().width == 96


def test_needs_no_torch() -> None:
    code = "import sys, odflow.forecast.mstnet_config; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
