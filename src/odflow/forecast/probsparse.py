"""ProbSparse attention: only the queries that tell keys apart attend (Zhou et al., "Informer", AAAI 2021)."""

from __future__ import annotations

from math import ceil, log

import torch
from torch import Tensor, nn

from odflow.errors import UsageError


def kept(length: int, factor: int) -> int:
    """How many of `length` queries attend, or keys are sampled: c ceil(ln L), at least one and at most all."""
    return min(length, max(1, factor * ceil(log(length))))


def sparsity(query: Tensor, key: Tensor, sample: Tensor, causal: bool = False) -> Tensor:
    """How much queries tell the sampled keys apart: largest score less the mean (equation 4, with fewer keys).

    Parameters
    ----------
    query : Tensor, shape (..., L, d)
    key : Tensor, shape (..., M, d)
    sample : int Tensor, shape (U,)
        Rising numbers of the keys; the first is 0 if `causal`.
    causal : bool
        Leave out keys that come after the query.

    Returns
    -------
    Tensor, shape (..., L)
        0 = attends to all alike.
    """
    scores = query @ key[..., sample, :].transpose(-1, -2) * query.shape[-1] ** -0.5
    if not causal:
        return scores.amax(dim=-1) - scores.mean(dim=-1)
    past = sample <= torch.arange(query.shape[-2], device=query.device)[:, None]
    largest = scores.masked_fill(~past, -torch.inf).amax(dim=-1)
    return largest - (scores * past).sum(dim=-1) / past.sum(dim=-1)


def probsparse(query: Tensor, key: Tensor, value: Tensor, factor: int, causal: bool = False) -> Tensor:
    """ProbSparse attention.

    The c ceil(ln L) queries of the largest :func:`sparsity` attend to all keys; the others get the mean of all values,
    which is what attention comes to where scores are alike. The measure is taken on c ceil(ln M) keys, evenly spread
    and the same for all queries, where the paper draws them at random: the same input gives the same output.

    Parameters
    ----------
    query : Tensor, shape (..., L, d)
    key : Tensor, shape (..., M, d)
    value : Tensor, shape (..., M, e)
    factor : int
        c; once c ceil(ln L) reaches L this is full attention.
    causal : bool
        Queries attend to keys up to their own position, L = M, and the mean is that of the values so far. (The
        published code adds these values up, so that what later positions get grows with L.)

    Returns
    -------
    Tensor, shape (..., L, e)

    Raises
    ------
    UsageError
        If `causal` and L differs from M.
    """
    queries, keys = query.shape[-2], key.shape[-2]
    if causal and queries != keys:
        raise UsageError(f"causal attention of {queries} queries to {keys} keys, expected as many keys as queries")
    device = query.device
    places = torch.arange(keys, device=device)
    top = kept(queries, factor)
    if top == queries:
        return _attend(query, key, value, places[:, None] < places if causal else None)
    count = kept(keys, factor)
    sample = torch.arange(count, device=device) * keys // count
    chosen = sparsity(query.detach(), key.detach(), sample, causal).topk(top, dim=-1).indices[..., None]
    later = chosen < places if causal else None
    asking = query.gather(-2, chosen.expand(*chosen.shape[:-1], query.shape[-1]))
    answers = _attend(asking, key, value, later)
    if causal:
        mean = value.cumsum(dim=-2) / (places[:, None] + 1)
    else:
        mean = value.mean(dim=-2, keepdim=True).expand(*value.shape[:-2], queries, value.shape[-1])
    return mean.scatter(-2, chosen.expand_as(answers), answers)


def _attend(query: Tensor, key: Tensor, value: Tensor, barred: Tensor | None) -> Tensor:
    # not torch's fused attention, which cannot be differentiated twice; reweighting samples needs that
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if barred is not None:
        scores = scores.masked_fill(barred, -torch.inf)
    return scores.softmax(dim=-1) @ value


class MultiHead(nn.Module):
    """Multi-head ProbSparse attention of states to others, or to themselves.

    Parameters
    ----------
    width, heads : int
    factor : int
        c of :func:`probsparse`.
    causal : bool
    """

    def __init__(self, width: int, heads: int, factor: int, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.factor, self.causal = heads, factor, causal
        self.ask = nn.Linear(width, width, bias=False)
        self.offer = nn.Linear(width, 2 * width, bias=False)
        self.answer = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Attend from (B, L, D) to (B, M, D); shape (B, L, D)."""
        query = self.ask(x).unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        key, value = self.offer(memory).unflatten(-1, (2, self.heads, -1)).transpose(-2, -4).unbind(dim=-3)
        mixed = probsparse(query, key, value, self.factor, self.causal)
        out: Tensor = self.answer(mixed.transpose(-2, -3).flatten(-2))
        return out
