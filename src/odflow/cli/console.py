"""Everything the commands print for people goes through here."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Console:
    """Prints to stdout, unless told to be quiet.

    Parameters
    ----------
    quiet : bool
        Print nothing but what was asked for with :meth:`json`.
    """

    quiet: bool = False

    @property
    def progress(self) -> bool:
        """Whether progress bars make sense: someone watches and wants them."""
        return not self.quiet and sys.stderr.isatty()

    def say(self, text: str = "", style: str | None = None) -> None:
        """Print one line, never wrapped."""
        if self.quiet:
            return
        from rich.text import Text

        _rich().print(Text(text, style=style or ""), soft_wrap=True)

    def fields(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print names and values as two aligned columns."""
        if self.quiet:
            return
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in pairs:
            grid.add_row(Text(f"  {name}"), Text(value))
        _rich().print(grid)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
        """Print a table; columns whose name starts with ``>`` are right-aligned."""
        if self.quiet:
            return
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=True)
        for column in columns:
            right = column.startswith(">")
            table.add_column(Text(column.removeprefix(">")), justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        _rich().print(table)

    @contextmanager
    def steps(self) -> Iterator[Callable[[str], None]]:
        """Show what is being done, on stderr, while someone watches; yields the function to tell it to."""
        if not self.progress:
            yield lambda text: None
            return
        from rich.console import Console as RichConsole

        with RichConsole(stderr=True).status("") as status:
            yield status.update

    def show(self, renderable: Any) -> None:
        """Print something that rich can draw, such as a table."""
        if not self.quiet:
            _rich().print(renderable)

    def json(self, value: Any) -> None:
        """Print JSON, also when quiet: it was asked for."""
        sys.stdout.write(json.dumps(plain(value), indent=2, allow_nan=False) + "\n")


def _rich() -> Any:
    from rich.console import Console as RichConsole

    return RichConsole(width=None if sys.stdout.isatty() else 110, highlight=False, markup=False, emoji=False)


def plain(value: Any) -> Any:
    """Python numbers, lists and dicts for JSON; NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def rate(value: float) -> str:
    """A rate with three digits, ``1.23 Gbit/s``."""
    if not math.isfinite(value):
        return "not measured"
    size, prefix = next(((size, prefix) for size, prefix in PREFIXES if abs(value) >= size), (1.0, ""))
    return f"{_three_digits(value / size)} {prefix}bit/s"


def _three_digits(value: float) -> str:
    return f"{value:.{0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2}f}"


def percent(fraction: float) -> str:
    """``12.3 %``; small ones keep two digits."""
    if not math.isfinite(fraction):
        return "-"
    if 0 < abs(fraction) < 1e-6:
        return "< 0.0001 %"
    return f"{100 * fraction:.1f} %" if abs(fraction) >= 0.01 else f"{100 * fraction:.2g} %"


def duration(seconds: float) -> str:
    """``5 min``, ``2 h``, ``7 days``."""
    for size, name in ((86400.0, "day"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            count = f"{seconds / size:.3g}"
            return f"{count} {name}{'s' if name == 'day' and count != '1' else ''}"
    return f"{seconds:.3g} s"
