"""The documentation is true: its blocks run, what they show is what they print, links and examples work.

All blocks of a page run in order, in one namespace and one empty folder: ``python`` blocks, and ``console``
blocks with lines ``$ odflow ...``. A comment on the line before a block marks it:

=========================  ==============================================================
``<!-- file: NAME -->``    write the block to this file
``<!-- output -->``        what the block before printed; ``...`` stands for any lines
``<!-- exits 2 -->``       the last command ends with this code
``<!-- real data -->``     needs the real-data folder; such blocks run by themselves
``<!-- not run: WHY -->``  only shown
=========================  ==============================================================

``python tests/test_docs.py docs/tutorial.md`` puts in what the blocks print now.
"""

from __future__ import annotations

import io
import os
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import odflow
from odflow.cli import main
from odflow.errors import OdflowWarning

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
LINKED = [*PAGES, *sorted(ROOT.glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FENCE = re.compile(r"(?m)(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.:-])-?\d+\.\d+(?:e[+-]\d+)?")


@dataclass(frozen=True)
class Block:
    """A fenced block: its mark, language and text, and where the text is in the page."""

    mark: str
    language: str
    text: str
    span: tuple[int, int]
    line: int

    @property
    def real(self) -> bool:
        return "real data" in self.mark

    @property
    def runs(self) -> bool:
        return self.language in ("python", "console") and not self.mark.startswith("not run: ")

    @property
    def code(self) -> int:
        stated = re.search(r"exits (\d+)", self.mark)
        return int(stated[1]) if stated else 0


def blocks_of(text: str) -> list[Block]:
    return [
        Block(m["mark"] or "", m["language"], m["text"], m.span("text"), text.count("\n", 0, m.start("text")))
        for m in FENCE.finditer(text)
    ]


def run_block(block: Block, page: Path, names: dict[str, object]) -> str:
    """What a block prints, stdout and stderr together, in the current folder."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        if block.language == "python":
            code = compile("\n" * block.line + block.text, str(page), "exec")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OdflowWarning)
                exec(code, names)
        else:
            commands = block.text.replace("\\\n", " ").splitlines()
            assert all(line.startswith("$ ") for line in commands), f"{page.name}:{block.line}: lines begin with '$ '"
            for line in commands:
                _command(line[2:], block, page, block.code if line == commands[-1] else 0)
    return printed.getvalue()


def _command(line: str, block: Block, page: Path, expected: int) -> None:
    program, *words = shlex.split(line)
    where = f"{page.name}:{block.line + 1}: {line}"
    if program == "odflow":
        code = main(words)
    else:
        assert program in ("head", "cat"), f"{where}: mark it 'not run'"
        done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        sys.stdout.write(done.stdout)
        code = done.returncode
    assert code == expected, f"{where}: exit code {code}\n{sys.stdout.getvalue()}"  # type: ignore[attr-defined]


def run_page(page: Path, *, real: bool) -> list[tuple[Block, str]]:
    """Run a page in the current folder; the blocks of output, each with what was really printed."""
    names: dict[str, object] = {"__name__": "__docs__"}
    printed, shown = None, []
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.mark.startswith("file: ") and not real:
            Path(block.mark.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
        elif block.mark == "output":
            if printed is not None:
                shown.append((block, printed))
        elif block.runs:
            printed = run_block(block, page, names) if block.real == real else None
    return shown


def same_output(shown: str, printed: str) -> bool:
    """Compare line by line; blanks do not matter, and numbers with a point may differ by 1 % or in the last digit."""
    want, have = ([" ".join(line.split()) for line in text.strip().splitlines()] for text in (shown, printed))
    return _match([line for line in want if line], [line for line in have if line])


def _match(want: list[str], have: list[str]) -> bool:
    if not want:
        return not have
    if want[0] == "...":
        return any(_match(want[1:], have[k:]) for k in range(len(have) + 1))
    return bool(have) and _same_line(want[0], have[0]) and _match(want[1:], have[1:])


def _same_line(want: str, have: str) -> bool:
    if NUMBER.split(want) != NUMBER.split(have):
        return False
    pairs = zip(NUMBER.findall(want), NUMBER.findall(have), strict=True)
    return all(abs(float(a) - float(b)) <= max(0.01 * abs(float(a)), _last_digit(a)) for a, b in pairs)


def _last_digit(number: str) -> float:
    mantissa, _, power = number.partition("e")
    return 1.01 * 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch):
    if page.stem in ("howto-learned", "howto-reweight"):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODFLOW_CACHE", str(tmp_path / "cache"))
    for block, printed in run_page(page, real=False):
        assert same_output(block.text, printed), f"{page.name}:{block.line} shows other output than\n{printed}"


@pytest.mark.real
@pytest.mark.parametrize(
    "page", [page for page in PAGES if "<!-- real data" in page.read_text(encoding="utf-8")], ids=lambda page: page.stem
)
def test_blocks_on_real_data(page, real_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(real_data))
    for block, printed in run_page(page, real=True):
        assert same_output(block.text, printed), f"{page.name}:{block.line} shows other output than\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_run_or_says_why_not(page):
    for block in blocks_of(page.read_text(encoding="utf-8")):
        where = f"{page.name}:{block.line}"
        assert block.language not in ("sh", "bash", "py", "shell"), f"{where}: use 'python' or 'console'"
        assert block.language != "text" or block.mark, f"{where}: mark it 'output' or 'not run: why'"
        known = r"(file: \S+|output|exits \d+|real data|not run: .+|)"
        assert re.fullmatch(known, block.mark), f"{where}: unknown mark '{block.mark}'"


def test_comparison_of_output():
    assert same_output("TRE  0.335\n", "TRE 0.336")
    assert same_output("a\n...\nz", "a\nb\nc\nz")
    assert same_output("residual 8.69e-07", "residual 8.70e-07")
    for other in ("TRE 0.345", "SRE 0.335", "TRE 0.335 x", "TRE 0.335\nmore", ""):
        assert not same_output("TRE 0.335", other)
    assert not same_output("96 x 15 min", "97 x 15 min")
    assert not same_output("2026-01-25 00:00", "2026-01-26 00:00")


def _slugs(page: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page if not name else (page.parent / name).resolve()
        assert file.exists(), f"{page.name} links to {target}, which is not there"
        assert not anchor or anchor in _slugs(file), f"{page.name} links to {target}, which has no such heading"


def test_index_links_to_every_page_and_example():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for file in [*PAGES, *EXAMPLES]:
        name = file.name if file.parent.name == "docs" else f"../examples/{file.name}"
        assert file.name == "index.md" or f"]({name})" in text, f"docs/index.md does not link to {name}"


def test_public_names_and_commands_are_explained():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    commands = ("demo", "network show", "network convert", "route", "diagnose", "counters", "estimate", "evaluate")
    commands += ("fit", "sample", "benchmark estimation", "benchmark synthesis", "benchmark speed")
    commands += ("data list", "data get", "data check")
    expected = [f"odflow {command}" for command in commands] + [name for name in odflow.__all__ if name[0] != "_"]
    assert [name for name in expected if name not in text] == []


PRINTS = {
    "no_history": r"2016 traffic matrices, 10\.0 Gbit/s\n\d+ routings, [\d,]+ polls, 671 x 16 loads\nworld \d+: ",
    "own_network": r"A -> B +457\n",
    "link_failure": r"IPLSng->KSCYng both ways +ATLAng->HSTNng +36% +113% +\d+% +\d+% +113%\n",
    "counters": r"never beyond the stated bound: True\nnot measured: 2\.6%",
    "compare_estimators": r"GaussianPosterior, history +0\.16\d +0\.16\d",
    "corrupted_counter": r"warning: suspicious counter 'R2->R3' \(24 of 24 times\).*\nscreen=True: TRE 0\.03",
    "researcher_protocol": r"data set 'abilene' is not here",
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_leaves_nothing_behind(example, tmp_path, monkeypatch, capsys):
    assert len(example.read_text(encoding="utf-8").splitlines()) < 60
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("ODFLOW_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr(sys, "argv", [str(example)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OdflowWarning)
        runpy.run_path(str(example), run_name="__main__")
    assert re.search(PRINTS[example.stem], capsys.readouterr().out)
    assert not list(tmp_path.iterdir())


def test_own_network_example_takes_files(tmp_path, monkeypatch):
    names = runpy.run_path(str(ROOT / "examples" / "own_network.py"))
    (tmp_path / "links.csv").write_text(names["LINKS"], encoding="utf-8")
    (tmp_path / "loads.csv").write_text(names["LOADS"], encoding="utf-8")
    files = [str(tmp_path / name) for name in ("links.csv", "loads.csv", "tm.csv")]
    monkeypatch.setattr(sys, "argv", ["own_network.py", *files])
    runpy.run_path(str(ROOT / "examples" / "own_network.py"), run_name="__main__")
    total = odflow.read_demands(files[2]).sum(("origin", "destination"))
    assert total.values == pytest.approx([2825, 2967.5], rel=0.01)  # bit/s, what enters at A, B, C and D


@pytest.mark.real
def test_protocol_example_on_real_data(real_data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODFLOW_REAL_DATA", str(real_data))
    monkeypatch.setattr(sys, "argv", ["researcher_protocol.py"])
    runpy.run_path(str(ROOT / "examples" / "researcher_protocol.py"), run_name="__main__")
    assert re.search(r"gravity\+kl +TRE mean 0\.325", capsys.readouterr().out)


def test_version_is_the_same_everywhere():
    citation, changes = ((ROOT / name).read_text(encoding="utf-8") for name in ("CITATION.cff", "CHANGELOG.md"))
    assert f"\nversion: {odflow.__version__}\n" in citation
    assert re.search(rf"(?m)^## {re.escape(odflow.__version__)}\b", changes)


def update(page: Path, *, real: bool) -> None:
    """Put what the blocks print now into the page."""
    with TemporaryDirectory() as folder, chdir(folder):
        shown = run_page(page, real=real)
    text = page.read_text(encoding="utf-8")
    for block, printed in reversed(shown):
        if not same_output(block.text, printed):
            lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
            text = text[: block.span[0]] + "\n".join(lines) + "\n" + text[block.span[1] :]
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("ODFLOW_REAL_DATA", str(ROOT.parent / "shared" / "data"))
    for argument in sys.argv[1:]:
        for real_blocks in (False, True):
            update(Path(argument).resolve(), real=real_blocks)
