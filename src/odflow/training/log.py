"""Losses of every step as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from odflow.errors import OdflowError, UsageError
from odflow.files import replacing

_FIRST = ("step", "seconds")


class LossLog:
    """A CSV file with one row per step: step (from 1 on), seconds of training so far, losses by name.

    Parameters
    ----------
    path : Path
    keep : int
        Steps of an earlier, interrupted run whose rows stay; what follows them is dropped.

    Raises
    ------
    OdflowError
        If the file cannot be read or written.
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        self.path = path
        self._names: list[str] | None = None
        rows = _rows(path, keep) if keep else []
        if rows:
            self._names = rows[0][len(_FIRST) :]
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        self._file: TextIO = path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, step: int, seconds: float, losses: Mapping[str, float]) -> None:
        """Add a row.

        Raises
        ------
        UsageError
            If a loss was not in the first row.
        """
        if self._names is None:
            self._names = list(losses)
            self._writer.writerow([*_FIRST, *self._names])
        if unknown := set(losses) - set(self._names):
            raise UsageError(f"loss '{min(unknown)}' at step {step} is new; a task gives the same losses at every step")
        self._writer.writerow([step, f"{seconds:.3f}", *(repr(losses[n]) if n in losses else "" for n in self._names)])

    def flush(self) -> None:
        """Bring all rows to the file."""
        try:
            self._file.flush()
        except OSError as error:
            raise OdflowError(f"cannot write {self.path}: {error.strerror or error}") from error


def _rows(path: Path, keep: int) -> list[list[str]]:
    """Header and rows up to step `keep`; none if there is no such log."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OdflowError(f"cannot continue the log {path}: {error}") from error
    if not rows:
        return []
    if tuple(rows[0][: len(_FIRST)]) != _FIRST:
        raise OdflowError(
            f"cannot continue the log {path}: its first line is no header of a loss log; name another file"
        )
    whole = [row for row in rows[1:] if len(row) == len(rows[0]) and row[0].isdecimal() and int(row[0]) <= keep]
    return [rows[0], *whole]
