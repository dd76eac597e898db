"""Data of the comparison: what is learnt from, what is forecast."""

from __future__ import annotations

from functools import cache

import numpy as np

import odflow
from odflow.evaluate.rolling import Rolling, rolling
from odflow.traffic.series import SeriesSet

SETS = ("c2tm", "milan", "lte-elborn", "lte-lescorts", "abilene", "geant")
LINKS = ("abilene-links", "geant-links")  # with nodes, the node sets of published bars
FLOWS = ("abilene-od", "geant-od")  # with all history only
BARS = ("milan", "c2tm", "abilene", "geant")  # sets with published bars
DAYS = (1, 2, 4, 8, 0)  # 0 = the whole training part
MOST_TARGETS = 1500


@cache
def load(name: str) -> SeriesSet:
    """A set, once."""
    return odflow.data.series(name)


def horizon(name: str) -> int:
    """Longest lead: a day of hourly data, 12 intervals else."""
    return 24 if name == "c2tm" else 12


def test(name: str, days: int) -> Rolling:
    """The test part as targets."""
    data = load(name)
    return rolling(data.traffic, data.test_from, (1, horizon(name)), days=days).thinned(MOST_TARGETS)


def validation(name: str, days: int) -> Rolling:
    """The validation part as targets, and nothing of the test part."""
    data = load(name)
    before = data.traffic[data.traffic["time"].values < data.test_from]
    return rolling(before, data.validation_from, (1, horizon(name)), days=days).thinned(MOST_TARGETS)


def possible(name: str, days: int) -> bool:
    """Whether the training part is that long."""
    data = load(name)
    length = (data.test_from - data.traffic["time"].values[0]) / np.timedelta64(1, "D")
    return days < length
