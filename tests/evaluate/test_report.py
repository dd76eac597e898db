"""Writers and provenance."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import odflow
from odflow.errors import OdflowError
from odflow.evaluate import report


@dataclass(frozen=True)
class Config:
    name: str = "abilene"
    methods: tuple[str, ...] = ("a", "b")
    noise: float = 0.0
    told_noise: float | None = None
    quick: bool = False
    exact: bool = True


def test_command_line_names_what_is_not_default():
    assert report.command_line("estimation", Config()) == "odflow benchmark estimation"
    config = Config(name="my set", methods=("a", "c"), noise=0.05, told_noise=0.0, quick=True, exact=False)
    assert report.command_line("estimation", config) == (
        "odflow benchmark estimation --name 'my set' --methods a c --noise 0.05 --told-noise 0.0 --quick --no-exact"
    )


def test_plain_turns_everything_into_json_types():
    value = {"x": (np.float64(1.5), np.int64(2), float("nan"), float("inf")), 3: Config(), "none": None, "yes": True}
    found = json.loads(report.json_text(value))
    assert found["x"] == [1.5, 2, None, None]
    assert found["3"]["methods"] == ["a", "b"]
    assert (found["none"], found["yes"]) == (None, True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1804, "0.180"),
        (0.0, "0.000"),
        (1234.5, "1,234.500"),
        (2.5e-7, "2.50e-07"),
        (1.25e9, "1.25e+09"),
        (float("nan"), "-"),
        (None, "-"),
    ],
)
def test_number(value, text):
    assert report.number(value) == text


def test_markdown_table():
    assert report.markdown_table(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_provenance_says_with_what_and_where():
    found = report.provenance("odflow benchmark speed", 7)
    assert (found.command, found.seed, found.odflow) == ("odflow benchmark speed", 7, odflow.__version__)
    assert found.libraries["numpy"] == np.__version__
    assert found.cpus >= 1
    assert found.cpu
    assert "seed: 7" in "\n".join(found.lines())


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_commit_only_of_sources_that_git_tracks(tmp_path):
    assert report.git_commit(tmp_path) == ""
    git(tmp_path, "init")
    (tmp_path / "__init__.py").write_text("")
    git(tmp_path, "commit", "--allow-empty", "-m", "first")
    assert report.git_commit(tmp_path) == ""
    git(tmp_path, "add", "__init__.py")
    git(tmp_path, "commit", "-m", "second")
    clean = report.git_commit(tmp_path)
    assert len(clean) == 12
    (tmp_path / "__init__.py").write_text("x = 1\n")
    assert report.git_commit(tmp_path) == clean + "+"


class Tiny(report.Report):
    def to_dict(self):
        return {"x": float("nan")}

    def markdown(self):
        return "## Tiny: GÉANT\n"

    def table(self):
        raise NotImplementedError


def test_files_are_written_whole(tmp_path):
    Tiny().to_json(tmp_path / "r.json")
    Tiny().to_markdown(tmp_path / "r.md")
    assert json.loads((tmp_path / "r.json").read_text()) == {"x": None}
    assert (tmp_path / "r.md").read_text(encoding="utf-8") == "## Tiny: GÉANT\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json", "r.md"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OdflowError, match="cannot write"):
        Tiny().to_json(tmp_path / "nowhere" / "r.json")
