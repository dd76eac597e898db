"""Everything the commands print for people goes through here."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odflow.training import Progress

WIDTH = 110
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
        if not style or not sys.stdout.isatty():
            _write(text + "\n")
            return
        from rich.text import Text

        _rich().print(Text(text, style=style), soft_wrap=True)

    def fields(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print names and values as two aligned columns."""
        rows = list(pairs)
        indent = max((len(name) for name, _ in rows), default=0) + 4
        for name, value in rows:
            first, *rest = wrap(value, max(_width() - indent, 40), break_on_hyphens=False) or [""]
            self.say(f"  {name:<{indent - 2}}{first}")
            for line in rest:
                self.say(" " * indent + line)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
        """Print a table; columns whose name starts with ``>`` are right-aligned."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=True)
        for column in columns:
            right = column.startswith(">")
            table.add_column(Text(column.removeprefix(">")), justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.show(table)

    @contextmanager
    def steps(self) -> Iterator[Callable[[str], None]]:
        """Show what is being done, on stderr, while someone watches; yields the function to tell it to."""
        if not self.progress:
            yield lambda text: None
            return
        from rich.console import Console as RichConsole

        with RichConsole(stderr=True).status("") as status:
            yield status.update

    @contextmanager
    def bar(self, what: str) -> Iterator[Progress | None]:
        """Show a bar with the time left and the losses, on stderr, while someone watches.

        Yields what to tell (steps done, steps in all, losses by name), or None if nobody does.
        """
        if not self.progress:
            yield None
            return
        from rich import progress as rich
        from rich.console import Console as RichConsole

        text, losses = rich.TextColumn("{task.description}"), rich.TextColumn("{task.fields[losses]}")
        columns = (text, rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn(), losses)
        with rich.Progress(*columns, console=RichConsole(stderr=True), transient=True) as progress:
            task = progress.add_task(what, total=None, losses="")

            def tell(done: int, total: int, losses: Mapping[str, float]) -> None:
                text = "  ".join(f"{name} {value:.3g}" for name, value in losses.items())
                progress.update(task, completed=done, total=total, losses=text)

            yield tell

    def show(self, renderable: Any) -> None:
        """Print something that rich can draw, such as a table."""
        if self.quiet:
            return
        console = _rich()
        if console.is_terminal:
            console.print(renderable)
            return
        with console.capture() as capture:
            console.print(renderable)
        _write("".join(line.rstrip() + "\n" for line in capture.get().splitlines()))

    def json(self, value: Any) -> None:
        """Print JSON, also when quiet: it was asked for."""
        _write(json.dumps(plain(value), indent=2, allow_nan=False) + "\n")


def _write(text: str) -> None:
    """Write to stdout, whatever its encoding can show."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))


def _width() -> int:
    return get_terminal_size().columns if sys.stdout.isatty() else WIDTH


def _rich() -> Any:
    from rich.console import Console as RichConsole

    return RichConsole(width=_width(), highlight=False, emoji=False)


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
    if value == 0:
        return "0 bit/s"
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
