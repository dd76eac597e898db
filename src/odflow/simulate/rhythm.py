"""How busy nodes are over the day and the week."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odflow.simulate.span import is_weekend, week_seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.network.model import Network
    from odflow.simulate.config import BackboneConfig
    from odflow.simulate.services import Service

    Floats = NDArray[np.float64]


def daily_shape(hours: Floats, second: float) -> Floats:
    """A day's shape, between -1/2 and 1/2, greatest at 0: a cosine of 24 hours and one of 12 hours.

    Parameters
    ----------
    hours : array
        Since the busiest hour; any shape.
    second : float
        Strength of the 12-hour harmonic relative to the other.
    """
    day = _harmonics(hours, second)
    whole = _harmonics(np.linspace(0, 24, 481), second)
    return np.asarray((day - whole.max()) / (whole.max() - whole.min()) + 0.5)


def _harmonics(hours: Floats, second: float) -> Floats:
    turn = 2 * np.pi / 24
    return np.asarray(np.cos(turn * hours) + second * np.cos(2 * turn * hours))


def node_rhythm(
    network: Network,
    config: BackboneConfig,
    service: Service | None,
    time: NDArray[np.datetime64],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Rhythm of each node in its local time.

    Returns
    -------
    daily : array, shape (T, n)
        Logarithm of the daily cycle, from ``-log(swing) / 2`` to ``log(swing) / 2``.
    weekly : array, shape (T, n)
        Logarithm of the weekend's level on weekends, else 0.
    """
    longitude = np.array([node.longitude or 0.0 for node in network.nodes])
    n = len(longitude)
    busy = config.busy_hour + config.busy_hour_spread * rng.standard_normal(n)
    level = np.log(config.weekend) + config.weekend_spread * rng.standard_normal(n)
    swing = np.log(config.daily_swing)
    if service is not None:
        busy, swing, level = busy + service.busy_hour, swing * service.swing, level + np.log(service.weekend)
    local = week_seconds(time)[:, None] + longitude / 15 * 3600
    daily = swing * daily_shape(local / 3600 - busy, config.second_peak)
    return daily, np.asarray(np.where(is_weekend(local), level, 0.0))
