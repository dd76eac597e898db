"""Public originals of the data sets: where they are, fetching them, and remembering their SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odflow.errors import DataError, OdflowError
from odflow.files import readable, replacing
from odflow.traffic.zhang import WEEKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ORIGINALS", "Original", "Store", "fetched", "real_data_folder"]


@dataclass(frozen=True)
class Original:
    """One file as its authors publish it.

    Parameters
    ----------
    file : str
        Name in the cache.
    url : str
        Address; empty if there is none that odflow could read.
    by_hand : str
        How to make it by hand, where there is no address.
    """

    file: str
    url: str = ""
    by_hand: str = ""


_UT = "https://www.cs.utexas.edu/~yzhang/research/AbileneTM"
_ULIEGE = "https://totem.run.montefiore.uliege.be/files/data"
_R_PACKAGE = "https://raw.githubusercontent.com/awblocker/networkTomography/dd43bfd6e08d112097de7ee29ef4b53a63102335"
ORIGINALS: dict[str, tuple[Original, ...]] = {
    "abilene": (
        Original("topo-2003-04-10.txt", f"{_UT}/topo-2003-04-10.txt"),
        *(Original(f"{week}.gz", f"{_UT}/{week}.gz") for week in list(WEEKS)[:17]),
    ),
    "geant": (Original("traffic-matrices-anonymized-v2.tar.bz2", f"{_ULIEGE}/traffic-matrices-anonymized-v2.tar.bz2"),),
    "bell_labs": (Original("1router.csv", f"{_R_PACKAGE}/data/1router.csv"),),
    "cmu": (
        Original(
            "cmu_X.csv",
            by_hand="it comes as an R object; in R: install.packages('networkTomography'); "
            "data(cmu, package='networkTomography'); write.csv(cmu$X, 'cmu_X.csv', row.names=FALSE)",
        ),
    ),
}


def real_data_folder() -> Path:
    """Where assembled data sets lie outside the cache: ``ODFLOW_REAL_DATA``, else ``../shared/data``."""
    given = os.environ.get("ODFLOW_REAL_DATA")
    return Path(given) if given else Path("..") / "shared" / "data"


@dataclass(frozen=True)
class Store:
    """The cache folder, with ``sha256.json`` beside the files.

    Parameters
    ----------
    folder : Path
    """

    folder: Path

    @classmethod
    def of_user(cls) -> Store:
        """The folder of ``ODFLOW_CACHE``, else ``odflow`` in the platform's cache folder."""
        given = os.environ.get("ODFLOW_CACHE")
        if given:
            return cls(Path(given))
        import pooch

        return cls(Path(pooch.os_cache("odflow")))

    def recorded(self, path: Path) -> str | None:
        """SHA-256 of the first use of a file; ``None`` if there is no record."""
        return self._records().get(self._key(path))

    def verified(self, path: Path) -> str:
        """SHA-256 of a file; recorded if it is in the cache and new, compared if it is not new.

        Raises
        ------
        DataError
            If the file has changed since its first use.
        """
        try:
            with readable(path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise OdflowError(f"cannot read {path}: {error.strerror or error}") from error
        key = self._key(path)
        if not key:
            return digest
        known = self.recorded(path)
        if known is None:
            if os.access(self.folder, os.W_OK):  # a cache may be shared and read-only
                self._record(key, digest)
        elif known != digest:
            raise DataError(
                f"{path}: has changed since its first use (SHA-256 {digest[:12]}…, recorded {known[:12]}…); "
                f"restore it, or delete it and its line in {self._list} to start afresh"
            )
        return digest

    def save(self, name: str, arrays: dict[str, NDArray[Any]]) -> Path:
        """Write arrays as ``.npz``, record its SHA-256 and return the path."""
        path = self.folder / name
        self._forget(self._key(path))
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        self.verified(path)
        return path

    @property
    def _list(self) -> Path:
        return self.folder / "sha256.json"

    def _key(self, path: Path) -> str:
        try:
            return path.resolve().relative_to(self.folder.resolve()).as_posix()
        except ValueError:
            return ""

    def _records(self) -> dict[str, str]:
        try:
            found = json.loads(self._list.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise OdflowError(f"{self._list}: cannot be read ({error}); delete it to start afresh") from error
        if not isinstance(found, dict):
            raise OdflowError(f"{self._list}: is not a list of checksums; delete it to start afresh")
        return {str(key): str(value) for key, value in found.items()}

    def _record(self, key: str, digest: str) -> None:
        self._write(self._records() | {key: digest})

    def _forget(self, key: str) -> None:
        records = self._records()
        if records.pop(key, None):
            self._write(records)

    def _write(self, records: dict[str, str]) -> None:
        with replacing(self._list) as temporary:
            temporary.write_text(json.dumps(dict(sorted(records.items())), indent=1) + "\n", encoding="utf-8")


def fetched(name: str, store: Store, *, progress: bool = True) -> Path:
    """Folder with the originals of a data set; those missing are downloaded, all are verified.

    Raises
    ------
    OdflowError
        If one cannot be had, saying where to put it by hand.
    DataError
        If one has changed since its first use.
    """
    folder = store.folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OdflowError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    for original in ORIGINALS[name]:
        target = folder / original.file
        if not target.exists():
            _download(name, original, target, progress)
        store.verified(target)
    return folder


def _download(name: str, original: Original, target: Path, progress: bool) -> None:
    again = f"put it at {target}, then run 'odflow data get {name}' again"
    if not original.url:
        raise OdflowError(f"{name}: {original.file} cannot be downloaded: {original.by_hand}; {again}")
    import pooch
    from requests.exceptions import RequestException

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        with _Bar(original.file, progress) as bar:
            downloader = pooch.HTTPDownloader(progressbar=bar, timeout=60)
            pooch.retrieve(original.url, known_hash=None, fname=target.name, path=target.parent, downloader=downloader)
    except (RequestException, OSError, ValueError) as error:
        why = type(error).__name__ if isinstance(error, RequestException) else str(error)
        raise OdflowError(f"{name}: cannot download {original.url} ({why}); get it otherwise and {again}") from error
    finally:
        logger.setLevel(level)


class _Bar:
    """A rich progress bar with the few methods that pooch calls; silent without a terminal."""

    def __init__(self, text: str, wanted: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        shown = wanted and sys.stderr.isatty()
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown)
        self._task = self._progress.add_task(text, total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @property
    def total(self) -> int | None:
        """Bytes to come."""
        total = self._progress.tasks[0].total
        return None if total is None else int(total)

    @total.setter
    def total(self, value: int) -> None:
        self._progress.update(self._task, total=value or None)

    def update(self, amount: int) -> None:
        """Count bytes."""
        self._progress.advance(self._task, amount)

    def reset(self) -> None:
        """Start from 0 again, as pooch asks at the end."""

    def close(self) -> None:
        """Pooch calls this at the end."""
