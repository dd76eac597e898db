"""Writing without half-written files, and plain errors for files that cannot be read."""

from __future__ import annotations

import codecs
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from odflow.errors import OdflowError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the place of `path` on success only.

    Works for files and for folders (Zarr). On an error, or an interrupt, `path` is left as it was.
    A symbolic link is followed.

    Raises
    ------
    OdflowError
        If the folder does not exist or cannot be written to, the disk is full, or a folder stands
        where a file should go.
    """
    try:
        target = Path(path).resolve()
        scratch = Path(tempfile.mkdtemp(prefix=".odflow-", dir=target.parent))
    except (OSError, RuntimeError, ValueError) as error:
        raise _cannot("write", path, error) from error
    try:
        temporary = scratch / target.name
        yield temporary
        if target.is_dir() and temporary.is_dir():
            _swap_folders(temporary, target, scratch / "replaced")
        else:
            temporary.replace(target)
    except OSError as error:
        raise _cannot("write", path, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _swap_folders(new: Path, old: Path, aside: Path) -> None:
    old.rename(aside)
    try:
        new.replace(old)
    except BaseException:
        aside.rename(old)
        raise


def _cannot(do: str, path: str | Path, error: Exception) -> OdflowError:
    return OdflowError(f"cannot {do} {path}: {getattr(error, 'strerror', None) or error}")


def readable(path: str | Path) -> Path:
    """Return `path` if it is a file that can be read.

    Raises
    ------
    OdflowError
        Missing, a folder, without permission, or empty.
    """
    file = Path(path)
    try:
        found = file.stat()
    except FileNotFoundError as error:
        raise OdflowError(f"{file}: no such file") from error
    except (OSError, ValueError) as error:
        raise _cannot("read", path, error) from error
    if stat.S_ISDIR(found.st_mode):
        raise OdflowError(f"{file}: is a folder, expected a file")
    if not os.access(file, os.R_OK):
        raise OdflowError(f"{file}: no permission to read")
    if stat.S_ISREG(found.st_mode) and found.st_size == 0:  # a pipe always states size 0
        raise OdflowError(f"{file}: is empty")
    return file


def read_text(path: str | Path) -> str:
    """Read a UTF-8 text file; a byte-order mark is dropped, Latin-1 is the fallback.

    Raises
    ------
    OdflowError
        As :func:`readable`, or if the file is binary.
    """
    try:
        data = readable(path).read_bytes()
    except OSError as error:
        raise _cannot("read", path, error) from error
    if not data:
        raise OdflowError(f"{path}: is empty")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise OdflowError(f"{path}: is UTF-16 text; save it as UTF-8")
    if b"\x00" in data:
        raise OdflowError(f"{path}: is not a text file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
