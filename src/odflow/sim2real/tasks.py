"""Both solvers of the upper level as tasks of the training loop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from odflow.sim2real.bilevel import Params, gap_gradients, hypergradient
from odflow.sim2real.config import ReweightConfig
from odflow.sim2real.weights import spread_out
from odflow.training import Update

Batch = tuple[Tensor, ...]
LossFunction = Callable[[Params, Batch], Tensor]


class State(nn.Module):
    """What is learnt: logits of samples or worlds, and the parameters of the network, all as buffers."""

    logits: Tensor
    scale: Tensor

    def __init__(self, count: int, params: Params) -> None:
        super().__init__()
        first = next(iter(params.values()))
        self.register_buffer("logits", torch.zeros(count, dtype=first.dtype))
        self.register_buffer("scale", torch.zeros((), dtype=first.dtype))
        self.names = list(params)
        for k, value in enumerate(params.values()):
            self.register_buffer(f"p{k}", value.detach().clone())

    @property
    def params(self) -> Params:
        """Parameters by their own names."""
        return {name: getattr(self, f"p{k}") for k, name in enumerate(self.names)}

    def keep(self, params: Params) -> None:
        """Take over parameters."""
        for name, value in self.params.items():
            value.copy_(params[name])


class Unrolled:
    """The upper level by exact gradients through the K steps of the lower one.

    The change of a logit is its gradient divided by the root mean square of those of the batch, so that the scale of
    the losses does not matter.
    """

    def __init__(
        self,
        loss: LossFunction,
        params: Params,
        simulated: Batch,
        real: Batch,
        worlds: Tensor | None,
        config: ReweightConfig,
    ) -> None:
        self.loss, self.simulated, self.real, self.config = loss, simulated, real, config
        self.worlds = torch.arange(len(simulated[0])) if worlds is None else worlds
        self.state = State(int(self.worlds.max()) + 1, params)
        self.modules: dict[str, nn.Module] = {"state": self.state}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """Weigh the simulated samples of these numbers, and go on with the network from where K steps lead."""
        config, state = self.config, self.state
        simulated = tuple(part[batch] for part in self.simulated)
        chosen = self._real(generator)
        slope, loss, reached = hypergradient(
            lambda p: self.loss(p, simulated),
            lambda p: self.loss(p, chosen),
            state.params,
            state.logits[self.worlds[batch]],
            config.inner_steps,
            config.inner_rate * config.decay(step),
        )
        self._move(self._by_weight(slope, batch), step)
        state.keep(reached)
        return {"real": loss}

    def validate(self, data: Tensor, generator: torch.Generator) -> float:
        """Not used."""
        raise NotImplementedError

    def _real(self, generator: torch.Generator) -> Batch:
        count = len(self.real[0])
        rows = torch.randperm(count, generator=generator)[: self.config.real_batch]
        return tuple(part[rows] for part in self.real)

    def _by_weight(self, slope: Tensor, batch: Tensor) -> Tensor:
        """Gradients of samples added up by logits."""
        return torch.zeros_like(self.state.logits).index_add_(0, self.worlds[batch], slope)

    @torch.no_grad()
    def _move(self, slope: Tensor, step: int) -> None:
        config, logits = self.config, self.state.logits
        touched = slope != 0
        if touched.any():
            size = slope[touched].square().mean().sqrt()
            import os
            keep = float(os.environ.get("KEEP", "0.999"))
            self.state.scale.copy_(torch.maximum(keep * self.state.scale, size))
            logits -= config.weight_rate * config.decay(step) * slope / self.state.scale
        logits.copy_(spread_out(logits, config.least_effective))


class CuttingPlane(Unrolled):
    """The upper level by cutting planes (after Jiao et al. 2023, asynchronous distributed bilevel optimisation).

    ``G(phi)`` is minimised over w and phi together, subject to cuts ``a w + b phi + c <= 0`` that linearise
    ``|phi - phi_K(w)|^2 <= epsilon`` where it was violated: gradient steps on w and phi of the Lagrangian, ascent of
    the multipliers; a cut whose multiplier is 0 is the first to make room.
    """

    def __init__(
        self,
        loss: LossFunction,
        params: Params,
        simulated: Batch,
        real: Batch,
        worlds: Tensor | None,
        config: ReweightConfig,
    ) -> None:
        super().__init__(loss, params, simulated, real, worlds, config)
        self.planes = Planes(config.cuts, self.state)
        self.modules["planes"] = self.planes

    def step(self, batch: Tensor, step: int, generator: torch.Generator, update: Update) -> dict[str, Tensor]:
        """One cut where it is needed, one step of the primal variables, one of the multipliers."""
        config, state, planes = self.config, self.state, self.planes
        simulated, chosen = tuple(part[batch] for part in self.simulated), self._real(generator)
        rate = config.inner_rate * config.decay(step)
        params = state.params
        gap, by_logit, by_param = gap_gradients(
            lambda p: self.loss(p, simulated), params, state.logits[self.worlds[batch]], config.inner_steps, rate
        )
        allowed = config.gap * sum(value.numel() for value in params.values())
        flat = _flat(params)
        if float(gap) > allowed:
            planes.add(self._by_weight(by_logit, batch), _flat(by_param), float(gap) - allowed, state.logits, flat)
        slope = torch.func.grad(lambda p: self.loss(p, chosen).mean())(params)
        loss = self.loss(params, chosen).mean().detach()
        toward = _flat(slope) + planes.pull_on_params()
        self._move(planes.pull_on_logits(), step)
        self._keep_flat(flat - rate * toward)
        planes.ascend(state.logits, _flat(state.params), config.dual_rate)
        return {"real": loss}

    def _keep_flat(self, flat: Tensor) -> None:
        begin = 0
        for value in self.state.params.values():
            value.copy_(flat[begin : begin + value.numel()].view_as(value))
            begin += value.numel()


class Planes(nn.Module):
    """A fixed number of cuts ``a w + b phi + c <= 0`` with their multipliers."""

    a: Tensor
    b: Tensor
    c: Tensor
    multiplier: Tensor

    def __init__(self, count: int, state: State) -> None:
        super().__init__()
        size, dtype = sum(value.numel() for value in state.params.values()), state.logits.dtype
        self.register_buffer("a", torch.zeros(count, len(state.logits), dtype=dtype))
        self.register_buffer("b", torch.zeros(count, size, dtype=dtype))
        self.register_buffer("c", torch.full((count,), -1.0, dtype=dtype))
        self.register_buffer("multiplier", torch.zeros(count, dtype=dtype))

    def add(self, a: Tensor, b: Tensor, excess: float, logits: Tensor, flat: Tensor) -> None:
        """Put a cut in the place of the one with the smallest multiplier."""
        place = int(self.multiplier.argmin())
        self.a[place], self.b[place] = a, b
        self.c[place] = excess - a @ logits - b @ flat
        self.multiplier[place] = 1.0

    def pull_on_logits(self) -> Tensor:
        """Gradient of the cuts' part of the Lagrangian with respect to the logits."""
        return self.multiplier @ self.a

    def pull_on_params(self) -> Tensor:
        """The same with respect to the parameters, flat."""
        return self.multiplier @ self.b

    def ascend(self, logits: Tensor, flat: Tensor, rate: float) -> None:
        """Raise the multipliers of violated cuts and lower those of others, to 0 at least."""
        size = (self.a.square().sum(dim=1) + self.b.square().sum(dim=1)).sqrt().clamp(min=1e-12)
        value = (self.a @ logits + self.b @ flat + self.c) / size
        self.multiplier.add_(rate * value).clamp_(min=0)


def _flat(params: Params) -> Tensor:
    return torch.cat([value.reshape(-1) for value in params.values()])
