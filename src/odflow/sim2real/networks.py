"""The networks in the end: one trained with the weights that were found, one with equal weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from odflow.sim2real.bilevel import Params, weighted_mean
from odflow.sim2real.config import ReweightConfig
from odflow.sim2real.solvers import Batch, LossFunction
from odflow.training import Update, adam


class _Network(nn.Module):
    """Parameters under names that may have dots in them."""

    def __init__(self, params: Params) -> None:
        super().__init__()
        self.names = list(params)
        self.values = nn.ParameterList(nn.Parameter(value.detach().clone()) for value in params.values())

    @property
    def params(self) -> Params:
        return dict(zip(self.names, self.values, strict=True))


class Networks:
    """Both networks as a task of the training loop: the same start, batches and optimizer; only the weights differ.

    Parameters
    ----------
    loss : callable
        Of parameters and batch to losses (B,).
    start : dict
    simulated : tuple of Tensor
    weights : Tensor (N,)
        Of the simulated samples.
    config : ReweightConfig
    """

    def __init__(
        self, loss: LossFunction, start: Params, simulated: Batch, weights: Tensor, config: ReweightConfig
    ) -> None:
        self.loss, self.simulated = loss, simulated
        self.weights = {"weighted": weights, "equal": torch.ones_like(weights)}
        self.networks = {name: _Network(start) for name in self.weights}
        self.modules: dict[str, nn.Module] = dict(self.networks)
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: adam(network.parameters(), config.learning_rate) for name, network in self.networks.items()
        }

    def params(self, name: str) -> Params:
        """Of the "weighted" or the "equal" network, on the CPU."""
        return {key: value.detach().cpu().clone() for key, value in self.networks[name].params.items()}

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """Train both on the simulated samples of these numbers."""
        rows, losses = batch.cpu(), {}
        samples = tuple(part[rows].to(batch.device) for part in self.simulated)
        for name, network in self.networks.items():
            loss = weighted_mean(self.loss(network.params, samples), self.weights[name][rows].to(batch.device))
            update(name, loss)
            losses[name] = loss.detach()
        return losses

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Not used."""
        raise NotImplementedError
