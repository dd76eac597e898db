"""Which format a file of traffic has, by suffix and content."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

from odflow.errors import FormatError, OdflowError
from odflow.files import readable

__all__ = ["ARRAY_FORMATS", "FORMATS", "recognise"]

ARRAY_FORMATS = ("netcdf", "zarr", "parquet", "csv")
FORMATS = (*ARRAY_FORMATS, "zhang", "sndlib-xml", "sndlib-native", "totem", "repetita")

_SUFFIXES = {
    ".nc": "netcdf",
    ".nc4": "netcdf",
    ".zarr": "zarr",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".demands": "repetita",
}
_MAGIC = {b"\x89HDF": "netcdf", b"PAR1": "parquet"}
_ROOTS = {"TrafficMatrixFile": "totem", "network": "sndlib-xml"}


def recognise(path: Path) -> str:
    """Name of the format, one of :data:`FORMATS`.

    Raises
    ------
    OdflowError
        If the file cannot be read, or nothing tells.
    """
    if path.is_dir():
        if any((path / name).exists() for name in (".zgroup", ".zarray", "zarr.json")) or path.suffix == ".zarr":
            return "zarr"
        raise OdflowError(f"{path}: is a folder inside the folder; choose the files, as in 'folder/**/*.xml'")
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    known = _SUFFIXES.get(suffix.lower())
    if known:
        return known
    start = _start(path)
    if start[:4] in _MAGIC:
        return _MAGIC[start[:4]]
    text = start.decode("latin-1").lstrip("\ufeff\xef\xbb\xbf \t\r\n")
    if text.startswith("<"):
        return _xml(path, text)
    if text.startswith("?SNDlib") or re.search(r"(?m)^(NODES|DEMANDS|META) \(", text):
        return "sndlib-native"
    if re.match(r"DEMANDS(\s+\d+)?\s", text):
        return "repetita"
    if re.match(r"[-+0-9.eE]+([ \t]+[-+0-9.eE]+){4}", text):
        return "zhang"
    raise FormatError(
        path,
        "is of no format that odflow knows; the suffix can tell (.nc, .zarr, .parquet, .csv, .demands), "
        f"or format=, one of {', '.join(FORMATS)}",
    )


def _xml(path: Path, text: str) -> str:
    root = re.search(
        r"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s/>]", re.sub(r"(?s)<!--.*?-->|<[?!][^>]*>", "", text)
    )
    name = root[1] if root else ""
    if name in _ROOTS:
        return _ROOTS[name]
    if name.lower() == "html":
        raise FormatError(path, "is a web page (HTML), not data; download the file itself")
    what = "a TOTEM topology" if name == "domain" else f"XML with <{name}>" if name else "XML without a root"
    raise FormatError(path, f"is {what}, not a traffic matrix; choose the files, as in 'folder/TM-*.xml'")


def _start(path: Path) -> bytes:
    readable(path)
    try:
        with path.open("rb") as file:
            start = file.read(8192)
        if start[:2] != b"\x1f\x8b":
            return start
        with gzip.open(path) as packed:
            return packed.read(8192)
    except (OSError, EOFError, zlib.error) as error:
        raise OdflowError(f"{path}: cannot be read: {error}") from error
