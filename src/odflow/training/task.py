"""What the training loop trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor


class Update(Protocol):
    """One step of an optimizer, made by the loop on behalf of a task."""

    def __call__(self, optimizer: str, loss: Tensor) -> None:
        """Zero the gradients, back-propagate the loss to this optimizer's parameters alone, clip, step."""


class Progress(Protocol):
    """Is told how far the training is, some times a second."""

    def __call__(self, done: int, total: int, losses: Mapping[str, float]) -> None:
        """Steps done, steps in all, latest losses by name."""


class Task(Protocol):
    """A model with its losses.

    All that is random in it must come from the generators it is given: a layer that draws from
    torch's global one (``nn.Dropout``), and buffers that are replaced rather than changed in place,
    would make a resumed training differ.

    Attributes
    ----------
    modules : dict of str to Module
        All that is learnt, checkpointed and averaged, buffers included.
    optimizers : dict of str to Optimizer
        Their learning rates are where the decay starts.
    """

    modules: dict[str, torch.nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """Learn from a batch: one call of `update` for every optimizer step.

        Parameters
        ----------
        batch : Tensor, shape (B, ...)
            Rows of the data, on the device of the modules.
        step : int
            From 0 on.
        generator : torch.Generator
            Source of all randomness of this step; on the CPU.
        update : Update

        Returns
        -------
        dict of str to Tensor
            Losses by name, detached scalars; the same names at every step.
        """
        ...

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Loss on data that was not trained on, lower is better; called without gradients, modules in eval mode."""
        ...


def adam(
    parameters: Iterable[torch.nn.Parameter], learning_rate: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.Adam:
    """Adam (Kingma and Ba, 2015, algorithm 1) in its fused form, on the CPU several times as fast as the default."""
    return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, fused=True)
