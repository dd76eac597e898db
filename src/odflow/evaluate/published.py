"""Results of other systems as published, for comparison; nothing here was run again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One published row on the protocol of Yuan et al. (2023).

    Parameters
    ----------
    method : str
    source : str
        Where the numbers were printed.
    tre_mean, tre_max, sre_mean, sre_median : float or None
        Over all flows, the diagonal included; ``None`` where not printed.
    rmse : float or None
        In a scale of the paper's own; not comparable.
    """

    method: str
    source: str
    tre_mean: float
    tre_max: float | None = None
    sre_mean: float | None = None
    sre_median: float | None = None
    rmse: float | None = None


_YUAN = "Yuan et al. 2023"
_FLOWTM = "FlowTM+ paper"

_ABILENE = (
    Published("DDPM-TME", _YUAN, 0.196, 0.318, 0.487, 0.380, 0.0312),
    Published("FlowTM+", _FLOWTM, 0.190),
    Published("WGAN-GP", _YUAN, 0.248, 0.863, 0.873, 0.533, 0.0362),
    Published("VAE-TME", _YUAN, 0.841, 0.977, 1.024, 0.878, 0.1464),
)
_GEANT = (
    Published("DDPM-TME", _YUAN, 0.359, 0.651, 1.039, 0.848, 0.0255),
    Published("FlowTM+", _FLOWTM, 0.256),
    Published("WGAN-GP", _YUAN, 0.680, 0.887, 5.652, 1.472, 0.0401),
    Published("VAE-TME", _YUAN, 0.879, 1.119, 2.415, 0.968, 0.0630),
)


def published(dataset: str) -> tuple[Published, ...]:
    """Published rows for a data set; empty if there are none."""
    match dataset:
        case "abilene":
            return _ABILENE
        case "geant":
            return _GEANT
        case _:
            return ()
