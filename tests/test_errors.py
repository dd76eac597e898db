from __future__ import annotations

import inspect

import pytest

from odflow import errors
from odflow.errors import FormatError, OdflowError, OdflowWarning, listed


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (1, "'0'"), (5, "'0', '1', '2', '3', '4'"), (8, "'0', '1', '2', '3', '4' and 3 more")],
)
def test_listed(count: int, text: str) -> None:
    assert listed(range(count)) == text


def test_format_error_names_the_place() -> None:
    assert str(FormatError("a.xml", "no nodes")) == "a.xml: no nodes"
    assert str(FormatError("a.xml", "no nodes", 7)) == "a.xml:7: no nodes"


def test_all_errors_share_one_base() -> None:
    for name in errors.__all__:
        thing = getattr(errors, name)
        if inspect.isclass(thing):
            assert issubclass(thing, OdflowWarning if name.endswith("Warning") else OdflowError)


@pytest.mark.parametrize("kind", [OdflowError, OdflowWarning])
def test_messages_are_one_printable_line(kind: type[Exception]) -> None:
    """Labels come from files: nothing in them may break the line or command the terminal."""
    message = str(kind("node 'a\x1b[2J\r\nb\udcff' is\té"))
    assert message == "node 'a\\x1b[2J b\\udcff' is\\té"
    assert kind(3).args == (3,)
