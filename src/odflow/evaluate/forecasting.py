"""The forecast benchmark: rolling-origin errors of every method on public series, full and scarce."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from odflow.errors import DataError, MissingDependencyError, UsageError
from odflow.evaluate.conformal import recalibrated
from odflow.evaluate.forecast_choice import pretrained_network
from odflow.evaluate.forecast_scores import CRPS_LEVELS, Difference, crps, inside, mean_ranks, paired_difference
from odflow.evaluate.report import Provenance, Report, command_line, markdown_table, plain, provenance
from odflow.evaluate.rolling import Rolling, rolling
from odflow.forecast.base import Forecaster, middle_of
from odflow.forecast.blend import Blend
from odflow.forecast.per_series import SeriesRidge
from odflow.forecast.pooled import PooledRidge, PooledTrees
from odflow.forecast.simple import EWMA, HistoricalAverage, LastValue, SeasonalEWMA, SeasonalNaive

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray
    from rich.table import Table

    from odflow.traffic.series import SeriesSet

    Floats = NDArray[np.float64]
    Cell = Callable[["ForecastSet", "ForecastRow", int], str]

DATASETS = ("milan", "c2tm", "lte-elborn", "lte-lescorts", "abilene", "geant", "abilene-od", "geant-od")
BLEND = "blend"  # of the network with ewma, ridge per series and trees
SIM_MSTNET = "sim-mstnet"  # as it comes with odflow, not fine-tuned
METHODS: dict[str, Callable[[int, int], Forecaster]] = {
    "last": lambda lead, seed: LastValue(),
    "day-before": lambda lead, seed: SeasonalNaive(1),
    "week-before": lambda lead, seed: SeasonalNaive(7),
    "average": lambda lead, seed: HistoricalAverage(),
    "ewma": lambda lead, seed: EWMA(),
    "seasonal-ewma, untuned": lambda lead, seed: SeasonalEWMA(tune=False),
    "seasonal-ewma": lambda lead, seed: SeasonalEWMA(),
    "ridge": lambda lead, seed: PooledRidge(lead=lead, only=(1,), seed=seed),
    "ridge per series": lambda lead, seed: SeriesRidge(lead=lead, only=(1,), seed=seed),
    "trees": lambda lead, seed: PooledTrees(lead=lead, only=(1,), trees=150, seed=seed),
    SIM_MSTNET: lambda lead, seed: pretrained_network(lead),
    BLEND: lambda lead, seed: blend(lead, seed),
}


def blend(lead: int, seed: int) -> Forecaster:
    """Members as in this comparison, weights for its two leads."""
    members = (SIM_MSTNET, "ewma", "ridge per series", "trees")
    return Blend({name: partial(METHODS[name], lead, seed) for name in members}, (1, lead), seed)


_HORIZON, _HORIZONS = 12, {"c2tm": 24}


@dataclass(frozen=True)
class ForecastBenchmark:
    """What to run.

    Parameters
    ----------
    datasets : tuple of str
        Of `DATASETS`; see :func:`odflow.data.series`.
    methods : tuple of str
        Of `METHODS`.
    days : float
        Days of history that are known before the first origin; 0 = the whole training part, and all values before each
        origin.
    targets : int
        At most so many intervals of the test part are forecast, evenly spread; 0 = all.
    seed : int

    Raises
    ------
    UsageError
        If a name is unknown or a number makes no sense.
    """

    datasets: tuple[str, ...] = DATASETS
    methods: tuple[str, ...] = tuple(METHODS)
    days: float = 0.0
    targets: int = 1500
    seed: int = 0

    def __post_init__(self) -> None:
        for what, given, known in (("data set", self.datasets, DATASETS), ("method", self.methods, tuple(METHODS))):
            for name in given:
                if name not in known:
                    raise UsageError(f"unknown {what} '{name}'; {what}s are {', '.join(known)}")
            if not given or len(set(given)) < len(given):
                raise UsageError(f"{what}s {', '.join(given) or 'none'}: name at least one, and each only once")
        if min(self.days, self.targets, self.seed) < 0:
            raise UsageError(f"days={self.days:g}, targets={self.targets} and seed={self.seed}; give numbers from 0")


@dataclass(frozen=True)
class ForecastRow:
    """One method on one data set.

    Parameters
    ----------
    method : str
    wape, mae, rmse, mase : dict of int to tuple of float
        By lead, one for each service.
    crps, inside : dict of int to tuple of float
        By lead, one for each service: score of conformal quantiles relative to the mean traffic, see
        :func:`~odflow.evaluate.forecast_scores.crps`, and share of the truth in the nominal 90 % interval. They are
        calibrated every day on the days before, the validation part at first; empty if that is not known.
    behind : dict of int to Difference
        WAPE minus that of the best method, by lead, mean over services.
    seconds : float
        To fit and to forecast all targets.
    failed : str
        Why there is no result, else empty.
    """

    method: str
    wape: dict[int, tuple[float, ...]] = field(default_factory=dict)
    mae: dict[int, tuple[float, ...]] = field(default_factory=dict)
    rmse: dict[int, tuple[float, ...]] = field(default_factory=dict)
    mase: dict[int, tuple[float, ...]] = field(default_factory=dict)
    crps: dict[int, tuple[float, ...]] = field(default_factory=dict)
    inside: dict[int, tuple[float, ...]] = field(default_factory=dict)
    behind: dict[int, Difference] = field(default_factory=dict)
    seconds: float = float("nan")
    failed: str = ""

    def mean(self, lead: int) -> float:
        """WAPE, mean over services."""
        return _mean(self.wape, lead)


@dataclass(frozen=True)
class ForecastSet:
    """One data set.

    Parameters
    ----------
    name, sha256 : str
    services : tuple of str
    nodes, targets : int
    history : str
        First and last time of what was learnt from.
    leads : tuple of int
    rows : tuple of ForecastRow
    """

    name: str
    sha256: str
    services: tuple[str, ...]
    nodes: int
    targets: int
    history: str
    leads: tuple[int, ...]
    rows: tuple[ForecastRow, ...]

    def best(self, lead: int) -> str:
        """Method of least WAPE."""
        return min((row for row in self.rows if row.wape), key=lambda row: row.mean(lead)).method


@dataclass(frozen=True)
class ForecastResult(Report):
    """What :func:`run` found.

    Parameters
    ----------
    config : ForecastBenchmark
    sets : tuple of ForecastSet
    provenance : Provenance
    """

    config: ForecastBenchmark
    sets: tuple[ForecastSet, ...]
    provenance: Provenance

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types."""
        return dict(plain(self))

    def ranks(self) -> dict[str, float]:
        """Mean rank of each method over data sets, leads and services where all of them have a result."""
        complete = [name for name in self.config.methods if all(self._row(one, name).wape for one in self.sets)]
        losses = [
            [value for one in self.sets for lead in one.leads for value in self._row(one, name).wape[lead]]
            for name in complete
        ]
        return dict(zip(complete, mean_ranks(np.array(losses)).tolist(), strict=True)) if complete else {}

    @staticmethod
    def _row(one: ForecastSet, method: str) -> ForecastRow:
        return next(row for row in one.rows if row.method == method)

    def _overview(self, cell: Cell) -> tuple[list[str], list[list[str]]]:
        headings = ["method", *(f"{one.name}, {' / '.join(map(str, one.leads))}" for one in self.sets)]
        rows = []
        for method in self.config.methods:
            cells = [" / ".join(cell(one, self._row(one, method), lead) for lead in one.leads) for one in self.sets]
            rows.append([method, *cells])
        return headings, rows

    def _errors(self) -> tuple[list[str], list[list[str]]]:
        headings, rows = self._overview(_wape)
        ranks = self.ranks()
        return [*headings, "mean rank"], [[*row, f"{ranks[row[0]]:.1f}" if row[0] in ranks else "-"] for row in rows]

    def markdown(self) -> str:
        """An overview and a table for each data set."""
        known = f"{self.config.days:g} days of history" if self.config.days else "the whole training part"
        parts = [f"## WAPE %, {known}\n", markdown_table(*self._errors()), ""]
        if any(row.crps for one in self.sets for row in one.rows):
            parts += [
                f"## CRPS %, and share in nominal 90 % intervals, {known}\n",
                markdown_table(*self._overview(_crps)),
            ]
            parts += [""]
        for one in self.sets:
            parts += [f"### {one.name}, {known}\n", _words(one), "", markdown_table(*_table(one)), ""]
            parts += [f"- {row.method}: {row.failed}" for row in one.rows if row.failed] + [""]
        return "\n".join([*parts, *self.provenance.lines(), ""])

    def table(self) -> Table:
        """The overview for the terminal."""
        from rich.table import Table

        headings, rows = self._errors()
        table = Table(box=None, pad_edge=False, title="WAPE %, mean over services")
        for k, heading in enumerate(headings):
            table.add_column(heading, justify="left" if k == 0 else "right")
        for row in rows:
            table.add_row(*(cell.replace("**", "") for cell in row))
        return table


def _wape(one: ForecastSet, row: ForecastRow, lead: int) -> str:
    if not row.wape:
        return "-"
    text = f"{100 * row.mean(lead):.1f}"
    return f"**{text}**" if one.best(lead) == row.method else text


def _crps(one: ForecastSet, row: ForecastRow, lead: int) -> str:
    return f"{100 * _mean(row.crps, lead):.1f} ({100 * _mean(row.inside, lead):.0f})" if row.crps else "-"


def _mean(numbers: dict[int, tuple[float, ...]], lead: int) -> float:
    return float(np.mean(numbers[lead])) if lead in numbers else float("nan")


def _words(one: ForecastSet) -> str:
    return (
        f"{one.nodes} nodes x {', '.join(one.services)}; learnt from {one.history}; {one.targets:,} targets; "
        f"SHA-256 {one.sha256[:12]}."
    )


def _table(one: ForecastSet) -> tuple[list[str], list[list[str]]]:
    headings = ["method"]
    for lead in one.leads:
        headings += [f"lead {lead}: {name}" for name in one.services] + [f"lead {lead}: behind the best (95 %)"]
    rows = []
    for row in (row for row in one.rows if row.wape):
        cells = [row.method]
        for lead in one.leads:
            cells += [f"{100 * value:.2f}" for value in row.wape[lead]]
            off = row.behind.get(lead)
            cells.append("-" if off is None else f"{100 * off.mean:.2f} ({100 * off.low:.2f} to {100 * off.high:.2f})")
        rows.append([*cells, f"{row.seconds:.1f}"])
    return [*headings, "s"], rows


def run(config: ForecastBenchmark, *, progress: Callable[[str], None] | None = None) -> ForecastResult:
    """Run the benchmark.

    Raises
    ------
    DataError
        If a data set is not here.
    """
    from odflow.traffic.series_sets import load

    tell = progress or (lambda text: None)
    sets = tuple(compared(load(name), config, tell) for name in config.datasets)
    return ForecastResult(config, sets, provenance(command_line("forecast", config), config.seed))


def compared(
    data: SeriesSet, config: ForecastBenchmark, tell: Callable[[str], None] = lambda text: None
) -> ForecastSet:
    """All methods on one data set: leads 1 and 12 (hourly data: 24), the test part as targets."""
    leads = (1, _HORIZONS.get(data.name, _HORIZON))
    test = rolling(data.traffic, data.test_from, leads, days=config.days).thinned(config.targets)
    longer = test if config.days else _from(test, data.validation_from)
    history = test.history if config.days else data.train
    found: dict[str, dict[int, Floats]] = {}
    rows: dict[str, ForecastRow] = {}
    for name in config.methods:
        tell(f"{data.name}: {name}")
        start = time.perf_counter()
        try:
            quantiles = longer.quantiles(METHODS[name](leads[-1], config.seed).fit(history))
            found[name] = {lead: middle_of(one[-len(test.targets) :]) for lead, one in quantiles.items()}
            scores = test.scores(found[name])
        except (DataError, MissingDependencyError) as error:
            found.pop(name, None)
            rows[name] = ForecastRow(name, failed=str(error))
            continue
        seconds = time.perf_counter() - start
        bands = {} if config.days else _bands(longer, quantiles, data.test_from)
        rows[name] = ForecastRow(
            name,
            wape={lead: _numbers(score.wape) for lead, score in scores.items()},
            mae={lead: _numbers(score.mae) for lead, score in scores.items()},
            rmse={lead: _numbers(score.rmse) for lead, score in scores.items()},
            mase={lead: _numbers(score.mase) for lead, score in scores.items()},
            crps={lead: _numbers(crps(one, test.truth)) for lead, one in bands.items()},
            inside={lead: _numbers(inside(one[0], one[-1], test.truth)) for lead, one in bands.items()},
            seconds=seconds,
        )
    for lead in leads:
        best = min(found, key=lambda name: rows[name].mean(lead))
        for name in found:
            if name != best:
                parts = found[name][lead], found[best][lead], test.truth
                rows[name].behind[lead] = paired_difference(*parts, test.days, seed=config.seed)
    return ForecastSet(
        name=data.name,
        sha256=data.sha256,
        services=tuple(data.traffic["service"].values.tolist()),
        nodes=data.traffic.sizes["node"],
        targets=int(np.isfinite(test.truth).sum()),
        history=_span(history),
        leads=leads,
        rows=tuple(rows[name] for name in config.methods),
    )


def _from(test: Rolling, first: np.datetime64) -> Rolling:
    """The same with targets before, from this time on."""
    begin = int(np.searchsorted(test.series["time"].values, first))
    return replace(test, first=begin + (test.first - begin) % test.every)


def _bands(longer: Rolling, quantiles: dict[int, Floats], first: np.datetime64) -> dict[int, Floats]:
    """Quantiles at all levels of the CRPS, the ends of the 90 % interval among them, for targets from `first` on."""
    time = longer.series["time"].values
    step = time[1] - time[0]
    return {
        lead: recalibrated(found, longer.truth, time[longer.targets], first, (lead - 1) * step, CRPS_LEVELS)
        for lead, found in quantiles.items()
    }


def _numbers(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _span(history: xr.DataArray) -> str:
    first, last = np.datetime_as_string(history["time"].values[[0, -1]], unit="m")
    return f"{first} to {last}".replace("T", " ")
