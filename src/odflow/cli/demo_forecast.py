"""The part of ``odflow demo`` that looks ahead: the next day of what every node sends, by service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from odflow.evaluate.forecast_choice import METHODS, Choice, choose, with_quantiles
from odflow.evaluate.forecast_scores import score_forecast
from odflow.forecast.simple import SeasonalNaive
from odflow.simulate import SERVICES, BackboneConfig, BackboneSimulator
from odflow.traffic.cells import write_cells
from odflow.traffic.series import DIMS

if TYPE_CHECKING:
    from odflow.network.model import Network

DAYS, LEAD = 11, 24  # from a Monday to the Thursday after next; the day after is a Friday
TRIED = tuple(name for name in METHODS if name not in ("trees", "blend"))  # trees take longer than all others together
LEVELS = (0.05, 0.95)


@dataclass(frozen=True, eq=False)
class NextDay:
    """Eleven days of traffic by service, the day after it, and the forecast of that day.

    Parameters
    ----------
    history, truth, forecast : DataArray (time, node, service)
        What each node sends, bit/s, hourly.
    bands : DataArray (quantile, time, node, service)
    choice : Choice
    error, naive : dict of str to float
        WAPE of each service: of the forecast, and of the same hour a day before.
    inside : float
        Share of true values between the outer quantiles.
    """

    history: xr.DataArray
    truth: xr.DataArray
    forecast: xr.DataArray
    bands: xr.DataArray
    choice: Choice
    error: dict[str, float]
    naive: dict[str, float]
    inside: float


def next_day(network: Network, seed: int) -> NextDay:
    """Simulate twelve days of three services, and forecast the last from those before."""
    config = BackboneConfig(weeks=(DAYS + 1) / 7, interval="1h", services=SERVICES)
    demands = BackboneSimulator(network, config).run(seed)
    sent = demands.sum("destination").rename(origin="node").transpose(*DIMS)
    coords = {name: sent[name].values for name in DIMS} | {"unit": ("service", ["bit/s"] * sent.sizes["service"])}
    series = xr.DataArray(sent.values, coords, DIMS, attrs={"units": "bit/s", "interval_s": config.interval_s})
    history, truth = series[:-LEAD], series[-LEAD:]
    choice = choose(history, LEAD, TRIED)
    found, bands = with_quantiles(METHODS[choice.method](LEAD).fit(history), history, LEAD, choice, LEVELS)
    yesterday = SeasonalNaive().fit(history).predict(history, LEAD)
    inside = (truth.values >= bands.values[0]) & (truth.values <= bands.values[-1])
    return NextDay(
        history, truth, found, bands, choice, _wape(found, truth), _wape(yesterday, truth), float(inside.mean())
    )


def write_next_day(day: NextDay, folder: Path) -> None:
    """Write the history in the form that ``odflow forecast`` reads, and the forecast."""
    write_cells(day.history.rename(node="cell"), folder / "services.csv")
    write_cells(day.forecast.rename(node="cell"), folder / "tomorrow.csv")


def _wape(found: xr.DataArray, truth: xr.DataArray) -> dict[str, float]:
    score = score_forecast(found.values, truth.values, np.ones(truth.shape[1:]))
    return dict(zip(truth["service"].values.tolist(), score.wape.tolist(), strict=True))
