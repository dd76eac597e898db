"""Configurations calibrated on real traffic: on one half of it, by ``python -m benchmarks calibrate``.

How near they come to the other half is measured by ``odflow benchmark realism`` and printed in
``benchmarks/results/realism.md``. Values are rounded to three digits; parameters that no statistic tells apart are not
to be read as facts about these networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from odflow.simulate.cellular_config import CELL_SERVICES, CellService, CellularConfig
from odflow.simulate.config import BackboneConfig

_INTERNET = CELL_SERVICES[2]
_SQUARE_KM = 0.235  # side of the squares of Milano


def abilene_like(**changes: Any) -> BackboneConfig:
    """TMs like those of Abilene in 2004 (5 min, NetFlow; Y. Zhang's data set).

    Parameters
    ----------
    **changes
        Other values of fields of :class:`BackboneConfig`.
    """
    return replace(_ABILENE, **changes)


def geant_like(**changes: Any) -> BackboneConfig:
    """TMs like those of GÉANT in 2005 (15 min, NetFlow; Uhlig et al. 2006); `changes` as :func:`abilene_like`."""
    return replace(_GEANT, **changes)


def urban_cells(side_km: float = 20 * _SQUARE_KM, **changes: Any) -> CellularConfig:
    """Messages, calls and data in squares of 235 m like those of the centre of Milano in 2013.

    Calibrated on the data ("internet") of 25 squares (Telecom Italia Big Data Challenge, Barlacchi et al. 2015);
    messages and calls share all but their own habits.

    Parameters
    ----------
    side_km : float
        Of the city, in whole squares; stations and population grow with its area.
    **changes
        Other values of fields of :class:`CellularConfig`.
    """
    squares = max(1, round(side_km / _SQUARE_KM))
    area = (squares / _MILAN.squares) ** 2
    side = squares * _SQUARE_KM
    sized = replace(
        _MILAN,
        width_km=side,
        height_km=side,
        squares=squares,
        stations=max(1, round(_MILAN.stations * area)),
        population=_MILAN.population * area,
    )
    return replace(sized, **changes)


def c2tm_like(**changes: Any) -> CellularConfig:
    """Users, packets and bytes of nodes of a city like those of C2TM (2012, hourly); `changes` as above."""
    return replace(_C2TM, **changes)


def lte_like(**changes: Any) -> CellularConfig:
    """Bits down and up and users of one base station like Les Corts, Barcelona (LTE, 2019); `changes` as above."""
    return replace(_LTE, **changes)


_ABILENE = BackboneConfig(
    total=3.5e9,
    mass_spread=1.02,
    direction_spread=0.245,
    friction=0.83,
    residual_spread=0.499,
    reciprocity=0.545,
    silent=0.0346,
    self_share=0.18,
    daily_swing=1.36,
    busy_hour=13.5,
    busy_hour_spread=1.41,
    second_peak=0.241,
    swing_spread=0.321,
    weekend=0.741,
    weekend_spread=0.103,
    variation=0.343,
    variation_spread=1.22,
    power=1.24,
    white=0.282,
    memory_min=44.4,
    long_share=0.412,
    long_memory_h=16.4,
    tail=1.48,
    shared=0.332,
    drift=0.186,
    shifts_per_year=8.24,
    shift_spread=0.611,
    bursts_per_week=0.0,
    sampling=672.0,
)
_GEANT = BackboneConfig(
    interval="15min",
    total=8.2e9,
    mass_spread=1.32,
    direction_spread=0.291,
    residual_spread=1.54,
    reciprocity=0.776,
    silent=0.0303,
    self_share=0.114,
    daily_swing=1.46,
    busy_hour=24.0,
    busy_hour_spread=0.899,
    second_peak=0.244,
    swing_spread=0.734,
    weekend=1.06,
    weekend_spread=0.17,
    variation=0.31,
    variation_spread=0.735,
    power=1.4,
    white=0.346,
    memory_min=145.0,
    long_share=0.542,
    long_memory_h=7.17,
    tail=1.35,
    shared=0.358,
    drift=0.148,
    shifts_per_year=4.85,
    shift_spread=0.618,
    bursts_per_week=0.0,
    sampling=3000.0,
)
_MILAN = CellularConfig(
    interval="10min",
    services=(
        *(replace(one, swing=one.swing**0.542, weekend=one.weekend * 0.972) for one in CELL_SERVICES[:2]),
        replace(_INTERNET, sessions_per_day=87.4, size_spread=1.75, busy_hour=16.8, swing=2.12, weekend=0.875),
    ),
    layout="grid",
    width_km=1.175,
    height_km=1.175,
    stations=14,
    squares=5,
    pixel_m=47,
    population=113_000.0,
    centre_km=2.49,
    patch_m=784.0,
    density_spread=1.66,
    land_contrast=2.26,
    station_spread=0.175,
    mobility=0.95,
    variation=0.41,
    white=0.45,
    tail=1.46,
    memory_h=0.986,
    alone=0.658,
    shared=0.108,
    drift=0.317,
    drift_days=8.74,
    crowds_per_week=1.4,
    failures_per_year=0.0,
)


def _habits(common: CellService, spreads: Mapping[tuple[str, str], float]) -> tuple[CellService, ...]:
    return tuple(replace(common, name=name, unit=unit, size_spread=s) for (name, unit), s in spreads.items())


_C2TM = CellularConfig(
    services=_habits(
        replace(_INTERNET, sessions_per_day=40.4, busy_hour=16.0, swing=4.42, weekend=0.891),
        {("users", "users"): 0.367, ("packets", "packets"): 1.84, ("bytes", "bytes"): 2.45},
    ),
    stations=16,
    population=24_300.0,
    centre_km=3.07,
    patch_m=304.0,
    land_contrast=2.25,
    station_spread=1.5,
    mobility=0.717,
    variation=0.296,
    white=0.9,
    tail=1.1,
    memory_h=5.15,
    alone=0.411,
    shared=0.075,
    drift=0.718,
    drift_days=11.4,
    crowds_per_week=0.0,
    failures_per_year=1.55,
    density_spread=0.825,
)
_LTE = CellularConfig(
    interval="2min",
    services=_habits(
        replace(_INTERNET, sessions_per_day=36.3, busy_hour=18.3, swing=7.27, weekend=1.26),
        {("down", "bits"): 2.09, ("up", "bits"): 2.09, ("users", "users"): 0.314},
    ),
    width_km=1,
    height_km=1,
    stations=1,
    population=21_100.0,
    mobility=0.594,
    variation=0.926,
    white=0.286,
    tail=1.6,
    memory_h=4.78,
    alone=0.9,
    drift=0.778,
    drift_days=10.6,
    crowds_per_week=1.83,
    failures_per_year=6.38,
)
LIKE: dict[str, dict[str, Callable[..., Any]]] = {
    "simulate": {"abilene": abilene_like, "geant": geant_like},
    "simulate-cells": {"milan": urban_cells, "c2tm": c2tm_like, "lte": lte_like},
}
