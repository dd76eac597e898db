"""Which simulated worlds teach most about a history (needs torch)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor
from torch.func import functional_call

from odflow.forecast.inputs import Geometry, Inputs
from odflow.forecast.mstnet import MSTNet
from odflow.forecast.pretraining import Pool
from odflow.sim2real import ReweightConfig, Reweighted, reweight
from odflow.training import Progress

if TYPE_CHECKING:
    import xarray as xr

_MOST_NODES = 48  # of the history, to weigh worlds by
REWEIGHTING = ReweightConfig(
    steps=120,
    batch=16,
    real_batch=4,
    learning_rate=3e-4,
    final_learning_rate=1e-4,
    inner_rate=0.02,
    network_steps=150,
    held_out=0.0,
    least_effective=0.5,
)


def weigh(
    network: MSTNet,
    pool: Pool,
    config: ReweightConfig,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Reweighted:
    """Weights of the pool's worlds for its history, from a network that has learnt from all of them alike.

    Parameters
    ----------
    network : MSTNet
    pool : Pool
        With a history.
    config : ReweightConfig
    checkpoint, resume, progress
        As :func:`odflow.sim2real.reweight`.
    """
    names = [name for name, _ in network.named_parameters()]
    fixed = {name: value for name, value in network.state_dict().items() if name not in names}

    def loss(params: dict[str, Tensor], batch: tuple[Tensor, ...]) -> Tensor:
        def forecast(inputs: Inputs, geometry: Geometry) -> Tensor:
            out: Tensor = functional_call(network, {**params, **fixed}, (inputs, geometry))
            return out

        return pool.losses(forecast, batch[0])

    params = {name: value.detach().clone() for name, value in network.named_parameters()}
    return reweight(
        loss,
        params,
        (pool.rows,),
        (pool.real_rows,),
        config,
        worlds=pool.worlds,
        checkpoint=checkpoint,
        resume=resume,
        progress=progress,
    )


def with_parameters(network: MSTNet, params: dict[str, Tensor]) -> MSTNet:
    """A copy of a network with other parameters."""
    other = copy.deepcopy(network)
    other.load_state_dict(params, strict=False)
    return other


def some_nodes(history: xr.DataArray, seed: int) -> xr.DataArray:
    """A history of at most 48 of its nodes, drawn at random."""
    nodes = history.sizes["node"]
    if nodes <= _MOST_NODES:
        return history
    return history.isel(node=np.sort(np.random.default_rng((seed, 4001)).permutation(nodes)[:_MOST_NODES]))
