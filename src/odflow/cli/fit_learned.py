"""The trainings of ``odflow fit`` that need torch; loaded on use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_type_hints

from odflow.cli.fit import Files, Flat, Training, train
from odflow.estimate import DDPMTME, VAETME, WGANTME
from odflow.generate import DiffusionConfig, TrafficDiffusion, TrafficVAE, TrafficWGANGP, VAEConfig, WGANConfig
from odflow.generate.config import GeneratorConfig

Config = DiffusionConfig | VAEConfig | WGANConfig


def _with_defaults(config: Config) -> type:
    """The class of a configuration with other defaults, which the help then shows."""
    kind = type(config)
    hints = get_type_hints(kind)
    own = [(f.name, hints[f.name], getattr(config, f.name)) for f in fields(kind)]
    namespace = {"__module__": __name__, "__doc__": kind.__doc__}
    return make_dataclass(kind.__name__, own, bases=(kind,), namespace=namespace, frozen=True, kw_only=True)


if TYPE_CHECKING:
    DiffusionForTME: TypeAlias = DiffusionConfig
    VAEForTME: TypeAlias = VAEConfig
    WGANForTME: TypeAlias = WGANConfig
else:
    DiffusionForTME = _with_defaults(DDPMTME()._default_config())
    VAEForTME = _with_defaults(VAETME()._default_config())
    WGANForTME = _with_defaults(WGANTME()._default_config())


@dataclass(frozen=True)
class Configuration:
    """Of a method: its class as the command line takes it, and how its published sizes are made."""

    typed: type[Config]
    published: Callable[[], GeneratorConfig]

    def full(self) -> dict[str, Any]:
        """The published sizes; where the method has defaults of its own, these."""
        return asdict(self.published())


CONFIGURATIONS = {
    "diffusion": Configuration(DiffusionConfig, DiffusionConfig.full),
    "vae": Configuration(VAEConfig, VAEConfig.full),
    "wgan-gp": Configuration(WGANConfig, WGANConfig.full),
    "ddpm-tme": Configuration(DiffusionForTME, lambda: DDPMTME()._default_config(full=True)),
    "vae-tme": Configuration(VAEForTME, lambda: VAETME()._default_config(full=True)),
    "wgan-tme": Configuration(WGANForTME, lambda: WGANTME()._default_config(full=True)),
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
    training: Annotated[DiffusionForTME, Training] = DiffusionForTME(),  # noqa: B008  (frozen)
) -> None:
    """Train a DDPMTME."""
    train(DDPMTME(generator=DiffusionConfig(**asdict(training))), files)


def vae_tme(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[VAEForTME, Training] = VAEForTME(),  # noqa: B008  (frozen)
) -> None:
    """Train a VAETME."""
    train(VAETME(generator=VAEConfig(**asdict(training))), files)


def wgan_tme(
    *,
    files: Annotated[Files, Flat],
    training: Annotated[WGANForTME, Training] = WGANForTME(),  # noqa: B008  (frozen)
) -> None:
    """Train a WGANTME."""
    train(WGANTME(generator=WGANConfig(**asdict(training))), files)
