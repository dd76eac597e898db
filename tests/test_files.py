from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from odflow.errors import OdflowError
from odflow.files import read_text, readable, replacing


def write_half(target: Path, failure: BaseException) -> None:
    with replacing(target) as temporary:
        temporary.write_text("half")
        raise failure


def test_replacing_puts_the_file_in_place(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.suffix == ".csv"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    with pytest.raises(failure):
        write_half(target, failure())
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_nothing_where_nothing_was(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        write_half(tmp_path / "out.csv", RuntimeError())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "out.zarr"
    target.mkdir()
    (target / "stale").write_text("old")
    with replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "fresh").write_text("new")
    assert [file.name for file in target.iterdir()] == ["fresh"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_comes_back_if_it_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.zarr"
    target.mkdir()
    (target / "kept").write_text("old")

    def refuse(self: Path, other: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OdflowError, match="No space left"), replacing(target) as temporary:
        temporary.mkdir()
    assert (target / "kept").read_text() == "old"


def test_a_link_is_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    link.symlink_to(real)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_writing_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(OdflowError, match=r"cannot write .*missing/out.csv: No such file"):
        write_half(tmp_path / "missing" / "out.csv", RuntimeError())
    with pytest.raises(OdflowError, match="Is a directory"), replacing(tmp_path) as temporary:
        temporary.write_text("x")
    assert tmp_path.is_dir()
    with pytest.raises(OdflowError, match=r"cannot write .*: No space left on device"):
        write_half(tmp_path / "full.csv", OSError(28, "No space left on device"))


def test_reading_that_cannot_be(tmp_path: Path) -> None:
    empty, binary, wide = tmp_path / "empty", tmp_path / "binary", tmp_path / "wide"
    empty.touch()
    binary.write_bytes(b"\x89HDF\x00\x01")
    wide.write_bytes("id,source".encode("utf-16"))
    cases = {
        tmp_path / "nowhere": "nowhere: no such file",
        tmp_path: "is a folder",
        empty: "empty: is empty",
        empty / "below": "Not a directory",
        tmp_path / ("x" * 300): "File name too long",
        Path("nul\0byte"): "cannot read",
        binary: "is not a text file",
        wide: "is UTF-16 text; save it as UTF-8",
    }
    for path, message in cases.items():
        with pytest.raises(OdflowError, match=message):
            read_text(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_reading_without_permission(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0)
    with pytest.raises(OdflowError, match="no permission"):
        readable(secret)


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"caf\xc3\xa9", "café"), (b"\xef\xbb\xbfid", "id"), (b"caf\xe9", "café")],
)
def test_encodings(tmp_path: Path, data: bytes, text: str) -> None:
    file = tmp_path / "text"
    file.write_bytes(data)
    assert read_text(file) == text


def test_a_pipe_is_not_empty(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("hello",))
    writer.start()
    assert read_text(pipe) == "hello"
    writer.join()
