"""The trainings of ``odflow fit`` that need torch; loaded on use."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Literal  # noqa: F401  (Literal: annotation of inherited fields)

from odflow.cli.fit import Files, Flat, Training, train
from odflow.estimate import DDPMTME, VAETME, WGANTME
from odflow.generate import DiffusionConfig, TrafficDiffusion, TrafficVAE, TrafficWGANGP, VAEConfig, WGANConfig


@dataclass(frozen=True, kw_only=True)
class EstimationDiffusionConfig(DiffusionConfig):
    """The defaults of the generator that DDPMTME trains."""

    marginals: float = 0.0


CONFIGS: dict[str, type[DiffusionConfig] | type[VAEConfig] | type[WGANConfig]] = {
    "diffusion": DiffusionConfig,
    "vae": VAEConfig,
    "wgan-gp": WGANConfig,
    "ddpm-tme": EstimationDiffusionConfig,
    "vae-tme": VAEConfig,
    "wgan-tme": WGANConfig,
}


def diffusion(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[DiffusionConfig, Training] = DiffusionConfig(),  # noqa: B008  (frozen)
) -> None:
    """Train a TrafficDiffusion."""
    train(TrafficDiffusion(training), files)


def vae(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[VAEConfig, Training] = VAEConfig(),  # noqa: B008  (frozen)
) -> None:
    """Train a TrafficVAE."""
    train(TrafficVAE(training), files)


def wgan_gp(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[WGANConfig, Training] = WGANConfig(),  # noqa: B008  (frozen)
) -> None:
    """Train a TrafficWGANGP."""
    train(TrafficWGANGP(training), files)


def ddpm_tme(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[EstimationDiffusionConfig, Training] = EstimationDiffusionConfig(),
) -> None:
    """Train a DDPMTME."""
    train(DDPMTME(generator=DiffusionConfig(**asdict(training))), files)


def vae_tme(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[VAEConfig, Training] = VAEConfig(),  # noqa: B008  (frozen)
) -> None:
    """Train a VAETME."""
    train(VAETME(generator=training), files)


def wgan_tme(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[WGANConfig, Training] = WGANConfig(),  # noqa: B008  (frozen)
) -> None:
    """Train a WGANTME."""
    train(WGANTME(generator=training), files)
