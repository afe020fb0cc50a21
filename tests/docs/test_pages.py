"""The pages that a reader follows: their files are written and their commands called, in order."""

import re
import shlex
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from doc_blocks import ROOT, Block, blocks, calls
from doc_worlds import WORLDS
from typer.testing import CliRunner

from smoecast.cli.main import app

Captured = pytest.CaptureFixture[str]
SHARED = ROOT.parent / "shared" / "data"
QUICK = [page for page, world in WORLDS.items() if not world.slow]
SLOW = [page for page in WORLDS if WORLDS[page].slow]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which commands are called."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", QUICK)
def test_a_page_can_be_followed(page: str, place: Path, capsys: Captured) -> None:
    follow(page, place, capsys, quick=True)


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW)
def test_a_page_can_be_followed_as_it_stands(page: str, place: Path, capsys: Captured) -> None:
    follow(page, place, capsys, quick=False)


def follow(page: str, place: Path, capsys: Captured, *, quick: bool) -> None:
    """Do what a page says, block by block."""
    with ExitStack() as stack:
        more = WORLDS[page].prepare(place, stack)
        more = {**more, **WORLDS[page].quicker} if quick else more
        names: dict[str, object] = {"__name__": page}
        said = ""
        as_shown = True
        for block in blocks(page):
            if block.note.startswith(("not run:", "run by")) or is_out_of_reach(block):
                continue
            file = re.match(r"# (\S+\.(?:yaml|py))\n", block.text)
            if file and block.language in ("yaml", "python"):
                Path(file[1]).write_text(block.text)
            elif block.language == "python":
                capsys.readouterr()
                exec(compile(block.text, str(block), "exec"), names)
                said += capsys.readouterr().out
            elif block.language == "text" and as_shown:
                check_output(block, block.text, said)
            for line in block.lines:
                said, as_it_stands = call(line, block, more)
                as_shown = as_shown and as_it_stands  # what was made quicker, later commands read
                if as_shown:
                    check_output(block, shown_after(line, block), said)


def is_out_of_reach(block: Block) -> bool:
    """Whether a block reads data that lies beside the repository, and there is none."""
    return "../shared/data" in block.text and not SHARED.exists()


def call(line: str, block: Block, more: Mapping[str, tuple[str, ...]]) -> tuple[str, bool]:
    """Call the commands of a line; return what they said, and whether they stand so in the page."""
    found = list(calls(line))
    if not found:
        done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (str(block), line, done.stderr)
        return done.stdout, True
    wanted = re.fullmatch(r"ends with (\d+)", block.note)
    said, as_it_stands = "", True
    for words in found:
        added = more.get(words[0], ())
        as_it_stands = as_it_stands and not added
        result = CliRunner().invoke(app, [*words, *added])
        assert result.exit_code == (int(wanted[1]) if wanted else 0), (
            f"{block}: {shlex.join([*words, *added])}\n{result.output}\n{result.exception}"
        )
        said += result.output
    return said, as_it_stands


def shown_after(line: str, block: Block) -> str:
    """Return what a block shows between a command and the next one."""
    text = block.text.replace("\\\n", " ")
    found = re.findall(rf"^\$ {re.escape(line)}\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    return found[0] if found else ""


def check_output(block: Block, shown: str, said: str) -> None:
    """Hold what is shown against what was said, line by line, but for figures."""
    heard = {_without_figures(part) for part in said.splitlines()}
    for part in shown.splitlines():
        if part.strip() and part.strip() != "...":
            assert _without_figures(part) in heard, f"{block}: {part!r} is not in\n{said}"


def _without_figures(text: str) -> str:
    return " ".join(re.sub(r"[\d.,:T-]*\d[\d.,:TZ-]*", "#", re.sub(r"-{2,}", "--", text)).split())
