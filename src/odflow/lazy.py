"""What needs torch, imported on use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from odflow.errors import MissingDependencyError


def needs_torch(what: str) -> MissingDependencyError:
    """The error to raise where torch is missing."""
    return MissingDependencyError(f"{what} needs torch; install it with: pip install 'odflow[learn]'")


def from_torch(home: str, name: str, what: str | None = None) -> Any:
    """Import a name from a module that needs torch.

    Raises
    ------
    MissingDependencyError
        Without torch, saying that `what` (by default the name) needs it.
    """
    try:
        return getattr(import_module(home), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise needs_torch(what or name) from error
