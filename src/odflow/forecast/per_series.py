"""A regression for each series by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from odflow.forecast.base import Forecaster
from odflow.forecast.features import features, floors, logs
from odflow.forecast.past import at_leads, known_mean, to_learn_from

if TYPE_CHECKING:
    from odflow.forecast.base import Floats, Ints, Times

_AT_ONCE = 4096  # origins


@dataclass
class SeriesRidge(Forecaster):
    """Ridge regression on the columns of :class:`PooledRidge`, for each series and lead by itself.

    What a column is worth is learnt from one series alone, so it takes a longer history than the pooled one.

    Parameters
    ----------
    lead : int
        Largest lead to learn; longer ones are forecast as this one.
    only : tuple of int
        Leads to learn, if not all; others are forecast as the next longer one of these.
    origins : int
        To learn from at most, drawn at random.
    penalty : float
        Relative to their number.
    seed : int
    """

    lead: int = 12
    only: tuple[int, ...] = ()
    origins: int = 4000
    penalty: float = 0.1
    seed: int = 0

    def _learn(self, x: Floats, time: Times) -> None:
        mean = known_mean(x)
        self.floor_ = floors(mean)
        self.usual_ = np.log(mean + self.floor_)
        origins, self.leads_ = to_learn_from(len(x), self.day, self.lead, self.only)
        rng = np.random.default_rng(self.seed)
        origins = np.sort(rng.permutation(origins)[: self.origins])
        self.weights_ = [self._fitted(x, time, origins, node) for node in range(x.shape[1])]

    def _fitted(self, x: Floats, time: Times, origins: Ints, node: int) -> Floats:
        """Coefficients of a node's series, shape (leads, S, columns + 1)."""
        columns, anchor, log = self._columns(x, time, origins, self.leads_, node)
        target = log[at_leads(origins, self.lead)[:, self.leads_ - 1]][:, :, 0] - anchor[:, None, 0]
        known = np.isfinite(target)
        design = np.moveaxis(columns * known[..., None], 0, -2)  # (leads, S, n, columns + 1)
        across = np.swapaxes(design, -1, -2)
        right = across @ np.moveaxis(np.where(known, target, 0.0), 0, -1)[..., None]
        strong = np.maximum(self.penalty * known.sum(axis=0), 1.0)[..., None, None]
        return np.asarray(np.linalg.solve(across @ design + strong * np.eye(columns.shape[-1]), right)[..., 0])

    def _columns(self, x: Floats, time: Times, origins: Ints, leads: Ints, node: int) -> tuple[Floats, Floats, Floats]:
        """Columns (n, L, S, C) with a one, last values (n, 1, S) and logarithms (T, 1, S) of a node."""
        log = logs(x[:, [node]], self.floor_[[node]])
        found, anchor = features(log, self.usual_[[node]], time, origins, leads, self.day)
        filled = np.nan_to_num(found[:, :, 0])
        return np.concatenate([filled, np.ones((*filled.shape[:-1], 1))], axis=-1), anchor, log

    def ahead(self, x: Floats, time: Times, origins: Ints, lead: int) -> Floats:
        """See :class:`Forecaster`."""
        return self._some(x, time, origins, lead, tuple(range(1, lead + 1)))

    def _some(self, x: Floats, time: Times, origins: Ints, lead: int, only: tuple[int, ...]) -> Floats:
        leads = np.array(only)
        place = np.searchsorted(self.leads_, leads).clip(0, len(self.leads_) - 1)
        out = np.empty((len(origins), len(only), *x.shape[1:]))
        for begin in range(0, len(origins), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            for node, weights in enumerate(self.weights_):
                columns, anchor, _ = self._columns(x, time, origins[part], leads, node)
                columns[..., _LEAD] = self.leads_[place][:, None]
                found = np.einsum("nlsc,lsc->nls", columns, weights[place]) + anchor[:, :1]
                out[part, :, node] = np.maximum(np.exp(found) - self.floor_[node], 0.0)
        return out


_LEAD = -2  # column of the lead, before the one
