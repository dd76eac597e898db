"""Networks that come with odflow: trained on simulated worlds alone, so that every real network is new to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odflow.errors import OdflowError, UsageError
from odflow.estimate.networks import networks_in
from odflow.modelfile import shipped_model

if TYPE_CHECKING:
    from torch import nn

    from odflow.estimate.lessons import LessonConfig


def pretrained(file: str, network: type[nn.Module], config: LessonConfig) -> list[nn.Module]:
    """The networks of a file that comes with odflow; it says how they were made.

    Raises
    ------
    UsageError
        If `config` asks for other sizes than theirs.
    """
    model = shipped_model("odflow.estimate", file)
    try:
        return networks_in(model.tensors, model.header["networks"], network, config)
    except OdflowError as error:
        raise UsageError(
            "the pretrained networks have the default sizes; for others, train on weights of your own ('own')"
        ) from error
