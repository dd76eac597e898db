"""Both solvers of the upper level as tasks of the training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from odflow.sim2real.bilevel import Params, gap_gradients, hypergradient
from odflow.sim2real.config import ReweightConfig
from odflow.sim2real.planes import Planes
from odflow.sim2real.weights import spread_out
from odflow.training import Update

Batch = tuple[Tensor, ...]
LossFunction = Callable[[Params, Batch], Tensor]

# What is left in the end of the size of the first gradients. Gradients die away when the weights are right, and what is
# left of them is noise, which must not be blown up.
_FADES = 1e-3


class Named(nn.Module):
    """Tensors by name, names with dots among them, as buffers that training loops move, save and restore."""

    def __init__(self, params: Params) -> None:
        super().__init__()
        self.names = list(params)
        for k, value in enumerate(params.values()):
            self.register_buffer(f"p{k}", value.detach().clone())

    @property
    def params(self) -> Params:
        """All of them."""
        return {name: getattr(self, f"p{k}") for k, name in enumerate(self.names)}

    @torch.no_grad()
    def keep(self, params: Params) -> None:
        """Take over values."""
        for name, value in self.params.items():
            value.copy_(params[name])


class Weights(nn.Module):
    """Logits of samples or worlds, and the typical size of their gradients."""

    logits: Tensor
    scale: Tensor

    def __init__(self, count: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("logits", torch.zeros(count, dtype=dtype))
        self.register_buffer("scale", torch.zeros((), dtype=dtype))

    @torch.no_grad()
    def descend(self, slope: Tensor, rate: float, remember: float, least_effective: float) -> None:
        """One step against a gradient (0 = not concerned) in units of its typical size, and the floor."""
        touched = slope != 0
        if touched.any():
            size = slope[touched].square().mean().sqrt()
            self.scale.copy_(torch.maximum(remember * self.scale, size))
            self.logits.sub_(rate * slope / self.scale)
        self.logits.copy_(spread_out(self.logits, least_effective))


class Upper(ABC):
    """What both solvers share.

    Parameters
    ----------
    loss : callable
        Of parameters and batch to losses (B,).
    start : dict
        Where the lower level starts.
    simulated, real : tuples of Tensor
    worlds : int Tensor (N,)
        Number of the weight of each simulated sample.
    config : ReweightConfig
    """

    def __init__(
        self, loss: LossFunction, start: Params, simulated: Batch, real: Batch, worlds: Tensor, config: ReweightConfig
    ) -> None:
        self.loss, self.simulated, self.real, self.worlds, self.config = loss, simulated, real, worlds, config
        count, dtype = int(worlds.max()) + 1, next(iter(start.values())).dtype
        self.weights, self.lower = Weights(count, dtype), Named(start)
        self.modules: dict[str, nn.Module] = {"weights": self.weights, "lower": self.lower}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        seen = min(1.0, config.batch / count) * sum(config.decay(step) for step in range(config.steps))
        self.weight_rate = config.reach / seen

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """Weigh the simulated samples of these numbers, and go on with the network from where K steps lead."""
        device = self.weights.logits.device
        rows = batch.cpu()
        simulated = tuple(part[rows].to(device) for part in self.simulated)
        chosen = torch.randperm(len(self.real[0]), generator=generator)[: self.config.real_batch]
        real = tuple(part[chosen].to(device) for part in self.real)
        worlds = self.worlds[rows].to(device)
        slope, loss = self.solve(simulated, real, worlds, self.config.inner_rate * self.config.decay(step))
        rate = self.weight_rate * self.config.decay(step)
        self.move(slope, rate)
        return {"real": loss}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Not used."""
        raise NotImplementedError

    @abstractmethod
    def solve(self, simulated: Batch, real: Batch, worlds: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """Move the network; gradient of what is to be minimised with respect to all logits, and the real loss."""

    def move(self, slope: Tensor, rate: float) -> None:
        """Move the logits."""
        self.weights.descend(slope, rate, _FADES ** (1 / self.config.steps), self.config.least_effective)

    def by_weight(self, slope: Tensor, worlds: Tensor) -> Tensor:
        """Gradients of samples added up by logits."""
        return torch.zeros_like(self.weights.logits).index_add_(0, worlds, slope)


class Unrolled(Upper):
    """The upper level by exact gradients through the K steps of the lower one."""

    def solve(self, simulated: Batch, real: Batch, worlds: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """See :class:`Upper`."""
        slope, loss, reached = hypergradient(
            lambda p: self.loss(p, simulated),
            lambda p: self.loss(p, real),
            self.lower.params,
            self.weights.logits[worlds],
            self.config.inner_steps,
            rate,
        )
        self.lower.keep(reached)
        return self.by_weight(slope, worlds), loss


class CuttingPlane(Upper):
    """The upper level by cutting planes (after Jiao et al., ICLR 2023: asynchronous distributed bilevel optimization).

    ``G(phi)`` is minimised over w and phi together, subject to cuts that linearise ``|phi - phi_K(w)|^2 <= epsilon``
    where it was violated: ascent of the multipliers, then gradient steps on w and phi of the Lagrangian. phi is a
    network apart from the one that the lower level goes on with: real data pull it away from phi_K, and only the
    difference tells which weights would bring phi_K after it.
    """

    def __init__(
        self, loss: LossFunction, start: Params, simulated: Batch, real: Batch, worlds: Tensor, config: ReweightConfig
    ) -> None:
        super().__init__(loss, start, simulated, real, worlds, config)
        self.upper = Named(start)
        self.count = sum(value.numel() for value in start.values())
        logits = self.weights.logits
        self.planes = Planes(config.cuts, len(logits), self.count, logits.dtype)
        self.modules |= {"upper": self.upper, "planes": self.planes}

    def solve(self, simulated: Batch, real: Batch, worlds: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """See :class:`Upper`."""
        config, planes, params = self.config, self.planes, self.upper.params
        gap, by_logit, by_param, reached = gap_gradients(
            lambda p: self.loss(p, simulated),
            self.lower.params,
            params,
            self.weights.logits[worlds],
            config.inner_steps,
            rate,
        )
        allowed = config.gap * self.count
        if gap > allowed:
            planes.add(self.by_weight(by_logit, worlds), _flat(by_param), gap, allowed)

        def upper(p: Params) -> tuple[Tensor, Tensor]:
            loss = self.loss(p, real).mean()
            return loss, loss.detach()

        slope, loss = torch.func.grad(upper, has_aux=True)(params)
        # half the gap's gradient is the way back to phi_K
        planes.ascend(config.dual_rate / (2 * rate))
        pull_on_logits, pull_on_params = planes.pull()
        change = -rate * (_flat(slope) + pull_on_params)
        planes.follow(torch.zeros_like(self.weights.logits), change)
        begin = 0
        for value in params.values():
            value += change[begin : begin + value.numel()].view_as(value)
            begin += value.numel()
        self.lower.keep(reached)
        return pull_on_logits, loss

    def move(self, slope: Tensor, rate: float) -> None:
        """Move the logits, and the cuts' values with them."""
        before = self.weights.logits.clone()
        super().move(slope, rate)
        self.planes.follow(self.weights.logits - before, torch.zeros_like(self.planes.b[0]))


def _flat(params: Params) -> Tensor:
    return torch.cat([value.reshape(-1) for value in params.values()])
