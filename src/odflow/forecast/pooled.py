"""Regressions that learn from all series at once."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from odflow.errors import DataError, MissingDependencyError
from odflow.forecast.base import Forecaster
from odflow.forecast.features import features, floors, logs
from odflow.forecast.past import at_leads, known_mean, to_learn_from

if TYPE_CHECKING:
    from odflow.forecast.base import Floats, Ints, Times

_SPREAD = 1e-3  # of the scale of a column, below which it says nothing
_BATCH = 1 << 22  # numbers in the features of one prediction


@dataclass
class Pooled(Forecaster):
    """What pooled regressions share: rows from all origins in the history, targets as logarithms over the last value.

    Parameters
    ----------
    lead : int
        Largest lead to learn; longer ones are forecast as this one.
    only : tuple of int
        Leads to learn, if not all; others are forecast as the next longer one of these.
    rows : int
        Rows to learn from at most, for each lead, drawn at random from all origins and series.
    seed : int
    """

    lead: int = 12
    only: tuple[int, ...] = ()
    rows: int = 40_000
    seed: int = 0

    def _learn(self, x: Floats, time: Times) -> None:
        mean = known_mean(x)
        self.floor_ = floors(mean)
        self.usual_ = np.log(mean + self.floor_)
        log = logs(x, self.floor_)
        rng = np.random.default_rng(self.seed)
        origins, leads = to_learn_from(len(x), self.day, self.lead, self.only)
        wanted = self.rows * len(leads)
        per_origin = len(leads) * x.shape[1] * x.shape[2]
        if len(origins) * per_origin > 2 * wanted:
            origins = np.sort(rng.choice(origins, max(1, 2 * wanted // per_origin), replace=False))
        columns, anchor = features(log, self.usual_, time, origins, leads, self.day)
        target = log[at_leads(origins, self.lead)[:, leads - 1]] - anchor[:, None]
        weight = np.broadcast_to(mean, target.shape)
        rows = np.flatnonzero(np.isfinite(target).ravel() & (weight.ravel() > 0))
        if not len(rows):
            raise DataError("the history is too short, or holds too few values, to learn from")
        rows = rng.permutation(rows)[:wanted]
        self._regress(columns.reshape(-1, columns.shape[-1])[rows], target.ravel()[rows], weight.ravel()[rows])

    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """See :class:`Forecaster`."""
        return self._some(x, time, origins, lead, tuple(range(1, lead + 1)))

    def _some(self, x: Floats, time: Times, origins: Ints, lead: int, only: tuple[int, ...]) -> Floats:
        log = logs(x, self.floor_)
        leads = np.array(only)
        out = np.empty((len(origins), len(only), *x.shape[1:]))
        size = max(1, _BATCH // (len(only) * x.shape[1] * x.shape[2] * _COLUMNS))
        for begin in range(0, len(origins), size):
            part = slice(begin, begin + size)
            columns, anchor = features(log, self.usual_, time, origins[part], leads, self.day)
            columns[..., _LEAD_COLUMN] = np.minimum(columns[..., _LEAD_COLUMN], self.lead)
            found = self._regressed(columns.reshape(-1, columns.shape[-1])).reshape(columns.shape[:-1])
            out[part] = np.maximum(np.exp(found + anchor[:, None]) - self.floor_, 0.0)
        return out

    @abstractmethod
    def _regress(self, rows: Floats, target: Floats, weight: Floats) -> None:
        """Learn target from rows."""

    @abstractmethod
    def _regressed(self, rows: Floats) -> Floats:
        """What is expected for rows."""


_LEAD_COLUMN, _COLUMNS = -1, 40


@dataclass
class PooledTrees(Pooled):
    """Gradient-boosted trees with absolute loss, one model for each lead and all series (needs scikit-learn).

    The rival that is hardest to beat with enough history.

    Parameters
    ----------
    trees, leaves, least : int
        Trees, leaves of each, and rows in a leaf at least.
    learning_rate : float
    """

    trees: int = 300
    leaves: int = 31
    least: int = 40
    learning_rate: float = 0.08

    def _regress(self, rows: Floats, target: Floats, weight: Floats) -> None:
        try:
            from sklearn.ensemble import HistGradientBoostingRegressor
        except ImportError as error:
            raise MissingDependencyError("boosted trees need scikit-learn: pip install 'odflow[eval]'") from error
        self.leads_ = np.unique(rows[:, _LEAD_COLUMN])
        self.models_: list[Any] = []
        rng = np.random.default_rng(self.seed)
        for lead in self.leads_:
            chosen = np.flatnonzero(rows[:, _LEAD_COLUMN] == lead)
            drawn = chosen[_drawn(weight[chosen], rng)]
            model = HistGradientBoostingRegressor(
                loss="absolute_error",
                max_iter=self.trees,
                max_leaf_nodes=self.leaves,
                min_samples_leaf=min(self.least, max(1, len(chosen) // 20)),
                learning_rate=self.learning_rate,
                early_stopping=False,
                random_state=self.seed,
            )
            columns = rows[drawn]
            columns[:, ~np.isfinite(columns).any(axis=0)] = 0.0  # the trees cannot do with nothing at all
            self.models_.append(model.fit(columns, target[drawn]))

    def _regressed(self, rows: Floats) -> Floats:
        out = np.empty(len(rows))
        place = lead_place(rows, self.leads_)
        for k, model in enumerate(self.models_):
            chosen = place == k
            if chosen.any():
                out[chosen] = model.predict(rows[chosen])
        return out


def _drawn(weight: Floats, rng: np.random.Generator) -> Ints:
    """As many indices as there are weights, each as often as its weight says (Kitagawa 1996: systematic resampling).

    Trees whose absolute loss is weighted take four times as long.
    """
    total = np.cumsum(weight)
    places = (np.arange(len(weight)) + rng.random()) / len(weight) * total[-1]
    return np.asarray(np.searchsorted(total, places).clip(0, len(weight) - 1))


def lead_place(rows: Floats, leads: Floats) -> Ints:
    """Which of these leads, the next longer one if it is not among them, each row is of."""
    return np.asarray(np.searchsorted(leads, rows[:, _LEAD_COLUMN]).clip(0, len(leads) - 1))


@dataclass
class PooledRidge(Pooled):
    """Ridge regression with its own coefficients for each lead, all series together.

    Parameters
    ----------
    penalty : float
        Relative to the number of rows of a lead.
    """

    penalty: float = 1e-3

    def _regress(self, rows: Floats, target: Floats, weight: Floats) -> None:
        self.leads_ = np.unique(rows[:, _LEAD_COLUMN])
        filled = np.nan_to_num(rows)
        self.scale_ = np.maximum(filled.std(axis=0), _SPREAD)
        self.coefficients_ = np.zeros((len(self.leads_), rows.shape[1] + 1))
        for k, lead in enumerate(self.leads_):
            chosen = rows[:, _LEAD_COLUMN] == lead
            design = self._design(filled[chosen])
            heavy = (weight[chosen] / weight[chosen].mean())[:, None]
            gram = design.T @ (heavy * design) + self.penalty * chosen.sum() * np.eye(design.shape[1])
            self.coefficients_[k] = np.linalg.solve(gram, design.T @ (heavy[:, 0] * target[chosen]))

    def _design(self, filled: Floats) -> Floats:
        return np.column_stack([filled / self.scale_, np.ones(len(filled))])

    def _regressed(self, rows: Floats) -> Floats:
        place = lead_place(rows, self.leads_)
        return np.asarray((self._design(np.nan_to_num(rows)) * self.coefficients_[place]).sum(axis=1))
