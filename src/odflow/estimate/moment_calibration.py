"""How far off :class:`MomentPosterior` is on simulated networks: ``python -m odflow.estimate.moment_calibration FILE``.

There is no history to try it on, so simulated networks, of which all is known, put its quantiles right.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from odflow import labels
from odflow.estimate.calibration import (
    Calibration,
    errors_of,
    floors,
    in_units,
    least_unit,
    localised,
    weighted_quantiles,
)
from odflow.estimate.observe import noise_like
from odflow.modelfile import ModelFile, shipped_model, write_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from odflow.estimate.moments import MomentPosterior
    from odflow.estimate.worlds import World

    Floats = NDArray[np.float64]

WORLDS = 400
_FILE = "moments.safetensors"
_GROUPS = 10
_HOURS, _SNAPSHOTS = (0.5, 336.0), 24  # of loads to learn from; to estimate of each world
_FARTHEST = 10.0  # over the traffic


@dataclass(frozen=True, eq=False)
class Trial:
    """One simulated network.

    Parameters
    ----------
    signs : array
        See :func:`signs`.
    truth, estimate, spread : array, shape (T, flows)
    mean : array, shape (flows,)
        What was learnt.
    """

    signs: Floats
    truth: Floats
    estimate: Floats
    spread: Floats
    mean: Floats


def signs(distances: Sequence[float], hours: float, nodes: int) -> Floats:
    """What tells how far off estimates will be, for a regression.

    Parameters
    ----------
    distances : sequence of float
        Between what the loads say and gravity, between ways to read them, and how the loads go up and down; over the
        traffic.
    hours : float
        Of loads.
    nodes : int
    """
    told = np.minimum(distances, _FARTHEST)  # more is of no traffic at all
    return np.array([1.0, *np.log(told + 0.02), np.log(hours), np.log(nodes)])


def calibration_of(mean: Floats, numbers: Mapping[str, Floats]) -> Calibration:
    """That of flows of these means, (flows,), by a :func:`table`."""
    return Calibration(
        _groups(mean), floors(mean), np.ones(len(mean)), numbers["least"], numbers["places"], numbers["errors"]
    )


def surprise_of(seen: Floats, numbers: Mapping[str, Floats]) -> float:
    """Logarithm of the error to expect, over traffic, from signs."""
    return float(numbers["weights"] @ seen)


@cache
def shipped_table() -> dict[str, Floats]:
    """The table of :class:`MomentPosterior`."""
    return {name: value.astype(float) for name, value in shipped_model("odflow.estimate", _FILE).tensors.items()}


def _groups(mean: Floats) -> NDArray[np.int64]:
    """Ten groups from the smallest to the largest."""
    ranks = np.argsort(np.argsort(mean, kind="stable"), kind="stable")
    return np.asarray(ranks * _GROUPS // len(mean))


def some_of(count: int) -> NDArray[np.int64]:
    """Places of some snapshots among so many, from the first to the last."""
    return np.unique(np.linspace(0, count - 1, _SNAPSHOTS).astype(np.int64)) if count else np.empty(0, dtype=np.int64)


def trial(world: World, estimator: MomentPosterior, rng: np.random.Generator) -> Trial:
    """Estimates of a simulated network from half an hour to two weeks of its loads."""
    interval = float(world.demands.attrs["interval_s"])
    count = min(max(1, int(np.exp(rng.uniform(*np.log(_HOURS))) * 3600 / interval)), len(world.demands))
    start = int(rng.integers(len(world.demands) - count + 1))
    demands = world.demands[start : start + count]
    loads = noise_like(world.routing.loads(demands), world.noise, rng)
    estimator.fit(loads=loads, routing=world.routing)
    some = some_of(count)
    truth = labels.flat(demands[some], world.routing.nodes)
    estimate, spread = estimator.raw(loads[some], world.routing)
    assert estimator.signs_ is not None
    return Trial(estimator.signs_, truth, estimate, spread, estimator._fitted_mean())


def table(tried: list[Trial]) -> dict[str, NDArray[np.float64]]:
    """What :func:`calibration_of` and :func:`surprise_of` read."""
    error = [np.log(np.abs(one.estimate - one.truth).sum() / one.truth.sum()) for one in tried]
    seen = np.array([one.signs for one in tried])
    weights = np.linalg.lstsq(seen, np.array(error), rcond=None)[0]
    places, weight = localised(seen @ weights)
    least, errors = [], []
    for group in range(_GROUPS):
        parts = [_errors(one, group) for one in tried]
        least.append(least_unit(np.concatenate([unit.reshape(2, 1, -1) for _, unit in parts], axis=2)))
        scaled, shares = [], []
        for k, (off, unit) in enumerate(parts):
            scaled.append(in_units(off, unit, least[-1]).ravel())
            shares.append(np.repeat(weight[:, [k]] / off.size, off.size, axis=1))
        z, mass = np.concatenate(scaled), np.concatenate(shares, axis=1)
        errors.append([weighted_quantiles(z, one) for one in mass])
    return {"weights": weights, "places": places, "least": np.array(least), "errors": np.array(errors)}


def _errors(one: Trial, group: int) -> tuple[Floats, Floats]:
    """Of the flows of a group."""
    flows = _groups(one.mean) == group
    return errors_of(one.truth[:, flows], one.estimate[:, flows], one.spread[:, flows], floors(one.mean)[flows])


def make(path: Path, worlds: int = WORLDS, seed: int = 0) -> None:
    """Make the file that comes with odflow; one core takes some five minutes."""
    from odflow.estimate.moments import MomentPosterior
    from odflow.estimate.worlds import varied_worlds

    tried = []
    for k, world in enumerate(varied_worlds(worlds, seed)):
        tried.append(trial(world, MomentPosterior(noise=world.noise), np.random.default_rng([seed, k])))
        print(f"\r{len(tried)} of {worlds} worlds", end="", file=sys.stderr, flush=True)
    about = {"made_by": {"worlds": worlds, "seed": seed, "trials": len(tried)}}
    write_model(path, ModelFile("MomentCalibration", about, table(tried)))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
