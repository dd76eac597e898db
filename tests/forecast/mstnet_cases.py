"""Random windows of a few nodes, and networks without global random state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from odflow.forecast.inputs import Geometry, Inputs, Shape
from odflow.forecast.mstnet import MSTNet
from odflow.forecast.mstnet_config import MSTNetConfig

CALENDAR = 4


def generator_of(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator_of(seed))


def windows(nodes: int, services: int, batch: int = 2, past: int = 8, lead: int = 4, missing: float = 0.2) -> Inputs:
    known = (torch.rand(batch, past, nodes, services, generator=generator_of(9)) >= missing).float()
    seasonal_known = (torch.rand(batch, past + lead, nodes, services, 3, generator=generator_of(8)) >= missing).float()
    return Inputs(
        normal(batch, past, nodes, services, seed=1) * known,
        known,
        normal(batch, past + lead, nodes, services, 3, seed=5) * seasonal_known,
        seasonal_known,
        normal(batch, past, CALENDAR, seed=2),
        normal(batch, lead, CALENDAR, seed=3),
    )


def neighbourhood(nodes: int, near: int) -> Geometry:
    """Each node, then random others; the last column is empty (weight 0) for nodes of an odd number."""
    generator = torch.Generator().manual_seed(4)
    columns = torch.stack([torch.randperm(nodes, generator=generator) for _ in range(near)], dim=1)
    columns[:, 0] = torch.arange(nodes)
    weight = torch.rand(nodes, near, generator=generator) * 0.9 + 0.05
    weight[:, 0] = 1.0
    if near > 1:
        weight[1::2, -1] = 0.0
    return Geometry(columns, weight)


def small(**changes: Any) -> MSTNetConfig:
    return MSTNetConfig(**{"past": 8, "lead": 4, "start": 4, "width": 8, "heads": 2, "neighbours": 3} | changes)


def built(config: MSTNetConfig, services: int = 2, stir: bool = True) -> MSTNet:
    """A network in eval mode; stirred, what starts at 0 is random too."""
    shape = Shape(
        past=config.past,
        lead=config.lead,
        services=services,
        calendar=CALENDAR,
        outputs=len(config.quantiles),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = MSTNet(shape, config)
        for parameter in network.parameters():
            if stir and not parameter.any():
                nn.init.normal_(parameter, std=0.2)
    return network.eval()
