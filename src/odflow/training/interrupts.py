"""Interrupts that wait until the weights are whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Interrupts:
    """Signals that came in the meantime."""

    pending: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.pending)


@contextmanager
def deferred() -> Iterator[Interrupts]:
    """Hold back SIGINT and SIGTERM; they are delivered at the end of the block, a second one at once.

    Only in the main thread, where Python handles signals, and only those that are not ignored.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: object) -> None:
        interrupts.pending.append(number)
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield interrupts
    finally:
        restore()
    for held in interrupts.pending:
        signal.raise_signal(held)
