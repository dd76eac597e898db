"""The lower level, K steps of gradient descent, and how what comes out depends on the weights.

``min_w G(phi_K(w))`` with ``phi_{k+1} = phi_k - eta grad g(w, phi_k)`` and
``g(w, phi) = sum_j sigma(w_j) L_j(phi) / sum_j sigma(w_j)``. Sim-MSTNet (Ma et al. 2026) divides by the number of
samples instead; the minimum over phi is the same, but here making all weights small is no way to make the steps small.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Params = dict[str, Tensor]
Losses = Callable[[Params], Tensor]  # of parameters to the loss of every sample of a batch, shape (B,)


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """g: mean of the losses (B,) with weights (B,) of any scale."""
    return (weights * losses).sum() / weights.sum()


def lower_level(losses: Losses, start: Params, logits: Tensor, steps: int, rate: float) -> Params:
    """phi_K(w): parameters after K gradient steps on the weighted loss; differentiable in `logits` (B,)."""
    weights = logits.sigmoid()
    params = start
    for _ in range(steps):
        slope = torch.func.grad(lambda p: weighted_mean(losses(p), weights))(params)
        params = {name: value - rate * slope[name] for name, value in params.items()}
    return params


def hypergradient(
    losses: Losses, real: Losses, start: Params, logits: Tensor, steps: int, rate: float
) -> tuple[Tensor, Tensor, Params]:
    """Gradient of ``G(phi_K(w))`` with respect to the logits, exactly, through all K steps.

    Returns
    -------
    Tensor (B,), Tensor (), dict
        Gradient, the real loss G, and phi_K.
    """

    def upper(w: Tensor) -> tuple[Tensor, tuple[Tensor, Params]]:
        reached = lower_level(losses, start, w, steps, rate)
        loss = real(reached).mean()
        return loss, (loss, reached)

    slope, (loss, reached) = torch.func.grad(upper, has_aux=True)(logits)
    return slope, loss.detach(), _detached(reached)


def gap_gradients(
    losses: Losses, start: Params, params: Params, logits: Tensor, steps: int, rate: float
) -> tuple[Tensor, Tensor, Params, Params]:
    """``h(w, phi) = |phi - phi_K(w)|^2`` and its gradients.

    Parameters
    ----------
    losses, logits, steps, rate
        As for :func:`lower_level`.
    start : dict
        Where phi_K(w) starts.
    params : dict
        phi.

    Returns
    -------
    Tensor (), Tensor (B,), dict, dict
        h, its gradient with respect to the logits, and with respect to phi; phi_K.
    """

    def distance(w: Tensor) -> tuple[Tensor, tuple[Tensor, Params]]:
        reached = lower_level(losses, start, w, steps, rate)
        size = torch.stack([(value - reached[name]).square().sum() for name, value in params.items()]).sum()
        return size, (size, reached)

    slope, (size, reached) = torch.func.grad(distance, has_aux=True)(logits)
    reached = _detached(reached)
    return size.detach(), slope, {name: 2 * (value - reached[name]) for name, value in params.items()}, reached


def _detached(params: Params) -> Params:
    return {name: value.detach() for name, value in params.items()}
