"""Soft parameter sharing: attention between tasks selects what they share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from odflow.forecast.dropout import Dropout

_GATE = -1.0  # at first, before the sigmoid: tasks keep mostly to themselves


class TaskAttention(nn.Module):
    """Multi-head attention of each task's state to those of all tasks at the same node and time.

    ``x_k + sigmoid(G_k x_k + g_k) * attention_k``, every task with parameters of its own: with a gate of 0 a task takes
    nothing from the others. Sim-MSTNet (Ma et al. 2026) names the attention; residual and gate are ours.

    Parameters
    ----------
    tasks, width, heads : int
        With 1 for tasks, any number of them have the same parameters.
    dropout : Dropout

    Attributes
    ----------
    ask : Parameter, shape (3, S, D, D)
        Queries, keys and values of each task.
    answer, gate : Parameter, shape (S, D, D)
    answer_bias, gate_bias : Parameter, shape (S, 1, D)
    """

    def __init__(self, tasks: int, width: int, heads: int, dropout: Dropout) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(tasks))
        self.ask = nn.Parameter(torch.empty(3, tasks, width, width))
        self.answer = nn.Parameter(torch.empty(tasks, width, width))
        self.answer_bias = nn.Parameter(torch.zeros(tasks, 1, width))
        self.gate = nn.Parameter(torch.zeros(tasks, width, width))
        self.gate_bias = nn.Parameter(torch.full((tasks, 1, width), _GATE))
        self.dropout = dropout
        for weight in (self.ask, self.answer):
            nn.init.uniform_(weight, -(width**-0.5), width**-0.5)

    def forward(self, *states: Tensor) -> list[Tensor]:
        """States of the tasks, each (..., D), to the same."""
        shape = states[0].shape
        norms = list(self.norms) * (len(states) if len(self.norms) == 1 else 1)
        own = torch.stack([norm(x).flatten(0, -2) for norm, x in zip(norms, states, strict=True)])
        parts = [torch.matmul(own, ask).unflatten(-1, (self.heads, -1)) for ask in self.ask]
        mixed = torch.matmul(attend_between(*parts).flatten(-2), self.answer) + self.answer_bias
        gate = (torch.matmul(own, self.gate) + self.gate_bias).sigmoid()
        shared = self.dropout((gate * mixed).unflatten(1, shape[:-1]))
        return [x + new for x, new in zip(states, shared, strict=True)]


def attend_between(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Scaled dot-product attention between the first dimension's S entries, all (S, M, heads, d)."""
    scale = query.shape[-1] ** -0.5
    shares = [((asking * key).sum(dim=-1, keepdim=True) * scale).softmax(dim=0) for asking in query]
    return torch.stack([(share * value).sum(dim=0) for share in shares])
