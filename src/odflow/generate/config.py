"""Configurations of generators; they can be used without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

from odflow.errors import UsageError
from odflow.training.config import TrainingConfig

MOST_STEPS = 100_000  # of a diffusion; both limits keep a model small that a damaged file describes
MOST_BLOCKS = 100


def at_least(least: int, **counts: int) -> None:
    """Raise :class:`UsageError` unless every value is a whole number of at least `least`."""
    for name, value in counts.items():
        if int(value) != value or value < least:
            raise UsageError(f"{name} is {value}, expected a whole number of at least {least}")


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise :class:`UsageError` unless the value is one of the choices."""
    if value not in choices:
        raise UsageError(f"{name} is '{value}', expected one of {', '.join(choices)}")


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(TrainingConfig):
    """What all generators have in common.

    Parameters
    ----------
    epochs : int
        Passes over the history; above 0 it takes the place of `steps`.
    holdout : float
        Share of the history, its end, that is kept from the training to validate on.
    half_life : float
        Days in which a TM's part in the training falls to half, so that recent ones count most; 0 = all alike.
    scale_power : float
        Exponent of the mean in the scale of each flow, see ``FlowScaling``: 1 = all flows count alike, which suits
        sampling; below, large flows count more, which suits the errors that an estimation is judged by.
    """

    epochs: int = 0
    holdout: float = 0.0
    half_life: float = 0.0
    scale_power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, epochs=self.epochs)
        if not 0 <= self.holdout < 1:
            raise UsageError(f"holdout is {self.holdout}, expected a share of 0 or more and below 1")
        if self.patience and not self.holdout:
            raise UsageError("patience needs data to validate on: set holdout, for instance to 0.1")
        if not 0 <= self.half_life < float("inf"):
            raise UsageError(f"half_life is {self.half_life}, expected days, 0 or more")
        if not -2 <= self.scale_power <= 2:
            raise UsageError(f"scale_power is {self.scale_power}, expected a number between -2 and 2")

    @classmethod
    def full(cls) -> Self:
        """The published sizes, where they differ."""
        return cls()

    def for_rows(self, rows: int) -> Self:
        """The same with `epochs` turned into steps for a history of this many TMs."""
        return replace(self, steps=self.epochs * max(1, rows // self.batch), epochs=0) if self.epochs else self


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig(GeneratorConfig):
    """Parameters of ``TrafficDiffusion``; the defaults suit two CPU cores.

    Parameters
    ----------
    latent : int
        Size of the latent, at most the number of flows; 0 = as in the paper, see
        ``latent_size``.
    whiten : bool
        Latents of variance 1 each, so that all count alike; they are easier to move in an estimation.
        Otherwise they keep their proportions, and a chain settles large ones before small ones.
    hidden : int
        Width of the embedding network's first layer; 0 = twice the latent.
    marginals : float
        Share of each flow's quantile function in the map of its demands to normal scores, see
        ``Marginals``. 1 suits sampling: each flow keeps its
        distribution, for the map is then calibrated on draws of the trained model. 0, a logarithm,
        suits estimation: it means something beyond the demands seen.
    reconstruction : {"l1", "l2"}
        Loss of embedding and recovery, on what is embedded.
    pretrain_steps : int
        Steps at the beginning that train embedding and recovery alone; at most a quarter of all.
    joint : bool
        Go on training embedding and recovery beside the denoiser after that.
    embedding_rate : float
        Learning rate of embedding and recovery, as a share of the denoiser's.
    diffusion_steps : int
        T. The cost does not depend on it.
    schedule : {"linear", "cosine"}
    denoiser : {"mlp", "unet"}
        ``ResidualMLP`` or ``UNet1d``.
    width : int
        Of the denoiser; 0 = 256 for the MLP, 32 channels for the U-Net.
    blocks : int
        Of the MLP.
    loss : {"velocity", "noise"}
        What the denoiser's loss compares: the noise (Ho et al. 2020), or the velocity
        ``sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x_0`` (Salimans, Ho 2022), which weighs noisy
        steps more. The network's output is the velocity either way.
    sampling_steps : int
        S, denoiser evaluations per TM (DDIM).
    eta : float
        Share of injected noise in sampling, from 0 (none) to 1 (as much as DDPM).
    """

    steps: int = 12000
    latent: int = 512
    whiten: bool = False
    hidden: int = 0
    marginals: float = 1.0
    reconstruction: Literal["l1", "l2"] = "l2"
    pretrain_steps: int = 500
    joint: bool = False
    embedding_rate: float = 0.1
    diffusion_steps: int = 1000
    schedule: Literal["linear", "cosine"] = "cosine"
    denoiser: Literal["mlp", "unet"] = "mlp"
    width: int = 0
    blocks: int = 4
    loss: Literal["velocity", "noise"] = "velocity"
    sampling_steps: int = 100
    eta: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, latent=self.latent, hidden=self.hidden, width=self.width, pretrain_steps=self.pretrain_steps)
        at_least(1, blocks=self.blocks, sampling_steps=self.sampling_steps)
        if self.blocks > MOST_BLOCKS:
            raise UsageError(f"blocks is {self.blocks}, expected at most {MOST_BLOCKS}")
        one_of("reconstruction", self.reconstruction, ("l1", "l2"))
        one_of("schedule", self.schedule, ("linear", "cosine"))
        one_of("denoiser", self.denoiser, ("mlp", "unet"))
        one_of("loss", self.loss, ("velocity", "noise"))
        if not self.sampling_steps <= self.diffusion_steps <= MOST_STEPS:
            raise UsageError(
                f"diffusion_steps is {self.diffusion_steps}, expected a number "
                f"from sampling_steps ({self.sampling_steps}) to {MOST_STEPS}"
            )
        for name in ("eta", "marginals", "embedding_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}, expected a share between 0 and 1")

    @classmethod
    def full(cls) -> Self:
        """The size of the published DDPM-TME: U-Net of 1.09 M parameters, 100 epochs in batches of 32.

        The number of pre-training steps, the averaging of the weights and the limit of the gradient
        are ours, the paper names none.
        """
        return cls(
            epochs=100,
            batch=32,
            latent=0,
            joint=True,
            embedding_rate=1.0,
            schedule="linear",
            denoiser="unet",
            reconstruction="l2",
            loss="noise",
            pretrain_steps=5000,
            sampling_steps=200,
        )


@dataclass(frozen=True, kw_only=True)
class VAEConfig(GeneratorConfig):
    """Parameters of ``TrafficVAE``; the defaults suit two CPU cores.

    Parameters
    ----------
    latent : int
        Size of the latent.
    width, layers : int
        Hidden layers of the encoder, and as many of the decoder.
    reconstruction : {"l1", "l2"}
        Mean absolute or mean square difference of the square roots of the scaled demands.
    beta : float
        Weight of the KL term; 1 = the likelihood of errors that follow the Laplace (L1) or normal (L2)
        distribution as wide as the errors of the batch.
    warmup : float
        Share of the steps in which the weight of the KL term grows linearly from 0 to `beta`.
    residual : bool
        Add to each sampled flow noise as large as the decoder's mean error for it; without, samples
        vary much less than the data. It has no part in ``TrafficVAE.decode``.
    """

    steps: int = 10000
    latent: int = 128
    width: int = 512
    layers: int = 1
    reconstruction: Literal["l1", "l2"] = "l1"
    beta: float = 1.5
    warmup: float = 0.1
    residual: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, latent=self.latent, width=self.width, layers=self.layers)
        one_of("reconstruction", self.reconstruction, ("l1", "l2"))
        if not 0 <= self.beta < float("inf"):
            raise UsageError(f"beta is {self.beta}, expected a number of 0 or more")
        if not 0 <= self.warmup <= 1:
            raise UsageError(f"warmup is {self.warmup}, expected a share between 0 and 1")

    @classmethod
    def full(cls) -> Self:
        """A larger network and 200 passes over the history."""
        return cls(epochs=200, width=1024, layers=2)


@dataclass(frozen=True, kw_only=True)
class WGANConfig(GeneratorConfig):
    """Parameters of ``TrafficWGANGP``; the defaults suit two CPU cores. A step is one step of the critic.

    Parameters
    ----------
    latent : int
        Size of the generator's input.
    width, layers : int
        Hidden layers of the generator.
    critic_width, critic_layers : int
        Hidden layers of the critic.
    critic_steps : int
        Steps of the critic for one of the generator.
    penalty : float
        Weight of the gradient penalty.
    """

    steps: int = 24000
    scale_power: float = 0.5
    batch: int = 64
    learning_rate: float = 1e-3
    final_learning_rate: float = 2e-5
    clip: float = 0.0
    latent: int = 64
    width: int = 512
    layers: int = 1
    critic_width: int = 256
    critic_layers: int = 2
    critic_steps: int = 5
    penalty: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, latent=self.latent, width=self.width, layers=self.layers, critic_steps=self.critic_steps)
        at_least(1, critic_width=self.critic_width, critic_layers=self.critic_layers)
        if not 0 <= self.penalty < float("inf"):
            raise UsageError(f"penalty is {self.penalty}, expected a number of 0 or more")

    @classmethod
    def full(cls) -> Self:
        """Sizes and learning rate of Gulrajani et al. for fully connected networks, 200 passes over the history."""
        return cls(
            epochs=200,
            learning_rate=1e-4,
            final_learning_rate=1e-4,
            width=512,
            layers=3,
            critic_width=512,
            critic_layers=3,
        )
