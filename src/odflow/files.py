"""Writing without half-written files, and plain errors for files that cannot be read."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from odflow.errors import OdflowError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the place of `path` on success only.

    Works for files and for folders (Zarr). On an error, or an interrupt, `path` is left as it was.

    Raises
    ------
    OdflowError
        If the folder does not exist or cannot be written to.
    """
    target = Path(path)
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".odflow-", dir=target.parent))
    except OSError as error:
        raise OdflowError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        temporary = scratch / target.name
        yield temporary
        if target.is_dir() and temporary.is_dir():
            target.rename(scratch / "replaced")
        try:
            temporary.replace(target)
        except OSError as error:
            raise OdflowError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def readable(path: str | Path) -> Path:
    """Return `path` if it is a file that can be read.

    Raises
    ------
    OdflowError
        Missing, a folder, without permission, or empty.
    """
    file = Path(path)
    if not file.exists():
        raise OdflowError(f"{file}: no such file")
    if file.is_dir():
        raise OdflowError(f"{file}: is a folder, expected a file")
    if not os.access(file, os.R_OK):
        raise OdflowError(f"{file}: no permission to read")
    if file.stat().st_size == 0:
        raise OdflowError(f"{file}: is empty")
    return file


def read_text(path: str | Path) -> str:
    """Read a UTF-8 text file; a byte-order mark is dropped, Latin-1 is the fallback.

    Raises
    ------
    OdflowError
        As :func:`readable`, or if the file is binary.
    """
    data = readable(path).read_bytes()
    if b"\x00" in data:
        raise OdflowError(f"{path}: is not a text file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
