"""How close synthetic TMs are to real ones: six measures of two sets of TMs, whatever their order in time.

Each is a pure function of flat TMs, shape (n, flows), in bit/s, without missing values.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from odflow.errors import DataError, MissingDependencyError
from odflow.evaluate.synthesis_space import NEGLIGIBLE, Space, fit_space, nearest, pair, squares

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.integer]

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


def wasserstein(real: ArrayLike, synthetic: ArrayLike) -> Floats:
    """Wasserstein distance W1 of every flow's values, in bit/s; exact for any two numbers of TMs.

    W1 in one dimension is the area between the two quantile functions (Vallender 1974).

    Returns
    -------
    ndarray (flows,)
    """
    a, b = (np.sort(x, axis=0) for x in pair(real, synthetic))
    if len(a) == len(b):
        return np.asarray(np.abs(a - b).mean(axis=0))
    ends = np.union1d(np.arange(1, len(a) + 1) * len(b), np.arange(1, len(b) + 1) * len(a))
    width = np.diff(ends, prepend=0)
    return np.asarray(width @ np.abs(a[(ends - 1) // len(b)] - b[(ends - 1) // len(a)]) / ends[-1])


def relative_wasserstein(real: ArrayLike, synthetic: ArrayLike) -> tuple[float, float]:
    """Wasserstein distance of the flows relative to their mean volume.

    Returns
    -------
    by_volume : float
        ``sum_i W1_i / sum_i mean_i``: large flows count most. The headline.
    by_flow : float
        Mean of ``W1_i / mean_i`` over the flows, every one alike; mean_i counts as at least 0.1 % of the mean
        demand, for a distance relative to next to nothing says nothing.

    Raises
    ------
    DataError
        If there is no real traffic.
    """
    distance, mean = wasserstein(real, synthetic), np.asarray(real, dtype=float).mean(axis=0)
    if not mean.any():
        raise DataError("the real TMs hold no traffic")
    by_flow = distance / np.maximum(mean, NEGLIGIBLE * mean.mean())
    return float(distance.sum() / mean.sum()), float(by_flow.mean())


def correlation_error(real: ArrayLike, synthetic: ArrayLike) -> float:
    """Mean absolute difference of the Pearson correlations between flows, over pairs of different flows.

    Flows that do not vary in the real TMs have no correlation and are left out. A flow that varies there
    and not in the synthetic TMs counts with correlation 0. NaN with fewer than two varying flows.
    """
    a, b = pair(real, synthetic)
    varies = np.ptp(a, axis=0) > 0
    p = int(varies.sum())
    if p < 2:
        return float("nan")
    difference = np.abs(_correlation(a[:, varies]) - _correlation(b[:, varies]))
    return float((difference.sum() - np.trace(difference)) / (p * (p - 1)))


def _correlation(x: Floats) -> Floats:
    z = x - x.mean(axis=0)
    z /= np.where(np.ptp(x, axis=0) > 0, np.sqrt((z**2).sum(axis=0)), np.inf)
    return np.asarray(z.T @ z)


def frechet(real: ArrayLike, synthetic: ArrayLike, space: Space | None = None) -> float:
    """Squared Fréchet distance of the normal distributions fitted to both sets in PCA space.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1^(1/2) C2 C1^(1/2))^(1/2))`` (Dowson & Landau 1982), as in the Fréchet
    inception distance (Heusel et al. 2017). Without unit. For equal distributions it is not 0 but falls
    as 1/n: compare at the same n only.

    Parameters
    ----------
    real, synthetic : array-like (n, flows)
    space : Space, optional
        By default fitted on `real`.
    """
    a, b = _coordinates(real, synthetic, space)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    value, vector = np.linalg.eigh(first)
    root = (vector * np.sqrt(np.maximum(value, 0.0))) @ vector.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0.0)).sum()
    shift = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    return float(max(shift + np.trace(first) + np.trace(second) - 2 * cross, 0.0))


def mmd2(
    real: ArrayLike, synthetic: ArrayLike, space: Space | None = None, *, most: int = 1000, seed: int = 0
) -> float:
    """Squared maximum mean discrepancy in PCA space, unbiased (Gretton et al. 2012, eq. 3).

    The kernel is the mean of five Gaussian kernels ``exp(-d^2 / (2 s^2))`` whose s is 1/4 to 4 times the median
    distance between real TMs: it does not depend on what they are compared with. Without unit, 2 at most; about 0,
    negative too, for equal distributions.

    Parameters
    ----------
    real, synthetic : array-like (n, flows)
    space : Space, optional
        By default fitted on `real`.
    most : int
        TMs used of either set, drawn
    seed : int
        with this seed.

    Raises
    ------
    DataError
        With fewer than two TMs on a side.
    """
    rng = np.random.default_rng(seed)
    a, b = (_some(x, most, rng) for x in _coordinates(real, synthetic, space))
    if min(len(a), len(b)) < 2:
        raise DataError("the MMD needs at least two TMs on either side")
    distances = squares(a, a), squares(b, b), squares(a, b)
    median = float(np.median(distances[0][np.triu_indices(len(a), 1)])) or 1.0
    one, other, cross = (_kernel(x, median) for x in distances)
    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (one, other))
    return float(within - 2 * cross.mean())


def _kernel(distances: Floats, median: float) -> Floats:
    return np.asarray(np.mean([np.exp(distances * (-0.5 / (median * s**2))) for s in BANDWIDTHS], axis=0))


def _some(x: Floats, most: int, rng: np.random.Generator) -> Floats:
    return x if len(x) <= most else x[np.sort(rng.choice(len(x), most, replace=False))]


def _coordinates(real: ArrayLike, synthetic: ArrayLike, space: Space | None) -> tuple[Floats, Floats]:
    a, b = pair(real, synthetic)
    space = space or fit_space(a)
    return space(a), space(b)


def copying_ratio(
    train: ArrayLike,
    held_out: ArrayLike,
    synthetic: ArrayLike,
    space: Space | None = None,
    *,
    groups: tuple[Ints, Ints] | None = None,
) -> float:
    """How near synthetic TMs are to the training TMs, relative to how near real ones are that were not trained on.

    The median distance (in PCA space) to the nearest training TM of the synthetic TMs, divided by that of the
    held-out ones. 1 is ideal, much less is copying, much more is unlike any real TM. Data-copying tests of
    this kind: Meehan, Chaudhuri & Dasgupta 2020.

    Parameters
    ----------
    train : array-like (N, flows)
    held_out : array-like (m, flows)
        Real TMs. They may be among the training TMs if `groups` keeps them apart.
    synthetic : array-like (n, flows)
    space : Space, optional
        By default fitted on `train`.
    groups : (ints (N,), ints (m,)), optional
        Day of each training and held-out TM; a held-out TM is only compared with other days, since the TM
        five minutes before is nearly the same.

    Raises
    ------
    DataError
        If a held-out TM has no training TM of another group.
    """
    a, b = pair(train, synthetic)
    space = space or fit_space(a)
    place = space(a)
    usual = float(np.median(nearest(place, space(pair(a, held_out)[1]), groups)))
    found = float(np.median(nearest(place, space(b))))
    return found / usual if usual > 0 else float("nan")


def classifier_auc(
    real: ArrayLike,
    synthetic: ArrayLike,
    *,
    groups: tuple[Ints, Ints] | None = None,
    folds: int = 5,
    epochs: int = 30,
    seed: int = 0,
) -> float:
    """Classifier two-sample test: how well a small neural network tells synthetic TMs from real ones, as an AUC.

    A network with one hidden layer of 64 units sees ``log(1 + x / u)``, u being 1 % of the flow's real mean and at
    least 0.1 % of the mean demand, less its mean and divided by its standard deviation or 0.1 if that is larger. So a
    measured zero and next to nothing look alike, which would give everything away. Mean over the folds of the area
    under the ROC curve of the part left out (Lopez-Paz & Oquab 2017, with the area in place of the accuracy). 0.5: they
    cannot be told apart; 1: always.

    Parameters
    ----------
    real, synthetic : array-like (n, flows)
    groups : (ints (n,), ints (n,)), optional
        TMs of one group, real or synthetic, are left out together. Otherwise the parts are random, which is right
        where both sets stand for draws at any time of the same period.
    folds, epochs, seed : int

    Raises
    ------
    MissingDependencyError
        Without scikit-learn.
    DataError
        If no part holds TMs of both sets.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.metrics import roc_auc_score
        from sklearn.neural_network import MLPClassifier
    except ImportError as error:
        text = "the classifier test needs scikit-learn; install it with: pip install 'odflow[eval]'"
        raise MissingDependencyError(text) from error
    a, b = pair(real, synthetic)
    mean = a.mean(axis=0)
    x = np.log1p(np.concatenate([a, b]) / np.maximum(0.01 * mean, NEGLIGIBLE * mean.mean() or 1.0))
    y = np.repeat([0, 1], [len(a), len(b)])
    part = _parts(len(a), len(b), groups, folds, np.random.default_rng(seed))
    found = []
    for k in range(folds):
        rest = part != k
        if min(len(np.unique(y[rest])), len(np.unique(y[~rest]))) < 2:
            continue
        z = (x - x[rest].mean(axis=0)) / np.maximum(x[rest].std(axis=0), 0.1)
        batch = min(128, int(rest.sum()))
        model = MLPClassifier(
            (64,), alpha=0.01, batch_size=batch, learning_rate_init=2e-3, max_iter=epochs, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # so many epochs and no more are meant
            model.fit(z[rest], y[rest])
        found.append(roc_auc_score(y[~rest], model.predict_proba(z[~rest])[:, 1]))
    if not found:
        raise DataError(f"{len(a)} real and {len(b)} synthetic TMs are too few for {folds} parts of a classifier test")
    return float(np.mean(found))


def _parts(
    real: int, synthetic: int, groups: tuple[Ints, Ints] | None, folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Which part each TM belongs to: groups are dealt out in random order, those with real TMs first."""
    one, other = groups or (np.arange(real), real + np.arange(synthetic))
    part: dict[int, int] = {}
    for names in (np.unique(one), np.setdiff1d(other, one)):
        for k, name in enumerate(rng.permutation(names)):
            part[int(name)] = k % folds
    return np.array([part[int(name)] for name in (*one, *other)])
