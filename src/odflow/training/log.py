"""Losses of every step as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
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
        with self._plainly():
            self._file: TextIO = path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._plainly():
            self._file.close()

    def write(self, step: int, seconds: float, losses: Mapping[str, float]) -> None:
        """Add a row.

        Raises
        ------
        UsageError
            If a loss was not in the first row.
        OdflowError
            If the file cannot be written.
        """
        with self._plainly():
            if self._names is None:
                self._names = list(losses)
                self._writer.writerow([*_FIRST, *self._names])
            if unknown := set(losses) - set(self._names):
                raise UsageError(f"loss '{min(unknown)}' is new at step {step}; name the same losses at every step")
            values = [repr(losses[name]) if name in losses else "" for name in self._names]
            self._writer.writerow([step, f"{seconds:.3f}", *values])

    def flush(self) -> None:
        """Bring all rows to the file."""
        with self._plainly():
            self._file.flush()

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
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
