"""docs/chain.md: its sessions, run as they stand there, say what they say there."""

import re
import shlex
from pathlib import Path

import pytest
from mogreps_uk import UK
from typer.testing import CliRunner

from smoecast.cli.main import app

PAGE = (Path(__file__).parents[2] / "docs" / "chain.md").read_text()
MINE = "<!-- run by tests/program/test_chain_page.py -->\n```\n(.*?)```"
SESSION, ENSEMBLE = re.findall(MINE, PAGE, re.DOTALL)


def follow(session: str) -> None:
    """Run what is typed, and hold what it prints against what stands there, but for figures."""
    for part in session.replace("\\\n", "").split("$ smoecast ")[1:]:
        line, _, shown = part.partition("\n")
        done = CliRunner().invoke(app, shlex.split(line))
        assert done.exit_code == 0, (line, done.output)
        said = {without_figures(one) for one in done.output.splitlines()}
        for one in shown.splitlines():
            if one and not one.startswith("("):
                assert without_figures(one) in said, (line, one, done.output)


def without_figures(line: str) -> str:
    """Return a line without what another machine may round in another way."""
    line = re.sub(r"^\S+Z ", "", re.sub(r"-{2,}", "--", line))
    return " ".join(re.sub(r"\d[\d.,]*", "#", line.partition(", best so far")[0]).split())


@pytest.mark.slow
def test_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow(SESSION)


@pytest.mark.slow
@pytest.mark.skipif(not UK.exists(), reason="../shared/data is not there")
def test_an_ensemble_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("history", "truth", "forecast"):
        (tmp_path / name).symlink_to(UK / name)
    (config,) = re.findall(r"```yaml\n(name: uk.*?)```", PAGE, re.DOTALL)
    (tmp_path / "uk.yaml").write_text(config)
    follow(ENSEMBLE)
