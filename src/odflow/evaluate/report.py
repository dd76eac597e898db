"""Writing results: Markdown and JSON, each with its provenance."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shlex
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import odflow
from odflow.files import replacing

if TYPE_CHECKING:
    from rich.table import Table

_LIBRARIES = ("numpy", "scipy", "xarray")


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a result comes from.

    Parameters
    ----------
    command : str
        What to type to get it again.
    date : str
        UTC, to the second.
    seed : int
    odflow : str
        Version.
    commit : str
        Git commit of the sources, with ``+`` if they differ from it; empty if they are not under git.
    python : str
    libraries : dict of str
        Versions of the numerical libraries.
    system, cpu : str
    cpus : int
        Logical processors that this process may use.
    """

    command: str
    date: str
    seed: int
    odflow: str
    commit: str
    python: str
    libraries: dict[str, str]
    system: str
    cpu: str
    cpus: int

    def lines(self) -> list[str]:
        """Markdown list items."""
        libraries = ", ".join(f"{name} {number}" for name, number in self.libraries.items())
        commit = f" (commit {self.commit})" if self.commit else ""
        return [
            f"- command: `{self.command}`",
            f"- date: {self.date}, seed: {self.seed}",
            f"- odflow {self.odflow}{commit}, Python {self.python}, {libraries}",
            f"- {self.system}, {self.cpus} x {self.cpu}",
        ]


def provenance(command: str, seed: int) -> Provenance:
    """Describe this program, this machine and now."""
    return Provenance(
        command=command,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        seed=seed,
        odflow=odflow.__version__,
        commit=git_commit(Path(odflow.__file__).parent),
        python=platform.python_version(),
        libraries={name: _version(name) for name in _LIBRARIES},
        system=f"{platform.system()} {platform.machine()}",
        cpu=cpu_model(),
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )


def git_commit(folder: Path) -> str:
    """Commit of the sources in `folder`, ``+`` if changed since; empty if git does not track them."""
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return ""
    commit = _git(folder, "rev-parse", "--short=12", "HEAD") or ""
    changed = _git(folder, "status", "--porcelain", "--", ".")
    return f"{commit}+" if changed else commit


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def cpu_model() -> str:
    """Model name of the processor as far as the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def command_line(benchmark: str, config: Any) -> str:
    """The ``odflow benchmark`` command that a configuration stands for: flags that are not the default."""
    words = ["odflow", "benchmark", benchmark]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value == field.default:
            continue
        flag = "--" + field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, tuple):
            words += [flag, *map(str, value)]
        else:
            words += [flag, str(value)]
    return shlex.join(words)


class Report(ABC):
    """A result that prints and writes itself."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON types."""

    @abstractmethod
    def markdown(self) -> str:
        """The result as a Markdown section, provenance included."""

    @abstractmethod
    def table(self) -> Table:
        """The main table for the terminal."""

    def to_json(self, path: str | Path) -> None:
        """Write as JSON.

        Raises
        ------
        OdflowError
            If `path` cannot be written to.
        """
        write_text(path, json_text(self.to_dict()))

    def to_markdown(self, path: str | Path) -> None:
        """Write as Markdown; raises as :meth:`to_json`."""
        write_text(path, self.markdown())


def json_text(value: Any) -> str:
    """Indented JSON without NaN."""
    return json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 file in one go; raises ``OdflowError`` if that fails."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def plain(value: Any) -> Any:
    """Turn dataclasses, tuples and numpy numbers into JSON types; values that are not finite become ``None``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def number(value: float | None, digits: int = 3) -> str:
    """Fixed-point from 0.001 to 99,999, else three significant digits; a dash where undefined."""
    if value is None or not np.isfinite(value):
        return "-"
    if value == 0 or 10.0**-digits <= abs(value) < 1e5:
        return f"{value:,.{digits}f}"
    return f"{value:.2e}"


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table whose first `left` columns are text and the others numbers."""
    lines = [headings, ["---" if k < left else "---:" for k in range(len(headings))], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
