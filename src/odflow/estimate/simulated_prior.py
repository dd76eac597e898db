"""The TM from link loads alone: means by a network that has learnt from simulated networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from odflow.errors import FormatError
from odflow.estimate.flow_network import output_of
from odflow.estimate.moment_features import MAIN, TRUSTS, features
from odflow.estimate.moment_fit import MomentFit, MomentModel, fit_moments
from odflow.estimate.moments import MomentPosterior, apart
from odflow.modelfile import ModelFile, read_model, shipped_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from odflow.estimate.load_moments import LoadMoments

    Floats = NDArray[np.float64]

_LEAST = 1e-12
KIND, NETWORK, TABLE = "SimulatedNetworks", "network", "table."
_FILE = "simulated.safetensors"
_ITERATIONS = (60, 120, 60)  # of each fit
_TRACE = 1e-7  # of the mean flow and of loads
_MOST = 5.0  # logarithm
_MEETS = 2
_NEAR, _FAR = 0.5, 0.9  # of the way from gravity to the fit
_LEFT = 0.02  # of a flow, at least, in a step towards the loads
_SELF = 6.0  # times less trust in what gravity says of traffic of nodes to themselves


@dataclass(frozen=True, eq=False)
class LoadsSeen:
    """What the network looks at.

    Parameters
    ----------
    features : array, shape (flows, FEATURES)
    mean : array, shape (flows,)
        Of the main fit, shares of the traffic.
    matrix : array, shape (L, flows)
        Of loads that do not follow from others.
    expected : array, shape (L,)
        Their means, in the same shares.
    """

    features: Floats
    mean: Floats
    matrix: csr_array
    expected: Floats


def seen_of(
    part: LoadMoments, prior: Floats, nodes: int, start: MomentFit | None = None
) -> tuple[LoadsSeen, MomentFit]:
    """What the network looks at, and the main fit; `start` is one of earlier loads to begin from."""
    fits: list[MomentFit] = []
    for trust, iterations in zip(TRUSTS, _ITERATIONS, strict=True):
        model = MomentModel(trust=trust, trust_self=trust / _SELF, iterations=iterations)
        fits.append(fit_moments([part], prior, nodes, model, fits[-1] if fits else start))
    seen = LoadsSeen(features(part, fits, MomentModel(), nodes), fits[MAIN].mean, part.matrix, part.expected)
    return seen, fits[MAIN]


def inverse_of(seen: LoadsSeen) -> Floats:
    """``(A diag(m) A')^-1`` of the main fit m, (L, L)."""
    A, M = seen.matrix, ((seen.matrix * (seen.mean + _TRACE)) @ seen.matrix.T).toarray()
    M[np.diag_indices_from(M)] *= 1 + _TRACE
    M[np.diag_indices_from(M)] += _TRACE * M.diagonal().mean() if len(M) else 0.0
    return np.linalg.inv(M) if A.shape[0] else M


def told(p: Mapping[str, Any], seen: Any, inverse: Any, exp: Callable[[Any], Any] = np.exp) -> Any:
    """Mean TM, (flows,), by a network with weights p; of arrays or tensors.

    The network changes the main fit; steps towards the loads follow.
    """
    flows = len(seen.mean)
    n = round(flows**0.5)
    base = (seen.mean + _TRACE * seen.mean.mean()) * (seen.mean > 0)
    change = output_of(p, seen.features.reshape(n, n, -1), seen.mean.reshape(n, n), exp).reshape(flows)
    x = base * exp(change.clip(-_MOST, _MOST))
    x = x * (seen.mean.sum() / x.sum())
    for _ in range(_MEETS):
        moved = x + base * (seen.matrix.T @ (inverse @ (seen.expected - seen.matrix @ x)))
        x = moved + (_LEFT * x - moved).clip(0)
    return x


def blended(found: Floats, fit: Floats, gravity: Floats) -> Floats:
    """The mean of what networks and fit say where the networks go as far from gravity as the fit does, (flows,).

    Where they stay by gravity they alone are believed. Real networks are not quite like simulated ones; on simulated
    ones that costs next to nothing.
    """
    far, farther = np.abs(found - gravity).sum(), np.abs(fit - gravity).sum()
    share = 0.5 * np.clip((far / max(farther, _LEAST) - _NEAR) / (_FAR - _NEAR), 0.0, 1.0)
    return np.asarray(np.maximum((1 - share) * found + share * fit, _LEAST))


@cache
def networks_in(file: Path | None) -> tuple[tuple[dict[str, Floats], ...], dict[str, Floats]]:
    """Weights of the networks of a file, or of those that come with odflow, and the table of their errors.

    Raises
    ------
    OdflowError
        If the file cannot be read, or is not of such networks.
    """
    model = shipped_model("odflow.estimate", _FILE) if file is None else read_model(file)
    if model.kind != KIND:
        raise FormatError(file or Path(_FILE), f"holds a {model.kind}, not the networks of a SimulatedPrior")
    numbers = {name: value.astype(float) for name, value in model.tensors.items()}

    def named(start: str) -> dict[str, Floats]:
        return {name.removeprefix(start): value for name, value in numbers.items() if name.startswith(start)}

    return tuple(named(f"{NETWORK} {k}.") for k in range(model.header["networks"])), named(TABLE)


@dataclass(kw_only=True, eq=False)
class SimulatedPrior(MomentPosterior):
    """Student-t posterior without any history: its mean TM is what networks taught on simulations make of the loads.

    As :class:`MomentPosterior`, whose fits at several strengths of trust in gravity it looks at: for every flow how the
    fits differ, how well the covariances of the loads see it, and how far the loads of its path are from gravity. Small
    networks, shared by all flows, have learnt from simulated networks with known traffic which of it to believe. So it
    follows the loads where they say much, and gravity where they do not. The mean is the geometric mean of the
    networks', and half of it the fit's where they agree that gravity is far off.

    Parameters
    ----------
    weights : Path, optional
        Networks of your own, made by ``python -m odflow.estimate.simulated_training FILE``.

    Notes
    -----
    The networks have seen no measured TM of any network, only simulated ones, on random graphs.
    """

    weights: Path | None = None

    def _learn(
        self,
        parts: Sequence[LoadMoments],
        priors: Sequence[Floats],
        prior: Floats,
        nodes: int,
        start: MomentFit | None,
    ) -> tuple[Floats, tuple[float, ...]]:
        hours, found, fits = np.array([part.hours for part in parts]), [], []
        for part, own in zip(parts, priors, strict=True):
            seen, self.fit_ = seen_of(part, own, nodes, start)
            inverse = inverse_of(seen)
            said = [np.log(np.maximum(told(p, seen, inverse), _LEAST)) for p in networks_in(self.weights)[0]]
            found.append(np.log(blended(np.exp(np.mean(said, axis=0)), seen.mean, own)))
            fits.append(seen.mean)
        share = hours / max(hours.sum(), _LEAST)
        shares = self._without_self(np.where(prior > 0, np.exp(share @ np.array(found)), 0.0))
        fit = share @ np.array(fits)
        change = float(share @ [part.fluctuation for part in parts])
        return shares, (apart(shares, prior), apart(shares, fit), apart(fit, prior), change)

    def _table(self) -> Mapping[str, Floats]:
        return networks_in(self.weights)[1]

    def _parameters(self) -> dict[str, Any]:
        return super()._parameters() | {"weights": None if self.weights is None else str(self.weights)}

    @classmethod
    def restore(cls, model: ModelFile) -> Self:
        """As :meth:`MomentPosterior.restore`; networks of your own have to be where they were."""
        estimator = super().restore(model)
        estimator.weights = None if estimator.weights is None else Path(estimator.weights)
        return estimator
