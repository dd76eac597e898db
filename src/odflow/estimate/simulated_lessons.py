"""Simulated networks as lessons on what link loads say of the mean TM."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from odflow import labels
from odflow.estimate.observe import noise_like
from odflow.estimate.simulated_prior import LoadsSeen, SimulatedPrior, seen_of
from odflow.estimate.worlds import wider_world
from odflow.files import replacing
from odflow.labels import IN, OUT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.worlds import World

    Floats = NDArray[np.float64]

_HOURS = (1.0, 336.0)
_WEEK_H = 168.0
_MISSING, _OF_LINKS = 0.15, 0.1  # share of the lessons, and of their links, that have no counter
_MEASURED, _OF_FLOWS, _ROUTERS = 0.15, 0.3, 3  # share of the lessons with known demands: how many, at most
_SEEN, _SPARSE = ("features", "mean", "expected"), ("data", "indices", "indptr")
_TOGETHER = 20  # worlds in a file


@dataclass(frozen=True, eq=False)
class Lesson:
    """What loads show, and the mean TM that was sent, in the same shares."""

    seen: LoadsSeen
    truth: Floats


def lessons(folder: Path, worlds: int, seed: int = 0, workers: int = 2) -> Iterator[Lesson]:
    """Two lessons of each world, a week and another time; files in a folder keep what is done."""
    seeds = np.random.SeedSequence(seed).generate_state(worlds, np.uint32).tolist()
    folder.mkdir(parents=True, exist_ok=True)
    parts = [(folder / f"{start}.npz", seeds[start : start + _TOGETHER]) for start in range(0, worlds, _TOGETHER)]
    with ProcessPoolExecutor(workers) as pool:
        for path in pool.map(_written, parts):
            yield from _read(path)


def _written(part: tuple[Path, list[int]]) -> Path:
    path, seeds = part
    if not path.exists():
        arrays: dict[str, NDArray[Any]] = {}
        for k, one in enumerate(one for seed in seeds for one in lessons_of(wider_world(seed), seed)):
            A, seen = one.seen.matrix, one.seen
            named = {name: getattr(seen, name) for name in _SEEN} | {"truth": one.truth}
            sparse = (A.data, A.indices.astype(np.int32), A.indptr.astype(np.int32))
            named |= dict(zip(_SPARSE, sparse, strict=True))
            arrays |= {f"{k}.{name}": value for name, value in named.items()}
        with replacing(path) as temporary, temporary.open("wb") as file:
            small: dict[str, Any] = {
                name: value.astype(np.float32) if value.dtype == float else value for name, value in arrays.items()
            }
            np.savez_compressed(file, **small)
    return path


def _read(path: Path) -> Iterator[Lesson]:
    with np.load(path) as file:
        arrays = dict(file)
    for k in range(sum(name.endswith(".truth") for name in arrays)):
        features, mean, expected = (arrays[f"{k}.{name}"] for name in _SEEN)
        sparse = tuple(arrays[f"{k}.{name}"] for name in _SPARSE)
        A = csr_array(sparse, shape=(len(expected), len(mean)))
        yield Lesson(LoadsSeen(features, mean, A, expected), arrays[f"{k}.truth"])


def lessons_of(world: World, seed: int) -> Iterator[Lesson]:
    """A week of a world's loads, and another time of an hour to two weeks."""
    rng = np.random.default_rng([seed, 1])
    for hours in (_WEEK_H, float(np.exp(rng.uniform(*np.log(_HOURS))))):
        lesson = _lesson(world, hours, rng)
        if lesson is not None:
            yield lesson


def _lesson(world: World, hours: float, rng: np.random.Generator) -> Lesson | None:
    demands = some_time(world.demands, hours, rng)
    loads = noise_like(world.routing.loads(demands), world.noise, rng)
    if rng.random() < _MISSING:
        inner = np.array([not link.startswith((IN, OUT)) for link in world.routing.links])
        loads.values[:, inner & (rng.random(len(inner)) < _OF_LINKS)] = np.nan
    truth = labels.flat(demands, world.routing.nodes).mean(axis=0)
    if not truth.sum() > 0:
        return None
    no_self = not np.trace(truth.reshape(len(world.routing.nodes), -1)) and bool(rng.random() < 0.5)
    prior = SimulatedPrior(noise=world.noise, no_self_traffic=no_self)
    known = _known(demands, rng) if rng.random() < _MEASURED else None
    ((part, gravity),) = prior.parts(loads, world.routing, known)
    seen, _ = seen_of(part, gravity, len(world.routing.nodes))
    return Lesson(seen, truth / part.scale)


def _known(demands: xr.DataArray, rng: np.random.Generator) -> xr.DataArray | None:
    """Some demands, or all that enter or leave at some routers; NaN elsewhere."""
    n = demands.sizes["origin"]
    if rng.random() < 0.5:
        seen = rng.random((n, n)) < rng.uniform(0, _OF_FLOWS)
    else:
        routers = rng.permutation(n)[: rng.integers(1, _ROUTERS, endpoint=True)]
        seen = np.isin(np.arange(n), routers)
        seen = seen[:, None] | seen
    return (
        None
        if not seen.any()
        else demands.where(xr.DataArray(seen, dims=("origin", "destination"))).assign_attrs(demands.attrs)
    )


def some_time(demands: xr.DataArray, hours: float, rng: np.random.Generator) -> xr.DataArray:
    """So many hours of the demands, or as many as there are, from a random time on."""
    count = min(max(1, round(hours * 3600 / float(demands.attrs["interval_s"]))), len(demands))
    start = int(rng.integers(len(demands) - count + 1))
    return demands[start : start + count]
