from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odflow.errors import FormatError, OdflowError
from odflow.xmlfile import number, parse_xml, text_of


def parse(folder: Path, data: str | bytes):
    file = folder / "file.xml"
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return parse_xml(file)


def test_namespaces_are_dropped(tmp_path: Path) -> None:
    root = parse(tmp_path, "<a xmlns='urn:x'><b k='1'>text</b><!-- no --><?pi no?></a>")
    assert [element.tag for element in root.iter()] == ["a", "b"]
    assert root.find("b").attrib == {"k": "1"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("<a>\n<b>\n", r"file.xml:3: not well-formed XML \(no element found\)"),
        ("<a>\n</b>", r"file.xml:2: not well-formed XML \(mismatched tag\)"),
        ("<a b='1' b='2'/>", "duplicate attribute"),
        ("plain text", r"file.xml:1: not well-formed XML \(syntax error\)"),
        ("<!DOCTYPE html>\n<html><body>404<br></body></html>", r"file.xml: is a web page \(HTML\)"),
        ("<!-- x -->\n<!doctype HTML>\n<head>", r"file.xml: is a web page \(HTML\)"),
        ("<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", r"file.xml: is a web page \(HTML\)"),
        ("<a><html></a>", "file.xml:1: not well-formed"),
        ("<a>&unknown;</a>", "undefined entity"),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "declares XML entities"),
        ("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><a>&x;</a>", "declares XML entities"),
        ("<?xml version='1.0' encoding='klingon'?><a/>", "unknown encoding"),
        ("<?xml version='1.0' encoding='shift_jis'?><a/>", "multi-byte"),
        (b"<a>\xff</a>", "invalid token"),
        (b"<a>\x00</a>", "invalid token"),
    ],
)
def test_bad_files(tmp_path: Path, data: str | bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse(tmp_path, data)


def test_an_entity_bomb_is_refused(tmp_path: Path) -> None:
    entities = "".join(f"<!ENTITY x{i} '{f'&x{i - 1};' * 10}'>" for i in range(1, 20))
    with pytest.raises(FormatError, match="declares XML entities"):
        parse(tmp_path, f"<!DOCTYPE a [<!ENTITY x0 'boom'>{entities}]><a>&x19;</a>")


def test_a_harmless_doctype_is_read(tmp_path: Path) -> None:
    assert parse(tmp_path, "<!DOCTYPE a SYSTEM 'http://localhost:1/a.dtd'><a/>").tag == "a"


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(min_size=1, max_size=60), st.text("<>/a&;!?='\" [x\n", min_size=1, max_size=60)))
def test_nothing_but_our_own_errors(tmp_path: Path, data: bytes | str) -> None:
    with suppress(OdflowError):
        parse(tmp_path, data)


def test_text_of(tmp_path: Path) -> None:
    root = parse(tmp_path, "<a><b> x </b><c> </c></a>")
    assert text_of("f", root, "b", "demand '1'") == "x"
    for tag in ("c", "d"):
        with pytest.raises(FormatError, match=f"f: demand '1' has no <{tag}>"):
            text_of("f", root, tag, "demand '1'")


def test_number() -> None:
    assert number("f", " 1.5e3 ", "capacity") == 1500.0
    for text in ("", "x", "nan", "inf", "-inf", "1_000", "1,5"):
        with pytest.raises(FormatError, match=f"f: capacity is '{text}', expected a finite number"):
            number("f", text, "capacity")
