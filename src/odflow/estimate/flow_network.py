"""A small network shared by all flows of a network, of any size, which sees each flow among the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_MIXES = 5  # sums over flows that a block sees: of origin and of destination, by traffic and by number, and all
_FURTHEST = 5.0  # standard deviations of a feature
_TRACE = 1e-5


def fresh_parameters(features: int, width: int, blocks: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Weights before training; ``mean`` and ``std`` are those of the features."""
    out = {"mean": np.zeros(features), "std": np.ones(features), "first": _weights(features, width, rng)}
    out |= {"first.bias": np.zeros(width), "last": np.zeros(width), "last.bias": np.zeros(1)}
    out |= {"last.size": np.ones(width), "last.shift": np.zeros(width)}
    for k in range(blocks):
        out |= {f"{k}.own": _weights(width, 2 * width, rng), f"{k}.own.bias": np.zeros(2 * width)}
        out |= {f"{k}.mix.{j}": _weights(width, 2 * width, rng) for j in range(_MIXES)}
        out |= {f"{k}.out": _weights(2 * width, width, rng), f"{k}.out.bias": np.zeros(width)}
        out |= {f"{k}.size": np.ones(width), f"{k}.shift": np.zeros(width)}
    return {name: value.astype(np.float32) for name, value in out.items()}


def _weights(inputs: int, outputs: int, rng: np.random.Generator) -> NDArray[Any]:
    return rng.uniform(-1, 1, (inputs, outputs)) / np.sqrt(inputs)


def output_of(p: Mapping[str, Any], features: Any, traffic: Any, exp: Callable[[Any], Any] = np.exp) -> Any:
    """What the network says of each flow, (nodes, nodes); arrays or, to learn, tensors of torch.

    In each block a flow sees the mean state of the flows of its origin, of its destination and of all, so that a
    permutation of the nodes permutes the result.

    Parameters
    ----------
    p : mapping of str to array
        As :func:`fresh_parameters` makes them.
    features : array, shape (nodes, nodes, features)
    traffic : array, shape (nodes, nodes)
        What flows weigh in the means by traffic.
    exp : callable
        Of the library that the arrays are of.
    """
    h = ((features - p["mean"]) / p["std"]).clip(-_FURTHEST, _FURTHEST) @ p["first"] + p["first.bias"]
    weight = (traffic + 0.1 * traffic.mean())[..., None]
    by_origin, by_destination = weight / weight.sum(1)[:, None], weight / weight.sum(0)[None]
    k = 0
    while f"{k}.own" in p:
        g = _normalised(h, p[f"{k}.size"], p[f"{k}.shift"])
        sent, received = g.mean(1), g.mean(0)
        rows = sent @ p[f"{k}.mix.0"] + (g * by_origin).sum(1) @ p[f"{k}.mix.1"]
        columns = received @ p[f"{k}.mix.2"] + (g * by_destination).sum(0) @ p[f"{k}.mix.3"]
        inner = g @ p[f"{k}.own"] + p[f"{k}.own.bias"] + rows[:, None] + columns[None] + sent.mean(0) @ p[f"{k}.mix.4"]
        h = h + (inner / (1 + exp(-inner))) @ p[f"{k}.out"] + p[f"{k}.out.bias"]
        k += 1
    return _normalised(h, p["last.size"], p["last.shift"]) @ p["last"] + p["last.bias"]


def _normalised(h: Any, size: Any, shift: Any) -> Any:
    centred = h - h.mean(-1)[..., None]
    return centred / ((centred * centred).mean(-1)[..., None] + _TRACE) ** 0.5 * size + shift
