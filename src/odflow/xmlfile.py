"""Safe XML reading: no entities, no DTD, no external references."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from odflow.errors import FormatError
from odflow.files import readable

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


_WEB_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*(<[?!][^>]*>\s*)*<(!doctype\s+)?html\b", re.IGNORECASE)


def parse_xml(path: str | Path) -> Element:
    """Parse a file and drop namespaces from the tags.

    Raises
    ------
    FormatError
        Naming the line, for malformed or truncated XML and for entity declarations.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import parse

    file = readable(path)
    try:
        root: Element = parse(str(file), forbid_dtd=False, forbid_entities=True, forbid_external=True).getroot()
    except ParseError as error:
        if _is_web_page(file):
            raise FormatError(file, "is a web page (HTML), not data; download the file itself") from error
        line = error.position[0] if error.position else None
        reason = str(error).split(":")[0].removeprefix("not well-formed (").removesuffix(")")
        raise FormatError(file, f"not well-formed XML ({reason})", line) from error
    except DefusedXmlException as error:
        raise FormatError(file, "declares XML entities, refused for safety; remove them") from error
    except (LookupError, ValueError) as error:
        raise FormatError(file, f"cannot be decoded: {error}") from error
    if root.tag.lower().rpartition("}")[2] == "html":
        raise FormatError(file, "is a web page (HTML), not data; download the file itself")
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


def _is_web_page(file: Path) -> bool:
    if not file.is_file():  # a pipe cannot be read again
        return False
    with file.open("rb") as stream:
        return _WEB_PAGE.match(stream.read(1024)) is not None


def text_of(path: str | Path, parent: Element, tag: str, where: str) -> str:
    """Stripped text of a child element that must exist, for instance ``where="demand 'a_b'"``.

    Raises
    ------
    FormatError
        If it is missing or empty.
    """
    text = parent.findtext(tag)
    if text is None or not text.strip():
        raise FormatError(path, f"{where} has no <{tag}>")
    return text.strip()


def number(path: str | Path, text: str, where: str) -> float:
    """A finite number from XML text.

    Raises
    ------
    FormatError
        Naming the place.
    """
    try:
        value = float(text) if "_" not in text else math.nan  # Python's own 1_000 is no XML number
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(path, f"{where} is '{text[:40]}', expected a finite number")
    return value
