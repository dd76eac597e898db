"""Adam on the noises behind the TMs of a block of snapshots (needs torch)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odflow.estimate.inversion import InversionConfig

    Floats = NDArray[np.float64]

Decode = Callable[[Tensor], Tensor]
"""Noises (B, *noise_shape) to TMs (B, flows) in model units."""

_ROWS = 16
_IMPROVED = 1e-3  # relative fall of the loss that counts as progress
_BETAS, _EPS = (0.9, 0.999), 1e-12  # of Adam; gradients are small, for the loss is relative


def padded(count: int) -> int:
    """Size of the batch for so many snapshots: a multiple of 16, for smaller products round each row in another way."""
    return -(-count // _ROWS) * _ROWS


@dataclass(frozen=True, eq=False)
class Operator:
    """A and its transpose as torch CSR: for 54 x 144 and for 276 x 2500 a third of the time of dense products."""

    forward: Tensor
    adjoint: Tensor

    @staticmethod
    def of(matrix: csr_array, device: torch.device | str = "cpu") -> Operator:
        """On a device."""
        return Operator(_torch_csr(matrix, device), _torch_csr(csr_array(matrix.T.tocsr()), device))


def _torch_csr(matrix: csr_array, device: torch.device | str) -> Tensor:
    matrix = matrix.sorted_indices()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support", category=UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int64)),
            torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            size=matrix.shape,
            device=device,
            check_invariants=True,
        )


class Descent:
    """Adam on the noises of a block of snapshots.

    Parameters
    ----------
    decode : callable
    operator : Operator
    noise : Tensor, shape (B, *noise_shape)
        Where to start; not changed.
    loads : array, shape (B, rows)
    config : InversionConfig
    """

    def __init__(self, decode: Decode, operator: Operator, noise: Tensor, loads: Floats, config: InversionConfig):
        self.decode, self.operator, self.config = decode, operator, config
        measured = ~np.isnan(loads)
        y = np.where(measured, loads, 0.0)
        total = y.sum(axis=1, keepdims=True)
        weight = measured / np.where(total > 0, total, 1.0)
        self._y, self._weight = (torch.from_numpy(a.T.astype(np.float32)).to(noise.device) for a in (y, weight))
        only_first = config.move == "start"
        self._moved = noise[:, :1].clone() if only_first else noise.clone()
        self._fixed = noise[:, 1:] if only_first else None
        self._mean, self._square = torch.zeros_like(self._moved), torch.zeros_like(self._moved)
        self._active = torch.arange(len(noise), device=noise.device)
        self._least = torch.full((len(noise),), torch.inf, device=noise.device)
        self._reference, self._since = self._least.clone(), torch.zeros_like(self._active)
        self._open = torch.ones_like(self._active, dtype=torch.bool)
        self._found: Tensor | None = None

    def run(self) -> Iterator[tuple[int, float]]:
        """Descend; after each step yields its number and the mean loss before it."""
        steps = self.config.steps
        for step in range(steps):
            moved = self._moved.detach().requires_grad_()
            with torch.enable_grad():
                x = self.decode(self._joined(moved))
            loss, slope = self._misfit(x.detach(), step)
            self._keep(x.detach(), loss)
            (gradient,) = torch.autograd.grad(x, moved, slope)
            self._adam(gradient.add_(self._moved, alpha=self.config.prior_at(step)), step)
            yield step + 1, float(loss.mean())
            if self.config.patience and not self._drop_done():
                return
        with torch.no_grad():
            x = self.decode(self._joined(self._moved))
        self._keep(x, self._misfit(x, steps)[0])

    def result(self) -> Tensor:
        """TMs after :meth:`run`, shape (B, flows)."""
        assert self._found is not None
        return self._found

    def noise(self) -> Tensor:
        """Noises as they are now, of the snapshots not done yet."""
        return self._joined(self._moved)

    def _joined(self, moved: Tensor) -> Tensor:
        return moved if self._fixed is None else torch.cat([moved, self._fixed], dim=1)

    def _misfit(self, x: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Loss of each snapshot and its gradient by the TM; by hand, so that autograd is for the decoder alone."""
        residual = (self.operator.forward @ x.T - self._y) * self._weight
        if self.config.norm == "l1":
            loss, slope = residual.abs().sum(dim=0), residual.sign()
        else:
            loss, slope = (residual**2).sum(dim=0), 2 * residual
        loss = loss + 0.5 * self.config.prior_at(step) * self._moved.flatten(1).square().sum(dim=1)
        return loss, (self.operator.adjoint @ (slope * self._weight)).T

    def _adam(self, gradient: Tensor, step: int) -> None:
        """One step, in place (Kingma & Ba, "Adam", 2015, algorithm 1)."""
        first, second = _BETAS
        self._mean.lerp_(gradient, 1 - first)
        self._square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        scale = (self._square / (1 - second ** (step + 1))).sqrt_().add_(_EPS)
        self._moved.addcdiv_(self._mean, scale, value=-self.config.rate(step) / (1 - first ** (step + 1)))

    def _keep(self, x: Tensor, loss: Tensor) -> None:
        better = (loss < self._least[self._active]) & self._open[self._active]
        self._least[self._active[better]] = loss[better]
        if self._found is None:
            self._found = x.clone()
        taken = better if self.config.best else self._open[self._active]
        self._found[self._active[taken]] = x[taken]

    def _drop_done(self) -> bool:
        """Go on with the snapshots that still improve; whether there are any."""
        least = self._least[self._active]
        improved = least < (1 - _IMPROVED) * self._reference[self._active]
        self._reference[self._active[improved]] = least[improved]
        self._since[self._active] = torch.where(improved, 0, self._since[self._active] + 1)
        self._open &= self._since < self.config.patience
        going = self._open[self._active]
        if not going.any():
            return False
        # some that are done stay, to fill the batch, but keep what they have found
        rows = torch.argsort(~going, stable=True)[: padded(int(going.sum()))].sort().values
        if len(rows) < len(self._active):
            for name in ("_moved", "_mean", "_square", "_active", "_fixed"):
                value = getattr(self, name)
                setattr(self, name, None if value is None else value[rows])
            self._y, self._weight = self._y[:, rows], self._weight[:, rows]
        return True
