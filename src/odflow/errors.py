"""Exceptions and warnings: every message says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "CounterWarning",
    "DataError",
    "FormatError",
    "InconsistentLoadsWarning",
    "LabelError",
    "MissingDependencyError",
    "NetworkError",
    "NotFittedError",
    "OdflowError",
    "OdflowWarning",
    "RoutingError",
    "TrainingError",
    "UnitError",
    "UnreachableWarning",
    "UsageError",
    "listed",
]


def one_line(text: str) -> str:
    """The text without line breaks; what cannot be printed (control characters, undecoded bytes) is escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(text.splitlines()))


class OdflowError(Exception):
    """Base of every error that odflow raises on purpose; its message is one line, whatever labels hold."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(one_line(arg) if isinstance(arg, str) else arg for arg in args))


class FormatError(OdflowError):
    """A file does not hold what its format promises.

    Parameters
    ----------
    path : path-like
        The file at fault.
    message : str
        What is wrong and what to do.
    line : int, optional
        One-based line number where it is wrong.
    """

    def __init__(self, path: str | Path, message: str, line: int | None = None) -> None:
        place = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{place}: {message}")


class LabelError(OdflowError):
    """Nodes, links or times of two arrays do not match."""


class UnitError(OdflowError):
    """An array is not in bit/s, or its unit is not stated."""


class DataError(OdflowError):
    """Values that cannot be traffic: negative, infinite, of a wrong shape."""


class NetworkError(OdflowError):
    """A network that contradicts itself."""


class RoutingError(OdflowError):
    """A routing that cannot be computed or does not fit the request."""


class NotFittedError(OdflowError):
    """An estimator was asked before it was given what it needs to learn."""


class TrainingError(OdflowError):
    """A training that leads nowhere: losses or weights are no longer finite."""


class UsageError(OdflowError):
    """A parameter or a combination of parameters that makes no sense."""


class MissingDependencyError(OdflowError):
    """An optional package is needed and not installed."""


class OdflowWarning(UserWarning):
    """Base of every warning that odflow emits; one line like an error."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(one_line(arg) if isinstance(arg, str) else arg for arg in args))


class UnreachableWarning(OdflowWarning):
    """Demands between nodes that the routing does not connect."""


class InconsistentLoadsWarning(OdflowWarning):
    """Link loads that no traffic matrix can produce; names the suspicious counters."""


class CounterWarning(OdflowWarning):
    """Polls that could not be used."""


def listed(labels: Iterable[object], limit: int = 5) -> str:
    """Format labels for a message, ``'a', 'b' and 3 more``."""
    items = [str(label) for label in labels]
    text = ", ".join(f"'{item}'" for item in items[:limit])
    return text if len(items) <= limit else f"{text} and {len(items) - limit} more"
