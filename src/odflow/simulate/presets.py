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
    mass_spread=0.995,
    direction_spread=0.197,
    friction=0.787,
    residual_spread=0.538,
    reciprocity=0.554,
    silent=0.0339,
    self_share=0.184,
    daily_swing=1.35,
    busy_hour=13.5,
    busy_hour_spread=1.21,
    second_peak=0.238,
    swing_spread=0.323,
    weekend=0.753,
    weekend_spread=0.111,
    variation=0.295,
    variation_spread=1.25,
    power=1.22,
    white=0.29,
    memory_min=40.1,
    long_share=0.452,
    long_memory_h=11.5,
    tail=1.46,
    shared=0.336,
    drift=0.207,
    shifts_per_year=8.77,
    shift_spread=0.544,
    bursts_per_week=0.19,
    burst_size=2.15,
    burst_minutes=20.5,
    sampling=637.0,
)
_GEANT = BackboneConfig()
_MILAN = CellularConfig(
    interval="10min",
    services=(
        *(replace(one, swing=one.swing**0.568, weekend=one.weekend * 0.981) for one in CELL_SERVICES[:2]),
        replace(_INTERNET, sessions_per_day=81.2, size_spread=1.74, busy_hour=16.4, swing=2.2, weekend=0.883),
    ),
    layout="grid",
    width_km=1.175,
    height_km=1.175,
    stations=14,
    squares=5,
    pixel_m=47,
    population=36_700.0,
    centre_km=3.61,
    patch_m=469.0,
    density_spread=0.396,
    land_contrast=1.91,
    station_spread=0.688,
    mobility=0.95,
    variation=0.282,
    white=0.765,
    tail=1.35,
    memory_h=1.6,
    alone=0.584,
    shared=0.488,
    drift=0.272,
    drift_days=10.3,
    crowds_per_week=3.37,
    failures_per_year=10.1,
)


def _habits(common: CellService, spreads: Mapping[tuple[str, str], float]) -> tuple[CellService, ...]:
    return tuple(replace(common, name=name, unit=unit, size_spread=s) for (name, unit), s in spreads.items())


_C2TM = CellularConfig(
    services=_habits(
        replace(_INTERNET, sessions_per_day=68.1, busy_hour=15.8, swing=4.31, weekend=0.893),
        {("users", "users"): 0.367, ("packets", "packets"): 1.84, ("bytes", "bytes"): 2.45},
    ),
    stations=16,
    population=8_900.0,
    centre_km=2.25,
    patch_m=261.0,
    land_contrast=3.0,
    station_spread=1.3,
    mobility=0.95,
    variation=0.303,
    white=0.9,
    tail=1.34,
    memory_h=1.41,
    alone=0.469,
    shared=0.0375,
    drift=0.731,
    drift_days=11.1,
    crowds_per_week=0.0,
    failures_per_year=1.11,
)
_LTE = CellularConfig(
    interval="2min",
    services=_habits(
        replace(_INTERNET, sessions_per_day=70.2, busy_hour=18.3, swing=7.26, weekend=1.26),
        {("down", "bits"): 2.09, ("up", "bits"): 2.09, ("users", "users"): 0.314},
    ),
    width_km=1,
    height_km=1,
    stations=1,
    population=17_200.0,
    mobility=0.95,
    variation=0.839,
    white=0.34,
    tail=1.6,
    memory_h=5.16,
    alone=0.9,
    drift=0.666,
    drift_days=9.32,
    crowds_per_week=0.0,
    failures_per_year=6.38,
)
LIKE: dict[str, dict[str, Callable[..., Any]]] = {
    "simulate": {"abilene": abilene_like, "geant": geant_like},
    "simulate-cells": {"milan": urban_cells, "c2tm": c2tm_like, "lte": lte_like},
}
