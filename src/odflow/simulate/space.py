"""Who sends how much to whom on average."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.model import Network
    from odflow.simulate.config import BackboneConfig

    Floats = NDArray[np.float64]

EARTH_KM = 6371.0
NEAR_KM = 500.0  # distances far below count as none


def distances_km(network: Network) -> Floats:
    """Great-circle distance between nodes (haversine), shape (n, n), km; 0 where a coordinate is unknown."""
    degrees = [(node.latitude, node.longitude) for node in network.nodes]
    known = np.array([None not in pair for pair in degrees])
    place = np.radians(np.array([pair if ok else (0.0, 0.0) for pair, ok in zip(degrees, known, strict=True)], float))
    latitude, longitude = place.reshape(-1, 2).T
    half = np.sin((latitude[:, None] - latitude) / 2) ** 2
    half += np.cos(latitude[:, None]) * np.cos(latitude) * np.sin((longitude[:, None] - longitude) / 2) ** 2
    distance = 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return np.asarray(np.where(known[:, None] & known, distance, 0.0))


def mean_matrix(network: Network, config: BackboneConfig, rng: np.random.Generator) -> Floats:
    """Mean demands relative to their average, shape (n, n): gravity times friction times residual.

    ``m[o, d] = sent[o] * received[d] * (1 + distance / 500 km) ** -friction * exp(residual[o, d])``, residuals normal
    and correlated between both directions of a pair; then the diagonal and the silent pairs.
    """
    n = len(network.nodes)
    size = config.mass_spread * rng.standard_normal(n)
    tilt = 0.5 * config.direction_spread * rng.standard_normal(n)
    mean = np.exp(np.add.outer(size + tilt, size - tilt))
    mean *= (1 + distances_km(network) / NEAR_KM) ** -config.friction
    mean *= np.exp(config.residual_spread * _reciprocal(rng.standard_normal((n, n)), config.reciprocity))
    silent = rng.random((n, n)) < config.silent
    diagonal = np.eye(n, dtype=bool)
    mean[silent & ~diagonal] = 0.0
    if n > 1:
        share = config.self_share / (1 - config.self_share)
        mean[diagonal] *= share * mean[~diagonal].sum() / mean[diagonal].sum()
    return np.asarray(mean / (mean.mean() or 1.0))


def _reciprocal(normal: Floats, correlation: float) -> Floats:
    """Unit-variance normals from independent ones, with this correlation between [o, d] and [d, o]."""
    mixed = np.sqrt((1 + correlation) / 2) * (normal + normal.T) / np.sqrt(2)
    mixed += np.sqrt((1 - correlation) / 2) * (normal - normal.T) / np.sqrt(2)
    np.fill_diagonal(mixed, normal.diagonal())
    return np.asarray(mixed)


def service_means(mean: Floats, config: BackboneConfig, rng: np.random.Generator) -> Floats:
    """The part of each service in each mean demand, shape (services, n, n); one service stands for all."""
    if not config.services:
        return mean[None]
    weight = np.stack([one.share * np.exp(one.mix_spread * rng.standard_normal(mean.shape)) for one in config.services])
    return np.asarray(weight / weight.sum(axis=0) * mean)
