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


def lower_level(losses: Losses, params: Params, logits: Tensor, steps: int, rate: float) -> Params:
    """phi_K(w): parameters after K gradient steps on the weighted loss; differentiable in `logits` (B,)."""
    weights = logits.sigmoid()
    weights = weights / weights.sum()

    def weighted(p: Params) -> Tensor:
        return (weights * losses(p)).sum()

    for _ in range(steps):
        slope = torch.func.grad(weighted)(params)
        params = {name: value - rate * slope[name] for name, value in params.items()}
    return params


def hypergradient(
    losses: Losses, real: Losses, params: Params, logits: Tensor, steps: int, rate: float
) -> tuple[Tensor, Tensor, Params]:
    """Gradient of ``G(phi_K(w))`` with respect to the logits, exactly, through all K steps.

    Returns
    -------
    Tensor (B,), Tensor (), dict
        Gradient, the real loss G, and phi_K.
    """

    def upper(w: Tensor) -> tuple[Tensor, tuple[Tensor, Params]]:
        reached = lower_level(losses, params, w, steps, rate)
        loss = real(reached).mean()
        return loss, (loss, reached)

    slope, (loss, reached) = torch.func.grad(upper, has_aux=True)(logits)
    return slope, loss.detach(), {name: value.detach() for name, value in reached.items()}


def gap_gradients(
    losses: Losses, params: Params, logits: Tensor, steps: int, rate: float
) -> tuple[Tensor, Tensor, Params]:
    """``h(w, phi) = |phi - phi_K(w)|^2`` and its gradients; phi_K(w) starts at a phi that is held fixed.

    Returns
    -------
    Tensor (), Tensor (B,), dict
        h, its gradient with respect to the logits, and with respect to phi.
    """

    def distance(w: Tensor) -> tuple[Tensor, Params]:
        reached = lower_level(losses, params, w, steps, rate)
        off = {name: value - reached[name] for name, value in params.items()}
        return torch.stack([part.square().sum() for part in off.values()]).sum(), off

    slope, off = torch.func.grad(distance, has_aux=True)(logits)
    size = torch.stack([part.square().sum() for part in off.values()]).sum()
    return size.detach(), slope, {name: 2 * part.detach() for name, part in off.items()}
