"""The ``odflow`` command: parsing, and errors as one line on stderr."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from odflow.cli.inputs import TYPED
from odflow.errors import OdflowError, OdflowWarning

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["main"]

BAD_INPUT, INTERNAL, INTERRUPTED, BROKEN_PIPE, TERMINATED = 2, 1, 130, 141, 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``odflow`` on the command line; ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        0 when all went well, 2 for bad input (one line on stderr says what), 1 for a bug in odflow,
        130 after an interrupt, 141 when the reader of stdout went away, 143 when told to end (SIGTERM).

    Notes
    -----
    Set ``ODFLOW_DEBUG`` to see tracebacks.
    """
    if arguments is None:
        # end like after an interrupt, so that no half-written file stays behind
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    TYPED.set(tuple(tokens))
    with _plain_warnings():
        try:
            _app(tokens)(tokens, result_action="return_value", exit_on_error=False, print_error=False, verbose=False)
            sys.stdout.flush()
        except BaseException as error:
            if os.environ.get("ODFLOW_DEBUG"):
                raise
            return _exit_code(error)
    return 0


def _app(tokens: Sequence[str]) -> App:
    from odflow.cli.app import build

    return build(_config_file(tokens))


def _config_file(tokens: Sequence[str]) -> Path | None:
    for i, token in enumerate(tokens):
        if token == "--":
            break
        if token.startswith("--config="):
            return Path(token.partition("=")[2])
        if token == "--config" and i + 1 < len(tokens):
            return Path(tokens[i + 1])
    return None


def _exit_code(error: BaseException) -> int:
    # rich turns a broken pipe into an exit of its own
    if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
        _discard_stdout()
        return BROKEN_PIPE
    hints = getattr(error, "__notes__", [])
    if isinstance(error, SystemExit):
        if hints:
            _stderr(f"odflow: told to end; {'; '.join(hints)}")
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, KeyboardInterrupt):
        _stderr("; ".join(["odflow: interrupted", *hints]))
        return INTERRUPTED
    message = _expected(error)
    if message is None:
        kind = type(error).__name__
        message = f"internal error, {kind}: {error}; this is a bug in odflow, ODFLOW_DEBUG=1 shows where"
    _stderr(f"odflow: error: {message}")
    return INTERNAL if message.startswith("internal error") else BAD_INPUT


def _expected(error: BaseException) -> str | None:
    """The message for an error that is the input's or the machine's fault, else None."""
    from cyclopts import CycloptsError

    if isinstance(error, (OdflowError, CycloptsError)):
        return str(error)
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {reason}" if error.filename else reason
    if isinstance(error, MemoryError):
        return "not enough memory; use fewer intervals or nodes at a time, or a machine with more memory"
    return None


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print odflow's warnings as one line each, once; others only if Python was asked for them."""
    seen: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        text = str(message)
        if text not in seen and (issubclass(category, OdflowWarning) or sys.warnoptions):
            seen.add(text)
            _stderr(f"odflow: warning: {text}")

    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=OdflowWarning)
        warnings.showwarning = show
        yield


def _stderr(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(" ".join(text.split()) + "\n")
        sys.stderr.flush()


def _discard_stdout() -> None:
    """Keep Python from failing once more when it flushes stdout at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
